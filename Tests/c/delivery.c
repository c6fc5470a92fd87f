/* Counts, details and order (G1, G2, G3). */
#include "check.h"
#include <sys/epoll.h>

enum { KEPT = 16384 };

/* Without a reader, 16,384 deliveries keep their details. The rest is one event with a count and a flag. */
TEST(without_a_reader_16384_keep_their_details) {
    HANDLER_ONLY("over signalfd, the kernel's queue holds unread signals");
    const unsigned long total = 200000;
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    csigshim_event *events = calloc(KEPT + 2, sizeof *events);
    for (unsigned long i = 0; i < total; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(csigshim_read(bridge, events, KEPT + 2) == KEPT + 1);
    for (int i = 0; i < KEPT; i++) {
        CHECK(events[i].signo == SIGUSR1 && events[i].count == 1 && events[i].flags == 0);
        CHECK(events[i].pid == getpid() && events[i].uid == getuid());
        CHECK(i == 0 || events[i].time_ns >= events[i - 1].time_ns);
    }
    CHECK(events[KEPT].signo == SIGUSR1 && events[KEPT].flags == CSIGSHIM_DETAILS_DROPPED);
    CHECK(events[KEPT].count == total - KEPT);
    CHECK(events[KEPT].pid == 0 && events[KEPT].fd == -1 && events[KEPT].reserved[0] == 0);
    CHECK(csigshim_read(bridge, events, 1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* the next event has its details again */
    CHECK(csigshim_read(bridge, events, 2) == 1);
    CHECK(events[0].flags == 0 && events[0].count == 1 && events[0].pid == getpid());
}

TEST(overflow_is_counted_for_each_signal) {
    HANDLER_ONLY("over signalfd, the kernel's queue holds unread signals");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    csigshim_event *events = calloc(KEPT + 8, sizeof *events);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_add(bridge, SIGHUP, 0) == 0);
    for (int i = 0; i < KEPT; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    for (int i = 0; i < 300; i++)
        CHECK(kill(getpid(), i % 3 == 0 ? SIGHUP : SIGUSR2) == 0);
    CHECK(csigshim_read(bridge, events, KEPT) == KEPT);
    CHECK(csigshim_wait(bridge, 0) == 1); /* a read that filled its buffer leaves the bridge readable */
    CHECK(csigshim_read(bridge, events, 1) == 1);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(csigshim_read(bridge, events + 1, 1) == 1);
    CHECK(csigshim_read(bridge, events + 2, 1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(events[i].flags == CSIGSHIM_DETAILS_DROPPED);
        CHECK(events[i].signo == SIGHUP || events[i].signo == SIGUSR2);
        CHECK(events[i].count == (events[i].signo == SIGHUP ? 100 : 200));
    }
    CHECK(events[0].signo != events[1].signo);
}

static _Atomic bool stop;
static _Atomic unsigned long seen;

static void *read_in_thread(void *bridge) {
    change_mask(SIG_BLOCK, countable_signal());
    for (;;) {
        const bool last = stop; /* loaded before the read, so that the last read finds everything */
        CHECK(csigshim_wait(bridge, 50) >= 0);
        seen += drained(bridge, countable_signal());
        if (last)
            return NULL;
    }
}

TEST(readers_on_other_threads_lose_nothing) {
    const unsigned long total = SCALED(200000);
    csigshim_bridge *bridge = opened_on(countable_signal(), 0);
    pthread_t readers[2] = {started(read_in_thread, bridge), started(read_in_thread, bridge)};
    for (unsigned long i = 0; i < total; i++)
        post(getpid(), countable_signal(), 0);
    stop = true;
    pthread_join(readers[0], NULL);
    pthread_join(readers[1], NULL);
    CHECK(seen == total);
    CHECK(csigshim_wait(bridge, 0) == 0);
}

static void *open_and_close_bridges(void *unused) {
    (void)unused;
    const int signo = for_second_bridge(countable_signal());
    change_mask(SIG_BLOCK, signo);
    while (!stop) {
        csigshim_bridge *bridge = opened_on(signo, 0);
        csigshim_event event;
        CHECK(csigshim_read(bridge, &event, 1) >= 0);
        CHECK(csigshim_remove(bridge, signo) == 0);
        CHECK(csigshim_close(bridge) == 0);
    }
    return NULL;
}

TEST(other_bridges_that_come_and_go_lose_nothing) {
    const unsigned long total = SCALED(100000);
    csigshim_bridge *bridge = opened_on(countable_signal(), 0);
    pthread_t other = started(open_and_close_bridges, NULL);
    for (unsigned long i = 0; i < total; i++) {
        post(getpid(), countable_signal(), 0);
        if (i % 1000 == 0)
            seen += drained(bridge, countable_signal());
    }
    stop = true;
    pthread_join(other, NULL);
    CHECK(seen + drained(bridge, countable_signal()) == total);
}

/* The values of each sender come once and in order. The senders wait for the reader, so that at most 8,000 events are
 * unread: a bridge has room for 16,384. */
static void check_values_of_senders(int senders, int each) {
    const int signo = SIGRTMIN + 3;
    csigshim_bridge *bridge = opened_on(signo, 0);
    _Atomic unsigned long *consumed = shared(4096), *sent = consumed + 1;
    const pid_t target = getpid();
    pid_t pids[8];
    int next[8] = {0};
    for (int i = 0; i < senders; i++) {
        pids[i] = fork();
        CHECK(pids[i] >= 0);
        if (pids[i] == 0) {
            for (int k = 0; k < each; k++) {
                while (*sent - *consumed > 8000)
                    sched_yield();
                *sent += 1;
                post(target, signo, k);
            }
            _exit(0);
        }
    }
    for (long left = (long)senders * each; left > 0;) {
        csigshim_event events[512];
        CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1);
        const ssize_t count = csigshim_read(bridge, events, 512);
        CHECK(count >= 0);
        for (ssize_t i = 0; i < count; i++) {
            int who = 0;
            while (who < senders && pids[who] != events[i].pid)
                who++;
            CHECK(who < senders);
            CHECK(events[i].signo == signo && events[i].code == SI_QUEUE && events[i].count == 1);
            CHECK(events[i].flags == 0 && events[i].uid == getuid());
            CHECK((int)events[i].value == next[who]);
            next[who]++;
        }
        left -= count;
        *consumed += (unsigned long)count;
    }
    for (int i = 0; i < senders; i++)
        CHECK(next[i] == each && exited(pids[i], 0));
    CHECK(drained(bridge, signo) == 0); /* clears the wake-up that a read with a full buffer leaves */
    CHECK(csigshim_wait(bridge, 20) == 0);
}

TEST(values_of_one_sender_come_once_in_order) {
    SKIP_IF_MERGED();
    check_values_of_senders(1, SCALED(200000));
}

TEST(values_of_four_senders_come_once_in_order) {
    SKIP_IF_MERGED();
    check_values_of_senders(4, SCALED(20000));
}

TEST(values_keep_all_their_bits) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const uintptr_t values[] = {0, 1, UINTPTR_MAX, (uintptr_t)1 << (sizeof(void *) * 8 - 1), 0xdeadbeef};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_ptr = (void *)values[i]}) == 0);
        const csigshim_event event = next_event(bridge);
        CHECK(event.value == values[i] && event.code == SI_QUEUE && event.pid == getpid());
    }
}

TEST(event_time_is_clock_monotonic) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    pause_ms(20);
    const csigshim_event event = next_event(bridge);
    CHECK(event.time_ns >= (uint64_t)a.tv_sec * 1000000000 + (uint64_t)a.tv_nsec);
    CHECK(event.time_ns <= (uint64_t)b.tv_sec * 1000000000 + (uint64_t)b.tv_nsec || !test_is_handler());
}

TEST(remove_keeps_unread_events_close_discards_them) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int i = 0; i < 3; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, unread(SIGUSR1, 3) + 1);
    for (int i = 0; i < KEPT + 5; i++) /* more than the bridge has room for */
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(csigshim_close(bridge) == 0);
    bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_wait(bridge, 0) == 0);
    CHECK(drained(bridge, SIGUSR1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

/* Another process sends a flood, and an edge-triggered poller reads until csigshim_read returns 0. */
TEST(edge_triggered_poller_loses_no_wakeup) {
    SKIP_IF_MERGED();
    const int signo = SIGRTMIN, total = SCALED(50000);
    csigshim_bridge *bridge = opened_on(signo, 0);
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &wanted) == 0);
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < total; i++) {
            post(target, signo, i);
            if (i % 7 == 0)
                sched_yield();
        }
        _exit(0);
    }
    for (int left = total; left > 0;) {
        struct epoll_event event;
        const int count = epoll_wait(poller, &event, 1, DEADLINE_SECONDS * 500);
        CHECK(count == 1 || (count < 0 && errno == EINTR));
        csigshim_event one;
        while (count == 1 && csigshim_read(bridge, &one, 1) == 1)
            left -= (int)one.count;
        CHECK(left >= 0);
    }
    CHECK(exited(sender, 0));
}

TEST(one_more_than_the_capacity_is_counted) {
    HANDLER_ONLY("over signalfd, the kernel's queue holds unread signals");
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    raise_times(SIGUSR1, KEPT + 1);
    CHECK(drained(bridge, SIGUSR1) == KEPT + 1);
    raise_times(SIGUSR1, KEPT + 5);
    CHECK(csigshim_close(bridge) == 0);
    bridge = opened_on(SIGUSR1, 0); /* may reuse the memory of the closed bridge, and not its counts */
    raise_times(SIGUSR1, KEPT + 1);
    CHECK(drained(bridge, SIGUSR1) == KEPT + 1);
}

/* By the time, the readers of two bridges can tell that they have the same delivery. */
TEST(one_delivery_has_the_same_time_in_each_bridge) {
    HANDLER_ONLY("two bridges");
    csigshim_bridge *first = opened_on(SIGUSR1, 0), *second = opened_on(SIGUSR1, 0);
    for (int i = 0; i < 100; i++) {
        CHECK(raise(SIGUSR1) == 0);
        const csigshim_event a = next_event(first), b = next_event(second);
        CHECK(a.time_ns == b.time_ns && a.count == 1 && b.count == 1);
    }
}
