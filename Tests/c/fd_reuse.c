/* A host closes descriptors of a bridge, and opens other files at the same numbers. The library never reads, writes,
 * changes or closes such a file (G9). */
#include "seccomp.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static volatile sig_atomic_t host_calls, broken_pipes, errno_seen;

static void host(int signo) {
    host_calls += signo != SIGPIPE;
    broken_pipes += signo == SIGPIPE;
    errno_seen = errno;
}

/* Opens `count` empty files, at the lowest free numbers. */
static void open_files(int *files, int count) {
    for (int i = 0; i < count; i++) {
        files[i] = memfd_create("other", 0);
        CHECK(files[i] >= 3);
    }
}

static void all_empty(const int *files, int count) {
    struct stat status;
    for (int i = 0; i < count; i++)
        CHECK(fstat(files[i], &status) == 0 && status.st_size == 0 && lseek(files[i], 0, SEEK_CUR) == 0);
}

static void close_from(int first) {
    for (int fd = first; fd < 256; fd++)
        close(fd);
}

static bool is_fifo(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* The nth descriptor from 3 on that is a pipe, or -1. */
static int nth_fifo(int nth) {
    for (int fd = 3; fd < 64; fd++)
        if (is_fifo(fd) && nth-- == 0)
            return fd;
    return -1;
}

TEST(descriptor_is_3_or_higher_and_close_on_exec) {
    close_from(3);
    csigshim_bridge *bridge = opened();
    const int fd = csigshim_fd(bridge);
    CHECK(fd >= 3);
    for (int i = 3; i < 64; i++)
        CHECK(fcntl(i, F_GETFD) < 0 || (fcntl(i, F_GETFD) & FD_CLOEXEC));
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) || !test_is_handler());
    CHECK(csigshim_close(bridge) == 0);
    for (int i = 3; i < 64; i++)
        FAILS(fcntl(i, F_GETFD), EBADF);
}

/* A host has closed its standard descriptors. */
TEST(open_takes_no_standard_descriptor) {
    const pid_t child = fork();
    if (child == 0) {
        struct stat status;
        const int report = fcntl(1, F_DUPFD, 100);
        for (int fd = 0; fd < 64; fd++)
            close(fd);
        csigshim_bridge *bridges[3];
        for (int i = 0; i < 3; i++) {
            if (csigshim_open(&bridges[i], test_mechanism()) != 0 || csigshim_fd(bridges[i]) < 3)
                _exit(1);
            if (csigshim_add(bridges[i], test_is_handler() ? SIGUSR1 : SIGRTMIN + i, 0) != 0)
                _exit(2);
        }
        for (int fd = 0; fd < 3; fd++)
            if (fstat(fd, &status) == 0)
                _exit(3);
        for (int i = 0; i < 3; i++)
            if (i == 0 || !test_is_handler())
                kill(getpid(), test_is_handler() ? SIGUSR1 : SIGRTMIN + i);
        for (int i = 0; i < 3; i++)
            if (drained(bridges[i], test_is_handler() ? SIGUSR1 : SIGRTMIN + i) != 1)
                _exit(4);
        close(report);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

static void all_are_close_on_exec(void) {
    for (int fd = 3; fd < 256; fd++) {
        const int flags = fcntl(fd, F_GETFD);
        CHECK(flags < 0 || (flags & FD_CLOEXEC));
    }
}

TEST(descriptors_moved_above_2_are_close_on_exec) {
    close(0);
    close(2);
    close_from(3);
    CHECK(csigshim_fd(opened()) >= 3);
    all_are_close_on_exec();
    CHECK(fcntl(0, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0);
}

TEST(failed_open_leaves_no_descriptor) {
    csigshim_bridge *bridge;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    close(0);
    close(2);
    close_from(3);
    bool opens = false;
    for (limit.rlim_cur = 2; !opens; limit.rlim_cur++) { /* one more number is free each time */
        CHECK(limit.rlim_cur < 20 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
        opens = csigshim_open(&bridge, test_mechanism()) == 0;
        CHECK(opens ? limit.rlim_cur > 3 : errno == EMFILE || limit.rlim_cur == 3); /* no number above 2 to move to */
        CHECK(fcntl(0, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0);
        for (int fd = 3; fd < 20; fd++)
            CHECK(opens || fcntl(fd, F_GETFD) < 0);
    }
}

/* A daemon closes all descriptors, and may open files at the same numbers. The files stay empty, each signal meets the
 * action that was saved, and SIGTERM still ends the daemon. */
TEST(signal_after_closefrom_meets_the_saved_action) {
    HANDLER_ONLY("over signalfd, a blocked signal stays pending");
    for (int with_files = 0; with_files < 2; with_files++) {
        int files[8];
        int proof[2];
        CHECK(pipe(proof) == 0);
        const int far = fcntl(proof[1], F_DUPFD, 300);
        const pid_t child = fork();
        if (child == 0) {
            csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
            CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
            install(SIGUSR2, SIG_IGN, 0);
            CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
            kill(getpid(), SIGUSR2);
            close_from(3);
            if (with_files)
                open_files(files, 8);
            kill(getpid(), SIGUSR2); /* is ignored again, as before the bridge */
            FAILS(csigshim_wait(bridge, 0), EBADF);
            FAILS(csigshim_wake(bridge), EBADF);
            csigshim_event event;
            (void)csigshim_read(bridge, &event, 1);
            if (with_files)
                all_empty(files, 8);
            if (csigshim_remove(bridge, SIGUSR1) != 0 || csigshim_disposition(SIGUSR1) != CSIGSHIM_DISPOSITION_DEFAULT)
                _exit(3);
            if (write(far, "x", 1) != 1)
                _exit(4);
            kill(getpid(), SIGTERM);
            _exit(0);
        }
        char byte;
        CHECK(close(far) == 0 && close(proof[1]) == 0);
        CHECK(read(proof[0], &byte, 1) == 1);
        CHECK(died_of(child, SIGTERM));
    }
}

TEST(close_spares_files_at_its_old_numbers) {
    int files[8];
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    close_from(3);
    open_files(files, 8);
    CHECK(csigshim_close(bridge) == 0);
    all_empty(files, 8);
    bridge = opened_on(SIGUSR1, 0); /* and a new bridge works */
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    all_empty(files, 8);
}

TEST(add_fails_when_the_pipe_is_closed) {
    csigshim_bridge *bridge = polled(opened());
    close_from(3);
    FAILS(csigshim_add(bridge, SIGTERM, 0), EBADF);
    FAILS(csigshim_read(bridge, &(csigshim_event){0}, 1), EBADF);
    CHECK(csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_DEFAULT);
}

/* The library restores errno before it calls the saved handler. */
TEST(saved_handler_sees_the_errno_of_the_host) {
    HANDLER_ONLY("over signalfd, a blocked signal stays pending");
    install(SIGUSR1, host, 0);
    polled(opened_on(SIGUSR1, 0));
    close_from(3);
    errno = 4711;
    CHECK(raise(SIGUSR1) == 0 && host_calls == 1);
    CHECK(errno_seen == 4711 || UNDER_TSAN); /* which delivers later */
}

/* One descriptor of the wake-up pipe is closed, and may be replaced by a file. The library writes nothing there and
 * causes no SIGPIPE. The signals meet the handler of the host. */
static void one_end(bool read_end, bool replaced) {
    int files[4] = {0}, closed = -1;
    install(SIGUSR1, host, 0);
    install(SIGPIPE, host, 0);
    close_from(3);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int fd = csigshim_fd(bridge);
    for (int i = 0; i < 2 && closed < 0; i++)
        if (nth_fifo(i) >= 0 && (nth_fifo(i) == fd) == read_end)
            closed = nth_fifo(i);
    CHECK(closed >= 3 && close(closed) == 0);
    if (replaced)
        open_files(files, 4);
    for (int i = 0; i < 5; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(host_calls == 5 && broken_pipes == 0);
    FAILS(csigshim_wait(bridge, 100), EBADF);
    FAILS(csigshim_wake(bridge), EBADF);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(broken_pipes == 0);
    if (replaced)
        all_empty(files, 4);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(host_calls == 6);
}

TEST(closed_wakeup_pipe_is_never_written_to) {
    HANDLER_ONLY("over signalfd, a blocked signal stays pending");
    one_end(true, false);
}

TEST(file_at_the_wakeup_pipe_is_never_written_to) {
    HANDLER_ONLY("over signalfd, a blocked signal stays pending");
    one_end(true, true);
}

/* Where /proc cannot be opened, the wake-up pipe has two descriptors. */
static void one_end_of_two(bool read_end, bool replaced) {
    HANDLER_ONLY("over signalfd, a blocked signal stays pending");
    CONFINED();
    refuse_open(ENOENT);
    one_end(read_end, replaced);
}

TEST(closed_read_end_is_never_written_to) {
    one_end_of_two(true, false);
}

TEST(file_at_the_read_end_is_never_written_to) {
    one_end_of_two(true, true);
}

TEST(closed_write_end_is_never_written_to) {
    one_end_of_two(false, false);
}

TEST(file_at_the_write_end_is_never_written_to) {
    one_end_of_two(false, true);
}

/* A host that polls would spin on POLLHUP if the read reported nothing. */
static void read_reports_the_nth_descriptor(int nth) {
    csigshim_event event;
    close_from(3);
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(close(nth_fifo(nth)) == 0);
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGUSR1);
    FAILS(csigshim_read(bridge, &event, 1), EBADF);
    CHECK(csigshim_close(bridge) == 0);
}

TEST(read_reports_a_closed_wakeup_pipe) {
    read_reports_the_nth_descriptor(0);
}

TEST(read_reports_a_closed_end_of_two) {
    CONFINED();
    refuse_open(ENOENT);
    read_reports_the_nth_descriptor(0);
    read_reports_the_nth_descriptor(1);
}

/* The library tells its own pipe from another one by the inode. */
TEST(another_pipe_at_the_number_is_left_alone) {
    HANDLER_ONLY("other_file_at_each_number_is_left_alone covers both mechanisms");
    int ends[2];
    char byte;
    install(SIGUSR1, host, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int fd = csigshim_fd(bridge);
    close_from(3);
    CHECK(pipe2(ends, O_NONBLOCK) == 0 && ends[1] != fd);
    CHECK(dup2(ends[0], fd) == fd);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(host_calls == 1);
    FAILS(read(fd, &byte, 1), EAGAIN);
    CHECK(write(ends[1], "x", 1) == 1);
    FAILS(csigshim_read(bridge, &(csigshim_event){0}, 1), EBADF); /* and takes no byte */
    CHECK(csigshim_close(bridge) == 0);
    CHECK(read(fd, &byte, 1) == 1);
}

/* One of two bridges has lost its pipe. The other one records the signal, and the process lives. */
TEST(signal_goes_to_the_bridge_whose_pipe_is_open) {
    HANDLER_ONLY("two bridges for one signal");
    csigshim_bridge *lost = opened_on(SIGTERM, 0), *kept = opened_on(SIGTERM, 0);
    CHECK(close(csigshim_fd(lost)) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(kept, SIGTERM, 1);
    CHECK(csigshim_close(lost) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(kept, SIGTERM, 1);
}

enum kind { MEMFD, PIPE, EVENTFD, EPOLL, SIGNALFD, TIMERFD, KINDS };

static int watched[2]; /* a pipe with a byte: the other file of kind PIPE, and what the one of kind EPOLL watches */

/* Opens another file. Each kind is readable as far as possible, and the signalfd is for the bridge's own signal. */
static int other_file(enum kind kind, int signo) {
    int fd = -1;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, signo);
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x5eed};
    const struct itimerspec once = {{0, 0}, {0, 1}};
    if (kind == MEMFD)
        fd = memfd_create("other", 0);
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

/* Describes a descriptor by /proc/self/fdinfo: offset, flags, an epoll's list, a signalfd's mask, an eventfd's
 * count. */
static void describe(int fd, char *text, size_t size) {
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
    char *const left = strstr(text, "it_value"); /* the time that a timer has left changes by itself */
    if (left != NULL)
        *left = 0;
}

/* Replaces the nth of the bridge's descriptors by another file of this kind. */
static void replace_and_use(int nth, enum kind kind) {
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
        if (!before[fd] && fcntl(fd, F_GETFD) >= 0 && seen++ == nth)
            break;
    if (fd == 256)
        return; /* the bridge has fewer descriptors */
    const bool writing = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
    const int other = other_file(kind, signo);
    CHECK(dup2(other, fd) == fd && (other == fd || close(other) == 0));
    describe(fd, first, sizeof first);
    CHECK(kill(getpid(), signo) == 0); /* pending, or a delivery that cannot be recorded */
    csigshim_event event;
    FAILS(csigshim_wait(bridge, 100), EBADF);
    FAILS(csigshim_wait(bridge, 0), EBADF);
    ssize_t count;
    while ((count = csigshim_read(bridge, &event, 1)) == 1)
        CHECK(event.signo == signo);
    CHECK(writing ? count <= 0 : count == -1 && errno == EBADF);
    (void)csigshim_wake(bridge);
    change_mask(SIG_UNBLOCK, signo); /* so that the handler runs */
    raise(signo);
    if (!test_is_handler())
        change_mask(SIG_BLOCK, signo);
    csigshim_bridge *second = opened(); /* whose numbers are next to the first one's */
    CHECK(csigshim_add(bridge, SIGHUP, 0) >= -1);
    (void)csigshim_remove(bridge, SIGHUP);
    CHECK(csigshim_remove(bridge, signo) == 0);
    struct sigaction action;
    CHECK(sigaction(signo, NULL, &action) == 0 && action.sa_handler == host);
    CHECK(csigshim_add(second, signo, 0) == 0 && kill(getpid(), signo) == 0);
    collect(second, signo, 1);
    CHECK(csigshim_close(bridge) == 0 && csigshim_close(second) == 0);
    describe(fd, now, sizeof now);
    if (strcmp(first, now) != 0)
        printf("descriptor %d of kind %d was\n%sand is\n%s", nth, (int)kind, first, now);
    CHECK(strcmp(first, now) == 0);
    close(report);
}

TEST(other_file_at_each_number_is_left_alone) {
    for (int nth = 0; nth < 4; nth++)
        for (int kind = MEMFD; kind < KINDS; kind++) {
            fflush(stdout);
            const pid_t child = fork();
            if (child == 0) {
                replace_and_use(nth, (enum kind)kind);
                fflush(stdout);
                _exit(0);
            }
            if (!exited(child, 0)) {
                printf("descriptor %d, kind %d\n", nth, kind);
                CHECK(!"as above");
            }
        }
}

/* A pending signal can be read after the descriptors were closed. After that, csigshim_close discards it. */
TEST(pending_signals_survive_closefrom) {
    SIGNALFD_ONLY("a handler runs the saved action");
    install(SIGUSR1, host, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    close_from(3);
    FAILS(csigshim_wait(bridge, 0), EBADF);
    csigshim_event event;
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGUSR1 && event.pid == getpid());
    FAILS(csigshim_read(bridge, &event, 1), EBADF);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(csigshim_close(bridge) == 0);
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1) && host_calls == 0);
    bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

TEST(pending_signals_are_read_after_closefrom) {
    SIGNALFD_ONLY("a handler runs the saved action");
    csigshim_event event;
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0);
    close_from(3);
    CHECK(kill(getpid(), SIGTERM) == 0 && kill(getpid(), SIGHUP) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGTERM && event.pid == getpid());
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGHUP);
    FAILS(csigshim_read(bridge, &event, 1), EBADF);
    CHECK(kill(getpid(), SIGHUP) == 0 && csigshim_close(bridge) == 0); /* which discards that one */
}

struct daemon {
    _Atomic int outcome;
    char texts[2][24][2048];
};

/* A host calls daemon(3), then closes the inherited descriptors and opens files of its own at their numbers. */
static void run_daemon(csigshim_bridge *bridge, int alive, int rotation, struct daemon *state) {
    const int report = fcntl(1, F_DUPFD, 301), ending = fcntl(alive, F_DUPFD, 302);
    CHECK(report == 301 && ending == 302);
    alarm(DEADLINE_SECONDS); /* ends the daemon if it hangs */
    for (int fd = 0; fd < 300; fd++)
        close(fd);
    for (int fd = 0; fd < 3; fd++)
        CHECK(dup2(report, fd) == fd);
    CHECK(pipe2(watched, O_NONBLOCK) == 0 && write(watched[1], "x", 1) == 1);
    for (int fd = 3; fd < 24; fd++)
        if (fd != watched[0] && fd != watched[1])
            CHECK(other_file((enum kind)((fd + rotation) % KINDS), SIGUSR1) == fd);
    for (int fd = 3; fd < 24; fd++)
        describe(fd, state->texts[0][fd], sizeof state->texts[0][fd]);
    CHECK(csigshim_wake(bridge) == 0 && csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
    CHECK(csigshim_after_fork(bridge) == 0);
    const int fd = csigshim_fd(bridge);
    CHECK(fd >= 24 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    CHECK(csigshim_wait(bridge, 0) == 0);
    for (int i = 0; i < 100; i++) {
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(csigshim_wait(bridge, -1) == 1 && drained(bridge, SIGUSR1) == 1);
    }
    CHECK(csigshim_wake(bridge) == 0 && csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) == 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(csigshim_after_fork(bridge) == 0 && csigshim_fd(bridge) >= 24 ? 0 : 1);
    CHECK(exited(child, 0));
    CHECK(csigshim_close(bridge) == 0);
    FAILS(fcntl(fd, F_GETFD), EBADF);
    for (int i = 3; i < 24; i++) {
        describe(i, state->texts[1][i], sizeof state->texts[1][i]);
        CHECK(strcmp(state->texts[0][i], state->texts[1][i]) == 0);
    }
    state->outcome = 1;
    _exit(0);
}

TEST(after_fork_in_a_daemon_leaves_its_files_alone) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int rotation = 0; rotation < KINDS; rotation++) {
        struct daemon *state = shared(sizeof *state);
        int alive[2];
        char byte;
        CHECK(pipe(alive) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0); /* unread, so only the parent gets it */
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            CHECK(setsid() == getpid());
            if (fork() == 0)
                run_daemon(bridge, alive[1], rotation, state);
            _exit(0);
        }
        CHECK(exited(child, 0));
        CHECK(close(alive[1]) == 0 && read(alive[0], &byte, 1) == 0); /* returns when the daemon ends */
        CHECK(state->outcome == 1);
        CHECK(close(alive[0]) == 0 && munmap(state, sizeof *state) == 0);
        collect(bridge, SIGUSR1, 1);
    }
}

/* Without /proc there are two descriptors, and no other flags. */
TEST(two_ends_are_close_on_exec_and_do_not_block) {
    CONFINED();
    close_from(3);
    refuse_open(ENOENT);
    csigshim_bridge *bridge = opened();
    CHECK(nth_fifo(1) >= 3 && nth_fifo(2) < 0);
    all_are_close_on_exec();
    for (int nth = 0; nth < 2; nth++)
        CHECK(fcntl(nth_fifo(nth), F_GETFL) & O_NONBLOCK);
    CHECK(csigshim_close(bridge) == 0);
    for (int fd = 3; fd < 64; fd++)
        FAILS(fcntl(fd, F_GETFD), EBADF);
}

/* csigshim_remove keeps the pending signals, and has no pipe left to notify a reader. */
TEST(pending_at_remove_is_written_to_no_other_file) {
    SIGNALFD_ONLY("a handler runs the saved action");
    int files[8];
    csigshim_event event;
    close_from(3);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    close_from(3);
    open_files(files, 8);
    CHECK(kill(getpid(), SIGTERM) == 0 && csigshim_remove(bridge, SIGTERM) == 0);
    all_empty(files, 8);
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGTERM);
}

/* The library cannot tell whether the numbers are still the bridge's, so it leaves them alone. */
TEST(close_spares_files_where_fstat_is_refused) {
    CONFINED();
    int files[8];
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    close_from(3);
    open_files(files, 8);
    refuse_fstat(EPERM);
    CHECK(csigshim_close(bridge) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(fcntl(files[i], F_GETFD) >= 0);
}
