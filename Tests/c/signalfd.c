/* What is signalfd's own: the mask, the kernel's queue, whose signal it is. */
#include "check.h"
#include <dirent.h>
#include <sys/epoll.h>

#define SIGNALFD() SIGNALFD_ONLY("masks and the kernel's queue")

static unsigned long long mask_now(void)
{
    unsigned long long mask = 0;
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        mask |= is_blocked(signo) ? 1ull << (signo - 1) : 0;
    return mask;
}

static int descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(directory))
            continue;
        count++;
        CHECK(fd < 3 || fd >= 100 || (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    }
    closedir(directory);
    return count;
}

TEST(four_descriptors)
{
    SIGNALFD();
    for (int fd = 3; fd < 100; fd++)
        close(fd); /* what we were started with */
    const int before = descriptors();
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_fd(bridge) >= 3);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0 && csigshim_add(bridge, SIGHUP, 0) == 0);
    CHECK(descriptors() == before + 4);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0 && csigshim_close(bridge) == 0);
    CHECK(descriptors() == before);
}

static void *mask_of_thread(void *signo)
{
    return is_blocked(*(int *)signo) ? signo : NULL;
}

static bool blocked_on_a_new_thread(int signo)
{
    void *result;
    CHECK(pthread_join(started(mask_of_thread, &signo), &result) == 0);
    return result != NULL;
}

TEST(add_blocks_and_remove_unblocks)
{
    SIGNALFD();
    change_mask(SIG_BLOCK, SIGUSR2);
    const unsigned long long before = mask_now();
    csigshim_bridge *bridge = opened(), *other = opened();
    CHECK(mask_now() == before);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_add(bridge, SIGUSR2, 0) == 0);
    CHECK(mask_now() == (before | 1ull << (SIGUSR1 - 1)));
    CHECK(blocked_on_a_new_thread(SIGUSR1));
    CHECK(csigshim_remove(bridge, SIGUSR2) == 0);
    CHECK(is_blocked(SIGUSR2)); /* the host did that */
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(mask_now() == before);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(mask_now() == before);
    install(SIGHUP, SIG_IGN, 0);
    CHECK(csigshim_add(other, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(mask_now() == before);
    FAILS(csigshim_add(other, SIGSEGV, 0), ENOTSUP);
    FAILS(csigshim_add(other, SIGUSR1, 8), EINVAL);
    CHECK(mask_now() == before);
}

static void *remove_here(void *bridge)
{
    change_mask(SIG_BLOCK, SIGUSR2); /* inherited SIGUSR1, blocked */
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_remove(bridge, SIGUSR2) == 0);
    CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
    return NULL;
}

/* In other threads than the one that added it, a signal stays as it is; nothing of this is held against the next one.
 */
TEST(removed_on_another_thread)
{
    SIGNALFD();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    pthread_join(started(remove_here, bridge), NULL);
    CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && is_blocked(SIGUSR1));
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && !is_blocked(SIGUSR1));
}

TEST(one_bridge_for_a_signal)
{
    SIGNALFD();
    csigshim_bridge *bridge = opened(), *other = opened(), *handler = NULL;
    CHECK(csigshim_open(&handler, CSIGSHIM_HANDLER) == 0);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_add(handler, SIGUSR2, 0) == 0);
    const unsigned long long before = mask_now();
    FAILS(csigshim_add(other, SIGUSR1, 0), EBUSY);
    FAILS(csigshim_add(handler, SIGUSR1, 0), EBUSY);
    FAILS(csigshim_add(bridge, SIGUSR2, 0), EBUSY);
    FAILS(csigshim_add(bridge, SIGUSR1, 0), EEXIST);
    CHECK(mask_now() == before);
    CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
    collect(bridge, SIGUSR1, 1);
    collect(handler, SIGUSR2, 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_remove(handler, SIGUSR2) == 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 &&
          csigshim_add(handler, SIGUSR1, 0) == 0); /* and the other way round */
    CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
    collect(bridge, SIGUSR2, 1);
    collect(handler, SIGUSR1, 1);
}

TEST(neither_chains_nor_escalates)
{
    SIGNALFD();
    csigshim_bridge *bridge = opened();
    FAILS(csigshim_add(bridge, SIGTERM, CSIGSHIM_CHAIN), ENOTSUP);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ABSENT && !is_blocked(SIGTERM));
    CHECK(csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_DEFAULT);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    FAILS(csigshim_set_chain(bridge, SIGTERM, 1), ENOTSUP);
    FAILS(csigshim_escalate_after(bridge, SIGTERM, 2), ENOTSUP);
    for (int i = 0; i < 5; i++)
        CHECK(raise(SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
}

/* Pending at `remove`: readable afterwards, directed at the process or at this thread, each value, and more than fit.
 */
TEST(pending_at_remove_stays_readable)
{
    SIGNALFD();
    const int signo = SIGRTMIN + 3, many = 17000;
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0 && csigshim_add(bridge, SIGHUP, 0) == 0);
    for (int i = 0; i < 500; i++)
        post(getpid(), signo, i);
    CHECK(kill(getpid(), SIGTERM) == 0 && raise(SIGHUP) == 0);
    CHECK(csigshim_remove(bridge, signo) == 0);
    for (int i = 0; i < 500; i++) {
        csigshim_event event = next_event(bridge);
        if (event.signo != signo) /* still added: readable at any time */
            event = next_event(bridge);
        if (event.signo != signo)
            event = next_event(bridge);
        CHECK(event.signo == signo && event.value == (unsigned)i && event.pid == getpid() && event.flags == 0);
    }
    while (csigshim_read(bridge, &(csigshim_event){0}, 1) > 0)
        ;
    CHECK(kill(getpid(), SIGTERM) == 0 && csigshim_remove(bridge, SIGTERM) == 0);
    CHECK(csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGTERM) == 1);
    CHECK(raise(SIGHUP) == 0 && csigshim_remove(bridge, SIGHUP) == 0);
    CHECK(csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGHUP) == 1);

    CHECK(csigshim_add(bridge, signo, 0) == 0);
    for (int i = 0; i < many; i++)
        post(getpid(), signo, i);
    CHECK(csigshim_remove(bridge, signo) == 0);
    CHECK(drained(bridge, signo) == (unsigned)many);
    CHECK(csigshim_wait(bridge, 0) == 0);
}

/* Whether read or kept by `remove`, an event says of its signal what the kernel said. */
TEST(pending_at_remove_keeps_its_code)
{
    SIGNALFD();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(raise(SIGUSR1) == 0 && next_event(bridge).code == SI_TKILL);
    CHECK(raise(SIGUSR1) == 0 && csigshim_remove(bridge, SIGUSR1) == 0);
    const csigshim_event event = next_event(bridge);
    CHECK(event.code == SI_TKILL && event.pid == getpid() && event.uid == getuid());
}

/* With the thread's own masks in play: what was blocked by the host before must not be lost, nor be read later. */
TEST(close_discards_what_is_pending)
{
    SIGNALFD();
    change_mask(SIG_BLOCK, SIGUSR2);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0 && raise(SIGTERM) == 0 && kill(getpid(), SIGUSR2) == 0);
    CHECK(csigshim_close(bridge) == 0); /* and we live */
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGUSR2));
    bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_wait(bridge, 0) == 0 && drained(bridge, SIGTERM) == 0);
}

static _Atomic int step;

static void *reads_its_own(void *bridge)
{
    csigshim_event event;
    step = 1;
    while (step != 2)
        pause_ms(1);
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGUSR1 && event.code == SI_TKILL);
    return NULL;
}

TEST(directed_at_another_thread)
{
    SIGNALFD();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    pthread_t thread = started(reads_its_own, bridge);
    while (step != 1)
        pause_ms(1);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0); /* it is not for us */
    step = 2;
    pthread_join(thread, NULL);
}

TEST(time_is_that_of_reading)
{
    SIGNALFD();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    pause_ms(20);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    CHECK(next_event(bridge).time_ns >= (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

/* However many reads of the kernel's queue that takes. */
TEST(read_gives_all_that_it_has_room_for)
{
    SIGNALFD();
    enum { MOST = 200 };
    csigshim_event events[MOST];
    csigshim_bridge *bridge = opened_on(SIGRTMIN, 0);
    for (int sent = 1; sent < MOST; sent++) {
        for (int i = 0; i < sent; i++)
            post(getpid(), SIGRTMIN, i);
        CHECK(csigshim_read(bridge, events, MOST) == sent);
        for (int i = 0; i < sent; i++)
            CHECK(events[i].value == (unsigned)i);
        CHECK(csigshim_wait(bridge, 0) == 0);
    }
}

/* How many signals of this user are in queues now. */
static rlim_t queued(void)
{
    char line[256];
    unsigned long count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "SigQ: %lu", &count) != 1)
        ;
    fclose(file);
    return count;
}

/* The sender is told when the queue is full, and what was taken is all there. */
TEST(full_queue_tells_the_sender)
{
    SIGNALFD();
    const rlim_t room = queued() + 2000; /* other processes' signals count as well */
    const struct rlimit limit = {room, room};
    const int signo = SIGRTMIN;
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_capacity(bridge) == (int)room);
    for (int sent, round = 0; round < 3; round += sent != 0) { /* or others have the room for a moment */
        sent = 0;
        while (sigqueue(getpid(), signo, (union sigval){.sival_int = sent}) == 0)
            sent++;
        CHECK(errno == EAGAIN);
        for (int i = 0; i < sent; i++)
            CHECK(next_event(bridge).value == (unsigned)i);
        CHECK(csigshim_wait(bridge, 0) == 0);
    }
}
