/* What a process runs out of for longer than one call: descriptors, places in the kernel's queue of signals, address
 * space, pages of pipes. Nothing that the kernel delivers is lost, what cannot be had is said, and had when there is
 * room again. */
#include "check.h"
#include <sys/stat.h>

static void limit(int what, rlim_t now)
{
    struct rlimit limits;
    CHECK(getrlimit(what, &limits) == 0);
    limits.rlim_cur = now < limits.rlim_max ? now : limits.rlim_max;
    CHECK(setrlimit(what, &limits) == 0);
}

static int first_free(void)
{
    const int fd = fcntl(0, F_DUPFD, 3);
    CHECK(fd >= 3 && close(fd) == 0);
    return fd;
}

static void start_clean(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

static void one_comes(csigshim_bridge *bridge)
{
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

/* 0 to 5 are left: two or four are needed to open, and none for all the rest. */
TEST(descriptors)
{
    start_clean();
    const int needed = test_is_handler() ? 2 : 4;
    for (int left = 0; left <= 5; left++) {
        csigshim_bridge *bridge = NULL;
        const int before = first_free();
        limit(RLIMIT_NOFILE, (rlim_t)(before + left));
        errno = 0;
        const int result = csigshim_open(&bridge, test_mechanism());
        CHECK(left < needed ? result == -1 && errno == EMFILE && bridge == NULL : result == 0);
        if (result != 0) {
            limit(RLIMIT_NOFILE, 1024);
            CHECK(first_free() == before);
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
        CHECK(first_free() == before);
    }
}

/* A forked child makes new files before it gives up the old: it says so if there is no room, and can try again. */
TEST(descriptors_of_a_child)
{
    start_clean();
    const int needed = test_is_handler() ? 2 : 4;
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    const int before = first_free();
    for (int left = 0; left <= 5; left++) {
        const pid_t child = fork();
        if (child == 0) {
            limit(RLIMIT_NOFILE, (rlim_t)(before + left));
            errno = 0;
            const int result = csigshim_after_fork(bridge);
            CHECK(left < needed ? result == -1 && errno == EMFILE : result == 0);
            limit(RLIMIT_NOFILE, 1024);
            CHECK(first_free() == before && csigshim_after_fork(bridge) == 0);
            one_comes(bridge);
            CHECK(csigshim_close(bridge) == 0 && first_free() == before - needed);
            _exit(0);
        }
        CHECK(exited(child, 0));
    }
    one_comes(bridge);
}

/* Who is told EAGAIN keeps his signal; what was taken comes out. */
TEST(queue)
{
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

TEST(address_space)
{
    csigshim_bridge *bridge = NULL;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%ld", &pages) == 1 && fclose(statm) == 0);
    limit(RLIMIT_AS, (rlim_t)(pages + 64) * (rlim_t)sysconf(_SC_PAGESIZE)); /* not a ring of 1.2 MiB */
    FAILS(csigshim_open(&bridge, test_mechanism()), ENOMEM);
    FAILS(csigshim_open(&bridge, test_mechanism()), ENOMEM);
    limit(RLIMIT_AS, RLIM_INFINITY);
    bridge = opened_on(SIGUSR1, 0);
    one_comes(bridge);
}

static int doorbell(int from)
{
    struct stat status;
    for (int fd = from; fd < 20000; fd++)
        if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
            return fd;
    CHECK(false);
    return -1;
}

/* More than the ring holds: the rest is counted. Nobody reads meanwhile, and the pipe is full of wake-ups. */
static void all_come_through(csigshim_bridge *bridge, int signo, unsigned long count)
{
    for (int i = 0; i < 20000; i++)
        CHECK(csigshim_wake(bridge) == 0);
    for (unsigned long i = 0; i < count; i++)
        post(getpid(), signo, (int)i);
    CHECK(csigshim_wait(bridge, 0) == 1);
    collect(bridge, signo, count);
    post(getpid(), signo, 1);
    collect(bridge, signo, 1);
}

TEST(pipe_of_one_page)
{
    start_clean();
    csigshim_bridge *bridge = polled(opened());
    const int signo = countable_signal();
    CHECK(csigshim_add(bridge, signo, 0) == 0);
    CHECK(fcntl(doorbell(3), F_SETPIPE_SZ, 4096) == 4096);
    all_come_through(bridge, signo, test_is_handler() ? 20000 : 1000);
}

/* A user with too many pipes gets small ones. */
TEST(pages_for_pipes)
{
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
    first = first_free();
    csigshim_bridge *bridge = polled(opened());
    const int signo = countable_signal();
    CHECK(fcntl(doorbell(first), F_GETPIPE_SZ) < 65536);
    CHECK(csigshim_add(bridge, signo, 0) == 0);
    all_come_through(bridge, signo, test_is_handler() ? 20000 : 1000);
}
