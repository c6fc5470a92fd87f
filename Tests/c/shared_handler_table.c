/* A helper process made by clone(CLONE_VM | CLONE_SIGHAND) shares memory and the table of handlers with its parent. A
 * signal that reaches the helper is not the parent's, and nothing that the helper does changes the parent's handlers.
 */
#include "bounded.h"
#if defined(__linux__)
#include "seccomp_filter.h"
#endif

#if defined(__linux__) && !defined(SANITIZED)
#include <sys/syscall.h>

enum { STACK = 65536 };

static int signal_of_helper;
static atomic_bool helper_lives, helper_may_end;

/* A raw system call: the helper has no thread-local memory of its own, and shares errno with its parent. */
static int helper(void *unused) {
    const struct timespec shortly = {0, 1000000};
    sigset_t one;
    (void)unused;
    sigemptyset(&one);
    sigaddset(&one, signal_of_helper);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, NULL, (size_t)8);
    helper_lives = true;
    while (!helper_may_end)
        syscall(SYS_nanosleep, &shortly, NULL);
    syscall(SYS_exit_group, 0);
    return 0;
}

static pid_t start_helper(int signo, int flags) {
    static char *stack;
    if (stack == NULL)
        stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    signal_of_helper = signo;
    helper_lives = helper_may_end = false;
    const pid_t child = clone(helper, stack + STACK, flags | SIGCHLD, NULL);
    CHECK(child > 0);
    while (!helper_lives)
        pause_ms(1);
    return child;
}

/* The helper's wait status; it is told to end if the signal does not end it. */
static int status_of_signalled(int signo, int flags) {
    int status = -1;
    const pid_t child = start_helper(signo, flags);
    CHECK(kill(child, signo) == 0);
    for (int tries = 0; tries < 100; tries++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return status;
        pause_ms(1);
    }
    helper_may_end = true;
    CHECK(ended(child, &status));
    return status;
}

static void expect_parent_untouched(csigshim_bridge *bridge, int signo) {
    CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
    CHECK(csigshim_wait(bridge, 20) == 0); /* nothing of the helper's */
    CHECK(kill(getpid(), signo) == 0);
    collect(bridge, signo, 1);
}

enum { SHARED_TABLE = CLONE_VM | CLONE_SIGHAND, OWN_TABLE = CLONE_VM };

TEST(helper_ends_by_default_and_the_parent_keeps_its_handler) {
    const int signals[] = {SIGUSR1, SIGTERM, SIGRTMIN + 2};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        csigshim_bridge *bridge = opened_on(signals[i], 0);
        for (int round = 0; round < 3; round++) {
            const int status = status_of_signalled(signals[i], SHARED_TABLE);
            const bool by_status = WIFEXITED(status) && WEXITSTATUS(status) == 128 + signals[i];
            CHECK(by_status || (WIFSIGNALED(status) && WTERMSIG(status) == signals[i]));
            expect_parent_untouched(bridge, signals[i]);
        }
        CHECK(csigshim_close(bridge) == 0);
        CHECK(csigshim_disposition(signals[i]) == CSIGSHIM_DISPOSITION_DEFAULT);
    }
}

TEST(helper_with_a_table_of_its_own_dies_by_default) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int status = status_of_signalled(SIGUSR1, OWN_TABLE);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1) ||
          (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGUSR1));
    expect_parent_untouched(bridge, SIGUSR1);
}

static atomic_int function_calls;

static void function(int signo) {
    (void)signo;
    function_calls++;
}

/* The action that the helper would have met without bridges. */
TEST(helper_runs_the_function_beneath) {
    install(SIGUSR1, function, SA_RESTART);
    for (int chain = 0; chain < (test_is_handler() ? 2 : 1); chain++)
        for (int own = 0; own < 2; own++) {
            csigshim_bridge *bridge = opened_on(SIGUSR1, chain ? CSIGSHIM_CHAIN : 0);
            function_calls = 0;
            const int status = status_of_signalled(SIGUSR1, own ? OWN_TABLE : SHARED_TABLE);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            CHECK(function_calls == 1);
            expect_parent_untouched(bridge, SIGUSR1);
            CHECK(function_calls == 1 + chain);
            CHECK(csigshim_close(bridge) == 0);
            CHECK(present_action(SIGUSR1).sa_handler == function);
        }
}

TEST(helper_ignores_what_is_ignored_beneath) {
    install(SIGUSR1, SIG_IGN, 0);
    const int signals[] = {SIGUSR1, SIGWINCH, SIGURG}; /* the others by default */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        for (int own = 0; own < 2; own++) {
            csigshim_bridge *bridge = opened_on(signals[i], 0);
            const int status = status_of_signalled(signals[i], own ? OWN_TABLE : SHARED_TABLE);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            expect_parent_untouched(bridge, signals[i]);
            CHECK(csigshim_close(bridge) == 0);
        }
}

static void count(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    function_calls++;
}

/* A delivery to the parent at the same time finds the handler in its place: 1,000 of them, while helpers come and go.
 */
TEST(parent_loses_nothing_while_helpers_are_signalled) {
    enum { HELPERS = 20, EACH = 50 };
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGRTMIN + 9, 0) == 0);
    unsigned long sum = 0;
    for (int i = 0; i < HELPERS; i++) {
        const pid_t child = start_helper(SIGUSR1, SHARED_TABLE);
        CHECK(kill(child, SIGUSR1) == 0);
        for (int k = 0; k < EACH; k++) {
            post(getpid(), SIGRTMIN + 9, k);
            CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
        }
        int status = -1;
        CHECK(ended(child, &status));
        sum += drained(bridge, SIGRTMIN + 9);
    }
    CHECK(sum == HELPERS * EACH);
    expect_parent_untouched(bridge, SIGUSR1);
}

static int refused_code;

static void signals_a_helper_in_a_sandbox(void) {
    const long number = SYS_kcmp;
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    refuse_calls(&number, 1, refused_code);
    for (int own = 0; own < 2; own++) {
        const int status = status_of_signalled(SIGUSR1, own ? OWN_TABLE : SHARED_TABLE);
        CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1) ||
              (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGUSR1));
        expect_parent_untouched(bridge, SIGUSR1);
    }
}

/* Containers often refuse kcmp(2), which tells whether two processes share a table. Without it the library changes no
 * handler. */
TEST(parent_keeps_its_handler_where_kcmp_is_refused) {
    const int codes[] = {EPERM, ENOSYS};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        refused_code = codes[i];
        CHECK(finishes(signals_a_helper_in_a_sandbox));
    }
}

/* The host has installed its own handler on top in the parent, and the helper leaves that in place too. */
TEST(helper_leaves_the_parents_handler_on_top) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, count, NULL);
    function_calls = 0;
    const int status = status_of_signalled(SIGUSR1, SHARED_TABLE);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0 && function_calls == 1);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    expect_parent_untouched(bridge, SIGUSR1);
}
#else
TEST(helper_ends_by_default_and_the_parent_keeps_its_handler) {
    SKIP("clone(2) is Linux's, and sanitizers do not know such a process");
}
#endif
