/* Escalation inside the handler (G10). */
#include "check.h"

static csigshim_bridge *escalating(int signo, unsigned unread)
{
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_escalate_after(bridge, signo, unread) == 0);
    return bridge;
}

TEST(the_second_unread_kills)
{
    HANDLER_ONLY("escalation");
    const int deadly[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGUSR1, SIGALRM, SIGRTMIN, SIGRTMAX};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        const int signo = deadly[i];
        int alive[2];
        CHECK(pipe(alive) == 0);
        const pid_t child = fork();
        if (child == 0) {
            escalating(signo, 2);
            kill(getpid(), signo);
            (void)!write(alive[1], "x", 1);
            kill(getpid(), signo);
            for (;;)
                pause();
        }
        char byte;
        CHECK(read(alive[0], &byte, 1) == 1); /* the first one did not */
        CHECK(died_of(child, signo));
    }
}

static void *spin(void *counter)
{
    for (;;)
        ++*(_Atomic int *)counter;
    return NULL;
}

static pthread_mutex_t stuck = PTHREAD_MUTEX_INITIALIZER;

/* Every thread is stuck, and another process asks. */
TEST(kills_where_every_thread_is_stuck)
{
    HANDLER_ONLY("escalation");
    static _Atomic int counter;
    int ready[2];
    CHECK(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        escalating(SIGTERM, 3);
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
    for (; waitpid(child, &status, WNOHANG) == 0; sent++) { /* three will do, unless the kernel merges some */
        CHECK(kill(child, SIGTERM) == 0);
        pause_ms(200);
    }
    CHECK(sent >= 3 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Ten deliveries, each read before the next; then two unread. */
TEST(reading_resets)
{
    HANDLER_ONLY("escalation");
    int alive[2];
    CHECK(pipe(alive) == 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = escalating(SIGTERM, 2);
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

TEST(unread_starts_at_zero_with_each_add)
{
    HANDLER_ONLY("escalation");
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = escalating(SIGTERM, 3);
        kill(getpid(), SIGTERM);
        kill(getpid(), SIGTERM);
        CHECK(csigshim_remove(bridge, SIGTERM) == 0);
        CHECK(csigshim_add(bridge, SIGTERM, 0) == 0); /* escalation is off again, and nothing counts */
        for (int i = 0; i < 5; i++)
            kill(getpid(), SIGTERM);
        CHECK(csigshim_remove(bridge, SIGTERM) == 0);
        CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
        CHECK(csigshim_escalate_after(bridge, SIGTERM, 3) == 0);
        kill(getpid(), SIGTERM);
        kill(getpid(), SIGTERM);
        csigshim_event events[7]; /* those of before; reading them must not count for the two of now */
        CHECK(csigshim_read(bridge, events, 7) == 7);
        kill(getpid(), SIGTERM);
        _exit(5);
    }
    CHECK(died_of(child, SIGTERM));
}

TEST(can_be_turned_off)
{
    HANDLER_ONLY("escalation");
    csigshim_bridge *bridge = escalating(SIGTERM, 2);
    CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 0) == 0);
    for (int i = 0; i < 20000; i++) /* and a full ring changes nothing */
        CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(drained(bridge, SIGTERM) == 20001);
}

TEST(counts_on_a_full_ring)
{
    HANDLER_ONLY("escalation");
    _Atomic int *sent = shared(4096);
    const pid_t child = fork();
    if (child == 0) {
        escalating(SIGTERM, 17000);
        for (*sent = 1;; (*sent)++)
            kill(getpid(), SIGTERM);
    }
    CHECK(died_of(child, SIGTERM));
    CHECK(*sent == 17000);
}

static void never(int signo)
{
    (void)signo;
    _exit(99);
}

/* The default action, and not the previous handler's or SIG_IGN. */
TEST(previous_handler_does_not_matter)
{
    HANDLER_ONLY("escalation");
    for (int ignored = 0; ignored < 2; ignored++) {
        const pid_t child = fork();
        if (child == 0) {
            install(SIGTERM, ignored ? SIG_IGN : never, 0);
            escalating(SIGTERM, 1);
            kill(getpid(), SIGTERM);
            _exit(0);
        }
        CHECK(died_of(child, SIGTERM));
    }
}

/* One bridge reads, the other does not: the one that asked decides. */
TEST(each_bridge_counts_for_itself)
{
    HANDLER_ONLY("escalation");
    csigshim_bridge *reader = escalating(SIGTERM, 2), *other = opened_on(SIGTERM, 0);
    for (int i = 0; i < 5; i++) {
        CHECK(kill(getpid(), SIGTERM) == 0);
        CHECK(drained(reader, SIGTERM) == 1);
    }
    CHECK(drained(other, SIGTERM) == 5);
}

TEST(refused_unless_it_terminates)
{
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

/* The init of a PID namespace is not killed by signals from inside; nor is one whose own init had pid 1, too. */
static void init_of_namespace(bool default_action)
{
    HANDLER_ONLY("escalation");
    if (unshare(CLONE_NEWPID) != 0)
        SKIP("unshare(CLONE_NEWPID) is not permitted");
    const pid_t child = fork();
    if (child == 0) {
        if (getpid() != 1)
            _exit(1);
        if (default_action)
            csigshim_take_default_action(SIGTERM);
        escalating(SIGTERM, 2);
        kill(getpid(), SIGTERM);
        kill(getpid(), SIGTERM);
        _exit(2);
    }
    CHECK(exited(child, 128 + SIGTERM));
}

TEST(init_exits)
{
    init_of_namespace(false);
}

TEST(init_exits_by_default_action)
{
    init_of_namespace(true);
}

static void *add_and_remove(void *bridge)
{
    for (;;) {
        csigshim_add(bridge, SIGTERM, 0);
        csigshim_remove(bridge, SIGTERM);
    }
    return NULL;
}

/* Dying by the signal is not undone by a thread that installs a handler at the same moment. */
TEST(dies_by_the_signal_while_another_thread_adds)
{
    HANDLER_ONLY("escalation");
    for (int round = 0; round < SCALED(300); round++) {
        const pid_t child = fork();
        if (child == 0) {
            csigshim_bridge *bridge = opened();
            started(add_and_remove, bridge);
            started(add_and_remove, bridge);
            for (volatile int i = 0; i < 20000 + round * 100; i++)
                ;
            csigshim_take_default_action(SIGTERM);
            _exit(0);
        }
        CHECK(died_of(child, SIGTERM));
    }
}
