/* Children of a process with many threads, and programs that are exec'd (G7, G8). */
#include "check.h"
#include <spawn.h>
#include <sys/syscall.h>

extern char **environ;

static _Atomic bool stop;
static _Atomic int next_signal;

static void *call_in_a_loop(void *shared_bridge) {
    csigshim_event events[16];
    const int other = test_is_handler() ? SIGUSR1 : SIGRTMIN + next_signal++;
    while (!stop) {
        csigshim_bridge *bridge = opened_on(other, 0);
        CHECK(csigshim_read(shared_bridge, events, 16) >= 0);
        CHECK(csigshim_remove(bridge, other) == 0);
        CHECK(csigshim_close(bridge) == 0);
        CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    }
    return NULL;
}

static void *take_signals(void *unused) {
    (void)unused;
    change_mask(SIG_UNBLOCK, SIGUSR1);
    while (!stop)
        sched_yield();
    return NULL;
}

/* The child has one thread, and the others may have been inside any call or handler at the fork. */
static void fork_many_times(void *(*body)(void *), int times) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    pthread_t threads[3];
    const pid_t target = getpid(), sender = fork();
    if (sender == 0)
        for (;;)
            kill(target, SIGUSR1);
    for (int i = 0; i < 3; i++)
        threads[i] = started(body, bridge);
    for (int i = 0; i < times; i++) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(DEADLINE_SECONDS); /* kills a child that hangs, and the test fails */
            CHECK(csigshim_after_fork(bridge) == 0);
            CHECK(drained(bridge, SIGUSR1) == 0 || UNDER_TSAN);
            for (int k = 0; k < 10; k++)
                CHECK(kill(getpid(), SIGUSR1) == 0);
            if (UNDER_TSAN) /* it coalesces signals, and gives the child those that it delayed for the parent */
                CHECK(csigshim_wait(bridge, -1) == 1 && drained(bridge, SIGUSR1) >= 1);
            else
                collect(bridge, SIGUSR1, unread(SIGUSR1, 10));
            CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_close(bridge) == 0);
            CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
            kill(getpid(), SIGUSR1);
            _exit(1);
        }
        CHECK(died_of(child, SIGUSR1));
    }
    CHECK(kill(sender, SIGKILL) == 0 && died_of(sender, SIGKILL));
    stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    drained(bridge, SIGUSR1);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

TEST(fork_during_a_flood_gives_the_child_its_bridge) {
    fork_many_times(take_signals, SCALED(300));
}

TEST(fork_during_calls_gives_the_child_its_bridge) {
    fork_many_times(call_in_a_loop, SCALED(300));
}

static unsigned long long mask_of(const char *text, const char *name) {
    const char *line = strstr(text, name);
    CHECK(line != NULL);
    return strtoull(line + strlen(name), NULL, 16);
}

enum how { FORK, VFORK, CLONE };

/* Executes `cat /proc/self/status` in a child, and returns the signals that it ignores. */
static unsigned long long ignored_after_exec(enum how how, bool reset, unsigned long long *blocked) {
    static char text[8192];
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    fflush(stdout);
    pid_t child;
    if (how == VFORK)
        child = vfork();
    else
        child = how == FORK ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        if (reset && csigshim_reset_for_exec() != 0)
            _exit(1);
        dup2(ends[1], 1);
        execlp("cat", "cat", "/proc/self/status", (char *)NULL);
        _exit(2);
    }
    CHECK(close(ends[1]) == 0);
    size_t size = 0;
    for (ssize_t count; (count = read(ends[0], text + size, sizeof text - 1 - size)) > 0;)
        size += (size_t)count;
    text[size] = 0;
    CHECK(close(ends[0]) == 0 && exited(child, 0));
    *blocked = mask_of(text, "SigBlk:");
    return mask_of(text, "SigIgn:");
}

static unsigned long long bit(int signo) {
    return 1ull << (signo - 1);
}

static void host(int signo) {
    (void)signo;
}

TEST(reset_for_exec_restores_ignored_signals) {
    unsigned long long blocked_before, blocked;
    install(SIGHUP, SIG_IGN, 0);
    install(SIGRTMIN + 4, SIG_IGN, 0);
    install(SIGUSR2, host, 0);
    const unsigned long long before = ignored_after_exec(FORK, false, &blocked_before);
    CHECK((before & bit(SIGHUP)) && (before & bit(SIGRTMIN + 4)));
    csigshim_bridge *bridge = opened();
    const int subscribed[] = {SIGHUP, SIGTERM, SIGUSR2, SIGCHLD, SIGRTMIN + 4};
    for (size_t i = 0; i < sizeof subscribed / sizeof *subscribed; i++)
        CHECK(csigshim_add(bridge, subscribed[i], 0) == 0);
    for (enum how how = FORK; how <= CLONE; how++) {
        if (UNDER_TSAN && how != FORK)
            continue; /* the thread sanitizer's sigaction must not run in such a child */
        CHECK(ignored_after_exec(how, true, &blocked) == before);
        CHECK(blocked == blocked_before);
        for (size_t i = 0; i < sizeof subscribed / sizeof *subscribed; i++)
            CHECK(csigshim_state(subscribed[i]) == CSIGSHIM_ARMED); /* nothing has changed in the parent */
        while (csigshim_read(bridge, &(csigshim_event){0}, 1) == 1) /* SIGCHLD */
            ;
        CHECK(kill(getpid(), SIGHUP) == 0);
        collect(bridge, SIGHUP, 1);
    }
}

static _Atomic int stage;

static void *exec_after_the_remove(void *blocked) {
    while (stage == 0)
        pause_ms(1);
    ignored_after_exec(FORK, false, blocked);
    return NULL;
}

static void *remove_here(void *bridge) {
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    return NULL;
}

/* A thread inherited the blocked signal, and the bridge is gone. Then a signal is removed on another thread than the
 * one that added it. What both threads exec starts with the mask from before the bridge. */
TEST(exec_after_the_last_remove_has_the_old_mask) {
    unsigned long long before, blocked = ~0ull;
    ignored_after_exec(FORK, false, &before);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    pthread_t thread = started(exec_after_the_remove, &blocked);
    CHECK(csigshim_close(bridge) == 0);
    stage = 1;
    pthread_join(thread, NULL);
    CHECK(blocked == before);

    bridge = opened_on(SIGTERM, 0);
    pthread_join(started(remove_here, bridge), NULL);
    ignored_after_exec(FORK, false, &blocked);
    CHECK(blocked == before);
}

TEST(child_after_reset_for_exec_has_the_saved_actions) {
    install(SIGHUP, SIG_IGN, 0);
    install(SIGUSR2, host, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_add(bridge, SIGTERM, 0) == 0);
    for (int raw = 0; raw < (UNDER_TSAN ? 1 : 2); raw++) {
        const pid_t child = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
        if (child == 0) {
            errno = 4711;
            if (csigshim_reset_for_exec() != 0 || errno != 4711)
                _exit(1);
            if (csigshim_disposition(SIGHUP) != CSIGSHIM_DISPOSITION_IGNORED ||
                csigshim_disposition(SIGTERM) != CSIGSHIM_DISPOSITION_DEFAULT)
                _exit(2);
            struct sigaction now;
            if (sigaction(SIGUSR2, NULL, &now) != 0 || now.sa_handler != host)
                _exit(3);
            kill(getpid(), SIGHUP);
            kill(getpid(), SIGUSR2);
            kill(getpid(), SIGTERM);
            _exit(4);
        }
        CHECK(died_of(child, SIGTERM));
    }
    CHECK(csigshim_wait(bridge, 20) == 0);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ARMED);
}

/* clone(2) runs no atfork handlers. A signal that is not blocked still meets the saved action. */
TEST(cloned_child_dies_by_default) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not know such a child");
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        if (!test_is_handler())
            csigshim_reset_for_exec();
        for (;;)
            pause();
    }
    CHECK(kill(child, SIGTERM) == 0);
    CHECK(died_of(child, SIGTERM));
    CHECK(csigshim_wait(bridge, 50) == 0);
}

/* All descriptors of a bridge are close-on-exec. */
TEST(exec_inherits_no_descriptor) {
    const int below = dup(0);
    CHECK(below >= 0 && close(below) == 0);
    opened_on(SIGTERM, 0);
    char command[100];
    snprintf(command, sizeof command, "for i in 0 1 2 3; do n=$((%d + i)); [ ! -e /proc/$$/fd/$n ] || exit 1; done",
             below);
    char *arguments[] = {"sh", "-c", command, NULL};
    pid_t child;
    CHECK(posix_spawnp(&child, "sh", NULL, NULL, arguments, environ) == 0);
    CHECK(exited(child, 0));
}

static bool exec_unblocks(int signo) {
    unsigned long long blocked;
    ignored_after_exec(FORK, false, &blocked);
    return !(blocked & bit(signo));
}

static void *has_clean_children(void *bridge) {
    CHECK(is_blocked(SIGTERM) && exec_unblocks(SIGTERM));
    stage = 1;
    while (stage == 1)
        pause_ms(1);
    CHECK(is_blocked(SIGTERM) && exec_unblocks(SIGTERM)); /* the bridge is gone */
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0 && exec_unblocks(SIGTERM));
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && !is_blocked(SIGTERM));
    return NULL;
}

TEST(threads_that_inherited_the_block_have_clean_children) {
    SIGNALFD_ONLY("masks");
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    pthread_t thread = started(has_clean_children, bridge);
    while (stage != 1)
        pause_ms(1);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    stage = 2;
    pthread_join(thread, NULL);
}

TEST(closing_an_inherited_bridge_spares_the_childs_own) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *own = opened_on(SIGTERM, 0);
        CHECK(csigshim_close(bridge) == 0);
        CHECK(is_blocked(SIGTERM) == !test_is_handler());
        CHECK(exec_unblocks(SIGTERM));
        CHECK(kill(getpid(), SIGTERM) == 0);
        collect(own, SIGTERM, 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

static void *add_unblocked_and_stay(void *bridge) {
    change_mask(SIG_BLOCK, SIGTERM);
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_UNBLOCK) == 2);
    stage = 1;
    while (stage == 1)
        pause_ms(1);
    return NULL;
}

/* CSIGSHIM_UNBLOCK changes the mask of the thread that calls csigshim_add. The children of other threads, which did not
 * block the signal, start without it blocked. */
TEST(reset_for_exec_blocks_nothing_on_other_threads) {
    HANDLER_ONLY("over signalfd, csigshim_add blocks the signal");
    unsigned long long blocked;
    csigshim_bridge *bridge = opened();
    const pthread_t thread = started(add_unblocked_and_stay, bridge);
    while (stage != 1)
        pause_ms(1);
    for (enum how how = FORK; how <= CLONE; how++) {
        if (UNDER_TSAN && how != FORK)
            continue; /* the thread sanitizer's sigaction must not run in such a child */
        ignored_after_exec(how, true, &blocked);
        CHECK(!(blocked & bit(SIGTERM)));
    }
    stage = 2;
    CHECK(pthread_join(thread, NULL) == 0);
}
