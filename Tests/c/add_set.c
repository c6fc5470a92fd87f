/* csigshim_add_set adds every signal of a set or none: a refusal half-way leaves no action, no mask and no subscription
 * behind (G5, G11). The last test is about csigshim_version, which a program compares with its header's version. */
#include "bounded.h"
#if defined(__linux__)
#include "seccomp_filter.h"
#endif

static sigset_t set_of(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    return set;
}

#define SET(...) set_of((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static int highest(void) {
    return SIGRTMAX > SIGUSR2 && SIGRTMAX < 65 ? SIGRTMAX : 31;
}

/* Actions and mask, before and after. */
static struct sigaction actions_before[65];
static sigset_t mask_before;

static void remember_actions_and_mask(void) {
    for (int signo = 1; signo <= highest(); signo++)
        if (sigaction(signo, NULL, &actions_before[signo]) != 0)
            memset(&actions_before[signo], 0, sizeof actions_before[signo]);
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask_before) == 0);
}

static void expect_nothing_changed(void) {
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    for (int signo = 1; signo <= highest(); signo++) {
        struct sigaction now;
        if (!UNDER_TSAN && sigaction(signo, NULL, &now) == 0) /* which changes what sigaction tells */
            CHECK(same_actions(&now, &actions_before[signo]));
        CHECK(sigismember(&mask, signo) == sigismember(&mask_before, signo));
    }
}

static void function(int signo) {
    (void)signo;
}

/* One saved action of every kind. */
static void install_various_actions(void) {
    install(SIGUSR1, function, SA_NODEFER);
    install(SIGUSR2, SIG_IGN, SA_RESTART);
    install(SIGINT, function, SA_RESTART | SA_ONSTACK);
}

TEST(set_is_added_as_a_whole) {
    install_various_actions();
    remember_actions_and_mask();
    csigshim_bridge *bridge = opened();
    const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGRTMIN + 1, SIGRTMAX};
    const sigset_t set = set_of(signals, sizeof signals / sizeof *signals);
    CHECK(csigshim_add_set(bridge, &set, 0) == 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        CHECK(csigshim_state(signals[i]) == CSIGSHIM_ARMED && is_blocked(signals[i]) == !test_is_handler());
        CHECK(csigshim_mechanism(signals[i]) == test_mechanism());
        post(getpid(), signals[i], (int)i);
        collect(bridge, signals[i], 1);
    }
    CHECK(csigshim_state(SIGALRM) == CSIGSHIM_ABSENT);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        CHECK(csigshim_remove(bridge, signals[i]) == 0);
    expect_nothing_changed();
    CHECK(csigshim_add_set(bridge, &set, chain_if_possible()) == 0 && csigshim_close(bridge) == 0);
    expect_nothing_changed();
}

TEST(everything_that_can_be_caught_is_one_set) {
    csigshim_bridge *bridge = opened();
    sigset_t set;
    sigemptyset(&set);
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        if (csigshim_classify(signo) == CSIGSHIM_CATCHABLE)
            sigaddset(&set, signo);
    remember_actions_and_mask();
    CHECK(csigshim_add_set(bridge, &set, 0) == 0);
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        if (csigshim_classify(signo) == CSIGSHIM_CATCHABLE)
            CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
    CHECK(csigshim_close(bridge) == 0);
    expect_nothing_changed();
}

TEST(set_with_what_cannot_be_caught_adds_nothing) {
    const int bad[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP, SIGSYS};
    csigshim_bridge *bridge = opened();
    install_various_actions();
    remember_actions_and_mask();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sigset_t set = SET(SIGHUP, SIGUSR1, SIGTERM, SIGRTMAX);
        sigaddset(&set, bad[i]);
        FAILS(csigshim_add_set(bridge, &set, 0), ENOTSUP);
        FAILS(csigshim_add_set(bridge, &set, CSIGSHIM_KEEP_IGNORED), ENOTSUP);
        CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT && csigshim_state(SIGRTMAX) == CSIGSHIM_ABSENT);
        expect_nothing_changed();
    }
    sigset_t all;
    sigfillset(&all);
    CHECK(csigshim_add_set(bridge, &all, 0) == -1);
    expect_nothing_changed();
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0);
}

TEST(set_with_what_the_bridge_has_adds_nothing) {
    install_various_actions();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    remember_actions_and_mask();
    const sigset_t set = SET(SIGHUP, SIGUSR1, SIGTERM, SIGRTMAX);
    FAILS(csigshim_add_set(bridge, &set, 0), EEXIST);
    expect_nothing_changed();
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT && csigshim_state(SIGTERM) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGTERM) == 0); /* the signal that it had before is still subscribed */
    collect(bridge, SIGTERM, 1);
    FAILS(csigshim_remove(bridge, SIGHUP), ENOENT);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && csigshim_add_set(bridge, &set, 0) == 0);
}

/* A signal of another bridge is refused over signalfd, and otherwise shared. */
TEST(set_with_what_another_bridge_has) {
    csigshim_bridge *other = opened_on(SIGTERM, 0), *bridge = opened();
    remember_actions_and_mask();
    const sigset_t set = SET(SIGHUP, SIGTERM, SIGRTMAX);
    if (test_is_handler()) {
        CHECK(csigshim_add_set(bridge, &set, 0) == 0 && kill(getpid(), SIGTERM) == 0);
        collect(bridge, SIGTERM, 1);
        CHECK(csigshim_close(bridge) == 0);
    } else {
        FAILS(csigshim_add_set(bridge, &set, 0), EBUSY);
        CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT);
        expect_nothing_changed();
        CHECK(kill(getpid(), SIGTERM) == 0);
    }
    collect(other, SIGTERM, 1);
}

TEST(set_leaves_out_what_is_ignored_on_request) {
    csigshim_bridge *bridge = opened();
    install(SIGUSR2, SIG_IGN, 0);
    install(SIGHUP, SIG_IGN, SA_SIGINFO);
    const sigset_t set = SET(SIGHUP, SIGTERM, SIGUSR2);
    CHECK(csigshim_add_set(bridge, &set, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT && csigshim_state(SIGUSR2) == CSIGSHIM_ABSENT);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ARMED && !is_blocked(SIGHUP) && !is_blocked(SIGUSR2));
    CHECK(kill(getpid(), SIGHUP) == 0 && kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    FAILS(csigshim_remove(bridge, SIGHUP), ENOENT);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    CHECK(csigshim_add_set(bridge, &set, 0) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(csigshim_add_set(bridge = opened(), &set, CSIGSHIM_KEEP_IGNORED) == 1);
    const sigset_t heard = SET(SIGALRM, SIGRTMIN);
    CHECK(csigshim_add_set(bridge, &heard, CSIGSHIM_KEEP_IGNORED) == 0);
}

TEST(arguments_of_add_set) {
    csigshim_bridge *bridge = opened();
    const sigset_t set = SET(SIGHUP, SIGTERM);
    remember_actions_and_mask();
    FAILS(csigshim_add_set(bridge, NULL, 0), EINVAL);
    FAILS(csigshim_add_set(NULL, &set, 0), EINVAL);
    FAILS(csigshim_add_set(bridge, &set, 1u << 31), EINVAL);
    FAILS(csigshim_add_set(bridge, &set, ~0u), EINVAL);
    if (!test_is_handler())
        FAILS(csigshim_add_set(bridge, &set, CSIGSHIM_CHAIN), ENOTSUP);
    sigset_t none;
    sigemptyset(&none);
    CHECK(csigshim_add_set(bridge, &none, 0) == 0); /* every signal of it is added */
    expect_nothing_changed();
    CHECK(csigshim_close(bridge) == 0);
    FAILS(csigshim_add_set(bridge, &set, 0), EINVAL);
    fflush(stdout);
    bridge = opened();
    const pid_t child = fork();
    if (child == 0) {
        FAILS(csigshim_add_set(bridge, &set, 0), EPERM);
        expect_nothing_changed();
        CHECK(csigshim_after_fork(bridge) == 0 && csigshim_add_set(bridge, &set, 0) == 0);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

#if defined(__linux__)
static int refused_signal;

static void refused_half_way(void) {
    install_various_actions();
    csigshim_bridge *bridge = opened();
    remember_actions_and_mask();
    sigset_t set = SET(SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGTERM, SIGRTMIN + 1, SIGRTMAX);
    refuse_actions_of(refused_signal, EACCES);
    FAILS(csigshim_add_set(bridge, &set, 0), EACCES);
    expect_nothing_changed(); /* where it may look */
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, refused_signal) == 0);
    const int others[] = {SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGTERM, SIGRTMIN + 1, SIGRTMAX};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] != refused_signal)
            FAILS(csigshim_remove(bridge, others[i]), ENOENT);
    sigdelset(&set, refused_signal);
    CHECK(csigshim_add_set(bridge, &set, 0) == 0 &&
          kill(getpid(), SIGRTMAX == refused_signal ? SIGHUP : SIGRTMAX) == 0);
    collect(bridge, SIGRTMAX == refused_signal ? SIGHUP : SIGRTMAX, 1);
}

/* A sandbox refuses one handler of several: the first, a middle one, or the last. */
TEST(set_refused_half_way_is_rolled_back) {
#if defined(SANITIZED)
    SKIP("a sanitizer makes system calls of its own");
#endif
    const int signals[] = {SIGHUP, SIGUSR2, SIGTERM, SIGRTMIN + 1, SIGRTMAX};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        refused_signal = signals[i];
        CHECK(finishes(refused_half_way));
    }
}

/* The rollback takes back what this call added and unblocked, and no more. TERM is refused, after HUP and USR1. */
static void refused_beside_what_it_had(void) {
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    if (test_is_handler())
        change_mask(SIG_BLOCK, SIGUSR1);
    remember_actions_and_mask();
    const sigset_t set = SET(SIGUSR1, SIGTERM);
    refuse_actions_of(SIGTERM, EACCES);
    FAILS(csigshim_add_set(bridge, &set, test_is_handler() ? CSIGSHIM_UNBLOCK : 0), EACCES);
    expect_nothing_changed();
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED && csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
}

TEST(rollback_takes_back_what_was_added_and_no_more) {
#if defined(SANITIZED)
    SKIP("a sanitizer makes system calls of its own");
#endif
    CHECK(finishes(refused_beside_what_it_had));
}
#endif

static _Atomic bool stop;
static csigshim_bridge *stormed;

static void *sends(void *unused) {
    const sigset_t set = SET(SIGUSR1, SIGRTMIN + 1);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    while (!stop) {
        kill(getpid(), SIGUSR1);
        kill(getpid(), SIGRTMIN + 1);
        sched_yield();
    }
    return unused;
}

/* Signals that come while a set is rolled back are captured, or meet what was there before: none gets lost or kills. */
TEST(rollback_in_a_storm_loses_nothing) {
    SKIP_IF_MERGED();
    install(SIGUSR1, function, SA_RESTART);
    install(SIGRTMIN + 1, function, SA_RESTART);
    stormed = opened_on(SIGRTMAX, 0);
    remember_actions_and_mask();
    const pthread_t thread = started(sends, NULL);
    const sigset_t set = SET(SIGUSR1, SIGRTMIN + 1, SIGRTMAX);
    csigshim_event events[64];
    for (int i = 0; i < SCALED(2000); i++) {
        FAILS(csigshim_add_set(stormed, &set, 0), EEXIST);
        CHECK(csigshim_read(stormed, events, 64) >= 0);
    }
    stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    expect_nothing_changed();
    while (csigshim_read(stormed, events, 64) > 0)
        ;
    CHECK(csigshim_wait(stormed, 20) == 0);
}

TEST(version_is_the_headers) {
    CHECK(csigshim_version() == CSIGSHIM_VERSION);
    CHECK(CSIGSHIM_VERSION == CSIGSHIM_VERSION_MAJOR * 10000 + CSIGSHIM_VERSION_MINOR * 100 + CSIGSHIM_VERSION_PATCH);
    CHECK(CSIGSHIM_VERSION_MINOR < 100 && CSIGSHIM_VERSION_PATCH < 100);
    _Static_assert(sizeof(csigshim_event) == 64, "the size is part of the interface");
}

/* Nothing was added, so nothing is taken from the kernel's queue. */
TEST(refused_set_leaves_pending_signals_to_the_host) {
    sigset_t pending;
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    change_mask(SIG_BLOCK, SIGUSR1);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    const sigset_t had = SET(SIGUSR1, SIGTERM), uncatchable = SET(SIGUSR1, SIGSTOP);
    FAILS(csigshim_add_set(bridge, &had, 0), EEXIST);
    FAILS(csigshim_add_set(bridge, &uncatchable, 0), ENOTSUP);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    CHECK(drained(bridge, SIGTERM) == 0);
}
