/* Many signals, several readers, and each kind of poller that a host may use (G1, G3). */
#include "check.h"
#include <sys/epoll.h>

enum { SENDERS = 4, AHEAD = 8000 };

struct counts {
    _Atomic int sent, consumed, refused;
};

/* Starts a process that sends the numbers from 0 on. It tries again whenever the queue is full. */
static pid_t start_sender(int signo, int total, struct counts *counts) {
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

/* While the reader stalls, nothing is lost, and the order of each sender is kept. This process has a limit of its own,
 * so that it does not fill the queue of other programs. */
TEST(full_queue_of_a_stalled_reader_loses_nothing) {
    SIGNALFD_ONLY("over the handler, a bridge has room for 16,384");
    const int signo = SIGRTMIN + 3, each = SCALED(250000);
    const struct rlimit limit = {20000, 20000};
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    csigshim_bridge *bridge = opened_on(signo, 0);
    struct counts *counts = shared(sizeof *counts);
    pid_t pids[SENDERS];
    int next[SENDERS] = {0};
    for (int i = 0; i < SENDERS; i++)
        pids[i] = start_sender(signo, each, counts);
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

static _Atomic unsigned char *times_read;
static _Atomic int total_read, total_wanted;
static struct counts *read_counts;

static void *read_until_all_are_read(void *bridge) {
    csigshim_event events[16];
    while (total_read < total_wanted) {
        CHECK(csigshim_wait(bridge, 50) >= 0);
        const ssize_t count = csigshim_read(bridge, events, 16);
        CHECK(count >= 0);
        for (ssize_t i = 0; i < count; i++)
            CHECK(events[i].count == 1 && times_read[events[i].value]++ == 0);
        total_read += (int)count;
        read_counts->consumed += (int)count;
    }
    return NULL;
}

TEST(two_readers_get_each_value_once) {
    SKIP_IF_MERGED();
    const int signo = SIGRTMIN + 3;
    total_wanted = SCALED(50000);
    times_read = shared((size_t)total_wanted);
    read_counts = shared(4096);
    csigshim_bridge *bridge = opened_on(signo, 0);
    pthread_t readers[2] = {started(read_until_all_are_read, bridge), started(read_until_all_are_read, bridge)};
    const pid_t sender = start_sender(signo, total_wanted, read_counts);
    pthread_join(readers[0], NULL);
    pthread_join(readers[1], NULL);
    CHECK(exited(sender, 0) && total_read == total_wanted);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
}

static _Atomic bool stop, is_blocked_there;

static void *add_and_remove_another_signal(void *bridge) {
    change_mask(SIG_BLOCK, SIGRTMIN + 3); /* two threads that take it would reorder it */
    is_blocked_there = true;
    while (!stop) {
        CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
        CHECK(csigshim_remove(bridge, SIGUSR2) == 0);
    }
    return NULL;
}

/* csigshim_remove takes what is pending of one signal. An edge of another signal in that moment is not lost. */
TEST(edges_survive_the_removal_of_another_signal) {
    SKIP_IF_MERGED();
    const int signo = SIGRTMIN + 3, total = SCALED(20000), poller = epoll_create1(EPOLL_CLOEXEC);
    struct counts *counts = shared(sizeof *counts);
    csigshim_bridge *bridge = opened_on(signo, 0);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &wanted) == 0);
    pthread_t thread = started(add_and_remove_another_signal, bridge);
    while (!is_blocked_there) /* or the new thread takes the first signal */
        sched_yield();
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < total; i++) { /* few at a time, so that almost each of them is an edge */
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

/* Each bridge gets its own signal in order, and one epoll waits for all bridges. */
TEST(eight_bridges_in_one_poller_keep_their_order) {
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
        pids[i] = start_sender(SIGRTMIN + i, each, &counts[i]);
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
    for (int i = 0; i < BRIDGES; i++) /* the last bridge works when the others are closed */
        CHECK(i == BRIDGES - 1 || csigshim_close(bridges[i]) == 0);
    CHECK(kill(getpid(), SIGRTMIN + BRIDGES - 1) == 0);
    collect(bridges[BRIDGES - 1], SIGRTMIN + BRIDGES - 1, 1);
}

static bool is_reported_by(int poller) {
    struct epoll_event event;
    return epoll_wait(poller, &event, 1, 20) == 1;
}

/* Pollers by level, by edge and in one-shot mode each report an earlier signal, a later one, and csigshim_wake. */
TEST(level_edge_and_oneshot_pollers_see_each_signal) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int poller = epoll_create1(EPOLL_CLOEXEC), fd = csigshim_fd(bridge);
    const unsigned kinds[] = {0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct epoll_event wanted = {.events = EPOLLIN | kinds[i]};
        const bool once = kinds[i] & EPOLLONESHOT;
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted) == 0);
        CHECK(is_reported_by(poller));
        CHECK(is_reported_by(poller) == (kinds[i] == 0));
        CHECK(drained(bridge, SIGUSR1) == 1);
        CHECK(!is_reported_by(poller));
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(is_reported_by(poller) == !once);
        CHECK(!once || epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wanted) == 0);
        CHECK(!once || is_reported_by(poller));
        CHECK(drained(bridge, SIGUSR1) == 1);
        CHECK(!once || epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wanted) == 0);
        CHECK(!is_reported_by(poller));
        CHECK(csigshim_wake(bridge) == 0);
        CHECK(is_reported_by(poller));
        CHECK(drained(bridge, SIGUSR1) == 0);
        CHECK(!once || epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wanted) == 0);
        CHECK(!is_reported_by(poller));
        CHECK(epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL) == 0);
    }
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 0) == 0 && kill(getpid(), SIGUSR1) == 0 && poll(&poll_fd, 1, -1) == 1);
    CHECK(poll_fd.revents == POLLIN && drained(bridge, SIGUSR1) == 1 && poll(&poll_fd, 1, 0) == 0);
}
