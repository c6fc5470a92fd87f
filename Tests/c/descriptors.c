/* The bridge's descriptors, and what a host does to them (G9). */
#include "check.h"
#include <sys/stat.h>

static int pipes_before[2];

/* Files at each number from 3 on that is free, as a daemon would open them. */
static void occupy(int *files, int count)
{
    for (int i = 0; i < count; i++) {
        files[i] = memfd_create("stranger", 0);
        CHECK(files[i] >= 3);
    }
}

static void all_empty(const int *files, int count)
{
    struct stat status;
    for (int i = 0; i < count; i++)
        CHECK(fstat(files[i], &status) == 0 && status.st_size == 0 && lseek(files[i], 0, SEEK_CUR) == 0);
}

static void close_all(void)
{
    for (int fd = 3; fd < 256; fd++)
        close(fd);
}

TEST(numbers_and_flags)
{
    struct stat status;
    csigshim_bridge *bridge = opened();
    const int fd = csigshim_fd(bridge);
    CHECK(fd >= 3);
    for (int i = 3; i < 64; i++)
        if (fstat(i, &status) == 0 && S_ISFIFO(status.st_mode) && i >= fd)
            CHECK(fcntl(i, F_GETFD) & FD_CLOEXEC);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) || !test_is_handler());
    CHECK(csigshim_close(bridge) == 0);
    FAILS(fcntl(fd, F_GETFD), EBADF);
}

/* Where a host has closed its standard descriptors, ours do not take their place. */
TEST(standard_descriptors_closed)
{
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

/* A daemon closes everything, then opens its files at our numbers. They stay empty, and TERM still ends it. */
TEST(daemon_closes_all)
{
    HANDLER_ONLY("with signalfd what is blocked stays pending");
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
            close_all();
            if (with_files)
                occupy(files, 8);
            kill(getpid(), SIGUSR2); /* was ignored, and is again */
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

/* What is closed by the library is not a stranger's. */
TEST(close_spares_strangers)
{
    int files[8];
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    close_all();
    occupy(files, 8);
    CHECK(csigshim_close(bridge) == 0);
    all_empty(files, 8);
    bridge = opened_on(SIGUSR1, 0); /* and a new one works */
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    all_empty(files, 8);
}

static volatile sig_atomic_t host_calls, broken_pipes;

static void host(int signo)
{
    host_calls += signo != SIGPIPE;
    broken_pipes += signo == SIGPIPE;
}

/* Only one end is closed: no SIGPIPE, nothing written to the stranger, and the delivery meets the host's handler. */
static void one_end(bool read_end, bool taken)
{
    HANDLER_ONLY("with signalfd what is blocked stays pending");
    struct stat status;
    int files[4] = {0}, write_end = -1;
    install(SIGUSR1, host, 0);
    install(SIGPIPE, host, 0);
    CHECK(pipe(pipes_before) == 0);
    close_all();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int fd = 3; fd < 64; fd++)
        if (fd != csigshim_fd(bridge) && fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
            write_end = fd;
    CHECK(write_end >= 3);
    CHECK(close(read_end ? csigshim_fd(bridge) : write_end) == 0);
    if (taken)
        occupy(files, 4);
    for (int i = 0; i < 5; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(host_calls == 5 && broken_pipes == 0);
    FAILS(csigshim_wait(bridge, 100), EBADF);
    FAILS(csigshim_wake(bridge), EBADF);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(broken_pipes == 0);
    if (taken)
        all_empty(files, 4);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(host_calls == 6);
}

TEST(read_end_closed)
{
    one_end(true, false);
}

TEST(read_end_taken_by_a_file)
{
    one_end(true, true);
}

TEST(write_end_closed)
{
    one_end(false, false);
}

TEST(write_end_taken_by_a_file)
{
    one_end(false, true);
}

/* Whichever end of the pipe is closed, a read that finds nothing says so: a host that polls would spin on POLLHUP. */
TEST(read_tells_of_either_end)
{
    for (int access = O_RDONLY; access <= O_WRONLY; access++) {
        struct stat status;
        csigshim_event event;
        close_all();
        csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
        CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_remove(bridge, SIGUSR1) == 0);
        for (int fd = 3; fd < 64; fd++)
            if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == access)
                CHECK(close(fd) == 0);
        CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGUSR1);
        FAILS(csigshim_read(bridge, &event, 1), EBADF);
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* Another pipe at our numbers is not ours either. */
TEST(another_pipe_at_our_numbers)
{
    HANDLER_ONLY("strangers.c has the like for both");
    int ends[2];
    char byte;
    install(SIGUSR1, host, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    close_all();
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    CHECK(ends[0] == csigshim_fd(bridge));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(host_calls == 1);
    FAILS(read(ends[0], &byte, 1), EAGAIN);
    CHECK(write(ends[1], "x", 1) == 1);
    FAILS(csigshim_read(bridge, &(csigshim_event){0}, 1), EBADF); /* takes no byte that is not ours */
    CHECK(csigshim_close(bridge) == 0);
    CHECK(read(ends[0], &byte, 1) == 1);
}

/* One bridge lost its pipe, the other one has it: the delivery is the other's, and the process lives. */
TEST(one_of_two_bridges_lost)
{
    HANDLER_ONLY("two bridges for one signal");
    csigshim_bridge *lost = opened_on(SIGTERM, 0), *kept = opened_on(SIGTERM, 0);
    CHECK(close(csigshim_fd(lost)) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(kept, SIGTERM, 1);
    CHECK(csigshim_close(lost) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(kept, SIGTERM, 1);
}
