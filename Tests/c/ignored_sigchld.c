/* Where SIGCHLD is ignored, or has SA_NOCLDWAIT, the kernel reaps children. These tests say who reaps them while a
 * bridge has the signal, and afterwards.
 */
#include "bounded.h"

static pid_t child_that_exits(int code) {
    fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(code);
    return child;
}

/* The event names the child, and waitpid(2) still finds it. */
static void expect_zombie(csigshim_bridge *bridge) {
    int status = -1;
    const pid_t child = child_that_exits(7);
    const csigshim_event event = next_event(bridge);
    CHECK(event.signo == SIGCHLD && event.code == CLD_EXITED && event.pid == child && event.status == 7);
    CHECK(waitpid(-1, &status, WNOHANG) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    FAILS(waitpid(-1, &status, WNOHANG), ECHILD);
}

/* The kernel has reaped it. */
static void expect_reaped(pid_t child) {
    FAILS(waitpid(child, NULL, 0), ECHILD); /* returns when it has ended */
}

static void restored(const struct sigaction *before) {
    const struct sigaction after = present_action(SIGCHLD);
    CHECK(same_actions(before, &after));
}

TEST(children_of_a_process_that_ignored_sigchld_become_zombies) {
    const int flags[] = {0, SA_RESTART, SA_SIGINFO, SA_SIGINFO | SA_RESTART};
    for (size_t i = 0; i < (UNDER_TSAN ? 2 : sizeof flags / sizeof *flags);
         i++) { /* which catches where SA_SIGINFO is */
        install(SIGCHLD, SIG_IGN, flags[i]);
        const struct sigaction before = present_action(SIGCHLD);
        csigshim_bridge *bridge = opened_on(SIGCHLD, i % 2 ? chain_if_possible() : 0);
        CHECK((present_action(SIGCHLD).sa_flags & SA_NOCLDWAIT) == 0);
        for (int k = 0; k < 3; k++)
            expect_zombie(bridge);
        CHECK(csigshim_remove(bridge, SIGCHLD) == 0);
        restored(&before);
        expect_reaped(child_that_exits(0)); /* as before */
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* The child ends while the bridge has the signal, and is waited for afterwards. */
TEST(zombie_outlives_the_removal) {
    install(SIGCHLD, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
    const pid_t child = child_that_exits(3);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(csigshim_remove(bridge, SIGCHLD) == 0);
    CHECK(exited(child, 3));
}

TEST(ignored_sigchld_is_kept_on_request) {
    install(SIGCHLD, SIG_IGN, 0);
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add(bridge, SIGCHLD, CSIGSHIM_KEEP_IGNORED) == 1);
    expect_reaped(child_that_exits(0));
    CHECK(csigshim_wait(bridge, 20) == 0);
}

static void function(int signo) {
    (void)signo;
}

/* A host that asked for SA_NOCLDWAIT by name gets it, and the events as well. */
TEST(children_are_reaped_where_the_saved_action_asks_for_it) {
    void (*const handlers[])(int) = {SIG_DFL, SIG_IGN, function};
    const int flags[] = {SA_NOCLDWAIT, SA_NOCLDWAIT | SA_SIGINFO, SA_NOCLDWAIT | SA_RESTART};
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++) {
            if (i == 2 && (flags[k] & SA_SIGINFO))
                continue; /* `function` takes one argument */
            install(SIGCHLD, handlers[i], flags[k]);
            const struct sigaction before = present_action(SIGCHLD);
            csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
            CHECK(present_action(SIGCHLD).sa_flags & SA_NOCLDWAIT);
            const pid_t child = child_that_exits(7);
            expect_reaped(child);
            const csigshim_event event = next_event(bridge);
            CHECK(event.signo == SIGCHLD && event.pid == child && event.status == 7);
            CHECK(csigshim_remove(bridge, SIGCHLD) == 0);
            restored(&before);
            CHECK(csigshim_close(bridge) == 0);
        }
}

/* A stopped child makes an event only if the saved action lacks SA_NOCLDSTOP. */
TEST(stopped_children_are_told_of_as_the_saved_action_asks) {
    for (int quiet = 0; quiet < 2; quiet++) {
        install(SIGCHLD, SIG_IGN, quiet ? SA_NOCLDSTOP : 0);
        csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        int status = -1;
        CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        if (quiet) {
            CHECK(csigshim_wait(bridge, 50) == 0);
        } else {
            const csigshim_event event = next_event(bridge);
            CHECK(event.code == CLD_STOPPED && event.pid == child);
        }
        CHECK(kill(child, SIGKILL) == 0);
        const csigshim_event event = next_event(bridge);
        CHECK(event.code == CLD_KILLED && event.pid == child && event.status == SIGKILL);
        CHECK(died_of(child, SIGKILL) && csigshim_close(bridge) == 0);
    }
}

/* The host installs SIG_IGN over the library's handler. */
TEST(rearm_over_ignored_sigchld_keeps_zombies) {
    csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
    expect_zombie(bridge);
    install(SIGCHLD, SIG_IGN, SA_NOCLDWAIT);
    CHECK(csigshim_state(SIGCHLD) == CSIGSHIM_DISPLACED && csigshim_rearm(SIGCHLD) == 0);
    expect_zombie(bridge);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(csigshim_disposition(SIGCHLD) == CSIGSHIM_DISPOSITION_DEFAULT);
}

/* A forked child ignores SIGCHLD again, until csigshim_after_fork. */
TEST(forked_child_ignores_sigchld_again) {
    install(SIGCHLD, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_disposition(SIGCHLD) == CSIGSHIM_DISPOSITION_IGNORED);
        expect_reaped(child_that_exits(0));
        CHECK(csigshim_after_fork(bridge) == 0);
        expect_zombie(bridge);
        _exit(5);
    }
    CHECK(exited(child, 5));
}

/* This call undoes the inherited action. */
TEST(set_disposition_undoes_what_was_inherited) {
    install(SIGCHLD, SIG_IGN, SA_NOCLDWAIT);
    CHECK(csigshim_set_disposition(SIGCHLD, CSIGSHIM_DISPOSITION_DEFAULT) == 0);
    csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
    expect_zombie(bridge);
    CHECK(csigshim_close(bridge) == 0);
    const pid_t child = child_that_exits(4);
    CHECK(exited(child, 4));
}
