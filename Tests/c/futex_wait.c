/* csigshim_wait before the first csigshim_fd: it waits on a futex, without a descriptor. */
#include "check.h"
#include <sys/stat.h>
#include <sys/time.h>

#if defined(__linux__)
enum { USES_FUTEX = !UNDER_TSAN }; /* the thread sanitizer runs handlers only in calls that it knows */
#else
enum { USES_FUTEX = 0 };
#endif
#define NEEDS_FUTEX()                                                                                                  \
    if (!USES_FUTEX)                                                                                                   \
    SKIP("csigshim_wait polls the descriptor here")

static csigshim_bridge *waited_on;
static atomic_int returned;

static void *wait_for(void *timeout) {
    const int result = csigshim_wait(waited_on, (int)(intptr_t)timeout);
    returned++;
    return (void *)(intptr_t)result;
}

static void close_from_3(void) {
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

/* The process closes all of its descriptors, and opens files at the same numbers. */
TEST(wait_works_after_closefrom) {
    HANDLER_ONLY("a signalfd bridge needs its descriptors");
    NEEDS_FUTEX();
    const pid_t child = fork();
    if (child == 0) {
        char path[] = "/tmp/csigshim-futex-XXXXXX";
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

/* A signal, or csigshim_wake, ends the wait of three threads, also if csigshim_fd is called in the meantime. */
TEST(signal_or_wake_ends_every_wait) {
    for (int how = 0; how < 4; how++) {
        pthread_t threads[3];
        void *result;
        returned = 0;
        waited_on = opened_on(SIGUSR1, 0);
        for (int i = 0; i < 3; i++)
            threads[i] = started(wait_for, (void *)(intptr_t)-1);
        pause_ms(50); /* usually they wait by now; the test holds in any case */
        CHECK(returned == 0);
        if (how >= 2)
            polled(waited_on);
        CHECK((how % 2 == 1 ? csigshim_wake(waited_on) : kill(getpid(), SIGUSR1)) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], &result) == 0 && (intptr_t)result == 1);
        CHECK(csigshim_close(waited_on) == 0);
    }
}

/* The first csigshim_fd finds the descriptor readable for earlier signals, and it becomes readable for later ones. */
TEST(first_fd_call_finds_earlier_signals_readable) {
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

/* The handler and the first csigshim_fd race. The later of the two sees the earlier one. */
static void *call_fd(void *bridge) {
    return (void *)(intptr_t)csigshim_fd(bridge);
}

TEST(signal_during_the_first_fd_call_makes_it_readable) {
    for (int round = 0; round < SCALED(2000); round++) {
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        const pthread_t thread = started(call_fd, bridge);
        void *fd = NULL;
        CHECK(kill(getpid(), SIGUSR1) == 0 && pthread_join(thread, &fd) == 0);
        struct pollfd polled = {.fd = (int)(intptr_t)fd, .events = POLLIN};
        CHECK(poll(&polled, 1, 10000) == 1 && drained(bridge, SIGUSR1) == 1);
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* A read that does not fill its buffer clears the wake-up, whether or not it found events. */
TEST(read_clears_the_wakeup) {
    csigshim_event events[4];
    for (int asked = 0; asked < 2; asked++) {
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        if (asked)
            polled(bridge);
        for (int sent = 0; sent < 2; sent++) {
            CHECK(csigshim_wake(bridge) == 0 && (!sent || kill(getpid(), SIGUSR1) == 0));
            CHECK(csigshim_wait(bridge, 0) == 1 && csigshim_read(bridge, events, 4) == sent);
            CHECK(csigshim_wait(bridge, 0) == 0);
        }
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* A waiting thread is cancelled. The next signal still ends the wait of another. */
TEST(cancelled_wait_loses_no_signal) {
    HANDLER_ONLY("csigshim_wait polls a signalfd bridge");
    NEEDS_FUTEX();
    void *result;
    waited_on = opened_on(SIGUSR1, 0);
    const pthread_t thread = started(wait_for, (void *)(intptr_t)-1);
    pause_ms(50);
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_wait(waited_on, 10000) == 1);
    collect(waited_on, SIGUSR1, 1);
}

/* Another process sends in bursts, so that the reader waits in between. */
TEST(wait_under_a_flood_loses_nothing) {
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
    unsigned long received = 0;
    while (received < (unsigned long)values) {
        CHECK(csigshim_wait(bridge, 60000) == 1);
        for (ssize_t count; (count = csigshim_read(bridge, events, 64)) > 0;)
            for (ssize_t i = 0; i < count; i++)
                received += events[i].count;
    }
    CHECK(exited(sender, 0));
}

/* The waiters of the parent have no effect on the child. */
TEST(wait_in_a_child_needs_after_fork) {
    csigshim_event event;
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t child = fork();
    if (child == 0) {
        FAILS(csigshim_wait(bridge, 0), EPERM);
        CHECK(csigshim_after_fork(bridge) == 0 && csigshim_wait(bridge, 0) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_wait(bridge, 10000) == 1);
        CHECK(csigshim_read(bridge, &event, 1) == 1);
        _exit(0);
    }
    CHECK(exited(child, 0) && csigshim_wait(bridge, 0) == 0);
}

static void *cancel_itself_and_wait(void *unused) {
    CHECK(pthread_cancel(pthread_self()) == 0);
    (void)csigshim_wait(waited_on, 0);
    return unused;
}

/* csigshim_wait is a cancellation point whether or not it has to sleep. */
TEST(wait_is_a_cancellation_point_without_sleeping) {
    NEEDS_FUTEX();
    void *result;
    waited_on = opened_on(SIGUSR1, 0);
    for (int sent = 0; sent < 2; sent++) {
        CHECK(sent == 0 || kill(getpid(), SIGUSR1) == 0);
        const pthread_t thread = started(cancel_itself_and_wait, NULL);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
}

static void do_nothing(int signo) {
    (void)signo;
}

/* Frequent interruptions do not end the wait before its timeout. */
TEST(wait_never_ends_before_its_timeout) {
    const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    install(SIGALRM, do_nothing, 0);
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

/* A bridge that takes the place of one that was polled waits by the futex again, and needs no descriptor. */
TEST(bridge_opened_after_a_polled_one_needs_no_descriptor) {
    HANDLER_ONLY("a signalfd bridge needs its descriptors");
    NEEDS_FUTEX();
    csigshim_bridge *bridge = polled(opened());
    CHECK(csigshim_close(bridge) == 0);
    bridge = opened_on(SIGUSR1, 0);
    close_from_3();
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}
