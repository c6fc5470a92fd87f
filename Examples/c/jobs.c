/* A whole daemon with an epoll loop and children:
 *
 *     cc -std=gnu11 -ISources/CSignalShim/include Examples/c/jobs.c Sources/CSignalShim/[a-z]*.c \
 *         -pthread -ldl -o daemon
 *
 * SIGHUP reloads, and SIGUSR1 starts a job. SIGTERM ends the daemon after its last job. */
#include <CSignalShim.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

static int jobs, ending;

static void start_job(void) {
    const pid_t pid = fork(); /* the child has the original mask and actions */
    if (pid == 0) {
        execl("/bin/sleep", "sleep", "1", (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        jobs++;
}

static void reap_jobs(void) {
    pid_t pid;
    /* One SIGCHLD may stand for several children. */
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        printf("job %d has ended\n", (int)pid);
        jobs--;
    }
}

static void receive(csigshim_bridge *bridge) {
    csigshim_event event;
    while (csigshim_read(bridge, &event, 1) == 1)
        if (event.signo == SIGHUP)
            printf("reload, asked by pid %d\n", (int)event.pid);
        else if (event.signo == SIGUSR1)
            start_job();
        else if (event.signo == SIGCHLD)
            reap_jobs();
        else
            ending = 1;
}

static int failed(const char *what) {
    perror(what);
    return 1;
}

int main(void) {
    csigshim_bridge *bridge;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    /* First thing in main, before any thread. */
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0)
        return failed("csigshim_open");
    if (csigshim_add_set(bridge, &signals, CSIGSHIM_UNBLOCK) != 0)
        return failed("csigshim_add_set"); /* none is added */

    const int descriptor = csigshim_fd(bridge);
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready = {.events = EPOLLIN, .data.fd = descriptor};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &ready) != 0)
        return failed("epoll");
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    while (!ending || jobs > 0)
        /* EINTR: a handler ran, and the next call returns the descriptor. */
        if (epoll_wait(poller, &ready, 1, -1) == 1 && ready.data.fd == descriptor)
            receive(bridge);
    close(poller);
    return csigshim_close(bridge);
}
