/* The lower limit for a loop: only signalfd(2) and epoll(7). */
#include "contestant.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

enum { BATCH = 64 };

static bool drain(int fd) /* true: END was there */
{
    struct signalfd_siginfo infos[BATCH];
    bool ended = false;
    ssize_t size;
    do {
        size = read(fd, infos, sizeof infos);
        if (size < 0 && errno != EAGAIN)
            fail("read");
        for (ssize_t i = 0; i < size / (ssize_t)sizeof *infos; i++)
            if (infos[i].ssi_signo == PING)
                say('s');
            else if (infos[i].ssi_signo == COUNTED)
                account(infos[i].ssi_int);
            else
                ended = true;
    } while (size == sizeof infos);
    return ended;
}

int main(int argc, char **argv) {
    const sigset_t set = block(start(argc, argv, "signalfd"));
    const int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (fd < 0 || poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("signalfd");
    ready();
    do {
        epoll_wait(poller, &event, 1, -1);
    } while (!drain(fd));
    report(VALUES);
}
