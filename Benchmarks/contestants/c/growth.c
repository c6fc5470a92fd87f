/* Measures how the library's cost grows: growth signals|bridges pingpong COUNT. It answers a ping when all bridges have
 * had it.
 */
#include "contestant.h"
#include <CSignalShim.h>
#include <sys/epoll.h>

static void expect(bool fine, const char *what) {
    if (!fine)
        fail(what);
}

/* SIGUSR1, and as many others as are asked for, on one bridge. */
static void add_signals(csigshim_bridge *bridge, int count) {
    expect(csigshim_add(bridge, SIGUSR1, 0) == 0, "csigshim_add");
    for (int signo = 64; signo > 0 && count > 1; signo--)
        if (csigshim_add(bridge, signo, 0) == 0)
            count--;
}

int main(int argc, char **argv) {
    static csigshim_bridge *bridges[64];
    const int count = argc == 4 ? atoi(argv[3]) : 0, wide = argc == 4 && strcmp(argv[1], "bridges") == 0;
    const int used = wide ? count : 1, epoll = epoll_create1(EPOLL_CLOEXEC);
    expect(count > 0 && used <= 64, "growth signals|bridges pingpong COUNT");
    for (int i = 0; i < used; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
        expect(csigshim_open(&bridges[i], CSIGSHIM_HANDLER) == 0, "csigshim_open");
        add_signals(bridges[i], wide ? 1 : count);
        event.data.ptr = bridges[i];
        expect(epoll_ctl(epoll, EPOLL_CTL_ADD, csigshim_fd(bridges[i]), &event) == 0, "epoll_ctl");
    }
    ready();
    for (int had = 0;;) {
        struct epoll_event events[64];
        csigshim_event some[64];
        const int count_of_events = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count_of_events; i++) {
            const ssize_t got = csigshim_read(events[i].data.ptr, some, 64);
            for (ssize_t each = 0; each < got; each++)
                if (some[each].signo == SIGUSR1 && ++had % used == 0)
                    say('s');
        }
    }
}
