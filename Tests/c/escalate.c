/* csigshim_escalate_after: the handler takes the default action when too many signals are unread (G10). */
#include "check.h"

enum { CAPACITY = 16384 };

static csigshim_bridge *opened_escalating(int signo, unsigned unread) {
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_escalate_after(bridge, signo, unread) == 0);
    return bridge;
}

TEST(second_unread_signal_kills) {
    HANDLER_ONLY("escalation");
    const int deadly[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGUSR1, SIGALRM, SIGRTMIN, SIGRTMAX};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        const int signo = deadly[i];
        int alive[2];
        CHECK(pipe(alive) == 0);
        const pid_t child = fork();
        if (child == 0) {
            opened_escalating(signo, 2);
            kill(getpid(), signo);
            (void)!write(alive[1], "x", 1);
            kill(getpid(), signo);
            for (;;)
                pause();
        }
        char byte;
        CHECK(read(alive[0], &byte, 1) == 1); /* the first signal did not kill */
        CHECK(died_of(child, signo));
    }
}

static void *spin(void *counter) {
    for (;;)
        ++*(_Atomic int *)counter;
    return NULL;
}

static pthread_mutex_t stuck = PTHREAD_MUTEX_INITIALIZER;

/* Every thread is stuck, and another process sends SIGTERM. */
TEST(kills_when_every_thread_is_stuck) {
    HANDLER_ONLY("escalation");
    static _Atomic int counter;
    int ready[2];
    CHECK(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        opened_escalating(SIGTERM, 3);
        pthread_mutex_lock(&stuck);
        change_mask(SIG_BLOCK, SIGTERM);
        started(spin, &counter);
        started(spin, &counter);
        change_mask(SIG_UNBLOCK, SIGTERM);
        (void)!write(ready[1], "x", 1);
        pthread_mutex_lock(&stuck);
        _exit(0);
    }
    char byte;
    int status = 0;
    CHECK(read(ready[0], &byte, 1) == 1);
    int sent = 0;
    for (; waitpid(child, &status, WNOHANG) == 0; sent++) { /* three times, or more if the kernel coalesces some */
        CHECK(kill(child, SIGTERM) == 0);
        pause_ms(200);
    }
    CHECK(sent >= 3 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Ten deliveries that are read do not count. Two that are not read kill. */
TEST(reading_resets_the_count) {
    HANDLER_ONLY("escalation");
    int alive[2];
    CHECK(pipe(alive) == 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_escalating(SIGTERM, 2);
        for (int i = 0; i < 10; i++) {
            kill(getpid(), SIGTERM);
            if (drained(bridge, SIGTERM) != 1)
                _exit(1);
        }
        kill(getpid(), SIGTERM);
        (void)!write(alive[1], "x", 1);
        kill(getpid(), SIGTERM);
        _exit(2);
    }
    char byte;
    CHECK(close(alive[1]) == 0);
    CHECK(read(alive[0], &byte, 1) == 1);
    CHECK(died_of(child, SIGTERM));
}

TEST(escalation_can_be_turned_off) {
    HANDLER_ONLY("escalation");
    csigshim_bridge *bridge = opened_escalating(SIGTERM, 2);
    CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 0) == 0);
    for (int i = 0; i < 20000; i++) /* more than the bridge has room for */
        CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(drained(bridge, SIGTERM) == 20001);
}

TEST(counts_beyond_the_capacity) {
    HANDLER_ONLY("escalation");
    _Atomic int *sent = shared(4096);
    const pid_t child = fork();
    if (child == 0) {
        opened_escalating(SIGTERM, 17000);
        for (*sent = 1;; (*sent)++)
            kill(getpid(), SIGTERM);
    }
    CHECK(died_of(child, SIGTERM));
    CHECK(*sent == 17000);
}

static void never(int signo) {
    (void)signo;
    _exit(99);
}

/* Escalation takes the default action, whatever action was saved. */
TEST(kills_whatever_was_installed_before) {
    HANDLER_ONLY("escalation");
    for (int ignored = 0; ignored < 2; ignored++) {
        const pid_t child = fork();
        if (child == 0) {
            install(SIGTERM, ignored ? SIG_IGN : never, 0);
            opened_escalating(SIGTERM, 1);
            kill(getpid(), SIGTERM);
            _exit(0);
        }
        CHECK(died_of(child, SIGTERM));
    }
}

/* Only the bridge with the escalation counts, and that one is read. */
TEST(each_bridge_counts_for_itself) {
    HANDLER_ONLY("escalation");
    csigshim_bridge *reader = opened_escalating(SIGTERM, 2), *other = opened_on(SIGTERM, 0);
    for (int i = 0; i < 5; i++) {
        CHECK(kill(getpid(), SIGTERM) == 0);
        CHECK(drained(reader, SIGTERM) == 1);
    }
    CHECK(drained(other, SIGTERM) == 5);
}

TEST(refused_unless_the_default_action_terminates) {
    HANDLER_ONLY("escalation");
    csigshim_bridge *bridge = opened();
    const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        FAILS(csigshim_escalate_after(bridge, harmless[i], 2), EINVAL);
        CHECK(csigshim_add(bridge, harmless[i], 0) == 0);
        FAILS(csigshim_escalate_after(bridge, harmless[i], 1), EINVAL);
        CHECK(kill(getpid(), harmless[i]) == 0);
        collect(bridge, harmless[i], 1);
    }
}

/* The kernel kills no init of a PID namespace by a signal from inside, so the process exits instead. */
static void init_exits(bool default_action) {
    HANDLER_ONLY("escalation");
    if (unshare(CLONE_NEWPID) != 0)
        SKIP("unshare(CLONE_NEWPID) is not permitted");
    const pid_t child = fork();
    if (child == 0) {
        if (getpid() != 1)
            _exit(1);
        if (default_action)
            csigshim_take_default_action(SIGTERM);
        opened_escalating(SIGTERM, 2);
        kill(getpid(), SIGTERM);
        kill(getpid(), SIGTERM);
        _exit(2);
    }
    CHECK(exited(child, 128 + SIGTERM));
}

TEST(init_of_a_pid_namespace_exits) {
    init_exits(false);
}

TEST(init_exits_by_take_default_action) {
    init_exits(true);
}

TEST(overflow_that_was_read_does_not_count) {
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    raise_times(SIGTERM, CAPACITY + 2);
    CHECK(drained(bridge, SIGTERM) == CAPACITY + 2);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    raise_times(SIGTERM, 1);
    CHECK(drained(bridge, SIGTERM) == 1);
}

TEST(each_read_takes_one_off_the_count) {
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    csigshim_event event;
    _Atomic int *sent = shared(4096);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        CHECK(csigshim_escalate_after(bridge, SIGTERM, 3) == 0);
        raise_times(SIGTERM, 2);
        CHECK(csigshim_read(bridge, &event, 1) == 1);
        raise_times(SIGTERM, 1);
        *sent = 3;
        raise_times(SIGTERM, 1);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM) && *sent == 3);
}

TEST(unread_from_before_an_add_counts) {
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    _Atomic int *sent = shared(4096);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        raise_times(SIGTERM, 2);
        CHECK(csigshim_remove(bridge, SIGTERM) == 0 && csigshim_add(bridge, SIGTERM, 0) == 0);
        CHECK(csigshim_escalate_after(bridge, SIGTERM, 4) == 0);
        raise_times(SIGTERM, 1);
        *sent = 3;
        raise_times(SIGTERM, 1);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM) && *sent == 3);
}

TEST(remove_turns_escalation_off) {
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && csigshim_add(bridge, SIGTERM, 0) == 0);
    raise_times(SIGTERM, 3);
    CHECK(drained(bridge, SIGTERM) == 3);
}
