/* The lower limit for a handler: a minimal self-pipe. A signal that finds no room in the pipe is lost. */
#define _GNU_SOURCE /* pipe2 */
#include "contestant.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

struct record {
    int32_t signo, value;
    uint64_t unused; /* a timestamp or a sender's pid, as it would be */
};
static int ends[2];

static void on_ping(int signo) {
    const int error = errno;
    const char byte = (char)signo;
    (void)!write(ends[1], &byte, 1);
    errno = error;
}

static void on_storm(int signo, siginfo_t *info, void *context) {
    const int error = errno;
    const struct record record = {.signo = signo, .value = info->si_value.sival_int};
    (void)context;
    (void)!write(ends[1], &record, sizeof record);
    errno = error;
}

static void pingpong(void) {
    char bytes[1024];
    const ssize_t size = read(ends[0], bytes, sizeof bytes);
    for (ssize_t i = 0; i < size; i++)
        say('s');
}

static bool storm(void) /* true: END was there */
{
    struct record records[64];
    bool ended = false;
    ssize_t size;
    do {
        size = read(ends[0], records, sizeof records);
        for (ssize_t i = 0; i < size / (ssize_t)sizeof *records; i++)
            if (records[i].signo == COUNTED)
                account(records[i].value);
            else
                ended = true;
    } while (size > 0);
    return ended;
}

int main(int argc, char **argv) {
    const int *signals = start(argc, argv, "selfpipe");
    const bool is_storm = signals[0] != PING;
    struct sigaction action = {.sa_handler = on_ping, .sa_flags = SA_RESTART};
    if (is_storm) {
        action.sa_sigaction = on_storm;
        action.sa_flags |= SA_SIGINFO;
    }
    struct epoll_event event = {.events = EPOLLIN};
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0 || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, ends[0], &event) != 0)
        fail("pipe");
    for (; *signals != 0; signals++)
        if (sigaction(*signals, &action, NULL) != 0)
            fail("sigaction");
    ready();
    for (;;)
        if (epoll_wait(poller, &event, 1, -1) == 1) {
            if (!is_storm)
                pingpong();
            else if (storm())
                report(VALUES);
        }
}
