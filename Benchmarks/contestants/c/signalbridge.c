/* CSignalShim: c-handler and c-signalfd. */
#include "contestant.h"
#include <CSignalShim.h>
#include <sys/epoll.h>

enum { BATCH = 64 };

static bool drain(csigshim_bridge *bridge) /* true: END was there */
{
    csigshim_event events[BATCH];
    bool ended = false;
    ssize_t count;
    do {
        count = csigshim_read(bridge, events, BATCH);
        if (count < 0)
            fail("csigshim_read");
        for (const csigshim_event *event = events; event < events + count; event++)
            if (event->signo == PING)
                say('s');
            else if (event->signo == END)
                ended = true;
            else if (event->flags & CSIGSHIM_DETAILS_DROPPED)
                account_merged(event->count);
            else
                account((uint32_t)event->value);
    } while (count == BATCH);
    return ended;
}

int main(int argc, char **argv) {
    const bool over_signalfd = argc > 1 && strcmp(argv[1], "c-signalfd") == 0;
    const int *signals = start(argc, argv, over_signalfd ? "c-signalfd" : "c-handler");
    csigshim_bridge *bridge;
    if (csigshim_open(&bridge, over_signalfd ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER) != 0)
        fail("csigshim_open");
    for (; *signals != 0; signals++)
        if (csigshim_add(bridge, *signals, 0) != 0)
            fail("csigshim_add");

    struct epoll_event event = {.events = EPOLLIN};
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &event) != 0)
        fail("epoll");
    ready();
    do {
        epoll_wait(poller, &event, 1, -1);
    } while (!drain(bridge));
    report(VALUES);
}
