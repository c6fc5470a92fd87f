/* A host changes flags of the bridge's descriptors: O_NONBLOCK, O_ASYNC, the permission bits. csigshim_read,
 * csigshim_wake and the handler never block all the same, and the bridge works on (G9, G11). */
#include "bounded.h"
#include <sys/ioctl.h>
#include <sys/stat.h>

typedef void change(int fd);

static void clear_nonblock(int fd) {
    CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
}

static void clear_nonblock_by_ioctl(int fd) {
    int off = 0;
    (void)ioctl(fd, FIONBIO, &off); /* some descriptors refuse it */
}

static void change_permissions(int fd) {
    (void)fchmod(fd, 0);
}

static void append(int fd) {
    CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND) == 0);
}

static void clear_nonblock_and_permissions(int fd) {
    clear_nonblock(fd);
    change_permissions(fd);
}

static change *const changes[] = {clear_nonblock, clear_nonblock_by_ioctl, change_permissions, append,
                                  clear_nonblock_and_permissions};
enum { CHANGES = sizeof changes / sizeof *changes };

static change *applied;
static bool descriptors_before[256];

static void remember_descriptors(void) {
    for (int fd = 0; fd < 256; fd++)
        descriptors_before[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* Every descriptor that the bridge has opened, also those that the host has to look for. */
static void apply_to_all(void) {
    int count = 0;
    for (int fd = 3; fd < 256; fd++)
        if (!descriptors_before[fd] && fcntl(fd, F_GETFD) >= 0) {
            applied(fd);
            count++;
        }
    CHECK(count > 0);
}

static bool is_readable(csigshim_bridge *bridge) {
    struct pollfd poller = {.fd = csigshim_fd(bridge), .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

static void reads_empty_bridge(void) {
    remember_descriptors();
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    applied(csigshim_fd(bridge));
    apply_to_all();
    for (int i = 0; i < 3; i++) {
        CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0 && is_readable(bridge));
        CHECK(csigshim_wait(bridge, 1000) == 1 && csigshim_read(bridge, &(csigshim_event){0}, 1) == 1);
        for (int k = 0; k < 3; k++)
            CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
        CHECK(!is_readable(bridge) && csigshim_wait(bridge, 0) == 0);
        CHECK(csigshim_wake(bridge) == 0 && is_readable(bridge) && csigshim_wait(bridge, 0) == 1);
        for (int k = 0; k < 3; k++)
            CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
        CHECK(!is_readable(bridge));
    }
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_close(bridge) == 0);
    for (int fd = 3; fd < 256; fd++) /* the library has recognized and closed all of them */
        CHECK((fcntl(fd, F_GETFD) >= 0) == descriptors_before[fd]);
}

TEST(read_never_blocks_whatever_was_done_to_the_descriptor) {
    for (int i = 0; i < CHANGES; i++) {
        applied = changes[i];
        CHECK(finishes(reads_empty_bridge));
    }
}

static void wakes_often(void) {
    remember_descriptors();
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    apply_to_all();
    change_mask(SIG_UNBLOCK, SIGUSR1); /* over signalfd: the handler runs as well */
    for (int i = 0; i < 100000; i++)
        CHECK(csigshim_wake(bridge) == 0);
    CHECK(is_readable(bridge) && kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0 && !is_readable(bridge));
    for (int i = 0; i < 100000; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(csigshim_wake(bridge) == 0);
    collect(bridge, SIGUSR1, 100000);
    CHECK(!is_readable(bridge));
}

TEST(many_wakes_never_block_without_o_nonblock) {
    SKIP_IF_MERGED();
    for (int i = 0; i < CHANGES; i++) {
        applied = changes[i];
        CHECK(finishes(wakes_often));
    }
}

static csigshim_bridge *woken;

static void wakes(int signo) {
    (void)signo;
    (void)csigshim_wake(woken);
}

static void wakes_often_in_handlers(void) {
    remember_descriptors();
    woken = polled(opened());
    install(SIGUSR2, wakes, 0);
    applied = clear_nonblock;
    apply_to_all();
    for (int i = 0; i < 100000; i++)
        CHECK(raise(SIGUSR2) == 0);
    CHECK(csigshim_wait(woken, 0) == 1 && csigshim_read(woken, &(csigshim_event){0}, 1) == 0);
}

TEST(many_wakes_in_handlers_never_block_without_o_nonblock) {
    CHECK(finishes(wakes_often_in_handlers));
}

/* The other reader may have taken any byte of the self-pipe since this one looked. */
enum { READERS = 3 };
static atomic_bool stop;
static atomic_ulong taken;

static void *reads(void *bridge) {
    csigshim_event events[4];
    while (!stop) {
        const ssize_t count = csigshim_read(bridge, events, 4);
        CHECK(count >= 0);
        for (ssize_t i = 0; i < count; i++)
            atomic_fetch_add(&taken, events[i].count);
    }
    return NULL;
}

static void readers_take_turns(void) {
    pthread_t readers[READERS];
    enum { TOTAL = SCALED(20000) };
    const int signo = countable_signal();
    remember_descriptors();
    csigshim_bridge *bridge = polled(opened_on(signo, 0));
    applied = clear_nonblock;
    apply_to_all();
    for (int i = 0; i < READERS; i++)
        readers[i] = started(reads, bridge);
    for (int i = 0; i < TOTAL; i++) {
        post(getpid(), signo, i);
        if (i % 16 == 0)
            CHECK(csigshim_wake(bridge) == 0);
    }
    while (taken < TOTAL)
        pause_ms(1);
    stop = true;
    for (int i = 0; i < READERS; i++)
        CHECK(pthread_join(readers[i], NULL) == 0);
    CHECK(taken == TOTAL);
}

TEST(readers_never_block_each_other_without_o_nonblock) {
    SKIP_IF_MERGED();
    CHECK(finishes(readers_take_turns));
}

static volatile sig_atomic_t io_calls;

static void notified(int signo) {
    (void)signo;
    io_calls++;
}

/* SIGIO for each byte, while the handler is still running. */
static void gets_sigio(void) {
    remember_descriptors();
    install(SIGIO, notified, SA_RESTART);
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    for (int fd = 3; fd < 256; fd++)
        if (!descriptors_before[fd] && fcntl(fd, F_GETFD) >= 0 && fcntl(fd, F_SETOWN, getpid()) == 0)
            (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
    for (int i = 0; i < 100; i++) {
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        CHECK(csigshim_wake(bridge) == 0 && csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
    }
    CHECK(csigshim_close(bridge) == 0);
}

TEST(asynchronous_notification_of_the_descriptor_harms_nothing) {
    CHECK(finishes(gets_sigio));
}

/* The notification is itself a signal of the bridge: each delivery writes, and each byte notifies. */
static void receives_its_own_notification(void) {
    csigshim_bridge *bridge = polled(opened_on(SIGIO, 0));
    const int fd = csigshim_fd(bridge);
    CHECK(fcntl(fd, F_SETOWN, getpid()) == 0);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
    CHECK(kill(getpid(), SIGIO) == 0 && csigshim_wait(bridge, -1) == 1 && drained(bridge, SIGIO) >= 1);
    for (int i = 0; i < 1000; i++) /* not for ever */
        (void)drained(bridge, SIGIO);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_ASYNC);
    (void)drained(bridge, SIGIO);
    CHECK(csigshim_wait(bridge, 20) == 0);
}

TEST(notification_that_is_subscribed_ends) {
    CHECK(finishes(receives_its_own_notification));
}

#if defined(F_SETPIPE_SZ)
static void has_a_small_pipe(void) {
    remember_descriptors();
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    for (int fd = 3; fd < 256; fd++)
        if (!descriptors_before[fd] && fcntl(fd, F_GETFD) >= 0)
            (void)fcntl(fd, F_SETPIPE_SZ, 4096);
    applied = clear_nonblock;
    apply_to_all();
    for (int i = 0; i < 5000; i++)
        CHECK(csigshim_wake(bridge) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

TEST(small_pipe_never_blocks_without_o_nonblock) {
    CHECK(finishes(has_a_small_pipe));
}
#endif

#if defined(__linux__)
/* O_DIRECT makes packets of what is written: one read takes one byte. */
static void has_packets(void) {
    remember_descriptors();
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    int changed = 0;
    for (int fd = 3; fd < 256; fd++)
        if (!descriptors_before[fd] && fcntl(fd, F_GETFD) >= 0)
            changed += fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT) == 0;
    if (changed == 0)
        SKIP("no packets in pipes");
    for (int i = 0; i < 100; i++)
        CHECK(csigshim_wake(bridge) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0 && csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) == 1);
    for (int i = 0; is_readable(bridge) && i < 100; i++) /* not readable for ever, with nothing to read */
        CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
    CHECK(!is_readable(bridge) && kill(getpid(), SIGUSR1) == 0 && is_readable(bridge));
    CHECK(drained(bridge, SIGUSR1) == 1);
}

TEST(packets_in_the_pipe_are_used_up) {
    CHECK(finishes(has_packets));
}
#endif

/* A forked child's new descriptors have flags of their own, whatever flags the parent's have. */
static void child_has_descriptors_of_its_own(void) {
    remember_descriptors();
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    applied = clear_nonblock_and_permissions;
    apply_to_all();
    CHECK(csigshim_after_fork(bridge) == 0); /* nothing to do here */
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
        CHECK(csigshim_after_fork(bridge) == 0);
        CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(polled(bridge), SIGUSR1, 1);
        CHECK(csigshim_close(bridge) == 0);
        _exit(0);
    }
    CHECK(exited(child, 0));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

TEST(forked_child_of_a_bridge_with_other_flags) {
    CHECK(finishes(child_has_descriptors_of_its_own));
}
