/* Handlers of the host in children: each runs once for a signal, wherever ours is among them. */
#include "check.h"
#include <sys/syscall.h>

static atomic_int bottom_calls, middle_calls, top_calls;
static struct sigaction saved_by_middle, saved_by_top;

static void bottom(int signo)
{
    (void)signo;
    bottom_calls++;
}

static void middle(int signo, siginfo_t *info, void *context)
{
    middle_calls++;
    saved_by_middle.sa_sigaction(signo, info, context);
}

static void top(int signo, siginfo_t *info, void *context)
{
    top_calls++;
    saved_by_top.sa_sigaction(signo, info, context);
}

static void expect_three_more(int on_top)
{
    bottom_calls = middle_calls = top_calls = 0;
    for (int i = 0; i < 3; i++) /* by hand: a cloned child's C library does not know its pid */
        CHECK(syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGUSR1) == 0);
    CHECK(bottom_calls == 3 && middle_calls == 3 && top_calls == on_top);
}

TEST(forked_child_of_a_displaced_bridge_runs_every_handler)
{
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer runs handlers late, on its own terms");
    install(SIGUSR1, bottom, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, middle, &saved_by_middle);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    for (int displaced = 0; displaced < 2; displaced++) {
        if (displaced)
            put_on_top(SIGUSR1, top, &saved_by_top);
        const pid_t child = fork();
        if (child == 0) {
            expect_three_more(3 * displaced);
            CHECK(csigshim_after_fork(bridge) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
            expect_three_more(3 * displaced);
            collect(bridge, SIGUSR1, 3);
            _exit(0);
        }
        CHECK(exited(child, 0));
    }
    expect_three_more(3);
    collect(bridge, SIGUSR1, 3);
}

TEST(cloned_child_of_a_rearmed_bridge_runs_every_handler)
{
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer runs handlers late, on its own terms");
    install(SIGUSR1, bottom, 0);
    opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, middle, &saved_by_middle);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); /* runs no atfork handlers */
    if (child == 0) {
        expect_three_more(0);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

/* The child puts ours back in by itself, and his over it again: csigshim_after_fork is as good as an add. */
/* Ours is there because the host has put it back, not because somebody in the child wants it. */
TEST(child_adds_over_a_handler_that_came_back_on_top)
{
    install(SIGUSR1, bottom, 0);
    opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, top, &saved_by_top);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *mine;
        CHECK(sigaction(SIGUSR1, &saved_by_top, NULL) == 0);
        CHECK(csigshim_open(&mine, test_mechanism()) == 0);
        put_on_top(SIGUSR1, top, &saved_by_top);
        CHECK(csigshim_add(mine, SIGUSR1, 0) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(mine, SIGUSR1, 1);
        CHECK(top_calls == 0 && bottom_calls == 0);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

TEST(after_fork_is_on_top_of_what_the_child_has_installed)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, bottom, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, middle, &saved_by_middle);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(sigaction(SIGUSR1, &saved_by_middle, NULL) == 0);
        FAILS(csigshim_add(bridge, SIGUSR2, 0), EPERM);
        put_on_top(SIGUSR1, middle, &saved_by_middle);
        CHECK(csigshim_after_fork(bridge) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        CHECK(middle_calls == 1 && bottom_calls == 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
}
