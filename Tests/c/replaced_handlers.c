/* Another component sets SIG_DFL, SIG_IGN or a function over the library's handler. libuv and GLib leave SIG_DFL when
 * they stop watching a signal. csigshim_state reports it, csigshim_rearm undoes it, and the last removal restores the
 * action that was saved first.
 */
#include "bounded.h"

static volatile sig_atomic_t first_calls, other_calls;

static void first(int signo) {
    (void)signo;
    first_calls++;
}

static void other(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    other_calls++;
}

/* Does what libuv does: it installs its own handler without a look at the old action, and later SIG_DFL. */
static void watch_and_stop(int signo, void (*left_behind)(int), int flags) {
    put_on_top(signo, other, NULL);
    install(signo, left_behind, flags);
}

static void displaced_and_rearmed(void (*left_behind)(int), int flags, int disposition) {
    install(SIGHUP, first, SA_RESTART | SA_NODEFER);
    const struct sigaction before = present_action(SIGHUP);
    csigshim_bridge *bridge = opened_on(SIGHUP, chain_if_possible());
    for (int round = 0; round < 3; round++) {
        first_calls = other_calls = 0;
        watch_and_stop(SIGHUP, left_behind, flags);
        CHECK(csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
        CHECK(csigshim_disposition(SIGHUP) == disposition);
        CHECK(csigshim_rearm(SIGHUP) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
        CHECK(csigshim_rearm(SIGHUP) == 0); /* nothing to do */
        CHECK(kill(getpid(), SIGHUP) == 0);
        collect(bridge, SIGHUP, 1);
        CHECK(other_calls == 0 && first_calls == (chain_if_possible() ? 1 : 0));
    }
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    const struct sigaction after = present_action(SIGHUP);
    CHECK(same_actions(&before, &after));
    CHECK(csigshim_close(bridge) == 0);
}

TEST(default_set_over_the_handler_is_displaced_and_remedied) {
    displaced_and_rearmed(SIG_DFL, 0, CSIGSHIM_DISPOSITION_DEFAULT);
    displaced_and_rearmed(SIG_DFL, SA_SIGINFO | SA_RESTART, CSIGSHIM_DISPOSITION_DEFAULT);
}

TEST(ignore_set_over_the_handler_is_displaced_and_remedied) {
    displaced_and_rearmed(SIG_IGN, 0, CSIGSHIM_DISPOSITION_IGNORED);
    displaced_and_rearmed(SIG_IGN, SA_SIGINFO | SA_RESTART, CSIGSHIM_DISPOSITION_IGNORED);
}

TEST(function_set_over_the_handler_is_displaced_and_remedied) {
    displaced_and_rearmed(first, 0, CSIGSHIM_DISPOSITION_HANDLED); /* even the one that was there before */
    displaced_and_rearmed((void (*)(int))(uintptr_t)other, SA_SIGINFO, CSIGSHIM_DISPOSITION_HANDLED);
}

/* The handler that goes with SA_RESETHAND leaves SIG_DFL by itself. */
TEST(handler_on_top_that_resets_itself_is_remedied) {
    HANDLER_ONLY("over signalfd the handler on top does not run");
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = other;
    action.sa_flags = SA_SIGINFO | (int)SA_RESETHAND;
    CHECK(sigaction(SIGHUP, &action, NULL) == 0);
    CHECK(kill(getpid(), SIGHUP) == 0 && other_calls == 1);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT);
    CHECK(csigshim_rearm(SIGHUP) == 0 && kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    CHECK(other_calls == 1);
}

/* The next signal takes its default action. No call reports this, so a host calls csigshim_state or csigshim_rearm. */
static void killed_over_default(void) {
    opened_on(SIGHUP, 0);
    watch_and_stop(SIGHUP, SIG_DFL, 0);
    change_mask(SIG_UNBLOCK, SIGHUP);
    kill(getpid(), SIGHUP);
}

TEST(signal_under_default_set_over_the_handler_kills) {
    CHECK(dies_of(killed_over_default, SIGHUP));
}

/* At the removal, the installed action is not the library's, so it stays. The next csigshim_add saves SIG_DFL or
 * SIG_IGN. */
TEST(removal_leaves_a_foreign_action) {
    void (*const left[])(int) = {SIG_DFL, SIG_IGN};
    const int flags[] = {0, SA_SIGINFO};
    for (size_t i = 0; i < 2 * sizeof left / sizeof *left; i++) {
        install(SIGHUP, first, 0);
        csigshim_bridge *bridge = opened_on(SIGHUP, 0);
        watch_and_stop(SIGHUP, left[i / 2], flags[i % 2]);
        const struct sigaction set = present_action(SIGHUP);
        CHECK(csigshim_remove(bridge, SIGHUP) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ABSENT);
        const struct sigaction after = present_action(SIGHUP);
        CHECK(same_actions(&set, &after) && !is_blocked(SIGHUP));
        CHECK(csigshim_add(bridge, SIGHUP, 0) == 0);
        CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED && kill(getpid(), SIGHUP) == 0);
        collect(bridge, SIGHUP, 1);
        CHECK(csigshim_close(bridge) == 0);
        const struct sigaction last = present_action(SIGHUP);
        CHECK(same_actions(&set, &last));
    }
    CHECK(first_calls == 0 && other_calls == 0);
}

/* A function may still call the library's handler: it stays on top of a new subscription too, until `rearm`. */
TEST(function_left_on_top_displaces_the_next_subscription) {
    for (int rearmed = 0; rearmed < 2; rearmed++) {
        install(SIGHUP, first, 0);
        const struct sigaction saved = present_action(SIGHUP);
        csigshim_bridge *bridge = opened_on(SIGHUP, 0);
        put_on_top(SIGHUP, other, NULL);
        const struct sigaction on_top = present_action(SIGHUP);
        CHECK(csigshim_remove(bridge, SIGHUP) == 0);
        struct sigaction now = present_action(SIGHUP);
        CHECK(same_actions(&on_top, &now) && csigshim_state(SIGHUP) == CSIGSHIM_ABSENT);
        CHECK(csigshim_add(bridge, SIGHUP, 0) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
        if (rearmed) {
            CHECK(csigshim_rearm(SIGHUP) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
            CHECK(kill(getpid(), SIGHUP) == 0);
            collect(bridge, SIGHUP, 1);
        }
        CHECK(csigshim_close(bridge) == 0);
        now = present_action(SIGHUP);
        CHECK(same_actions(&now, rearmed ? &saved : &on_top)); /* what was saved first */
    }
    CHECK(first_calls == 0 && other_calls == 0);
}

/* A second subscriber comes while a function is on top: the state says so, and `rearm` is the remedy for both. */
TEST(second_subscriber_under_a_function_set_over_the_handler) {
    HANDLER_ONLY("a signal has one bridge over signalfd");
    install(SIGHUP, first, SA_RESTART);
    const struct sigaction before = present_action(SIGHUP);
    csigshim_bridge *bridge = opened_on(SIGHUP, CSIGSHIM_CHAIN), *second = opened();
    put_on_top(SIGHUP, other, NULL);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
    CHECK(csigshim_add(second, SIGHUP, 0) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
    CHECK(kill(getpid(), SIGHUP) == 0 && other_calls == 1);
    CHECK(csigshim_rearm(SIGHUP) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    collect(second, SIGHUP, 1);
    CHECK(first_calls == 1 && other_calls == 1);
    CHECK(csigshim_close(bridge) == 0 && csigshim_close(second) == 0);
    const struct sigaction after = present_action(SIGHUP);
    CHECK(same_actions(&before, &after));
}

/* The first subscriber came beneath a function that was left on top. SIG_DFL over that does not re-arm either. */
TEST(second_subscriber_under_default_set_over_a_function_left_on_top) {
    HANDLER_ONLY("a signal has one bridge over signalfd");
    install(SIGHUP, first, SA_RESTART);
    const struct sigaction before = present_action(SIGHUP);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0), *second = opened();
    put_on_top(SIGHUP, other, NULL);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0 && csigshim_add(bridge, SIGHUP, 0) == 0);
    install(SIGHUP, SIG_DFL, 0);
    CHECK(csigshim_add(second, SIGHUP, 0) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
    CHECK(csigshim_rearm(SIGHUP) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(csigshim_close(bridge) == 0 && csigshim_close(second) == 0);
    const struct sigaction after = present_action(SIGHUP);
    CHECK(same_actions(&before, &after));
}

TEST(rearm_of_what_no_bridge_has) {
    csigshim_bridge *bridge = opened();
    FAILS(csigshim_rearm(SIGHUP), ENOENT);
    FAILS(csigshim_rearm(0), EINVAL);
    FAILS(csigshim_rearm(SIGKILL), ENOTSUP);
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0 && csigshim_remove(bridge, SIGHUP) == 0);
    FAILS(csigshim_rearm(SIGHUP), ENOENT);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT);
}
