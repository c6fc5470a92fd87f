/* csigshim_spawn_begin and csigshim_spawn_end themselves: masks, nesting, what comes meanwhile (G8). */
#include "check.h"
#include <spawn.h>

extern char **environ;

static _Atomic int step;
static _Atomic bool stop;

TEST(scopes_without_a_bridge)
{
    csigshim_spawn spawn;
    change_mask(SIG_BLOCK, SIGUSR1);
    FAILS(csigshim_spawn_begin(NULL, 0), EINVAL);
    FAILS(csigshim_spawn_end(NULL), EINVAL);
    const unsigned unknown[] = {4, 8, 0x80000000u, CSIGSHIM_SPAWN_ORIGINAL | 4};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        FAILS(csigshim_spawn_begin(&spawn, unknown[i]), EINVAL);
    CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
    for (unsigned flags = 0; flags < 4; flags++) {
        CHECK(csigshim_spawn_begin(&spawn, flags) == 0);
        CHECK(is_blocked(SIGUSR1) == !(flags & CSIGSHIM_SPAWN_ORIGINAL) && !is_blocked(SIGUSR2));
        CHECK(csigshim_spawn_end(&spawn) == 0);
        CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
    }
}

TEST(scopes_nest)
{
    csigshim_spawn outer, inner;
    install(SIGHUP, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    const bool blocked = is_blocked(SIGTERM);
    CHECK(blocked == !test_is_handler());
    CHECK(csigshim_spawn_begin(&outer, CSIGSHIM_SPAWN_IGNORED) == 0);
    CHECK(!is_blocked(SIGTERM) && !is_blocked(SIGHUP));
    change_mask(SIG_BLOCK, SIGUSR1); /* the host's own, in between */
    CHECK(csigshim_spawn_begin(&inner, CSIGSHIM_SPAWN_IGNORED | CSIGSHIM_SPAWN_ORIGINAL) == 0);
    CHECK(!is_blocked(SIGUSR1));
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    CHECK(csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_HANDLED);
    CHECK(csigshim_spawn_end(&inner) == 0);
    CHECK(is_blocked(SIGUSR1) && !is_blocked(SIGTERM));
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED); /* until the last such scope ends */
    CHECK(csigshim_spawn_end(&outer) == 0);
    CHECK(is_blocked(SIGTERM) == blocked && is_blocked(SIGHUP) == blocked && !is_blocked(SIGUSR1));
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGHUP) == 0); /* and is heard again */
    collect(bridge, SIGHUP, 1);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED && !is_blocked(SIGTERM));
}

static void *until_step_two(void *unused)
{
    csigshim_spawn spawn;
    CHECK(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED) == 0);
    step = 1;
    while (step != 2)
        pause_ms(1);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    CHECK(csigshim_spawn_end(&spawn) == 0);
    return unused;
}

TEST(scopes_of_two_threads_overlap)
{
    csigshim_spawn spawn;
    install(SIGHUP, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED) == 0);
    pthread_t thread = started(until_step_two, NULL);
    while (step != 1)
        pause_ms(1);
    CHECK(csigshim_spawn_end(&spawn) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    step = 2;
    pthread_join(thread, NULL);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
}

static void *in_a_scope(void *unused)
{
    csigshim_spawn spawn;
    CHECK(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED) == 0);
    step++;
    while (step % 2 == 1)
        pause_ms(1);
    CHECK(csigshim_spawn_end(&spawn) == 0);
    return unused;
}

static pthread_t scope_begun(void)
{
    step = 0;
    pthread_t thread = started(in_a_scope, NULL);
    while (step == 0)
        pause_ms(1);
    return thread;
}

static void scope_ended(pthread_t thread)
{
    step = 2;
    pthread_join(thread, NULL);
}

/* While another thread spawns: remove, add, fork. What holds at the end is what was asked for last. */
TEST(changes_inside_the_scope_of_another_thread)
{
    install(SIGHUP, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    pthread_t thread = scope_begun();
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    scope_ended(thread);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT && csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);

    thread = scope_begun();
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0);
    scope_ended(thread);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);

    thread = scope_begun();
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED && !is_blocked(SIGHUP));
        CHECK(csigshim_after_fork(bridge) == 0 && csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
        CHECK(kill(getpid(), SIGHUP) == 0);
        collect(bridge, SIGHUP, 1);
        CHECK(csigshim_close(bridge) == 0 && csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
        _exit(0);
    }
    CHECK(exited(child, 0));
    scope_ended(thread);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
    CHECK(csigshim_close(bridge) == 0 && csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
}

/* What comes in the scope may be lost; not what came before. */
TEST(pending_when_the_scope_begins)
{
    csigshim_spawn spawn;
    install(SIGHUP, SIG_IGN, 0);
    install(SIGRTMIN, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_add(bridge, SIGRTMIN, 0) == 0);
    for (unsigned i = 0; i < (UNDER_TSAN ? 1 : 10); i++)
        post(getpid(), SIGRTMIN, (int)i);
    CHECK(kill(getpid(), SIGHUP) == 0);
    CHECK(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED) == 0);
    CHECK(csigshim_spawn_end(&spawn) == 0);
    unsigned numbers = 0, hups = 0;
    for (csigshim_event event; csigshim_read(bridge, &event, 1) == 1;) {
        CHECK(event.signo == SIGHUP || event.value == numbers);
        numbers += event.signo == SIGRTMIN;
        hups += event.signo == SIGHUP;
    }
    CHECK(numbers == (UNDER_TSAN ? 1 : 10) && hups == 1);
}

/* Before, between and after: each once, and in order. */
TEST(what_comes_between_is_recorded)
{
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

static volatile sig_atomic_t above_calls;

static void above(int signo)
{
    (void)signo;
    above_calls++;
}

/* A handler that the host put over ours is not ours to take away. */
TEST(scope_spares_a_handler_over_ours)
{
    csigshim_spawn spawn;
    struct sigaction now;
    install(SIGHUP, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    install(SIGHUP, above, SA_RESTART);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED);
    CHECK(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED) == 0);
    CHECK(csigshim_spawn_end(&spawn) == 0);
    CHECK(sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == above);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == above);
}

static void *add_and_remove(void *unused)
{
    while (!stop) {
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
        CHECK(csigshim_close(bridge) == 0);
    }
    return unused;
}

/* The child says which of its signals are blocked and ignored: sh, so that a wrong one can be seen by its exit status.
 */
static const char *const looks = "set -- $(grep -E '^Sig(Blk|Ign):' /proc/self/status); "
                                 "[ $2 = 0000000000000800 ] && [ $((0x$4 & 0x200)) = 512 ]"; /* USR2; USR1 */

/* Other threads add and remove, a flood comes, and each child has what it should. */
TEST(children_of_a_busy_process)
{
    char *arguments[] = {"sh", "-c", (char *)looks, NULL};
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
