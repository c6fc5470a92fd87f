/* The signalfd mechanism: the thread's mask, the kernel's queue, and one bridge for each signal. */
#include "check.h"
#include <dirent.h>
#include <sys/epoll.h>

#define SIGNALFD_TEST() SIGNALFD_ONLY("masks and the kernel's queue")

static unsigned long long current_mask(void) {
    unsigned long long mask = 0;
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        mask |= is_blocked(signo) ? 1ull << (signo - 1) : 0;
    return mask;
}

static int descriptors(void) {
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

TEST(bridge_has_three_descriptors) {
    SIGNALFD_TEST();
    for (int fd = 3; fd < 100; fd++)
        close(fd); /* inherited descriptors */
    const int before = descriptors();
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_fd(bridge) >= 3);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0 && csigshim_add(bridge, SIGHUP, 0) == 0);
    CHECK(descriptors() == before + 3); /* signalfd, epoll, pipe */
    CHECK(csigshim_remove(bridge, SIGHUP) == 0 && csigshim_close(bridge) == 0);
    CHECK(descriptors() == before);
}

static void *mask_of_thread(void *signo) {
    return is_blocked(*(int *)signo) ? signo : NULL;
}

static bool blocked_on_a_new_thread(int signo) {
    void *result;
    CHECK(pthread_join(started(mask_of_thread, &signo), &result) == 0);
    return result != NULL;
}

TEST(add_blocks_and_remove_unblocks) {
    SIGNALFD_TEST();
    change_mask(SIG_BLOCK, SIGUSR2);
    const unsigned long long before = current_mask();
    csigshim_bridge *bridge = opened(), *other = opened();
    CHECK(current_mask() == before);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_add(bridge, SIGUSR2, 0) == 0);
    CHECK(current_mask() == (before | 1ull << (SIGUSR1 - 1)));
    CHECK(blocked_on_a_new_thread(SIGUSR1));
    CHECK(csigshim_remove(bridge, SIGUSR2) == 0);
    CHECK(is_blocked(SIGUSR2)); /* as before csigshim_add */
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(current_mask() == before);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(current_mask() == before);
    install(SIGHUP, SIG_IGN, 0);
    CHECK(csigshim_add(other, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(current_mask() == before);
    FAILS(csigshim_add(other, SIGSEGV, 0), ENOTSUP);
    FAILS(csigshim_add(other, SIGUSR1, 16), EINVAL);
    CHECK(current_mask() == before);
}

static void *remove_and_keep_blocked(void *bridge) {
    change_mask(SIG_BLOCK, SIGUSR2); /* SIGUSR1 is blocked already: the mask is inherited */
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_remove(bridge, SIGUSR2) == 0);
    CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
    return NULL;
}

/* csigshim_remove changes the mask only on the thread that called csigshim_add. A later pair on one thread works. */
TEST(remove_on_another_thread_keeps_the_mask) {
    SIGNALFD_TEST();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    pthread_join(started(remove_and_keep_blocked, bridge), NULL);
    CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && is_blocked(SIGUSR1));
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && !is_blocked(SIGUSR1));
}

TEST(second_bridge_for_a_signal_is_refused) {
    SIGNALFD_TEST();
    csigshim_bridge *bridge = opened(), *other = opened(), *handler = NULL;
    CHECK(csigshim_open(&handler, CSIGSHIM_HANDLER) == 0);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_add(handler, SIGUSR2, 0) == 0);
    const unsigned long long before = current_mask();
    FAILS(csigshim_add(other, SIGUSR1, 0), EBUSY);
    FAILS(csigshim_add(handler, SIGUSR1, 0), EBUSY);
    FAILS(csigshim_add(bridge, SIGUSR2, 0), EBUSY);
    FAILS(csigshim_add(bridge, SIGUSR1, 0), EEXIST);
    CHECK(current_mask() == before);
    CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
    collect(bridge, SIGUSR1, 1);
    collect(handler, SIGUSR2, 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_remove(handler, SIGUSR2) == 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 &&
          csigshim_add(handler, SIGUSR1, 0) == 0); /* and with the signals exchanged */
    CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
    collect(bridge, SIGUSR2, 1);
    collect(handler, SIGUSR1, 1);
}

TEST(chaining_and_escalation_are_refused) {
    SIGNALFD_TEST();
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

/* Signals that are pending at csigshim_remove can be read afterwards: those for the process and for the thread, all
 * values, and more than the bridge has room for. */
TEST(pending_at_remove_stays_readable) {
    SIGNALFD_TEST();
    const int signo = SIGRTMIN + 3, many = 17000;
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0 && csigshim_add(bridge, SIGHUP, 0) == 0);
    for (int i = 0; i < 500; i++)
        post(getpid(), signo, i);
    CHECK(kill(getpid(), SIGTERM) == 0 && raise(SIGHUP) == 0);
    CHECK(csigshim_remove(bridge, signo) == 0);
    for (int i = 0; i < 500; i++) {
        csigshim_event event = next_event(bridge);
        if (event.signo != signo) /* SIGTERM and SIGHUP are still added, so they can come in between */
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

/* An event that csigshim_remove kept has the same si_code as one that csigshim_read took. */
TEST(pending_at_remove_keeps_its_code) {
    SIGNALFD_TEST();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(raise(SIGUSR1) == 0 && next_event(bridge).code == SI_TKILL);
    CHECK(raise(SIGUSR1) == 0 && csigshim_remove(bridge, SIGUSR1) == 0);
    const csigshim_event event = next_event(bridge);
    CHECK(event.code == SI_TKILL && event.pid == getpid() && event.uid == getuid());
}

/* Signals that the host blocked before are discarded too, and none is read by a later bridge. */
TEST(close_discards_pending_signals) {
    SIGNALFD_TEST();
    change_mask(SIG_BLOCK, SIGUSR2);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0 && raise(SIGTERM) == 0 && kill(getpid(), SIGUSR2) == 0);
    CHECK(csigshim_close(bridge) == 0); /* and SIGTERM does not kill this process */
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGUSR2));
    bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_wait(bridge, 0) == 0 && drained(bridge, SIGTERM) == 0);
}

static _Atomic int step;

static void *read_directed_signal(void *bridge) {
    csigshim_event event;
    step = 1;
    while (step != 2)
        pause_ms(1);
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGUSR1 && event.code == SI_TKILL);
    return NULL;
}

TEST(signal_directed_at_a_thread_is_read_there) {
    SIGNALFD_TEST();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    pthread_t thread = started(read_directed_signal, bridge);
    while (step != 1)
        pause_ms(1);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0); /* it is for the other thread alone */
    step = 2;
    pthread_join(thread, NULL);
}

TEST(event_time_is_that_of_the_read) {
    SIGNALFD_TEST();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    pause_ms(20);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    CHECK(next_event(bridge).time_ns >= (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

/* One csigshim_read takes all pending signals, however many system calls that takes. */
TEST(read_fills_its_buffer) {
    SIGNALFD_TEST();
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

/* Returns how many signals are queued for this user. */
static rlim_t queued_signals(void) {
    char line[256];
    unsigned long count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "SigQ: %lu", &count) != 1)
        ;
    fclose(file);
    return count;
}

/* sigqueue fails with EAGAIN when the queue is full, and each signal that it accepted is read. */
TEST(full_queue_is_reported_to_the_sender) {
    SIGNALFD_TEST();
    const rlim_t room = queued_signals() + 2000; /* the limit counts the signals of other processes too */
    const struct rlimit limit = {room, room};
    const int signo = SIGRTMIN;
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_capacity(bridge) == (int)room);
    for (int sent, round = 0; round < 3; round += sent != 0) { /* 0 if other processes fill the queue for a moment */
        sent = 0;
        while (sigqueue(getpid(), signo, (union sigval){.sival_int = sent}) == 0)
            sent++;
        CHECK(errno == EAGAIN);
        for (int i = 0; i < sent; i++)
            CHECK(next_event(bridge).value == (unsigned)i);
        CHECK(csigshim_wait(bridge, 0) == 0);
    }
}

TEST(pending_at_remove_is_kept_without_room_in_the_queue) {
    const struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
}

/* After csigshim_remove, the host blocks the same signal. The library does not unblock it any more. */
TEST(signal_blocked_by_the_host_after_remove_stays_blocked) {
    csigshim_spawn scope;
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && !is_blocked(SIGTERM));
    change_mask(SIG_BLOCK, SIGTERM);
    const pid_t child = fork();
    if (child == 0)
        _exit(!is_blocked(SIGTERM));
    CHECK(exited(child, 0));
    CHECK(csigshim_spawn_begin(&scope, 0) == 0 && is_blocked(SIGTERM) && csigshim_spawn_end(&scope) == 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && is_blocked(SIGTERM));
}

/* A handler has recorded one signal, and two are in the kernel's queue. */
TEST(read_gives_both_sources_within_its_buffer) {
    SIGNALFD_TEST();
    csigshim_event events[3] = {{.signo = -1}, {.signo = -1}, {.signo = -1}};
    csigshim_bridge *bridge = opened_on(SIGRTMIN, 0);
    change_mask(SIG_UNBLOCK, SIGRTMIN);
    CHECK(raise(SIGRTMIN) == 0);
    change_mask(SIG_BLOCK, SIGRTMIN);
    for (int i = 0; i < 2; i++)
        post(getpid(), SIGRTMIN, i);
    CHECK(csigshim_read(bridge, events, 2) == 2 && events[0].code == SI_TKILL && events[1].code == SI_QUEUE);
    CHECK(events[2].signo == -1);
    CHECK(csigshim_read(bridge, events, 2) == 1 && events[0].value == 1);
}

/* A signal that becomes pending after csigshim_remove is not the bridge's. The bridge does not take it, and does not
 * become readable. */
TEST(removed_signal_is_left_to_the_host) {
    SIGNALFD_TEST();
    sigset_t pending;
    change_mask(SIG_BLOCK, SIGTERM);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0 && csigshim_remove(bridge, SIGTERM) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(csigshim_wait(bridge, 0) == 0 && csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1);
}

/* The kernel drops a pending signal when SIG_IGN is installed for it. */
TEST(pending_at_remove_stays_readable_over_an_ignored_signal) {
    SIGNALFD_TEST();
    install(SIGHUP, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(kill(getpid(), SIGHUP) == 0 && csigshim_remove(bridge, SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
}
