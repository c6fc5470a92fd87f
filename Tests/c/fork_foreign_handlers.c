/* Handlers that replaced this library's, in forked and cloned children: each of them runs once for a signal (G6, G7).
 * `bottom` is installed before the bridge. `top` replaces the library's handler and calls it back. */
#include "check.h"
#include <sys/syscall.h>

static atomic_int bottom_calls, top_calls;
static struct sigaction saved_by_top;

static void bottom(int signo) {
    (void)signo;
    bottom_calls++;
}

static void top(int signo, siginfo_t *info, void *context) {
    top_calls++;
    saved_by_top.sa_sigaction(signo, info, context);
}

/* Sends three signals, and compares how often the handlers run. */
static void send_three(int calls_of_bottom, int calls_of_top) {
    bottom_calls = top_calls = 0;
    for (int i = 0; i < 3; i++) /* system calls, since the C library of a cloned child may not know its pid */
        CHECK(syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGUSR1) == 0);
    CHECK(bottom_calls == calls_of_bottom && top_calls == calls_of_top);
}

TEST(forked_child_of_a_displaced_bridge_runs_each_handler_once) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer delays handlers");
    install(SIGUSR1, bottom, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    for (int displaced = 0; displaced < 2; displaced++) {
        put_on_top(SIGUSR1, top, &saved_by_top);
        if (!displaced)
            CHECK(csigshim_rearm(SIGUSR1) == 0);
        const int expected = displaced ? CSIGSHIM_DISPLACED : CSIGSHIM_ARMED;
        CHECK(csigshim_state(SIGUSR1) == expected);
        const pid_t child = fork();
        if (child == 0) {
            send_three(3, 3 * displaced);
            CHECK(csigshim_after_fork(bridge) == 0 && csigshim_state(SIGUSR1) == expected);
            send_three(3, 3 * displaced);
            collect(bridge, SIGUSR1, 3);
            _exit(0);
        }
        CHECK(exited(child, 0));
    }
    send_three(3, 3);
    collect(bridge, SIGUSR1, 3);
}

/* clone(2) runs no atfork handlers. */
TEST(cloned_child_of_a_rearmed_bridge_runs_the_saved_handler) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer delays handlers");
    install(SIGUSR1, bottom, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, top, &saved_by_top);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        send_three(3, 0);
        _exit(0);
    }
    CHECK(exited(child, 0) && csigshim_wait(bridge, 20) == 0);
}

/* The child installs the library's handler again, because that is what `top` had saved, and then `top` over it. A new
 * bridge of the child stays displaced, and gets the signal from `top`. */
TEST(child_adds_beneath_a_handler_that_it_reinstalled) {
    install(SIGUSR1, bottom, 0);
    opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, top, &saved_by_top);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *own;
        CHECK(sigaction(SIGUSR1, &saved_by_top, NULL) == 0);
        CHECK(csigshim_open(&own, test_mechanism()) == 0);
        put_on_top(SIGUSR1, top, &saved_by_top);
        CHECK(csigshim_add(own, SIGUSR1, 0) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(own, SIGUSR1, 1);
        CHECK(bottom_calls == 0 && top_calls == (test_is_handler() ? 1 : 0));
        _exit(0);
    }
    CHECK(exited(child, 0));
}

/* The same with the inherited bridge. */
TEST(after_fork_beneath_a_handler_that_the_child_reinstalled) {
    HANDLER_ONLY("chaining");
    install(SIGUSR1, bottom, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, top, &saved_by_top);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(sigaction(SIGUSR1, &saved_by_top, NULL) == 0);
        FAILS(csigshim_add(bridge, SIGUSR2, 0), EPERM);
        put_on_top(SIGUSR1, top, &saved_by_top);
        CHECK(csigshim_after_fork(bridge) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        CHECK(top_calls == 1 && bottom_calls == 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

/* Only the default action is beneath the handler that the kernel calls. That handler decides what the signal does. */
TEST(cloned_child_takes_no_default_action_under_a_foreign_handler) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not know such a child");
    opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, top, &saved_by_top);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        change_mask(SIG_UNBLOCK, SIGUSR1);
        send_three(0, 3);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

/* The signal is added again beneath a foreign handler, whose place csigshim_rearm then takes. In the second case the
 * host has put this library's handler back by itself before the signal is added. */
TEST(forked_child_of_a_bridge_that_came_back_has_the_saved_action) {
    for (int put_back = 0; put_back < 2; put_back++) {
        struct sigaction now;
        install(SIGUSR1, bottom, 0);
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        put_on_top(SIGUSR1, top, &saved_by_top);
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
        if (put_back)
            CHECK(sigaction(SIGUSR1, &saved_by_top, NULL) == 0);
        CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
        if (!put_back)
            CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED && csigshim_rearm(SIGUSR1) == 0);
        CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
        const pid_t child = fork();
        if (child == 0) {
            CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == bottom);
            _exit(0);
        }
        CHECK(exited(child, 0) && csigshim_close(bridge) == 0);
    }
}
