/* Many signals, many readers, and the pollers that a host may have (G1, G3). */
#include "check.h"
#include <sys/epoll.h>

enum { SENDERS = 4, AHEAD = 8000 };

struct counts {
    _Atomic int sent, consumed, refused;
};

/* Numbers from 0 on, each once: where the queue is full we are told, and try again. */
static pid_t sender_of(int signo, int total, struct counts *counts)
{
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < total; i++) {
            while (test_is_handler() && counts->sent - counts->consumed > AHEAD)
                sched_yield();
            counts->sent++;
            while (sigqueue(target, signo, (union sigval){.sival_int = i}) != 0) {
                CHECK(errno == EAGAIN);
                counts->refused++;
                pause_ms(1);
            }
        }
        _exit(0);
    }
    CHECK(sender > 0);
    return sender;
}

/* Nothing is lost while the consumer stalls, and what is in order for each sender stays so. The limit is our own: the
 * queue that fills up is not the one of other programs. */
TEST(a_million_from_four_senders)
{
    SIGNALFD_ONLY("a handler keeps 16,384");
    const int signo = SIGRTMIN + 3, each = SCALED(250000);
    const struct rlimit limit = {20000, 20000};
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    csigshim_bridge *bridge = opened_on(signo, 0);
    struct counts *counts = shared(sizeof *counts);
    pid_t pids[SENDERS];
    int next[SENDERS] = {0};
    for (int i = 0; i < SENDERS; i++)
        pids[i] = sender_of(signo, each, counts);
    pause_ms(5000);
    CHECK(counts->refused > 0); /* the queue is full */
    for (int left = SENDERS * each; left > 0;) {
        csigshim_event events[512];
        CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1);
        const ssize_t count = csigshim_read(bridge, events, 512);
        CHECK(count >= 0);
        for (ssize_t i = 0; i < count; i++) {
            int who = 0;
            while (who < SENDERS && pids[who] != events[i].pid)
                who++;
            CHECK(who < SENDERS && events[i].signo == signo && events[i].code == SI_QUEUE);
            CHECK(events[i].count == 1 && events[i].flags == 0);
            CHECK(events[i].value == (unsigned)next[who]++);
        }
        left -= (int)count;
    }
    for (int i = 0; i < SENDERS; i++)
        CHECK(next[i] == each && exited(pids[i], 0));
    CHECK(csigshim_wait(bridge, 20) == 0);
}

static _Atomic unsigned char *got;
static _Atomic int total_read, total_wanted;
static struct counts *read_counts;

static void *one_of_two(void *bridge)
{
    csigshim_event events[16];
    while (total_read < total_wanted) {
        CHECK(csigshim_wait(bridge, 50) >= 0);
        const ssize_t count = csigshim_read(bridge, events, 16);
        CHECK(count >= 0);
        for (ssize_t i = 0; i < count; i++)
            CHECK(events[i].count == 1 && got[events[i].value]++ == 0);
        total_read += (int)count;
        read_counts->consumed += (int)count;
    }
    return NULL;
}

TEST(two_threads_read_one_bridge)
{
    SKIP_IF_MERGED();
    const int signo = SIGRTMIN + 3;
    total_wanted = SCALED(50000);
    got = shared((size_t)total_wanted);
    read_counts = shared(4096);
    csigshim_bridge *bridge = opened_on(signo, 0);
    pthread_t readers[2] = {started(one_of_two, bridge), started(one_of_two, bridge)};
    const pid_t sender = sender_of(signo, total_wanted, read_counts);
    pthread_join(readers[0], NULL);
    pthread_join(readers[1], NULL);
    CHECK(exited(sender, 0) && total_read == total_wanted);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
}

static _Atomic bool stop;

static void *other_signal_comes_and_goes(void *bridge)
{
    change_mask(SIG_BLOCK, SIGRTMIN + 3); /* one thread at a time takes it, or the kernel reorders */
    while (!stop) {
        CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
        CHECK(csigshim_remove(bridge, SIGUSR2) == 0);
    }
    return NULL;
}

/* `remove` empties the kernel's queue of one signal; the edge of another that comes just then must not be lost. */
TEST(edges_while_another_signal_comes_and_goes)
{
    SKIP_IF_MERGED();
    const int signo = SIGRTMIN + 3, total = SCALED(20000), poller = epoll_create1(EPOLL_CLOEXEC);
    struct counts *counts = shared(sizeof *counts);
    csigshim_bridge *bridge = opened_on(signo, 0);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &wanted) == 0);
    pthread_t thread = started(other_signal_comes_and_goes, bridge);
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < total; i++) { /* few at a time: each is an edge of its own, or nearly */
            while (i - counts->consumed > 1)
                sched_yield();
            post(target, signo, i);
        }
        _exit(0);
    }
    for (int next = 0; next < total; counts->consumed = next) {
        csigshim_event event;
        const int count = epoll_wait(poller, &wanted, 1, DEADLINE_SECONDS * 500);
        CHECK(count == 1 || (count < 0 && errno == EINTR));
        while (csigshim_read(bridge, &event, 1) == 1) {
            CHECK(event.signo == signo && event.value == (unsigned)next);
            next++;
        }
    }
    stop = true;
    pthread_join(thread, NULL);
    CHECK(exited(sender, 0));
}

/* Each bridge gets its own signal, in order; one epoll waits for all of them. */
TEST(several_bridges_in_one_poller)
{
    SKIP_IF_MERGED();
    enum { BRIDGES = 8 };
    const int each = SCALED(5000), poller = epoll_create1(EPOLL_CLOEXEC);
    struct counts *counts = shared(BRIDGES * sizeof *counts);
    csigshim_bridge *bridges[BRIDGES];
    pid_t pids[BRIDGES];
    int next[BRIDGES] = {0}, left = BRIDGES * each;
    for (int i = 0; i < BRIDGES; i++) {
        bridges[i] = opened_on(SIGRTMIN + i, 0);
        struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = (unsigned)i};
        CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridges[i]), &wanted) == 0);
    }
    for (int i = 0; i < BRIDGES; i++)
        pids[i] = sender_of(SIGRTMIN + i, each, &counts[i]);
    while (left > 0) {
        struct epoll_event event;
        csigshim_event one[4];
        const int count = epoll_wait(poller, &event, 1, DEADLINE_SECONDS * 500);
        CHECK(count == 1 || (count < 0 && errno == EINTR));
        const int which = count == 1 ? (int)event.data.u32 : 0;
        const ssize_t events = csigshim_read(bridges[which], one, 4);
        CHECK(events >= 0);
        for (ssize_t i = 0; i < events; i++)
            CHECK(one[i].signo == SIGRTMIN + which && one[i].value == (unsigned)next[which]++);
        left -= (int)events;
        counts[which].consumed += (int)events;
    }
    for (int i = 0; i < BRIDGES; i++) {
        CHECK(exited(pids[i], 0));
        CHECK(csigshim_wait(bridges[i], 0) == 0 || csigshim_read(bridges[i], &(csigshim_event){0}, 1) == 0);
    }
    for (int i = 0; i < BRIDGES; i++) /* the last one still works when the others have gone */
        CHECK(i == BRIDGES - 1 || csigshim_close(bridges[i]) == 0);
    CHECK(kill(getpid(), SIGRTMIN + BRIDGES - 1) == 0);
    collect(bridges[BRIDGES - 1], SIGRTMIN + BRIDGES - 1, 1);
}

static bool polls(int poller)
{
    struct epoll_event event;
    return epoll_wait(poller, &event, 1, 20) == 1;
}

/* Level, edge and one shot, each with what came before it was asked, a signal, and a wake. */
TEST(pollers_of_every_kind)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int poller = epoll_create1(EPOLL_CLOEXEC), fd = csigshim_fd(bridge);
    const unsigned kinds[] = {0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct epoll_event wanted = {.events = EPOLLIN | kinds[i]};
        const bool once = kinds[i] & EPOLLONESHOT;
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted) == 0);
        CHECK(polls(poller));
        CHECK(polls(poller) == (kinds[i] == 0));
        CHECK(drained(bridge, SIGUSR1) == 1);
        CHECK(!polls(poller));
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(polls(poller) == !once);
        CHECK(!once || epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wanted) == 0);
        CHECK(!once || polls(poller));
        CHECK(drained(bridge, SIGUSR1) == 1);
        CHECK(!once || epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wanted) == 0);
        CHECK(!polls(poller));
        CHECK(csigshim_wake(bridge) == 0);
        CHECK(polls(poller));
        CHECK(drained(bridge, SIGUSR1) == 0);
        CHECK(!once || epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wanted) == 0);
        CHECK(!polls(poller));
        CHECK(epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL) == 0);
    }
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 0) == 0 && kill(getpid(), SIGUSR1) == 0 && poll(&poll_fd, 1, -1) == 1);
    CHECK(poll_fd.revents == POLLIN && drained(bridge, SIGUSR1) == 1 && poll(&poll_fd, 1, 0) == 0);
}
