/* csigshim_rearm installs the library's handler over the action that was saved first. A handler that had displaced it
 * no longer runs, and each handler runs at most once for a delivery, in whatever order they were installed (G6). */
#include "bounded.h"

static volatile sig_atomic_t bottom_calls, first_calls, resetting_calls, passing_calls;
static struct sigaction found_by_passing;

static void bottom(int signo) {
    (void)signo;
    bottom_calls++;
}

static void first(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    first_calls++;
}

static void resetting(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    resetting_calls++;
}

/* Calls the handler that it replaced, as a well-behaved host does. */
static void passing(int signo, siginfo_t *info, void *context) {
    passing_calls++;
    if (found_by_passing.sa_flags & SA_SIGINFO)
        found_by_passing.sa_sigaction(signo, info, context);
    else if (found_by_passing.sa_handler != SIG_DFL && found_by_passing.sa_handler != SIG_IGN)
        found_by_passing.sa_handler(signo);
}

static void put_resetting_on_top(int signo) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = resetting;
    action.sa_flags = SA_SIGINFO | (int)SA_RESETHAND;
    CHECK(sigaction(signo, &action, NULL) == 0);
}

/* Sends one signal, and checks how often each handler has run. */
static void expect_calls(csigshim_bridge *bridge, int at_bottom, int at_first, int at_resetting) {
    bottom_calls = first_calls = resetting_calls = 0;
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    CHECK(bottom_calls == at_bottom && first_calls == at_first && resetting_calls == at_resetting);
}

/* A sequence that the reference model (Tests/prove/model) found. */
static void run_sequence(bool over_a_function, bool removed_at_last) {
    if (over_a_function)
        install(SIGHUP, bottom, SA_RESTART);
    else
        install(SIGHUP, SIG_DFL, 0);
    const struct sigaction before = present_action(SIGHUP);
    const int chained = over_a_function && test_is_handler() ? 1 : 0;
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    put_on_top(SIGHUP, first, NULL);
    if (test_is_handler())
        CHECK(csigshim_set_chain(bridge, SIGHUP, 1) == 0);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED); /* set_chain does not re-arm */
    CHECK(csigshim_rearm(SIGHUP) == 0);
    put_resetting_on_top(SIGHUP);
    CHECK(csigshim_rearm(SIGHUP) == 0);
    expect_calls(bridge, chained, 0, 0);
    put_on_top(SIGHUP, first, NULL);
    CHECK(csigshim_rearm(SIGHUP) == 0);
    expect_calls(bridge, chained, 0, 0);
    expect_calls(bridge, chained, 0, 0);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    if (removed_at_last) {
        CHECK(csigshim_remove(bridge, SIGHUP) == 0);
        const struct sigaction after = present_action(SIGHUP);
        CHECK(same_actions(&before, &after));
    }
    CHECK(csigshim_close(bridge) == 0);
    const struct sigaction last = present_action(SIGHUP);
    CHECK(same_actions(&before, &last));
}

TEST(handlers_that_come_by_turns_run_once_or_not_at_all) {
    for (int function = 0; function < 2; function++)
        for (int removed = 0; removed < 2; removed++)
            run_sequence(function, removed);
}

/* The saved action itself has SA_RESETHAND: it runs for the first delivery only, however often the host re-arms. */
TEST(saved_handler_with_resethand_runs_once) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer changes the flags");
    put_resetting_on_top(SIGHUP);
    csigshim_bridge *bridge = opened_on(SIGHUP, CSIGSHIM_CHAIN);
    expect_calls(bridge, 0, 0, 1);
    expect_calls(bridge, 0, 0, 0);
    put_on_top(SIGHUP, first, NULL);
    CHECK(csigshim_rearm(SIGHUP) == 0);
    expect_calls(bridge, 0, 0, 0);
    put_resetting_on_top(SIGHUP); /* the same handler again, now over the library's */
    CHECK(csigshim_rearm(SIGHUP) == 0);
    expect_calls(bridge, 0, 0, 0);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT); /* as its one call leaves it */
}

/* A handler on top passes signals on: each is captured once, before and after that handler is displaced itself. */
TEST(handler_that_passes_on_is_counted_once) {
    HANDLER_ONLY("chaining");
    install(SIGHUP, bottom, SA_RESTART);
    csigshim_bridge *bridge = opened_on(SIGHUP, CSIGSHIM_CHAIN);
    put_on_top(SIGHUP, passing, &found_by_passing);
    for (int i = 0; i < 3; i++)
        expect_calls(bridge, 1, 0, 0);
    CHECK(passing_calls == 3);
    CHECK(csigshim_rearm(SIGHUP) == 0);
    for (int i = 0; i < 3; i++)
        expect_calls(bridge, 1, 0, 0);
    CHECK(passing_calls == 3); /* it stops, as the library's did when it came */
}

/* The signal is removed and added again under a handler that passes on. That handler stays on top, and each runs
 * once. */
TEST(added_again_under_the_handler_that_passes_on) {
    install(SIGHUP, bottom, SA_RESTART);
    const struct sigaction saved = present_action(SIGHUP);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    put_on_top(SIGHUP, passing, &found_by_passing);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    CHECK(csigshim_add(bridge, SIGHUP, chain_if_possible()) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
    const int handled = test_is_handler() ? 1 : 0; /* over signalfd no handler runs */
    for (int i = 1; i <= 3; i++) {
        CHECK(kill(getpid(), SIGHUP) == 0);
        collect(bridge, SIGHUP, 1);
        CHECK(passing_calls == i * handled && bottom_calls == i * handled);
    }
    CHECK(csigshim_rearm(SIGHUP) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    CHECK(passing_calls == 3 * handled && bottom_calls == 4 * handled);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    const struct sigaction after = present_action(SIGHUP);
    CHECK(same_actions(&saved, &after));
}

/* The host read the library's handler from the kernel, and later installs it as its own previous handler: a cycle. */
static struct sigaction library_action;

static void calling_the_library(int signo, siginfo_t *info, void *context) {
    passing_calls++;
    CHECK(passing_calls < 1000);
    library_action.sa_sigaction(signo, info, context);
}

TEST(handlers_that_call_each_other_end) {
    HANDLER_ONLY("chaining");
    csigshim_bridge *first_of_two = opened_on(SIGHUP, 0);
    library_action = present_action(SIGHUP); /* the host keeps it */
    CHECK(csigshim_remove(first_of_two, SIGHUP) == 0);
    put_on_top(SIGHUP, calling_the_library, NULL);
    CHECK(csigshim_add(first_of_two, SIGHUP, CSIGSHIM_CHAIN) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    for (int i = 1; i <= 3; i++) {
        CHECK(kill(getpid(), SIGHUP) == 0);
        collect(first_of_two, SIGHUP, 1);
        CHECK(passing_calls == i);
    }
}

static atomic_int entered;
static atomic_bool rearmed;

static void slow(int signo, siginfo_t *info, void *context) {
    entered++;
    while (!rearmed)
        sched_yield();
    passing(signo, info, context);
}

static void *takes_hup(void *unused) {
    change_mask(SIG_UNBLOCK, SIGHUP);
    while (!rearmed)
        pause_ms(1);
    return unused;
}

/* csigshim_rearm comes while the displacing handler runs on another thread, which then passes the signal on. */
TEST(rearm_beside_a_running_handler_on_top) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer gives every handler a full mask");
    install(SIGHUP, bottom, SA_RESTART);
    const struct sigaction before = present_action(SIGHUP);
    csigshim_bridge *bridge = opened_on(SIGHUP, CSIGSHIM_CHAIN);
    for (int round = 1; round <= 20; round++) {
        entered = 0;
        rearmed = false;
        put_on_top(SIGHUP, slow, &found_by_passing);
        change_mask(SIG_BLOCK, SIGHUP);
        const pthread_t thread = started(takes_hup, NULL);
        CHECK(kill(getpid(), SIGHUP) == 0);
        while (entered == 0)
            sched_yield();
        CHECK(csigshim_rearm(SIGHUP) == 0);
        rearmed = true;
        CHECK(pthread_join(thread, NULL) == 0);
        collect(bridge, SIGHUP, 1);
        CHECK(bottom_calls == round && passing_calls == round && entered == 1);
        change_mask(SIG_UNBLOCK, SIGHUP);
    }
    CHECK(csigshim_close(bridge) == 0);
    const struct sigaction after = present_action(SIGHUP);
    CHECK(same_actions(&before, &after));
}

/* The library re-arms and the host re-installs its handler, by turns. No memory grows, and the saved action is kept. */
TEST(rearmed_many_times_restores_what_was_saved_first) {
    install(SIGHUP, bottom, SA_RESTART | SA_NODEFER);
    const struct sigaction before = present_action(SIGHUP);
    csigshim_bridge *bridge = opened_on(SIGHUP, chain_if_possible());
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 0)
            put_on_top(SIGHUP, first, NULL);
        else if (i % 3 == 1)
            put_resetting_on_top(SIGHUP);
        else
            install(SIGHUP, SIG_DFL, 0);
        CHECK(csigshim_rearm(SIGHUP) == 0);
        expect_calls(bridge, test_is_handler() ? 1 : 0, 0, 0);
    }
    for (int i = 0; i < SCALED(2000); i++) {
        put_on_top(SIGHUP, i % 2 ? first : resetting, NULL);
        CHECK(csigshim_rearm(SIGHUP) == 0);
    }
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    const struct sigaction after = present_action(SIGHUP);
    CHECK(same_actions(&before, &after));
}
