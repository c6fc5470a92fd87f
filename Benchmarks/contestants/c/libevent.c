#include "contestant.h"
#include <event2/event.h>

static void on_signal(evutil_socket_t signo, short what, void *base) {
    (void)what;
    if (signo == PING)
        say('s');
    else if (signo == COUNTED)
        received++;
    else
        event_base_loopbreak(base);
}

int main(int argc, char **argv) {
    const int *signals = start(argc, argv, "libevent");
    struct event_base *base = event_base_new();
    if (base == NULL)
        fail("event_base_new");
    for (; *signals != 0; signals++) {
        struct event *event = evsignal_new(base, *signals, on_signal, base);
        if (event == NULL || evsignal_add(event, NULL) != 0)
            fail("evsignal_add");
    }
    ready();
    event_base_dispatch(base);
    unsigned long before;
    do {
        before = received;
        event_base_loop(base, EVLOOP_NONBLOCK);
    } while (received != before);
    report(NO_VALUES);
}
