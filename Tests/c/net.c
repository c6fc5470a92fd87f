/* The safety net under signalfd: threads that do not block a signal neither lose it nor let it kill the process. With
 * the handler mechanism, which no thread needs to block for, the same holds. */
#include "check.h"
#include <sys/epoll.h>

enum { TOTAL = 10000 };

static _Atomic bool stop;
static _Atomic int ready;
static int signo;

static void *open_minded(void *unused)
{
    change_mask(SIG_UNBLOCK, signo);
    change_mask(SIG_UNBLOCK, SIGTERM);
    ready++;
    while (!stop)
        pause_ms(1);
    return unused;
}

static void *wavering(void *unused)
{
    ready++;
    while (!stop) {
        change_mask(SIG_UNBLOCK, signo);
        change_mask(SIG_BLOCK, signo);
    }
    return unused;
}

/* Numbers from another process, and a TERM after each, which would kill. `ahead`: how many may be unread. */
static pid_t sending(int total, int ahead, _Atomic int *consumed)
{
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

/* Reads what is there: each number once, with its sender. */
static int numbers(csigshim_bridge *bridge, unsigned char *got, int total, pid_t sender)
{
    csigshim_event events[64];
    int sum = 0;
    for (ssize_t count; (count = csigshim_read(bridge, events, 64)) != 0;) {
        CHECK(count > 0);
        for (ssize_t i = 0; i < count; i++) {
            if (events[i].signo == SIGTERM)
                continue;
            CHECK(events[i].signo == signo && events[i].count == 1 && events[i].flags == 0);
            CHECK(events[i].pid == sender && events[i].value < (unsigned)total && got[events[i].value]++ == 0);
            sum++;
        }
    }
    return sum;
}

static csigshim_bridge *with_term(void)
{
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    return bridge;
}

/* Three threads take 10,000 while nobody reads. */
static void unread_by(void *(*body)(void *), bool before)
{
    SKIP_IF_MERGED();
    static unsigned char got[TOTAL];
    pthread_t threads[3];
    pid_t tids[8];
    signo = SIGRTMIN + 1;
    for (int i = 0; i < 3 && before; i++)
        threads[i] = started(body, NULL);
    while (before && ready < 3)
        pause_ms(1);
    csigshim_bridge *bridge = with_term();
    for (int i = 0; i < 3 && !before; i++)
        threads[i] = started(body, NULL);
    while (ready < 3)
        pause_ms(1);
    if (body == open_minded)
        CHECK(csigshim_unblocked_threads(signo, tids, 8) == (test_is_handler() ? 4 : 3));
    const pid_t sender = sending(TOTAL, TOTAL, shared(4096));
    CHECK(exited(sender, 0));
    stop = true; /* what was blocked at the end is the process's, for whom who reads */
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(numbers(bridge, got, TOTAL, sender) == TOTAL);
    CHECK(csigshim_wait(bridge, 20) == 0);
}

TEST(threads_from_before_open)
{
    unread_by(open_minded, true);
}

TEST(threads_that_unblock)
{
    unread_by(open_minded, false);
}

TEST(threads_that_waver)
{
    unread_by(wavering, false);
}

static void *read_all(void *shared_bridge)
{
    static unsigned char got[TOTAL];
    _Atomic int *consumed = shared(4096);
    const pid_t sender = sending(TOTAL, 1000, consumed);
    while (*consumed < TOTAL) {
        CHECK(csigshim_wait(shared_bridge, DEADLINE_SECONDS * 1000) == 1);
        *consumed += numbers(shared_bridge, got, TOTAL, sender);
    }
    CHECK(exited(sender, 0));
    for (stop = true; stop; pause_ms(10)) /* until main has seen it */
        kill(getpid(), SIGTERM);
    return NULL;
}

/* Swift's main thread on Linux: parked in sigsuspend with an empty mask, while another thread reads. */
TEST(main_in_sigsuspend)
{
    SKIP_IF_MERGED();
    sigset_t empty;
    sigemptyset(&empty);
    signo = SIGRTMIN + 1;
    pthread_t reader = started(read_all, with_term());
    while (!stop)
        sigsuspend(&empty);
    stop = false;
    pthread_join(reader, NULL);
}

/* One thread that blocks, and one that wavers; the poller is edge-triggered. No wake-up is lost on either way. */
TEST(edge_triggered_on_both_ways)
{
    SKIP_IF_MERGED();
    static unsigned char got[SCALED(20000)];
    const int total = SCALED(20000), poller = epoll_create1(EPOLL_CLOEXEC);
    signo = SIGRTMIN + 1;
    csigshim_bridge *bridge = with_term();
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &wanted) == 0);
    pthread_t thread = started(wavering, NULL);
    _Atomic int *consumed = shared(4096);
    const pid_t sender = sending(total, 50, consumed);
    while (*consumed < total) {
        const int count = epoll_wait(poller, &wanted, 1, DEADLINE_SECONDS * 500);
        CHECK(count == 1 || (count < 0 && errno == EINTR));
        *consumed += numbers(bridge, got, total, sender);
    }
    stop = true;
    pthread_join(thread, NULL);
    CHECK(exited(sender, 0));
}

/* Standard signals: each delivery counts, since none is pending when the next one comes. */
TEST(ten_thousand_on_this_thread)
{
    signo = SIGTERM;
    csigshim_bridge *bridge = opened_on(signo, 0);
    change_mask(SIG_UNBLOCK, signo);
    for (int i = 0; i < TOTAL; i++)
        CHECK(raise(signo) == 0);
    collect(bridge, signo, TOTAL);
    CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
}

/* 16,384 with their details, then a count; and then details again. */
TEST(more_than_the_ring_holds)
{
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

static void *raise_soon(void *unused)
{
    change_mask(SIG_UNBLOCK, SIGUSR1);
    pause_ms(30);
    CHECK(raise(SIGUSR1) == 0);
    return unused;
}

TEST(net_wakes_who_waits)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread = started(raise_soon, NULL);
        CHECK(csigshim_wait(bridge, -1) == 1);
        CHECK(drained(bridge, SIGUSR1) == 1);
        pthread_join(thread, NULL);
        CHECK(csigshim_wait(bridge, 0) == 0);
    }
}
