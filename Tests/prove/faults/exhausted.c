/* A process runs out of a resource for longer than one call: descriptors, places in the kernel's queue of signals,
 * address space, pages of pipes. No delivered signal is lost. A function that needs the resource fails, and succeeds
 * when there is room again. */
#include "check.h"
#include <sys/stat.h>

static void limit(int what, rlim_t now) {
    struct rlimit limits;
    CHECK(getrlimit(what, &limits) == 0);
    limits.rlim_cur = now < limits.rlim_max ? now : limits.rlim_max;
    CHECK(setrlimit(what, &limits) == 0);
}

static int count_open(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Leaves `free` descriptor numbers, whichever are in use. */
static void leave(int free) {
    int end = 0;
    for (int found = 0; found < free || fcntl(end, F_GETFD) >= 0; end++)
        found += fcntl(end, F_GETFD) < 0;
    limit(RLIMIT_NOFILE, (rlim_t)end);
}

static void start_clean(void) {
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

static void one_comes(csigshim_bridge *bridge) {
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

/* The pipe takes two numbers at first, and one in the end; the signalfd and its epoll take one each. With two numbers,
 * the pipe stays two descriptors. */
static int needed(void) {
    return test_is_handler() ? 2 : 3;
}

TEST(few_descriptors_let_open_fail_and_nothing_else) {
    start_clean();
    for (int left = 0; left <= 5; left++) {
        csigshim_bridge *bridge = NULL;
        const int before = count_open();
        leave(left);
        errno = 0;
        const int result = csigshim_open(&bridge, test_mechanism());
        CHECK(left < needed() ? result == -1 && errno == EMFILE && bridge == NULL : result == 0);
        if (result != 0) {
            limit(RLIMIT_NOFILE, 1024);
            CHECK(count_open() == before);
            continue;
        }
        limit(RLIMIT_NOFILE, 3);
        CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
        one_comes(bridge);
        one_comes(polled(bridge));
        FAILS(csigshim_unblocked_threads(SIGHUP, NULL, 0), EMFILE);
        CHECK(csigshim_wake(bridge) == 0 && csigshim_wait(bridge, 0) == 1);
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_close(bridge) == 0);
        limit(RLIMIT_NOFILE, 1024);
        CHECK(count_open() == before);
    }
}

/* A forked child opens new files before it closes the inherited ones. If there is no room, it can try again. */
TEST(few_descriptors_let_after_fork_fail_and_be_repeated) {
    start_clean();
    const int without = count_open();
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    const int before = count_open();
    for (int left = 0; left <= 5; left++) {
        const pid_t child = fork();
        if (child == 0) {
            leave(left);
            errno = 0;
            const int result = csigshim_after_fork(bridge);
            CHECK(left < needed() ? result == -1 && errno == EMFILE : result == 0);
            limit(RLIMIT_NOFILE, 1024);
            CHECK(result == 0 || count_open() == before);
            CHECK(csigshim_after_fork(bridge) == 0);
            one_comes(bridge);
            CHECK(csigshim_close(bridge) == 0 && count_open() == without);
            _exit(0);
        }
        CHECK(exited(child, 0));
    }
    one_comes(bridge);
}

/* A sender that gets EAGAIN has sent nothing. Each signal that the kernel has accepted is read. */
TEST(full_kernel_queue_loses_nothing) {
    csigshim_bridge *bridge = polled(opened_on(SIGRTMIN, 0));
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    for (int room = 0; room <= 4; room++) {
        limit(RLIMIT_SIGPENDING, (rlim_t)room);
        unsigned long taken = 0;
        for (int i = 0; i < 8; i++) {
            const int result = sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
            CHECK(result == 0 || errno == EAGAIN);
            taken += result == 0;
        }
        limit(RLIMIT_SIGPENDING, 40000);
        CHECK(drained(bridge, SIGRTMIN) == taken);
        limit(RLIMIT_SIGPENDING, (rlim_t)room);
        one_comes(bridge); /* kill(2) of a standard signal needs no place */
    }
    limit(RLIMIT_SIGPENDING, 40000);
    post(getpid(), SIGRTMIN, 7); /* a user's processes share the queue */
    CHECK(next_event(bridge).value == 7);
}

TEST(no_address_space_lets_open_fail) {
    csigshim_bridge *bridge = NULL;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%ld", &pages) == 1 && fclose(statm) == 0);
    limit(RLIMIT_AS, (rlim_t)(pages + 64) * (rlim_t)sysconf(_SC_PAGESIZE)); /* not a ring of 1.2 MB */
    FAILS(csigshim_open(&bridge, test_mechanism()), ENOMEM);
    FAILS(csigshim_open(&bridge, test_mechanism()), ENOMEM);
    CHECK(csigshim_open_sized(&bridge, test_mechanism(), 16) == 0 && csigshim_close(bridge) == 0);
    limit(RLIMIT_AS, RLIM_INFINITY);
    bridge = opened_on(SIGUSR1, 0);
    one_comes(bridge);
}

static int wakeup_pipe(int from) {
    struct stat status;
    for (int fd = from; fd < 20000; fd++)
        if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
            return fd;
    CHECK(false);
    return -1;
}

/* Sends more than the ring holds, so the rest is counted. No thread reads meanwhile, and the pipe is full of
 * wake-ups. */
static void all_come_through(csigshim_bridge *bridge, int signo, unsigned long count) {
    for (int i = 0; i < 20000; i++)
        CHECK(csigshim_wake(bridge) == 0);
    for (unsigned long i = 0; i < count; i++)
        post(getpid(), signo, (int)i);
    CHECK(csigshim_wait(bridge, 0) == 1);
    collect(bridge, signo, count);
    post(getpid(), signo, 1);
    collect(bridge, signo, 1);
}

TEST(full_pipe_of_one_page_loses_nothing) {
    start_clean();
    csigshim_bridge *bridge = polled(opened());
    const int signo = countable_signal();
    CHECK(csigshim_add(bridge, signo, 0) == 0);
    CHECK(fcntl(wakeup_pipe(3), F_SETPIPE_SZ, 4096) == 4096);
    all_come_through(bridge, signo, test_is_handler() ? 20000 : 1000);
}

/* A user with too many pipes gets small ones. */
TEST(small_pipe_loses_nothing) {
    int ends[2], first = -1;
    start_clean();
    limit(RLIMIT_NOFILE, 20000);
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        SKIP("root has no limit, and cannot be another user here");
    for (int i = 0; i < 4000; i++) {
        if (pipe(ends) != 0)
            SKIP("not so many descriptors");
        if (fcntl(ends[0], F_GETPIPE_SZ) < 65536)
            break;
    }
    if (fcntl(ends[0], F_GETPIPE_SZ) >= 65536)
        SKIP("this system has no such limit");
    first = fcntl(0, F_DUPFD, 3);
    CHECK(first >= 3 && close(first) == 0);
    csigshim_bridge *bridge = polled(opened());
    const int signo = countable_signal();
    CHECK(fcntl(wakeup_pipe(first), F_GETPIPE_SZ) < 65536);
    CHECK(csigshim_add(bridge, signo, 0) == 0);
    all_come_through(bridge, signo, test_is_handler() ? 20000 : 1000);
}
