/* Handlers that the host, or another library, installs over this library's (G6), and SIG_IGN from before the bridge
 * (G12). `below` is installed before the bridge. The others replace the library's handler and call what they saved. */
#include "check.h"

static volatile sig_atomic_t below_calls, above_calls, second_calls;
static struct sigaction saved_by_above, saved_by_second;

static void below(int signo) {
    (void)signo;
    below_calls++;
}

static void call(const struct sigaction *action, int signo, siginfo_t *info, void *context) {
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signo, info, context);
    else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)
        action->sa_handler(signo);
}

static void above(int signo, siginfo_t *info, void *context) {
    above_calls++;
    call(&saved_by_above, signo, info, context);
}

static void second(int signo, siginfo_t *info, void *context) {
    second_calls++;
    call(&saved_by_second, signo, info, context);
}

static bool is_installed(int signo, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction now;
    return sigaction(signo, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler;
}

static bool below_is_installed(int signo) {
    struct sigaction now;
    return sigaction(signo, NULL, &now) == 0 && now.sa_handler == below;
}

TEST(displacing_handler_that_calls_back_counts_once) {
    HANDLER_ONLY("chaining");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN), *other = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
    for (int i = 0; i < 5; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 5);
    collect(other, SIGUSR1, 5);
    CHECK(above_calls == 5 && below_calls == 5);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
}

TEST(rearm_stops_the_displacing_handler) {
    HANDLER_ONLY("chaining");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(csigshim_rearm(SIGUSR1) == 0); /* has nothing to do */
    for (int i = 0; i < 5; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 5);
    CHECK(above_calls == 0 && below_calls == 5);

    put_on_top(SIGUSR1, second, &saved_by_second);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED && csigshim_rearm(SIGUSR1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(second_calls == 0 && above_calls == 0 && below_calls == 6);

    CHECK(csigshim_remove(bridge, SIGUSR1) == 0); /* restores the action that was saved first */
    CHECK(below_is_installed(SIGUSR1));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(second_calls == 0 && above_calls == 0 && below_calls == 7);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
}

TEST(rearm_without_chaining_runs_no_host_handler) {
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(above_calls == 0 && below_calls == 0);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(below_is_installed(SIGUSR1));
}

/* A foreign handler stays installed when the signal is removed, and it still calls the library's handler. The library's
 * handler passes each signal on to the action that it replaced. */
TEST(removed_handler_passes_on_to_the_saved_action) {
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
    CHECK(is_installed(SIGUSR1, above));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(above_calls == 1 && below_calls == 1);
    CHECK(csigshim_wait(bridge, 0) == 0);

    /* csigshim_add leaves the foreign handler installed, and records what it passes on. */
    CHECK(csigshim_add(bridge, SIGUSR1, chain_if_possible()) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED && is_installed(SIGUSR1, above));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    const int ran = test_is_handler() ? 1 : 0; /* over signalfd, no handler runs for a blocked signal */
    CHECK(above_calls == 1 + ran && below_calls == 1 + ran);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(is_installed(SIGUSR1, above));

    CHECK(sigaction(SIGUSR1, &saved_by_above, NULL) == 0); /* the foreign handler restores what it had saved */
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(above_calls == 1 + ran && below_calls == 2 + ran);
    CHECK(csigshim_wait(bridge, 0) == 0);
}

static void above_without_calling_back(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    above_calls++;
}

/* A blocked signal is read as before. Where it is not blocked, the foreign handler gets it. */
TEST(displaced_over_signalfd_reads_blocked_signals) {
    SIGNALFD_ONLY("the mask keeps the signal from the foreign handler");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, above_without_calling_back, NULL);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(above_calls == 0);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 1);
    CHECK(csigshim_rearm(SIGUSR1) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 1);
    collect(bridge, SIGUSR1, 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT); /* which was saved first */
}

TEST(removed_handler_passes_on_to_the_default_action) {
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        put_on_top(SIGTERM, above, &saved_by_above);
        CHECK(csigshim_remove(bridge, SIGTERM) == 0);
        CHECK(sigaction(SIGTERM, &saved_by_above, NULL) == 0);
        kill(getpid(), SIGTERM);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM));
}

TEST(thousand_rounds_of_rearming_lose_nothing) {
    HANDLER_ONLY("chaining");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    for (int i = 0; i < 1000; i++) {
        put_on_top(SIGUSR1, above, &saved_by_above);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(csigshim_rearm(SIGUSR1) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
    }
    CHECK(drained(bridge, SIGUSR1) == 2000);
    CHECK(above_calls == 1000 && below_calls == 2000);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && below_is_installed(SIGUSR1));
}

TEST(keep_ignored_leaves_an_ignored_signal_ignored) {
    csigshim_bridge *bridge = opened();
    install(SIGHUP, SIG_IGN, 0);
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    FAILS(csigshim_remove(bridge, SIGHUP), ENOENT);
    CHECK(kill(getpid(), SIGHUP) == 0 && csigshim_wait(bridge, 0) == 0);
    install(SIGHUP, SIG_DFL, 0); /* the flag examines the disposition at each csigshim_add */
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 0);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    install(SIGINT, SIG_IGN, 0);
    CHECK(csigshim_add(bridge, SIGINT, 0) == 0); /* without the flag */
    CHECK(kill(getpid(), SIGINT) == 0);
    collect(bridge, SIGINT, 1);
}

TEST(keep_ignored_looks_beneath_another_bridge) {
    HANDLER_ONLY("two bridges for one signal");
    install(SIGHUP, SIG_IGN, 0);
    opened_on(SIGHUP, 0);
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
}

/* A background process that reads its terminal gets SIGTTIN. With SA_RESTART, the read would start again and spin. If
 * SIGTTIN is blocked, the read fails with EIO and there is no signal. */
TEST(background_read_fails_with_eintr_and_does_not_spin) {
    const pid_t session = fork();
    if (session == 0) {
        CHECK(setsid() == getpid());
        const int terminal = posix_openpt(O_RDWR);
        if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
            _exit(77);
        const int fd = open(ptsname(terminal), O_RDWR); /* becomes the controlling terminal */
        CHECK(fd >= 0);
        const pid_t background = fork();
        if (background == 0) {
            char byte;
            setpgid(0, 0);
            csigshim_bridge *bridge = opened_on(SIGTTIN, 0);
            for (int i = 1; i <= 3; i++) {
                FAILS(read(fd, &byte, 1), test_is_handler() ? EINTR : EIO);
                CHECK(drained(bridge, SIGTTIN) == (test_is_handler() ? 1 : 0));
            }
            _exit(0);
        }
        CHECK(exited(background, 0));
        _exit(0);
    }
    const int status = status_of(session);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        SKIP("no pseudo-terminals");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct sigaction saved_by_waiting;
static atomic_int waiting_calls, rearmed;

static void above_waiting_for_rearm(int signo, siginfo_t *info, void *context) {
    waiting_calls++;
    while (!rearmed)
        ;
    saved_by_waiting.sa_sigaction(signo, info, context);
}

static void *unblock_usr1(void *unused) {
    change_mask(SIG_UNBLOCK, SIGUSR1);
    while (waiting_calls == 0 || !rearmed)
        pause_ms(1);
    return unused;
}

/* csigshim_rearm comes while the foreign handler runs, before it calls back. */
TEST(rearm_during_a_foreign_handler_counts_once) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer gives every handler a full mask");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, above_waiting_for_rearm, &saved_by_waiting);
    change_mask(SIG_BLOCK, SIGUSR1);
    const pthread_t thread = started(unblock_usr1, NULL);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    while (waiting_calls == 0)
        pause_ms(1);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    rearmed = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(drained(bridge, SIGUSR1) == 1 && below_calls == 1 && waiting_calls == 1);

    change_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(drained(bridge, SIGUSR1) == 1 && below_calls == 2 && waiting_calls == 1);
}

static char ran[16]; /* a letter for each handler that ran, in order */
static struct sigaction saved_by_f, saved_by_g;

static void note(char name) {
    const size_t length = strlen(ran);
    CHECK(length + 1 < sizeof ran);
    ran[length] = name;
}

static void p_handler(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    note('P');
}

static void f_handler(int signo, siginfo_t *info, void *context) {
    note('F');
    saved_by_f.sa_sigaction(signo, info, context);
}

static void g_handler(int signo, siginfo_t *info, void *context) {
    note('G');
    saved_by_g.sa_sigaction(signo, info, context);
}

/* Installed in this order: P, the library's, F, the library's again, G. F is the only handler that no longer runs. */
TEST(handler_installed_after_rearm_reaches_the_first_saved_action) {
    HANDLER_ONLY("chaining");
    put_on_top(SIGUSR1, p_handler, NULL);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, f_handler, &saved_by_f);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    put_on_top(SIGUSR1, g_handler, &saved_by_g);
    raise(SIGUSR1);
    CHECK(strcmp(ran, "GP") == 0);
    CHECK(drained(bridge, SIGUSR1) == 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    memset(ran, 0, sizeof ran);
    raise(SIGUSR1);
    CHECK(strcmp(ran, "GP") == 0);
}

/* `above` is saved first, removed, and comes again over the library's handler, which replaced `below` by then. */
TEST(rearm_over_an_earlier_handler_chains_to_the_present_one) {
    HANDLER_ONLY("chaining");
    put_on_top(SIGUSR1, above, NULL);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    install(SIGUSR1, below, SA_RESTART);
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 1 && below_calls == 1);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 1 && below_calls == 2);
    collect(bridge, SIGUSR1, 2);
}

static volatile sig_atomic_t usr2_was_blocked;

static void below_looks_at_its_mask(int signo) {
    (void)signo;
    below_calls++;
    usr2_was_blocked = is_blocked(SIGUSR2);
}

/* A handler on top was called by the kernel, with a mask of its own. The library's handler, which it calls, and the
 * saved one run under the same mask. */
TEST(handler_called_by_another_has_its_mask) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer gives every handler a full mask");
    install(SIGUSR1, below_looks_at_its_mask, 0);
    opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = above;
    action.sa_flags = SA_SIGINFO;
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &action, &saved_by_above) == 0);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 1 && below_calls == 1);
    CHECK(usr2_was_blocked && !is_blocked(SIGUSR2));
}

/* The handler on top stays after the removal, and decides what a signal does. */
TEST(default_action_beneath_a_foreign_handler_is_not_taken) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    put_on_top(SIGTERM, above, &saved_by_above);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    CHECK(raise(SIGTERM) == 0 && above_calls == 1);
    CHECK(is_installed(SIGTERM, above));
}
