/* ending PROGRAM [ARGUMENT...]: runs the program, and prints its pid and how it ended. A shell cannot tell `exit 143`
 * from a death by SIGTERM. After a minute it kills the program, so that none is left behind. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static void give_up(int signo) {
    (void)signo;
    kill(child, SIGKILL);
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    const pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    child = pid;
    signal(SIGALRM, give_up);
    alarm(60);
    printf("started %d\n", (int)pid);
    fflush(stdout);

    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 2;
    if (WIFSIGNALED(status))
        printf("ending: killed %d\n", WTERMSIG(status));
    else
        printf("ending: exited %d\n", WEXITSTATUS(status));
    return 0;
}
