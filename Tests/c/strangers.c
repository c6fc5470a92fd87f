/* What a host closes, and puts at our numbers: nothing of it is read, written, modified or closed (G9). */
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

enum kind { MEMFD, PIPE, EVENTFD, EPOLL, SIGNALFD, TIMERFD, KINDS };

static int watched[2]; /* a pipe with a byte, for the stranger that is an epoll, and for the one that is a pipe */

/* The signalfd is the worst case: it is for our signal. The others are readable, as far as there is such a thing. */
static int stranger(enum kind kind, int signo)
{
    int fd = -1;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, signo);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x5eed};
    const struct itimerspec once = {{0, 0}, {0, 1}};
    if (kind == MEMFD)
        fd = memfd_create("stranger", 0);
    if (kind == PIPE)
        fd = dup(watched[0]);
    if (kind == EVENTFD)
        fd = eventfd(5, EFD_NONBLOCK);
    if (kind == EPOLL && (fd = epoll_create1(0)) >= 0)
        CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, watched[0], &wanted) == 0);
    if (kind == SIGNALFD)
        fd = signalfd(-1, &mask, SFD_NONBLOCK);
    if (kind == TIMERFD && (fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) >= 0)
        CHECK(timerfd_settime(fd, 0, &once, NULL) == 0);
    CHECK(fd >= 0);
    return fd;
}

/* What the kernel tells of a descriptor: offset and flags, an epoll's list, a signalfd's mask, an eventfd's count. */
static void looked_at(int fd, char *text, size_t size)
{
    char path[64];
    struct stat status;
    int waiting = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    memset(text, 0, size);
    CHECK(fstat(fd, &status) == 0);
    if (S_ISFIFO(status.st_mode))
        CHECK(ioctl(fd, FIONREAD, &waiting) == 0);
    const int used = snprintf(text, size, "%d bytes, size %lld\n", waiting, (long long)status.st_size);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK(fread(text + used, 1, size - (size_t)used - 1, file) > 0);
    fclose(file);
    char *const left = strstr(text, "it_value"); /* of a timer, that has run down in the meantime or not */
    if (left != NULL)
        *left = 0;
}

static bool own_descriptor(int fd, const bool *before)
{
    return !before[fd] && fcntl(fd, F_GETFD) >= 0;
}

static atomic_int host_calls;

static void host(int signo)
{
    (void)signo;
    host_calls++;
}

/* The nth of the bridge's descriptors goes, and a stranger of this kind has its number. */
static void replaced(int nth, enum kind kind)
{
    bool before[256];
    char first[2048], now[2048];
    const int signo = SIGUSR1, report = fcntl(1, F_DUPFD, 300);
    install(signo, host, 0);
    CHECK(pipe2(watched, O_NONBLOCK) == 0 && write(watched[1], "x", 1) == 1);
    for (int fd = 0; fd < 256; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    csigshim_bridge *bridge = polled(opened_on(signo, 0));
    int fd = 0;
    for (int seen = 0; fd < 256; fd++)
        if (own_descriptor(fd, before) && seen++ == nth)
            break;
    if (fd == 256)
        return; /* that many there are not */
    const bool writing = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
    const int other = stranger(kind, signo);
    CHECK(dup2(other, fd) == fd && (other == fd || close(other) == 0));
    looked_at(fd, first, sizeof first);
    CHECK(kill(getpid(), signo) == 0); /* blocked and pending, or a delivery that could not be recorded */
    csigshim_event event;
    FAILS(csigshim_wait(bridge, 100), EBADF);
    FAILS(csigshim_wait(bridge, 0), EBADF);
    ssize_t count;
    while ((count = csigshim_read(bridge, &event, 1)) == 1)
        CHECK(event.signo == signo);
    CHECK(writing ? count <= 0 : count == -1 && errno == EBADF); /* the doorbell's write end: wait tells */
    (void)csigshim_wake(bridge);
    change_mask(SIG_UNBLOCK, signo); /* and the handler */
    raise(signo);
    if (!test_is_handler())
        change_mask(SIG_BLOCK, signo);
    csigshim_bridge *second = opened(); /* with its numbers beside ours */
    CHECK(csigshim_add(bridge, SIGHUP, 0) >= -1);
    (void)csigshim_remove(bridge, SIGHUP);
    CHECK(csigshim_remove(bridge, signo) == 0);
    struct sigaction action;
    CHECK(sigaction(signo, NULL, &action) == 0 && action.sa_handler == host);
    CHECK(csigshim_add(second, signo, 0) == 0 && kill(getpid(), signo) == 0);
    collect(second, signo, 1);
    CHECK(csigshim_close(bridge) == 0 && csigshim_close(second) == 0);
    looked_at(fd, now, sizeof now);
    if (strcmp(first, now) != 0)
        printf("descriptor %d of kind %d was\n%sand is\n%s", nth, (int)kind, first, now);
    CHECK(strcmp(first, now) == 0);
    close(report);
}

TEST(stranger_in_place_of_each_descriptor)
{
    for (int nth = 0; nth < 4; nth++)
        for (int kind = MEMFD; kind < KINDS; kind++) {
            fflush(stdout);
            const pid_t child = fork();
            if (child == 0) {
                replaced(nth, (enum kind)kind);
                fflush(stdout);
                _exit(0);
            }
            if (!exited(child, 0)) {
                printf("descriptor %d, kind %d\n", nth, kind);
                CHECK(!"as above");
            }
        }
}

/* A signal that is pending when the descriptors have gone stays in the kernel: to be read, and it ends with the bridge.
 */
TEST(pending_survives_lost_descriptors)
{
    SIGNALFD_ONLY("the handler falls back to the previous action");
    install(SIGUSR1, host, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    FAILS(csigshim_wait(bridge, 0), EBADF);
    csigshim_event event;
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGUSR1 && event.pid == getpid());
    FAILS(csigshim_read(bridge, &event, 1), EBADF);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(csigshim_close(bridge) == 0); /* discarded: neither the host's nor to be read later */
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1) && host_calls == 0);
    bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

struct daemon {
    _Atomic int outcome;
    char texts[2][24][2048];
};

/* daemon(3), and a host that closes what it inherited and opens files of its own at those numbers. */
static void as_a_daemon(csigshim_bridge *bridge, int alive, int rotation, struct daemon *state)
{
    const int report = fcntl(1, F_DUPFD, 301), ending = fcntl(alive, F_DUPFD, 302);
    CHECK(report == 301 && ending == 302);
    alarm(DEADLINE_SECONDS); /* nobody else ends it, should it hang */
    for (int fd = 0; fd < 300; fd++)
        close(fd);
    for (int fd = 0; fd < 3; fd++)
        CHECK(dup2(report, fd) == fd);
    CHECK(pipe2(watched, O_NONBLOCK) == 0 && write(watched[1], "x", 1) == 1);
    for (int fd = 3; fd < 24; fd++)
        if (fd != watched[0] && fd != watched[1])
            CHECK(stranger((enum kind)((fd + rotation) % KINDS), SIGUSR1) == fd);
    for (int fd = 3; fd < 24; fd++)
        looked_at(fd, state->texts[0][fd], sizeof state->texts[0][fd]);
    CHECK(csigshim_wake(bridge) == 0 && csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
    CHECK(csigshim_after_fork(bridge) == 1);
    const int fd = csigshim_fd(bridge);
    CHECK(fd >= 24 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    CHECK(csigshim_wait(bridge, 0) == 0);
    for (int i = 0; i < 100; i++) {
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(csigshim_wait(bridge, -1) == 1 && drained(bridge, SIGUSR1) == 1);
    }
    CHECK(csigshim_wake(bridge) == 0 && csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) == 0);
    const pid_t child = fork(); /* and from now on the numbers are its own */
    if (child == 0)
        _exit(csigshim_after_fork(bridge) == 0 && csigshim_fd(bridge) == fd ? 0 : 1);
    CHECK(exited(child, 0));
    CHECK(csigshim_close(bridge) == 0);
    FAILS(fcntl(fd, F_GETFD), EBADF);
    for (int i = 3; i < 24; i++) {
        looked_at(i, state->texts[1][i], sizeof state->texts[1][i]);
        CHECK(strcmp(state->texts[0][i], state->texts[1][i]) == 0);
    }
    state->outcome = 1;
    _exit(0);
}

TEST(daemon_forks_twice)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int rotation = 0; rotation < KINDS; rotation++) {
        struct daemon *state = shared(sizeof *state);
        int alive[2];
        char byte;
        CHECK(pipe(alive) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0); /* unread: not for the daemon */
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            CHECK(setsid() == getpid());
            if (fork() == 0)
                as_a_daemon(bridge, alive[1], rotation, state);
            _exit(0);
        }
        CHECK(exited(child, 0));
        CHECK(close(alive[1]) == 0 && read(alive[0], &byte, 1) == 0); /* until it ends */
        CHECK(state->outcome == 1);
        CHECK(close(alive[0]) == 0 && munmap(state, sizeof *state) == 0);
        collect(bridge, SIGUSR1, 1);
    }
}
