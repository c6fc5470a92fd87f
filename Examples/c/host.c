/* The daemon without its loop: see host.h. */
#include "host.h"
#include <sys/wait.h>
#include <unistd.h>

const char *job_command = "echo job $1";
const sigset_t *job_mask;
int jobs, ending;
static const char *configuration = "date";
static volatile sig_atomic_t asked;

static void on_usr2(int signo) /* the daemon's own handler, as old as the daemon */
{
    (void)signo;
    asked++;
}

int start_daemon(int argc, char **argv, int mechanism) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1)
        mechanism = strcmp(argv[1], "signalfd") == 0 ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER;
    if (argc > 2)
        job_command = argv[2];
    if (argc > 3)
        configuration = argv[3];
    struct sigaction own = {.sa_handler = on_usr2, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &own, NULL);
    return mechanism;
}

_Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Comes first in main: over signalfd, threads that are made later inherit the block. */
csigshim_bridge *subscribe(int mechanism) {
    csigshim_bridge *bridge;
    if (csigshim_open(&bridge, mechanism) != 0)
        fail("csigshim_open");
    const int signals[] = {SIGHUP, SIGUSR1, SIGTERM, SIGRTMIN};
    sigset_t wanted;
    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&wanted, signals[i]);
    if (csigshim_add_set(bridge, &wanted, 0) != 0) /* all of them, or none */
        fail("csigshim_add_set");
    /* With the handler mechanism, the loop receives SIGUSR2 and the daemon's own handler runs as well. Over signalfd no
     * handler would run, so the daemon keeps the signal for itself. */
    if (mechanism == CSIGSHIM_HANDLER && csigshim_add(bridge, SIGUSR2, CSIGSHIM_CHAIN) != 0)
        fail("csigshim_add");
    /* A thread that was started earlier, perhaps by a library, does not block these signals. A signal that reaches it
     * is recorded by a handler, so nothing is lost, but the thread's system call is interrupted. */
    if (mechanism == CSIGSHIM_SIGNALFD && csigshim_unblocked_threads(SIGTERM, NULL, 0) > 0)
        printf("a thread was started before csigshim_add\n");
    printf("ready\n");
    return bridge;
}

static void reload(void) {
    /* popen and posix_spawn run no fork handlers, so over signalfd their child would inherit what the bridge blocks.
     * ORIGINAL is for a daemon that blocks signals itself, as the one on sd-event does. A SIGCHLD that comes meanwhile
     * is dropped there. sd-event does not need it, because it watches a pidfd. */
    csigshim_spawn scope;
    csigshim_spawn_begin(&scope, job_mask != NULL ? CSIGSHIM_SPAWN_ORIGINAL : 0);
    FILE *lines = popen(configuration, "r");
    csigshim_spawn_end(&scope);
    char line[256];
    while (lines != NULL && fgets(line, sizeof line, lines) != NULL)
        printf("configuration: %s", line);
    if (lines == NULL || pclose(lines) != 0)
        printf("no configuration: the old one stays\n");
}

/* fork needs nothing: the child has the mask and the dispositions from before `subscribe`. */
pid_t fork_job(int value) {
    char number[16];
    snprintf(number, sizeof number, "%d", value);
    const pid_t pid = fork();
    if (pid == 0) {
        if (job_mask != NULL)
            sigprocmask(SIG_SETMASK, job_mask, NULL);
        execl("/bin/sh", "sh", "-c", job_command, "job", number, (char *)NULL);
        _exit(127);
    }
    jobs += pid > 0;
    return pid;
}

void job_ended(pid_t pid, int code, int signo) {
    jobs--;
    printf(signo != 0 ? "job %d: signal %d\n" : "job %d: exit code %d\n", (int)pid, signo != 0 ? signo : code);
}

void reap_jobs(void) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) /* one SIGCHLD may stand for several children */
        job_ended(pid, WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

void receive(csigshim_bridge *bridge, pid_t (*start_job)(int value)) {
    csigshim_event events[16];
    ssize_t count;
    while ((count = csigshim_read(bridge, events, 16)) > 0)
        for (const csigshim_event *event = events; event < events + count; event++) {
            printf("%s from pid %d (uid %u)\n", strsignal(event->signo), (int)event->pid, (unsigned)event->uid);
            if (event->signo == SIGHUP)
                reload();
            else if (event->signo == SIGUSR1)
                start_job(0);
            else if (event->signo == SIGRTMIN)
                start_job((int)event->value);
            else if (event->signo == SIGTERM)
                ending = 1;
        }
    if (count < 0) /* EBADF: the bridge's descriptor was closed; another bridge can be opened */
        fail("csigshim_read");
}

int end_daemon(csigshim_bridge *bridge) {
    printf("ended; asked %d times\n", (int)asked);
    return csigshim_close(bridge);
}
