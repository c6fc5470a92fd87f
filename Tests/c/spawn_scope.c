/* csigshim_spawn_begin and csigshim_spawn_end: masks, nesting, and signals that arrive in between (G8). */
#include "check.h"
#include <spawn.h>

extern char **environ;

static _Atomic bool stop;

TEST(spawn_scope_works_without_a_bridge) {
    csigshim_spawn spawn;
    change_mask(SIG_BLOCK, SIGUSR1);
    FAILS(csigshim_spawn_begin(NULL, 0), EINVAL);
    FAILS(csigshim_spawn_end(NULL), EINVAL);
    const unsigned unknown[] = {2, 4, 8, 0x80000000u, CSIGSHIM_SPAWN_ORIGINAL | 4};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        FAILS(csigshim_spawn_begin(&spawn, unknown[i]), EINVAL);
    CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
    for (unsigned flags = 0; flags <= CSIGSHIM_SPAWN_ORIGINAL; flags++) {
        CHECK(csigshim_spawn_begin(&spawn, flags) == 0);
        CHECK(is_blocked(SIGUSR1) == !(flags & CSIGSHIM_SPAWN_ORIGINAL) && !is_blocked(SIGUSR2));
        CHECK(csigshim_spawn_end(&spawn) == 0);
        CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
    }
}

TEST(spawn_scopes_nest) {
    csigshim_spawn outer, inner;
    install(SIGHUP, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    const bool blocked = is_blocked(SIGTERM);
    CHECK(blocked == !test_is_handler());
    CHECK(csigshim_spawn_begin(&outer, 0) == 0);
    CHECK(!is_blocked(SIGTERM) && !is_blocked(SIGHUP));
    change_mask(SIG_BLOCK, SIGUSR1); /* by the host, between begin and end */
    CHECK(csigshim_spawn_begin(&inner, CSIGSHIM_SPAWN_ORIGINAL) == 0);
    CHECK(!is_blocked(SIGUSR1));
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED && csigshim_state(SIGTERM) == CSIGSHIM_ARMED);
    CHECK(csigshim_spawn_end(&inner) == 0);
    CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGTERM));
    CHECK(csigshim_spawn_end(&outer) == 0);
    CHECK(is_blocked(SIGTERM) == blocked && is_blocked(SIGHUP) == blocked && !is_blocked(SIGUSR1));
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED && !is_blocked(SIGTERM));
}

/* Signals that are pending before the scope are read after it. */
TEST(pending_signals_survive_a_spawn_scope) {
    csigshim_spawn spawn;
    install(SIGHUP, SIG_IGN, 0);
    install(SIGRTMIN, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_add(bridge, SIGRTMIN, 0) == 0);
    for (unsigned i = 0; i < (UNDER_TSAN ? 1 : 10); i++)
        post(getpid(), SIGRTMIN, (int)i);
    CHECK(kill(getpid(), SIGHUP) == 0);
    CHECK(csigshim_spawn_begin(&spawn, 0) == 0);
    CHECK(csigshim_spawn_end(&spawn) == 0);
    unsigned numbers = 0, hups = 0;
    for (csigshim_event event; csigshim_read(bridge, &event, 1) == 1;) {
        CHECK(event.signo == SIGHUP || event.value == numbers);
        numbers += event.signo == SIGRTMIN;
        hups += event.signo == SIGHUP;
    }
    CHECK(numbers == (UNDER_TSAN ? 1 : 10) && hups == 1);
}

/* Signals before, inside and after the scope are recorded once and in order. */
TEST(signals_in_a_spawn_scope_are_recorded_in_order) {
    SKIP_IF_MERGED();
    const int signo = SIGRTMIN + 2;
    csigshim_spawn spawn;
    csigshim_bridge *bridge = opened_on(signo, 0);
    for (int i = 0; i < 30; i++) {
        if (i == 10)
            CHECK(csigshim_spawn_begin(&spawn, 0) == 0);
        if (i == 20)
            CHECK(csigshim_spawn_end(&spawn) == 0);
        post(getpid(), signo, i);
    }
    for (int i = 0; i < 30; i++) {
        const csigshim_event event = next_event(bridge);
        CHECK(event.value == (unsigned)i && event.count == 1 && event.flags == 0);
    }
    CHECK(drained(bridge, signo) == 0);
}

static void *add_and_remove(void *unused) {
    while (!stop) {
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
        CHECK(csigshim_close(bridge) == 0);
    }
    return unused;
}

/* A shell compares its blocked and ignored signals with the expected ones, and reports the result as its exit status.
 */
static const char *const check_signal_state =
    "set -- $(grep -E '^Sig(Blk|Ign):' /proc/self/status); "
    "[ $2 = 0000000000000800 ] && [ $((0x$4 & 0x200)) = 512 ]"; /* USR2; USR1 */

/* Other threads add and remove signals under a flood. Each child starts with the old mask and the old dispositions. */
TEST(forked_children_of_a_busy_process_have_the_old_mask) {
    char *arguments[] = {"sh", "-c", (char *)check_signal_state, NULL};
    install(SIGUSR1, SIG_IGN, 0);
    change_mask(SIG_BLOCK, SIGUSR2);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    const pid_t target = getpid(), sender = fork();
    if (sender == 0)
        for (;;) {
            kill(target, SIGUSR1);
            kill(target, SIGTERM);
        }
    pthread_t threads[2] = {started(add_and_remove, NULL), test_is_handler() ? started(add_and_remove, NULL) : 0};
    for (int i = 0; i < SCALED(200); i++) {
        csigshim_event events[64];
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            execvp("sh", arguments);
            _exit(9);
        }
        CHECK(exited(child, 0));
        CHECK(csigshim_read(bridge, events, 64) >= 0);
    }
    stop = true;
    pthread_join(threads[0], NULL);
    if (test_is_handler())
        pthread_join(threads[1], NULL);
    CHECK(kill(sender, SIGKILL) == 0 && died_of(sender, SIGKILL));
}

TEST(spawn_scope_ends_in_a_forked_child_too) {
    csigshim_spawn scope;
    opened_on(SIGTERM, 0);
    CHECK(csigshim_spawn_begin(&scope, 0) == 0);
    const pid_t child = fork();
    CHECK(csigshim_spawn_end(&scope) == 0);
    if (child == 0)
        _exit(is_blocked(SIGTERM));
    CHECK(exited(child, 0));
    CHECK(is_blocked(SIGTERM) == !test_is_handler());
}
