/* A daemon with an epoll loop of its own. With one more descriptor, the loop gets signals with their senders.
 *
 *     cc -std=gnu11 -ISources/CSignalShim/include Examples/c/epoll.c Examples/c/host.c \
 *         Sources/CSignalShim/[a-z]*.c -pthread -ldl -o daemon
 *
 * It has a handler for SIGCHLD, as daemons had before signalfd: that sets a flag, and the loop reaps. */
#include "host.h"
#include <sys/epoll.h>
#include <unistd.h>

static volatile sig_atomic_t child_ended;

static void on_child(int signo) {
    (void)signo;
    child_ended = 1;
}

int main(int argc, char **argv) {
    const int mechanism = start_daemon(argc, argv, CSIGSHIM_HANDLER);
    struct sigaction own = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigaction(SIGCHLD, &own, NULL);

    /* The bridge has SIGCHLD too. CSIGSHIM_CHAIN runs the old handler as before. The descriptor becomes readable as
     * well, so a child that ends between the look at the flag and epoll_wait is noticed at once. */
    csigshim_bridge *bridge = subscribe(mechanism);
    if (csigshim_add(bridge, SIGCHLD, mechanism == CSIGSHIM_HANDLER ? CSIGSHIM_CHAIN : 0) != 0)
        fail("csigshim_add");

    struct epoll_event signals = {.events = EPOLLIN, .data.fd = csigshim_fd(bridge)}, ready[8];
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &signals) != 0)
        fail("epoll");
    while (!ending || jobs > 0) {
        const int count = epoll_wait(poller, ready, 8, -1); /* EINTR: a handler ran; the next call tells */
        for (int i = 0; i < count; i++)
            if (ready[i].data.fd == csigshim_fd(bridge)) {
                receive(bridge, fork_job);
                if (mechanism == CSIGSHIM_SIGNALFD) /* on_child did not run; looking costs one waitpid */
                    child_ended = 1;
            }
        if (child_ended) {
            child_ended = 0;
            reap_jobs();
        }
    }
    close(poller);
    return end_daemon(bridge);
}
