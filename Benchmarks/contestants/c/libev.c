/* libev with EVFLAG_SIGNALFD, which is not the default, and faster. It coalesces events either way. */
#include "contestant.h"
#include <ev.h>

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events) {
    (void)events;
    if (watcher->signum == PING)
        say('s');
    else if (watcher->signum == COUNTED)
        received++;
    else
        ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv) {
    static ev_signal watchers[2];
    const int *signals = start(argc, argv, "libev");
    struct ev_loop *loop = ev_default_loop(EVFLAG_SIGNALFD);
    if (loop == NULL)
        fail("ev_default_loop");
    for (int i = 0; signals[i] != 0; i++) {
        ev_signal_init(&watchers[i], on_signal, signals[i]);
        ev_signal_start(loop, &watchers[i]);
    }
    ready();
    ev_run(loop, 0);
    unsigned long before;
    do {
        before = received;
        ev_run(loop, EVRUN_NOWAIT);
    } while (received != before);
    report(NO_VALUES);
}
