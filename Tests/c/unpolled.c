/* Bridges that nobody polls: csigshim_wait sleeps without a descriptor, and wakes for whatever rings. */
#include "check.h"
#include <sys/stat.h>
#include <sys/time.h>

#if defined(__linux__)
enum { SLEEPS_ON_WORDS = !UNDER_TSAN }; /* which runs handlers only in calls that it knows to sleep */
#else
enum { SLEEPS_ON_WORDS = 0 };
#endif
#define NEEDS_WORDS()                                                                                                  \
    if (!SLEEPS_ON_WORDS)                                                                                              \
    SKIP("bridges are polled here")

static csigshim_bridge *slept_on;
static atomic_int returned;

static void *waits(void *timeout)
{
    const int result = csigshim_wait(slept_on, (int)(intptr_t)timeout);
    returned++;
    return (void *)(intptr_t)result;
}

static void close_from_3(void)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

/* Its process may close all that it has, and a stranger's file may have the numbers. */
TEST(waits_without_descriptors)
{
    HANDLER_ONLY("signalfd is a descriptor");
    NEEDS_WORDS();
    const pid_t child = fork();
    if (child == 0) {
        char path[] = "/tmp/csigshim-unpolled-XXXXXX";
        csigshim_event event;
        struct stat status;
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        close_from_3();
        int files[8];
        files[0] = mkstemp(path);
        CHECK(files[0] >= 0 && unlink(path) == 0);
        for (int i = 1; i < 8; i++)
            files[i] = dup(files[0]);
        for (int i = 0; i < 3; i++) {
            CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_wait(bridge, 10000) == 1);
            CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGUSR1);
            CHECK(csigshim_read(bridge, &event, 1) == 0 && csigshim_wait(bridge, 0) == 0);
        }
        CHECK(csigshim_wake(bridge) == 0 && csigshim_wait(bridge, 10000) == 1);
        CHECK(csigshim_read(bridge, &event, 1) == 0 && csigshim_wait(bridge, 1) == 0);
        CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && kill(getpid(), SIGUSR2) == 0);
        CHECK(csigshim_read(bridge, &event, 1) == 1 && csigshim_close(bridge) == 0);
        CHECK(fstat(files[7], &status) == 0 && status.st_size == 0);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

/* All who sleep wake: for a signal, for a wake-up, and for both where the descriptor was asked for in the meantime. */
TEST(wakes_all_who_sleep)
{
    for (int how = 0; how < 4; how++) {
        pthread_t threads[3];
        void *result;
        returned = 0;
        slept_on = opened_on(SIGUSR1, 0);
        for (int i = 0; i < 3; i++)
            threads[i] = started(waits, (void *)(intptr_t)-1);
        pause_ms(50); /* most likely they sleep by now; if not, it must hold all the same */
        CHECK(returned == 0);
        if (how >= 2)
            polled(slept_on);
        CHECK((how % 2 == 1 ? csigshim_wake(slept_on) : kill(getpid(), SIGUSR1)) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], &result) == 0 && (intptr_t)result == 1);
        CHECK(csigshim_close(slept_on) == 0);
    }
}

/* Whoever asks for the descriptor late finds it readable, for what came before and for what comes. */
TEST(descriptor_tells_of_what_came_before)
{
    for (int how = 0; how < 2; how++) {
        csigshim_event event;
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        CHECK((how == 0 ? csigshim_wake(bridge) : kill(getpid(), SIGUSR1)) == 0);
        struct pollfd polled = {.fd = csigshim_fd(bridge), .events = POLLIN};
        CHECK(poll(&polled, 1, 10000) == 1 && csigshim_read(bridge, &event, 1) == how);
        (void)csigshim_read(bridge, &event, 1);
        CHECK(poll(&polled, 1, 0) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0 && poll(&polled, 1, 10000) == 1);
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* The handler and csigshim_fd race: whoever comes second sees the other one. */
static void *asks(void *bridge)
{
    return (void *)(intptr_t)csigshim_fd(bridge);
}

TEST(descriptor_asked_for_while_a_signal_comes)
{
    for (int round = 0; round < SCALED(2000); round++) {
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        const pthread_t thread = started(asks, bridge);
        void *fd = NULL;
        CHECK(kill(getpid(), SIGUSR1) == 0 && pthread_join(thread, &fd) == 0);
        struct pollfd polled = {.fd = (int)(intptr_t)fd, .events = POLLIN};
        CHECK(poll(&polled, 1, 10000) == 1 && drained(bridge, SIGUSR1) == 1);
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* A read that has room for more takes the wake-up away, whatever else it found. */
TEST(read_takes_the_wake_up_away)
{
    csigshim_event events[4];
    for (int asked = 0; asked < 2; asked++) {
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        if (asked)
            polled(bridge);
        for (int comes = 0; comes < 2; comes++) {
            CHECK(csigshim_wake(bridge) == 0 && (!comes || kill(getpid(), SIGUSR1) == 0));
            CHECK(csigshim_wait(bridge, 0) == 1 && csigshim_read(bridge, events, 4) == comes);
            CHECK(csigshim_wait(bridge, 0) == 0);
        }
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* A thread that sleeps can be cancelled, and nobody misses it. */
TEST(cancelled_while_it_sleeps)
{
    HANDLER_ONLY("signalfd is polled");
    NEEDS_WORDS();
    void *result;
    slept_on = opened_on(SIGUSR1, 0);
    const pthread_t thread = started(waits, (void *)(intptr_t)-1);
    pause_ms(50);
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_wait(slept_on, 10000) == 1);
    collect(slept_on, SIGUSR1, 1);
}

/* A flood from other processes, taken by a thread that sleeps in between: none is lost, and it never sleeps too long.
 */
TEST(flood_wakes_who_sleeps)
{
    if (UNDER_TSAN)
        SKIP("the thread sanitizer keeps one signal of a number for a handler");
    const int values = SCALED(100000);
    csigshim_event events[64];
    csigshim_bridge *bridge = opened_on(SIGRTMIN, 0);
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < values; i++) {
            post(target, SIGRTMIN, i);
            if (i % 7 == 0)
                sched_yield();
        }
        _exit(0);
    }
    unsigned long came = 0;
    while (came < (unsigned long)values) {
        CHECK(csigshim_wait(bridge, 60000) == 1);
        for (ssize_t count; (count = csigshim_read(bridge, events, 64)) > 0;)
            for (ssize_t i = 0; i < count; i++)
                came += events[i].count;
    }
    CHECK(exited(sender, 0));
}

/* The parent's sleepers are no affair of the child's. */
TEST(child_waits_for_itself)
{
    csigshim_event event;
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t child = fork();
    if (child == 0) {
        FAILS(csigshim_wait(bridge, 0), EPERM);
        CHECK(csigshim_after_fork(bridge) >= 0 && csigshim_wait(bridge, 0) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_wait(bridge, 10000) == 1);
        CHECK(csigshim_read(bridge, &event, 1) == 1);
        _exit(0);
    }
    CHECK(exited(child, 0) && csigshim_wait(bridge, 0) == 0);
}

static volatile pid_t forked = -1;

static void forks(int signo)
{
    (void)signo;
    forked = fork();
}

static void *sends_both(void *unused)
{
    pause_ms(50); /* most likely it sleeps by now; if not, it must hold all the same */
    CHECK(kill(getpid(), SIGUSR2) == 0);
    pause_ms(50);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    return unused;
}

/* In a child, whom a handler made that interrupted it, the wait ends: nobody will ever ring there. */
TEST(fork_in_a_handler_within_a_wait)
{
    sigset_t both;
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    install(SIGUSR2, forks, SA_RESTART);
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &both, NULL) == 0);
    const pthread_t thread = started(sends_both, NULL);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &both, NULL) == 0);
    const int result = csigshim_wait(bridge, -1);
    if (forked == 0)
        _exit(result == -1 && errno == EPERM ? 0 : 1);
    CHECK(result == 1 && pthread_join(thread, NULL) == 0 && exited(forked, 0));
}

static void *waits_when_cancelled(void *unused)
{
    CHECK(pthread_cancel(pthread_self()) == 0);
    (void)csigshim_wait(slept_on, 0);
    return unused;
}

/* It is a cancellation point whether or not it has to sleep. */
TEST(cancelled_before_it_waits)
{
    NEEDS_WORDS();
    void *result;
    slept_on = opened_on(SIGUSR1, 0);
    for (int comes = 0; comes < 2; comes++) {
        CHECK(comes == 0 || kill(getpid(), SIGUSR1) == 0);
        const pthread_t thread = started(waits_when_cancelled, NULL);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
}

static void interrupts(int signo)
{
    (void)signo;
}

/* Whatever interrupts it, and however often, it does not end before its time. */
TEST(never_too_early)
{
    const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    install(SIGALRM, interrupts, 0);
    for (int how = 0; how < 2; how++) {
        CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
        for (int i = 0; i < 200; i++) {
            const uint64_t begin = nanoseconds();
            CHECK(csigshim_wait(bridge, 2) == 0 && nanoseconds() - begin >= 2000000);
        }
        CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
        polled(bridge);
    }
}
