/* Some parents leave TERM blocked in their children, so that no handler runs. CSIGSHIM_UNBLOCK reports that and
 * unblocks the signal. This program starts itself with TERM blocked; with STARTED_BLOCKED in the environment it runs
 * the second half of a test. */
#define main check_main
#include "bounded.h"
#undef main
#include <sys/syscall.h>

/* Runs in a process that began with TERM blocked. */
static void unblocks_and_receives(void) {
    CHECK(is_blocked(SIGTERM));
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2 && !is_blocked(SIGTERM));
    CHECK(csigshim_unblocked_threads(SIGTERM, NULL, 0) == 1);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    change_mask(SIG_BLOCK, SIGTERM); /* once more */
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2 && !is_blocked(SIGTERM));
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    CHECK(csigshim_close(bridge) == 0);
}

/* A signal that was pending before the call arrives too. */
static void receives_what_is_pending(void) {
    CHECK(kill(getpid(), SIGTERM) == 0);
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2);
    collect(bridge, SIGTERM, 1);
}

static void receives_nothing_and_is_told(void) {
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0 && is_blocked(SIGTERM));
    CHECK(csigshim_unblocked_threads(SIGTERM, NULL, 0) == 0 && csigshim_blocked_threads(SIGTERM, NULL, 0) == 1);
    CHECK(kill(getpid(), SIGTERM) == 0);
    if (test_is_handler())
        CHECK(csigshim_wait(bridge, 100) == 0);
    else
        collect(bridge, SIGTERM, 1);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && is_blocked(SIGTERM)); /* it was blocked before */
}

/* A forked child that asks for its bridge receives the signal as well. */
static void child_receives(void) {
    csigshim_bridge *bridge = opened();
    int status = -1;
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_after_fork(bridge) == 0 && !is_blocked(SIGTERM) && kill(getpid(), SIGTERM) == 0);
        collect(bridge, SIGTERM, 1);
        _exit(0);
    }
    CHECK(ended(child, &status) && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
}

/* The host has asked for it, so the programs that it starts have the signal unblocked too, however they are started. */
static void children_inherit_the_unblocked_signal(void) {
    csigshim_bridge *bridge = opened();
    int status = -1;
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2);
    fflush(stdout);
    for (int kind = 0; kind < (UNDER_TSAN ? 1 : 3); kind++) {
        pid_t child;
        if (kind == 2)
            child = vfork();
        else
            child = kind == 0 ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            sigset_t mask;
            if ((kind > 0 && csigshim_reset_for_exec() != 0) || sigprocmask(SIG_BLOCK, NULL, &mask) != 0)
                _exit(2);
            _exit(sigismember(&mask, SIGTERM) == 0 ? 0 : 1);
        }
        CHECK(ended(child, &status) && WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
            printf("the child of %s has it blocked\n", kind == 0 ? "fork" : kind == 1 ? "clone" : "vfork");
        CHECK(WEXITSTATUS(status) == 0 && !is_blocked(SIGTERM));
    }
    csigshim_spawn spawn;
    CHECK(csigshim_spawn_begin(&spawn, 0) == 0 && !is_blocked(SIGTERM));
    CHECK(csigshim_spawn_end(&spawn) == 0 && !is_blocked(SIGTERM));
}

static void original_mask_has_the_block(void) {
    csigshim_bridge *bridge = opened();
    csigshim_spawn spawn;
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2);
    CHECK(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_ORIGINAL) == 0 && is_blocked(SIGTERM));
    CHECK(csigshim_spawn_end(&spawn) == 0 && !is_blocked(SIGTERM));
}

static void removal_leaves_it_unblocked(void) {
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && !is_blocked(SIGTERM));
}

/* Started with TERM blocked and HUP not. The call unblocks only signals that were blocked and that it names. */
static void unblocks_nothing_else(void) {
    csigshim_bridge *bridge = opened();
    change_mask(SIG_BLOCK, SIGALRM);
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_UNBLOCK) == 0 && !is_blocked(SIGHUP));
    CHECK(is_blocked(SIGTERM) && is_blocked(SIGALRM));
    CHECK(csigshim_remove(bridge, SIGHUP) == 0 && !is_blocked(SIGHUP));
    install(SIGTERM, SIG_IGN, 0); /* left alone, mask and all */
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK | CSIGSHIM_KEEP_IGNORED) == 1 && is_blocked(SIGTERM));
    install(SIGTERM, SIG_DFL, 0);
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK | CSIGSHIM_KEEP_IGNORED) == 2 && !is_blocked(SIGTERM));
    FAILS(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK), EEXIST);
    CHECK(csigshim_add(bridge, SIGALRM, 0) == 0 && is_blocked(SIGALRM));
    FAILS(csigshim_add(bridge, SIGALRM, CSIGSHIM_UNBLOCK), EEXIST);
    CHECK(is_blocked(SIGALRM)); /* a call that fails changes nothing */
}

static csigshim_bridge *first_bridge;

/* A second subscriber finds the signal unblocked, and receives it after the first is closed. */
static void second_subscriber_receives(void) {
    csigshim_bridge *second = opened();
    first_bridge = opened();
    CHECK(csigshim_add(first_bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2);
    CHECK(csigshim_add(second, SIGTERM, CSIGSHIM_UNBLOCK) == 0 && !is_blocked(SIGTERM));
    CHECK(csigshim_close(first_bridge) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(second, SIGTERM, 1);
    CHECK(csigshim_close(second) == 0);
}

static void *subscribes(void *unused) {
    CHECK(is_blocked(SIGTERM));
    first_bridge = opened();
    CHECK(csigshim_add(first_bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2 && !is_blocked(SIGTERM));
    return unused;
}

/* The flag concerns the mask of the calling thread alone. */
static void only_the_calling_thread_unblocks(void) {
    CHECK(pthread_join(started(subscribes, NULL), NULL) == 0);
    CHECK(is_blocked(SIGTERM) && csigshim_unblocked_threads(SIGTERM, NULL, 0) == 0);
    CHECK(csigshim_remove(first_bridge, SIGTERM) == 0 && is_blocked(SIGTERM));
}

static void adds_a_set(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add_set(bridge, &set, CSIGSHIM_UNBLOCK) >= 0 && !is_blocked(SIGTERM));
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    CHECK(csigshim_close(bridge) == 0 && !is_blocked(SIGHUP));
    change_mask(SIG_BLOCK, SIGTERM);
    sigaddset(&set, SIGKILL);
    FAILS(csigshim_add_set(bridge = opened(), &set, CSIGSHIM_UNBLOCK), ENOTSUP);
    CHECK(is_blocked(SIGTERM));
}

/* Over signalfd a signal must stay blocked: the flag is refused, or does no harm. */
static void flag_over_signalfd(void) {
    csigshim_bridge *bridge = opened();
    const int result = csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK);
    if (result < 0) {
        CHECK(errno == ENOTSUP || errno == EINVAL);
        CHECK(is_blocked(SIGTERM) && csigshim_state(SIGTERM) == CSIGSHIM_ABSENT);
        CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    }
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    CHECK(csigshim_close(bridge) == 0 && is_blocked(SIGTERM));
}

static void (*const halves[])(void) = {
    unblocks_and_receives,
    receives_what_is_pending,
    receives_nothing_and_is_told,
    child_receives,
    children_inherit_the_unblocked_signal,
    original_mask_has_the_block,
    removal_leaves_it_unblocked,
    unblocks_nothing_else,
    second_subscriber_receives,
    only_the_calling_thread_unblocks,
    adds_a_set,
    flag_over_signalfd,
};
enum { HALVES = sizeof halves / sizeof *halves };

int main(int argc, char **argv) {
    const char *which = getenv("STARTED_BLOCKED");
    if (which == NULL)
        return check_main(argc, argv);
    unsetenv("STARTED_BLOCKED");
    halves[atoi(which)]();
    fflush(stdout);
    return 0;
}

static int wanted_half;

static void exec_blocked(void) {
    char number[16];
    change_mask(SIG_BLOCK, SIGTERM);
    snprintf(number, sizeof number, "%d", wanted_half);
    CHECK(setenv("STARTED_BLOCKED", number, 1) == 0);
    execl("/proc/self/exe", "inherited_mask", (char *)NULL);
    _exit(4);
}

static bool works_if_started_blocked(void (*half)(void)) {
    for (wanted_half = 0; wanted_half < HALVES && halves[wanted_half] != half; wanted_half++)
        ;
    if (access("/proc/self/exe", X_OK) != 0)
        SKIP("no /proc");
    return finishes(exec_blocked);
}

TEST(unblock_receives_what_was_inherited_blocked) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(unblocks_and_receives));
    CHECK(works_if_started_blocked(receives_what_is_pending));
}

TEST(inherited_block_without_the_flag_is_told) {
    CHECK(works_if_started_blocked(receives_nothing_and_is_told));
}

TEST(children_receive_with_the_flag_and_get_the_original_mask) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(child_receives));
    CHECK(works_if_started_blocked(original_mask_has_the_block));
}

TEST(children_have_unblocked_what_the_flag_unblocked) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(children_inherit_the_unblocked_signal));
}

TEST(removal_leaves_unblocked_what_the_flag_unblocked) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(removal_leaves_it_unblocked));
}

TEST(unblock_leaves_other_signals_alone) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(unblocks_nothing_else));
}

TEST(unblock_lasts_for_a_second_subscriber) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(second_subscriber_receives));
}

TEST(unblock_is_for_the_calling_thread) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(only_the_calling_thread_unblocks));
}

TEST(unblock_of_a_set) {
    HANDLER_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(adds_a_set));
}

TEST(unblock_over_signalfd_does_no_harm) {
    SIGNALFD_ONLY("signalfd blocks");
    CHECK(works_if_started_blocked(flag_over_signalfd));
}
