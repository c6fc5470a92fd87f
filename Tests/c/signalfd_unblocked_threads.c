/* Over signalfd, a handler takes a signal that reaches a thread which does not block it. So the signal is not lost and
 * does not kill the process. The tests run over the handler mechanism too, where no thread needs to block any
 * signal. */
#include "check.h"
#include <sys/epoll.h>

enum { TOTAL = 10000, UNREAD = 8000, CAPACITY = 16384 };
_Static_assert(2 * UNREAD <= CAPACITY, "UNREAD numbers and as many SIGTERM fit unread into a bridge");

static _Atomic bool stop;
static _Atomic int ready;
static int signo;
static unsigned long terms_read;

static void *unblock_signals(void *unused) {
    change_mask(SIG_UNBLOCK, signo);
    change_mask(SIG_UNBLOCK, SIGTERM);
    ready++;
    while (!stop)
        pause_ms(1);
    return unused;
}

static void *toggle_mask(void *unused) {
    ready++;
    while (!stop) {
        change_mask(SIG_UNBLOCK, signo);
        change_mask(SIG_BLOCK, signo);
    }
    return unused;
}

/* Another process sends numbers, and after each a SIGTERM, whose default action would kill. At most `ahead` numbers are
 * unread at a time. */
static pid_t sending(int total, int ahead, _Atomic int *consumed) {
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < total; i++) {
            while (i - *consumed > ahead)
                sched_yield();
            post(target, signo, i);
            kill(target, SIGTERM);
        }
        _exit(0);
    }
    CHECK(sender > 0);
    return sender;
}

/* Reads all events. Each number comes once, with its sender. */
static int read_numbers(csigshim_bridge *bridge, unsigned char *times_read, int total, pid_t sender) {
    csigshim_event events[64];
    int sum = 0;
    for (ssize_t count; (count = csigshim_read(bridge, events, 64)) != 0;) {
        CHECK(count > 0);
        for (ssize_t i = 0; i < count; i++) {
            if (events[i].signo == SIGTERM) {
                terms_read += events[i].count;
                continue;
            }
            CHECK(events[i].signo == signo && events[i].count == 1 && events[i].flags == 0);
            CHECK(events[i].pid == sender && events[i].value < (unsigned)total && times_read[events[i].value]++ == 0);
            sum++;
        }
    }
    return sum;
}

static csigshim_bridge *opened_with_term(void) {
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    return bridge;
}

/* Three threads take 8,000 numbers and up to 8,000 SIGTERM before the first read: the kernel coalesces some SIGTERM, or
 * none. All of them fit. */
static void unread_signals_of_threads(void *(*body)(void *), bool before) {
    SKIP_IF_MERGED();
    static unsigned char times_read[UNREAD];
    pthread_t threads[3];
    pid_t tids[8];
    signo = SIGRTMIN + 1;
    for (int i = 0; i < 3 && before; i++)
        threads[i] = started(body, NULL);
    while (before && ready < 3)
        pause_ms(1);
    csigshim_bridge *bridge = opened_with_term();
    for (int i = 0; i < 3 && !before; i++)
        threads[i] = started(body, NULL);
    while (ready < 3)
        pause_ms(1);
    if (body == unblock_signals)
        CHECK(csigshim_unblocked_threads(signo, tids, 8) == (test_is_handler() ? 4 : 3));
    const pid_t sender = sending(UNREAD, UNREAD, shared(4096));
    CHECK(exited(sender, 0));
    stop = true; /* a signal that a thread blocked at the end is pending for the process, so the read takes it */
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(read_numbers(bridge, times_read, UNREAD, sender) == UNREAD);
    CHECK(terms_read >= 1 && terms_read <= UNREAD);
    CHECK(csigshim_wait(bridge, 20) == 0);
}

TEST(threads_started_before_open_lose_nothing) {
    unread_signals_of_threads(unblock_signals, true);
}

TEST(threads_that_unblock_lose_nothing) {
    unread_signals_of_threads(unblock_signals, false);
}

TEST(threads_toggling_their_masks_lose_nothing) {
    unread_signals_of_threads(toggle_mask, false);
}

static void *read_all(void *shared_bridge) {
    static unsigned char times_read[TOTAL];
    _Atomic int *consumed = shared(4096);
    const pid_t sender = sending(TOTAL, 1000, consumed);
    while (*consumed < TOTAL) {
        CHECK(csigshim_wait(shared_bridge, DEADLINE_SECONDS * 1000) == 1);
        *consumed += read_numbers(shared_bridge, times_read, TOTAL, sender);
    }
    CHECK(exited(sender, 0));
    for (stop = true; stop; pause_ms(10)) /* until the main thread has seen it */
        kill(getpid(), SIGTERM);
    return NULL;
}

/* Swift's dispatchMain parks the main thread of a Linux program in sigsuspend with an empty mask. */
TEST(main_thread_in_sigsuspend_loses_nothing) {
    SKIP_IF_MERGED();
    sigset_t empty;
    sigemptyset(&empty);
    signo = SIGRTMIN + 1;
    pthread_t reader = started(read_all, opened_with_term());
    while (!stop)
        sigsuspend(&empty);
    stop = false;
    pthread_join(reader, NULL);
}

/* Signals arrive through the kernel's queue and through the handler. An edge-triggered poller sees all of them. */
TEST(edge_triggered_poller_sees_handler_and_queue) {
    SKIP_IF_MERGED();
    static unsigned char times_read[SCALED(20000)];
    const int total = SCALED(20000), poller = epoll_create1(EPOLL_CLOEXEC);
    signo = SIGRTMIN + 1;
    csigshim_bridge *bridge = opened_with_term();
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &wanted) == 0);
    pthread_t thread = started(toggle_mask, NULL);
    _Atomic int *consumed = shared(4096);
    const pid_t sender = sending(total, 50, consumed);
    while (*consumed < total) {
        const int count = epoll_wait(poller, &wanted, 1, DEADLINE_SECONDS * 500);
        CHECK(count == 1 || (count < 0 && errno == EINTR));
        *consumed += read_numbers(bridge, times_read, total, sender);
    }
    stop = true;
    pthread_join(thread, NULL);
    CHECK(exited(sender, 0));
}

/* No standard signal is coalesced here: raise(3) returns after the delivery. */
TEST(unblocked_thread_counts_each_standard_signal) {
    signo = SIGTERM;
    csigshim_bridge *bridge = opened_on(signo, 0);
    change_mask(SIG_UNBLOCK, signo);
    for (int i = 0; i < TOTAL; i++)
        CHECK(raise(signo) == 0);
    collect(bridge, signo, TOTAL);
    CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
}

/* 16,384 events with details, then one with the count of the rest, and then details again. */
TEST(unread_beyond_the_capacity_keeps_an_exact_count) {
    enum { KEPT = 16384, MANY = 40000 };
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    csigshim_event *events = calloc(KEPT + 2, sizeof *events);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    for (int i = 0; i < MANY; i++)
        CHECK(raise(SIGUSR1) == 0);
    CHECK(csigshim_read(bridge, events, KEPT + 2) == KEPT + 1);
    for (int i = 0; i < KEPT; i++)
        CHECK(events[i].count == 1 && events[i].flags == 0 && events[i].pid == getpid());
    CHECK(events[KEPT].flags == CSIGSHIM_DETAILS_DROPPED && events[KEPT].count == MANY - KEPT);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(csigshim_read(bridge, events, 2) == 1 && events[0].flags == 0 && events[0].code == SI_TKILL);
    CHECK(csigshim_wait(bridge, 0) == 0);
}

static void *raise_soon(void *unused) {
    change_mask(SIG_UNBLOCK, SIGUSR1);
    pause_ms(30);
    CHECK(raise(SIGUSR1) == 0);
    return unused;
}

TEST(handler_ends_the_wait_of_another_thread) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread = started(raise_soon, NULL);
        CHECK(csigshim_wait(bridge, -1) == 1);
        CHECK(drained(bridge, SIGUSR1) == 1);
        pthread_join(thread, NULL);
        CHECK(csigshim_wait(bridge, 0) == 0);
    }
}
