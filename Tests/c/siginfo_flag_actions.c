/* The actions {SA_SIGINFO, SIG_IGN} and {SA_SIGINFO, SIG_DFL}, which programs make when they change sa_handler and keep
 * the old flags. The kernel goes by the handler's value alone, and so does the library. */
#include "bounded.h"
#include <sys/syscall.h>

static const int flags_beside[] = {SA_SIGINFO, SA_SIGINFO | SA_RESTART,
                                   SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_ONSTACK, SA_SIGINFO | (int)SA_RESETHAND,
                                   SA_SIGINFO | SA_NOCLDSTOP};
enum { FLAGS = sizeof flags_beside / sizeof *flags_beside };

/* Installs the action with a mask of its own, and returns it as sigaction(2) reads it back. */
static struct sigaction installed_with_siginfo(int signo, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK(sigaction(signo, &action, NULL) == 0);
    return present_action(signo);
}

TEST(disposition_goes_by_the_value_of_the_handler) {
    for (int i = 0; i < FLAGS; i++) {
        installed_with_siginfo(SIGUSR1, SIG_IGN, flags_beside[i]);
        CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_IGNORED);
        installed_with_siginfo(SIGUSR1, SIG_DFL, flags_beside[i]);
        CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
    }
}

TEST(chaining_onto_no_function_with_siginfo_runs_nothing) {
    HANDLER_ONLY("chaining");
    for (int i = 0; i < FLAGS; i++)
        for (int ignored = 0; ignored < 2; ignored++) {
            const struct sigaction before =
                installed_with_siginfo(SIGUSR1, ignored ? SIG_IGN : SIG_DFL, flags_beside[i]);
            csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
            for (int k = 0; k < 3; k++)
                CHECK(kill(getpid(), SIGUSR1) == 0);
            collect(bridge, SIGUSR1, 3);
            CHECK(csigshim_close(bridge) == 0);
            const struct sigaction after = present_action(SIGUSR1);
            CHECK(same_actions(&before, &after));
        }
}

TEST(chaining_turned_on_over_no_function_with_siginfo) {
    HANDLER_ONLY("chaining");
    for (int ignored = 0; ignored < 2; ignored++) {
        installed_with_siginfo(SIGTERM, ignored ? SIG_IGN : SIG_DFL, SA_SIGINFO | SA_RESTART);
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        for (int on = 1; on >= 0; on--) {
            CHECK(csigshim_set_chain(bridge, SIGTERM, on) == 0);
            CHECK(kill(getpid(), SIGTERM) == 0);
            collect(bridge, SIGTERM, 1);
        }
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* Only a chained function without SA_RESTART relies on EINTR. */
TEST(no_function_with_siginfo_asks_for_no_interruption) {
    HANDLER_ONLY("chaining");
    for (int ignored = 0; ignored < 2; ignored++) {
        installed_with_siginfo(SIGUSR1, ignored ? SIG_IGN : SIG_DFL, SA_SIGINFO);
        csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
        CHECK(present_action(SIGUSR1).sa_flags & SA_RESTART);
        CHECK(csigshim_close(bridge) == 0);
    }
}

TEST(keep_ignored_sees_siginfo_with_ignore) {
    for (int i = 0; i < FLAGS; i++) {
        csigshim_bridge *bridge = opened();
        const struct sigaction before = installed_with_siginfo(SIGHUP, SIG_IGN, flags_beside[i]);
        CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
        CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT && !is_blocked(SIGHUP));
        const struct sigaction after = present_action(SIGHUP);
        CHECK(same_actions(&before, &after));
        FAILS(csigshim_remove(bridge, SIGHUP), ENOENT);
        CHECK(kill(getpid(), SIGHUP) == 0 && csigshim_wait(bridge, 0) == 0);
        installed_with_siginfo(SIGHUP, SIG_DFL, flags_beside[i]);
        CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 0);
        CHECK(kill(getpid(), SIGHUP) == 0);
        collect(bridge, SIGHUP, 1);
        CHECK(csigshim_close(bridge) == 0);
    }
}

TEST(removal_restores_siginfo_without_a_function_exactly) {
    const int signals[] = {SIGTERM, SIGCHLD, SIGPIPE, SIGRTMIN + 5};
    for (int i = 0; i < FLAGS; i++)
        for (size_t k = 0; k < sizeof signals / sizeof *signals; k++)
            for (int ignored = 0; ignored < 2; ignored++) {
                const struct sigaction before =
                    installed_with_siginfo(signals[k], ignored ? SIG_IGN : SIG_DFL, flags_beside[i]);
                csigshim_bridge *bridge = opened_on(signals[k], i % 2 ? chain_if_possible() : 0);
                CHECK(csigshim_state(signals[k]) == CSIGSHIM_ARMED);
                post(getpid(), signals[k], 0);
                collect(bridge, signals[k], 1);
                CHECK(csigshim_remove(bridge, signals[k]) == 0);
                const struct sigaction after = present_action(signals[k]);
                CHECK(same_actions(&before, &after));
                CHECK(csigshim_close(bridge) == 0);
            }
}

static void terminated_after_closefrom(void) {
    installed_with_siginfo(SIGTERM, SIG_DFL, SA_SIGINFO | SA_RESTART);
    polled(opened_on(SIGTERM, 0));
    close_all_descriptors();
    kill(getpid(), SIGTERM);
}

static void ignores_after_closefrom(void) {
    installed_with_siginfo(SIGTERM, SIG_IGN, SA_SIGINFO | SA_RESTART);
    polled(opened_on(SIGTERM, chain_if_possible()));
    close_all_descriptors();
    CHECK(kill(getpid(), SIGTERM) == 0);
}

TEST(closed_descriptors_leave_the_default_with_siginfo_deadly) {
    HANDLER_ONLY("a blocked signal stays pending");
    CHECK(dies_of(terminated_after_closefrom, SIGTERM));
}

TEST(closed_descriptors_leave_ignore_with_siginfo_harmless) {
    HANDLER_ONLY("a blocked signal stays pending");
    CHECK(finishes(ignores_after_closefrom));
}

/* The wait status of a child that TERM meets twice. clone(2) runs no atfork handlers. */
static int status_of_child(void (*handler)(int), bool cloned, unsigned flags) {
    int status = -1;
    installed_with_siginfo(SIGTERM, handler, SA_SIGINFO | SA_RESTART);
    csigshim_bridge *bridge = opened_on(SIGTERM, flags);
    const pid_t child = cloned ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    if (child == 0) {
        change_mask(SIG_UNBLOCK, SIGTERM);
        kill(getpid(), SIGTERM);
        kill(getpid(), SIGTERM);
        _exit(7);
    }
    CHECK(ended(child, &status));
    CHECK(csigshim_wait(bridge, 20) == 0 && csigshim_state(SIGTERM) == CSIGSHIM_ARMED);
    CHECK(csigshim_close(bridge) == 0);
    return status;
}

TEST(children_meet_the_action_without_a_function) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer catches a signal where SA_SIGINFO is set");
    for (int cloned = 0; cloned < 2; cloned++)
        for (int chain = 0; chain < 2; chain++) {
            const unsigned flags = chain ? chain_if_possible() : 0;
            int status = status_of_child(SIG_DFL, cloned, flags);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
            status = status_of_child(SIG_IGN, cloned, flags);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        }
}

TEST(reset_for_exec_restores_ignore_with_siginfo) {
    const struct sigaction before = installed_with_siginfo(SIGHUP, SIG_IGN, SA_SIGINFO | SA_RESTART);
    opened_on(SIGHUP, 0);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        struct sigaction now;
        if (csigshim_reset_for_exec() != 0 || sigaction(SIGHUP, NULL, &now) != 0)
            _exit(1);
        _exit(same_actions(&now, &before) ? 0 : 2);
    }
    CHECK(exited(child, 0));
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED);
}

static struct sigaction found_by_host;

static void hosts_handler(int signo, siginfo_t *info, void *context) {
    found_by_host.sa_sigaction(signo, info, context);
}

static void put_back_after_removal(void (*handler)(int)) {
    installed_with_siginfo(SIGTERM, handler, SA_SIGINFO);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    put_on_top(SIGTERM, hosts_handler, &found_by_host);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    CHECK(sigaction(SIGTERM, &found_by_host, NULL) == 0);
    kill(getpid(), SIGTERM);
}

static void default_put_back(void) {
    put_back_after_removal(SIG_DFL);
}

static void ignore_put_back(void) {
    put_back_after_removal(SIG_IGN);
}

/* The host's handler was on top at the removal and then restores what it found, the library's. */
TEST(handler_without_subscription_goes_by_the_value_beneath) {
    CHECK(dies_of(default_put_back, SIGTERM));
    CHECK(finishes(ignore_put_back));
}
