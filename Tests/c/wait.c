/* csigshim_wait and csigshim_wake: timeouts, interruptions, cancellation. */
#include "check.h"
#include <sys/time.h>

static _Atomic int ready;

static void *wait_for_ever(void *bridge) {
    ready++;
    csigshim_wait(bridge, -1);
    pthread_testcancel(); /* if csigshim_wait has returned before the cancellation */
    return NULL;
}

TEST(wait_can_be_cancelled) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not support cancellation inside poll(2)");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int i = 0; i < 50; i++) {
        void *result = NULL;
        ready = 0;
        pthread_t waiter = started(wait_for_ever, bridge);
        while (!ready)
            sched_yield();
        CHECK(pthread_cancel(waiter) == 0 && pthread_join(waiter, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
    }
    CHECK(csigshim_close(bridge) == 0);
}

TEST(wait_returns_0_after_its_timeout) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int64_t start = milliseconds();
    CHECK(csigshim_wait(bridge, 0) == 0);
    CHECK(csigshim_wait(bridge, 300) == 0);
    CHECK(milliseconds() - start >= 299);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(csigshim_wait(bridge, -1) == 1);
    CHECK(drained(bridge, SIGUSR1) == 1);
    CHECK(csigshim_wait(bridge, 0) == 0);
}

static volatile sig_atomic_t interruptions;

static void interrupt(int signo) {
    (void)signo;
    interruptions++;
}

TEST(wait_goes_on_after_eintr) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    install(SIGUSR2, interrupt, 0);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < 20; i++) {
            pause_ms(30);
            kill(parent, SIGUSR2);
        }
        pause_ms(300);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    const int64_t start = milliseconds();
    CHECK(csigshim_wait(bridge, 400) == 0);
    CHECK(milliseconds() - start >= 399);
    CHECK(interruptions >= 1);
    CHECK(csigshim_wait(bridge, -1) == 1);
    CHECK(drained(bridge, SIGUSR1) == 1);
    CHECK(exited(sender, 0));
}

/* An interruption does not start the timeout again. */
TEST(wait_timeout_counts_from_the_call) {
    const struct itimerval often = {{0, 50000}, {0, 50000}};
    install(SIGALRM, interrupt, 0);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    CHECK(csigshim_wait(bridge, 500) == 0);
    CHECK(interruptions > 0);
}

static void *wake_soon(void *bridge) {
    pause_ms(100);
    CHECK(csigshim_wake(bridge) == 0);
    return NULL;
}

TEST(wake_from_another_thread_ends_a_wait) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    csigshim_event event;
    for (int i = 0; i < 5; i++) {
        pthread_t waker = started(wake_soon, bridge);
        CHECK(csigshim_wait(bridge, -1) == 1);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        CHECK(csigshim_wait(bridge, 0) == 0);
        pthread_join(waker, NULL);
    }
    CHECK(csigshim_wake(bridge) == 0 && csigshim_wake(bridge) == 0); /* before the wait */
    CHECK(csigshim_wait(bridge, -1) == 1);
    CHECK(csigshim_read(bridge, &event, 1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 0);
    CHECK(csigshim_wake(bridge) == 0 && kill(getpid(), SIGUSR1) == 0); /* neither hides the other */
    collect(bridge, SIGUSR1, 1);
}

static csigshim_bridge *bridge_to_wake;
static volatile sig_atomic_t wake_changed_errno;

static void wake_from_handler(int signo) {
    (void)signo;
    errno = 4242;
    csigshim_wake(bridge_to_wake);
    wake_changed_errno |= errno != 4242;
}

TEST(wake_from_a_signal_handler_ends_a_wait) {
    bridge_to_wake = opened_on(SIGUSR1, 0);
    install(SIGUSR2, wake_from_handler, 0);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        pause_ms(100);
        kill(parent, SIGUSR2);
        _exit(0);
    }
    CHECK(csigshim_wait(bridge_to_wake, -1) == 1);
    CHECK(drained(bridge_to_wake, SIGUSR1) == 0);
    CHECK(csigshim_wait(bridge_to_wake, 0) == 0);
    CHECK(!wake_changed_errno);
    CHECK(exited(sender, 0));
}

#if defined(__linux__)
#include <sys/epoll.h>

/* Each csigshim_wake is an edge for an edge-triggered poller. */
TEST(wake_is_an_edge_while_events_are_unread) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    csigshim_event first;
    csigshim_bridge *bridge = opened_on(SIGRTMIN, 0);
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    CHECK(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &event) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0);
    while (epoll_wait(poller, &event, 1, 1000) == 1 && csigshim_read(bridge, &first, 1) == 0)
        ;
    while (epoll_wait(poller, &event, 1, 20) == 1) /* earlier edges */
        ;
    for (int i = 0; i < 2; i++) {
        CHECK(csigshim_wake(bridge) == 0);
        CHECK(epoll_wait(poller, &event, 1, DEADLINE_SECONDS * 1000) == 1);
    }
}
#endif
