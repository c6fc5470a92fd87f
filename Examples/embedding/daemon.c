/* A daemon in C that owns its thread, its epoll loop and its state. What signals mean is decided in asynchronous Swift,
 * in Daemon.swift, on this same thread: while signals_drain runs, and at no other time. So nothing here needs a lock.
 */
#include "signals.h"
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void serve(struct state *state) /* the daemon's work: each line of its input, a pipe, is a request */
{
    char line[256];
    const ssize_t length = read(STDIN_FILENO, line, sizeof line);
    if (length > 0)
        printf("request %d, configuration %d\n", ++state->requests, state->generation);
    else
        state->stopping = 1;
}

int main(int argc, char **argv) {
    struct state state = {.generation = 1};
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("C runs on thread %d\n", current_thread());

    /* First thing in main: a signalfd wants its signals blocked in every thread that is made later. */
    const int signals = signals_start(&state, argc > 1 && strcmp(argv[1], "signalfd") == 0);
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
    struct epoll_event wakeup = {.events = EPOLLIN, .data.fd = signals};
    if (signals < 0 || poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, signals, &wakeup) != 0) {
        perror("start");
        return 1;
    }
    signals_drain(); /* Swift's tasks run up to their first wait */
    while (!state.stopping) {
        struct epoll_event ready[8];
        const int count = epoll_wait(poller, ready, 8, -1); /* EINTR: a handler ran; the next call tells */
        for (int i = 0; i < count; i++)
            if (ready[i].data.fd == signals)
                signals_drain();
            else
                serve(&state);
    }
    printf("ended after %d requests and %d signals\n", state.requests, signals_heard());
    signals_stop();
    close(poller);
    return 0;
}
