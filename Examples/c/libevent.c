/* The daemon on libevent 2.
 *
 *     cc -std=gnu11 -ISources/CSignalShim/include Examples/c/libevent.c Examples/c/host.c \
 *         Sources/CSignalShim/[a-z]*.c -pthread -ldl $(pkg-config --cflags --libs libevent_core) -o daemon
 *
 * SIGCHLD stays with libevent's own handler (evsignal): the bridge leaves signals alone that are not added. libevent
 * reports no sender and no value, so the bridge has the other signals. One signal in both needs CSIGSHIM_CHAIN. */
#include "host.h"
#include <event2/event.h>

struct loop {
    struct event_base *base;
    csigshim_bridge *bridge;
};

static void stop_when_done(struct loop *loop) {
    if (ending && jobs == 0)
        event_base_loopbreak(loop->base);
}

static void on_child(evutil_socket_t signo, short what, void *context) {
    (void)signo, (void)what;
    reap_jobs();
    stop_when_done(context);
}

static void on_signals(evutil_socket_t fd, short what, void *context) {
    (void)fd, (void)what;
    struct loop *loop = context;
    receive(loop->bridge, fork_job);
    stop_when_done(loop);
}

int main(int argc, char **argv) {
    const int mechanism = start_daemon(argc, argv, CSIGSHIM_HANDLER);
    struct loop loop = {.bridge = subscribe(mechanism), .base = event_base_new()};
    struct event *child = evsignal_new(loop.base, SIGCHLD, on_child, &loop);
    struct event *signals = event_new(loop.base, csigshim_fd(loop.bridge), EV_READ | EV_PERSIST, on_signals, &loop);
    if (event_add(child, NULL) != 0 || event_add(signals, NULL) != 0)
        fail("libevent");

    event_base_dispatch(loop.base);

    event_free(signals); /* before the descriptor that it watches is closed */
    event_free(child);
    event_base_free(loop.base);
    return end_daemon(loop.bridge);
}
