/* Bridges in the children of fork and vfork: before csigshim_after_fork and after it (G7). */
#include "check.h"
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern char **environ;

static volatile sig_atomic_t calls;

static void host(int signo) {
    (void)signo;
    calls++;
}

static void pause_for_ever(void) {
    for (;;)
        pause();
}

/* The bridge of the parent recorded no signal that was sent to a child, and it still works. */
static void check_that_parent_got_nothing(csigshim_bridge *bridge, int signo) {
    CHECK(csigshim_wait(bridge, 50) == 0);
    CHECK(drained(bridge, signo) == 0);
    CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), signo) == 0);
    collect(bridge, signo, 1);
}

TEST(forked_child_dies_by_default) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    for (int by_child = 0; by_child < 2; by_child++) {
        const pid_t child = fork();
        if (child == 0) {
            if (by_child)
                kill(getpid(), SIGTERM);
            pause_for_ever();
        }
        CHECK(by_child || kill(child, SIGTERM) == 0);
        CHECK(died_of(child, SIGTERM));
        check_that_parent_got_nothing(bridge, SIGTERM);
    }
}

TEST(forked_grandchild_dies_by_default) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        const pid_t grandchild = fork();
        if (grandchild == 0)
            pause_for_ever();
        kill(grandchild, SIGTERM);
        int status;
        waitpid(grandchild, &status, 0);
        _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : 1);
    }
    CHECK(exited(child, 0));
    check_that_parent_got_nothing(bridge, SIGTERM);
}

/* The saved handler runs, or the saved SIG_IGN ignores, whether or not the bridge chains. */
TEST(forked_child_runs_the_saved_action) {
    for (unsigned flags = 0; flags <= chain_if_possible(); flags++) {
        install(SIGUSR1, host, 0);
        install(SIGUSR2, SIG_IGN, 0);
        csigshim_bridge *bridge = opened_on(SIGUSR1, flags);
        CHECK(csigshim_add(bridge, SIGUSR2, flags) == 0);
        const pid_t child = fork();
        if (child == 0) {
            calls = 0;
            for (int i = 0; i < 3; i++) {
                kill(getpid(), SIGUSR1);
                kill(getpid(), SIGUSR2);
            }
            _exit(calls);
        }
        CHECK(exited(child, 3));
        CHECK(csigshim_wait(bridge, 50) == 0);
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* vfork suspends this thread, so another process sends the signal. Over signalfd, the child inherits the mask, and
 * csigshim_reset_for_exec restores it. */
TEST(vforked_child_dies_by_default) {
    if (UNDER_TSAN && !test_is_handler())
        SKIP("the thread sanitizer's sigaction must not run in such a child");
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    for (int round = 0; round < 20; round++) {
        volatile pid_t *pid = shared(4096);
        const pid_t sender = fork();
        if (sender == 0) {
            while (*pid == 0)
                sched_yield();
            _exit(kill(*pid, SIGTERM) != 0);
        }
        const pid_t child = vfork();
        if (child == 0) {
            if (!test_is_handler())
                csigshim_reset_for_exec();
            *pid = getpid();
            pause_for_ever();
        }
        CHECK(died_of(child, SIGTERM));
        CHECK(exited(sender, 0));
        check_that_parent_got_nothing(bridge, SIGTERM);
    }
    CHECK(csigshim_close(bridge) == 0);
}

TEST(spawned_child_dies_by_default) {
    csigshim_bridge *bridge = opened_on(SIGTERM, chain_if_possible());
    char *arguments[] = {"sleep", "1000", NULL};
    for (int round = 0; round < 10; round++) {
        pid_t child;
        csigshim_spawn spawn;
        if (!test_is_handler()) /* or the child would inherit the blocked signal */
            CHECK(csigshim_spawn_begin(&spawn, 0) == 0);
        CHECK(posix_spawnp(&child, "sleep", NULL, NULL, arguments, environ) == 0);
        if (!test_is_handler())
            CHECK(csigshim_spawn_end(&spawn) == 0);
        CHECK(kill(child, SIGTERM) == 0);
        CHECK(died_of(child, SIGTERM));
        check_that_parent_got_nothing(bridge, SIGTERM);
    }
}

TEST(after_fork_gives_the_child_an_empty_bridge) {
    const int other = for_second_bridge(SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0), *second = opened_on(other, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* unread, so only the parent gets it */
    polled(bridge);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_event event;
        CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        FAILS(csigshim_wait(bridge, 0), EPERM);
        FAILS(csigshim_add(bridge, SIGUSR2, 0), EPERM);
        CHECK(csigshim_after_fork(bridge) == 0);
        CHECK(csigshim_fd(bridge) >= 3);
        CHECK(csigshim_wait(bridge, 0) == 0);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        for (int i = 0; i < 10; i++)
            CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, unread(SIGUSR1, 10));
        CHECK(csigshim_read(second, &event, 1) == 0); /* still the parent's */
        CHECK(csigshim_after_fork(second) == 0);
        CHECK(kill(getpid(), other) == 0);
        collect(second, other, 1);
        if (other == SIGUSR1)
            collect(bridge, SIGUSR1, 1);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK(csigshim_after_fork(bridge) == 0);
            CHECK(csigshim_fd(bridge) >= 3);
            CHECK(kill(getpid(), SIGUSR1) == 0);
            collect(bridge, SIGUSR1, 1);
            _exit(0);
        }
        CHECK(exited(grandchild, 0));
        CHECK(csigshim_wait(bridge, 20) == 0);
        CHECK(csigshim_close(bridge) == 0 && csigshim_close(second) == 0);
        CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
        _exit(0);
    }
    CHECK(exited(child, 0));
    collect(bridge, SIGUSR1, 1); /* the event that was unread before the fork */
    if (other == SIGUSR1)
        collect(second, SIGUSR1, 1);
}

/* The grandchild calls csigshim_after_fork, and its parent does not. */
TEST(after_fork_works_in_a_grandchild_alone) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t child = fork();
    if (child == 0) {
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK(csigshim_after_fork(bridge) == 0);
            CHECK(kill(getpid(), SIGUSR1) == 0);
            collect(bridge, SIGUSR1, 1);
            _exit(0);
        }
        CHECK(exited(grandchild, 0));
        kill(getpid(), SIGUSR1);
        _exit(1);
    }
    CHECK(died_of(child, SIGUSR1));
    check_that_parent_got_nothing(bridge, SIGUSR1);
}

/* The child closes descriptors of the bridge and opens files at their numbers. The bridge gets new descriptors, and the
 * files stay empty. */
TEST(after_fork_spares_files_at_the_old_numbers) {
    HANDLER_ONLY("after_fork_in_a_daemon_leaves_its_files_alone covers both mechanisms");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int number = csigshim_fd(bridge);
    for (int which = 1; which < 4; which++) {
        const pid_t child = fork();
        if (child == 0) {
            struct stat status;
            int files[40], count = 0;
            for (int fd = 3; fd < 64; fd++)
                if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && (fd == number ? which & 1 : which & 2))
                    close(fd);
            for (; count < 40; count++)
                files[count] = memfd_create("other", 0);
            CHECK(csigshim_after_fork(bridge) == 0);
            CHECK((which & 1) == 0 || csigshim_fd(bridge) != number);
            CHECK(csigshim_fd(bridge) >= 3 && (fcntl(csigshim_fd(bridge), F_GETFD) & FD_CLOEXEC));
            CHECK(kill(getpid(), SIGUSR1) == 0);
            collect(bridge, SIGUSR1, 1);
            CHECK(csigshim_close(bridge) == 0);
            for (int i = 0; i < count; i++)
                CHECK(fstat(files[i], &status) == 0 && status.st_size == 0);
            _exit(0);
        }
        CHECK(exited(child, 0));
        check_that_parent_got_nothing(bridge, SIGUSR1);
    }
}

TEST(calls_without_after_fork_leave_the_parent_alone) {
    csigshim_event event;
    const int other = for_second_bridge(SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0), *second = opened_on(other, 0);
    CHECK(other == SIGUSR1 || kill(getpid(), other) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    const pid_t child = fork();
    if (child == 0) {
        (void)csigshim_wake(second);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        if (test_is_handler())
            FAILS(csigshim_set_chain(bridge, SIGUSR1, 1), EPERM);
        (void)csigshim_remove(bridge, SIGUSR1);
        (void)csigshim_close(bridge);
        csigshim_bridge *own = opened_on(SIGUSR2, 0);
        CHECK(kill(getpid(), SIGUSR2) == 0);
        collect(own, SIGUSR2, 1);
        CHECK(csigshim_close(own) == 0);
        kill(getpid(), SIGUSR1);
        _exit(1);
    }
    CHECK(died_of(child, SIGUSR1));
    collect(bridge, SIGUSR1, 1);
    collect(second, other, 1);
    check_that_parent_got_nothing(second, other);
    CHECK(drained(bridge, SIGUSR1) == (other == SIGUSR1 ? 1 : 0));
    CHECK(csigshim_wait(bridge, 0) == 0);
}

/* A new bridge of the child gets the signal. Over signalfd, the inherited bridge cannot have it at the same time. */
TEST(child_may_open_a_bridge_of_its_own) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *own = opened_on(SIGUSR1, 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(own, SIGUSR1, 1);
        if (!test_is_handler())
            FAILS(csigshim_after_fork(bridge), EBUSY);
        CHECK(csigshim_close(own) == 0 && csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT &&
              !is_blocked(SIGUSR1));
        CHECK(csigshim_after_fork(bridge) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
    check_that_parent_got_nothing(bridge, SIGUSR1);
}

TEST(after_fork_without_descriptors_can_be_retried) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t child = fork();
    if (child == 0) {
        struct rlimit limit, none;
        CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        none = limit;
        none.rlim_cur = 0;
        CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
        FAILS(csigshim_after_fork(bridge), EMFILE);
        FAILS(csigshim_wait(bridge, 0), EPERM);
        CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        CHECK(csigshim_after_fork(bridge) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
    check_that_parent_got_nothing(bridge, SIGUSR1);
}

TEST(escalation_counts_from_zero_after_fork) {
    HANDLER_ONLY("escalation");
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    _Atomic int *survived = shared(4096);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_after_fork(bridge) == 0);
        kill(getpid(), SIGTERM);
        *survived = 1;
        kill(getpid(), SIGTERM);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM) && *survived == 1);
    collect(bridge, SIGTERM, 1);
}

static void all_are_close_on_exec(void) {
    for (int fd = 3; fd < 256; fd++) {
        const int flags = fcntl(fd, F_GETFD);
        CHECK(flags < 0 || (flags & FD_CLOEXEC));
    }
}

static void check_records(csigshim_bridge *bridge, int signo) {
    CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
    CHECK(raise(signo) == 0);
    collect(bridge, signo, 1);
}

/* In a child, the handler restores the saved action and lets the signal meet it. csigshim_after_fork installs the
 * handler again, whatever that action was. */
TEST(after_fork_resubscribes_a_signal_that_met_the_saved_action) {
    csigshim_bridge *first = opened_on(SIGWINCH, 0), *second = opened_on(SIGURG, 0);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGWINCH);
        CHECK(csigshim_after_fork(first) == 0);
        check_records(first, SIGWINCH);
        raise(SIGURG); /* between the two calls of csigshim_after_fork */
        CHECK(csigshim_after_fork(second) == 0);
        check_records(second, SIGURG);
        _exit(0);
    }
    CHECK(exited(child, 0));

    child = fork();
    if (child == 0) {
        CHECK(csigshim_reset_for_exec() == 0); /* as if the exec after it had failed */
        CHECK(csigshim_after_fork(first) == 0);
        check_records(first, SIGWINCH);
        _exit(0);
    }
    CHECK(exited(child, 0));

    install(SIGUSR1, host, (int)SA_RESETHAND);
    csigshim_bridge *third = opened_on(SIGUSR1, 0);
    child = fork();
    if (child == 0) {
        raise(SIGUSR1);
        CHECK(csigshim_after_fork(third) == 0);
        check_records(third, SIGUSR1);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

static csigshim_bridge *shared_bridge;

static void child_atfork_handler(void) {
    if (csigshim_after_fork(shared_bridge) != 0)
        _exit(9);
}

static void atfork_handler(void) {
    if (csigshim_state(SIGTERM) != CSIGSHIM_ARMED)
        _exit(8);
}

/* The library holds its lock for the forking thread while the atfork handlers of the host run. */
TEST(atfork_handlers_of_the_host_may_call_the_library) {
    CHECK(pthread_atfork(NULL, NULL, child_atfork_handler) == 0); /* runs before the library's in the child */
    shared_bridge = opened_on(SIGTERM, 0);
    CHECK(pthread_atfork(atfork_handler, atfork_handler, NULL) == 0);
    const pid_t child = fork();
    if (child == 0) {
        check_records(shared_bridge, SIGTERM);
        _exit(0);
    }
    CHECK(exited(child, 0));
    check_records(shared_bridge, SIGTERM);
}

TEST(chaining_continues_after_fork) {
    HANDLER_ONLY("chaining");
    install(SIGUSR1, host, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_after_fork(bridge) == 0);
        raise_times(SIGUSR1, 1);
        collect(bridge, SIGUSR1, 1);
        _exit(calls != 1);
    }
    CHECK(exited(child, 0));
}

TEST(vforked_child_keeps_the_sa_resethand_handler_of_the_parent) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer changes the flags");
    install(SIGUSR1, host, (int)SA_RESETHAND);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    const pid_t child = vfork();
    if (child == 0) {
        kill(getpid(), SIGUSR1);
        _exit(0);
    }
    CHECK(exited(child, 0) && calls == 1);
    raise_times(SIGUSR1, 1);
    collect(bridge, SIGUSR1, 1);
    CHECK(calls == 2);
}

TEST(open_and_add_fail_in_a_vforked_child) {
    static csigshim_bridge *bridge, *own;
    static int opening, adding;
    if (UNDER_TSAN)
        SKIP("the thread sanitizer calls fork in place of vfork");
    bridge = opened_on(SIGTERM, 0);
    const pid_t child = vfork();
    if (child == 0) {
        opening = csigshim_open(&own, test_mechanism()) == -1 ? errno : 0;
        adding = csigshim_add(bridge, SIGHUP, 0) == -1 ? errno : 0;
        _exit(csigshim_remove(bridge, SIGTERM)); /* succeeds and changes nothing */
    }
    CHECK(exited(child, 0) && opening == EPERM && adding == EPERM);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ARMED && csigshim_state(SIGHUP) == CSIGSHIM_ABSENT);
}

TEST(wake_in_a_child_succeeds_and_keeps_errno) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        errno = 4711;
        const int result = csigshim_wake(bridge), after = errno;
        _exit(result != 0 || after != 4711);
    }
    CHECK(exited(child, 0));
}

TEST(signal_in_the_child_does_not_wake_the_parent) {
    char byte;
    int from_child[2], to_child[2];
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(pipe(from_child) == 0 && pipe(to_child) == 0);
    const pid_t child = fork();
    if (child == 0) {
        close(to_child[1]);
        CHECK(csigshim_after_fork(bridge) == 0);
        change_mask(SIG_UNBLOCK, SIGTERM); /* over signalfd: so that the handler runs and writes to the pipe */
        CHECK(kill(getpid(), SIGTERM) == 0);
        CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1 && write(from_child[1], "", 1) == 1);
        CHECK(read(to_child[0], &byte, 1) == 1); /* until then, the event stays unread in the child */
        collect(bridge, SIGTERM, 1);
        _exit(0);
    }
    CHECK(read(from_child[0], &byte, 1) == 1);
    CHECK(csigshim_wait(bridge, 50) == 0);
    CHECK(write(to_child[1], "", 1) == 1 && exited(child, 0));
}

TEST(descriptors_after_fork_are_close_on_exec) {
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_after_fork(bridge) == 0);
        all_are_close_on_exec();
        _exit(0);
    }
    CHECK(exited(child, 0));
}

TEST(fork_keeps_what_the_host_blocks) {
    change_mask(SIG_BLOCK, SIGUSR2);
    if (!UNDER_TSAN) { /* which needs its faults unblocked */
        change_mask(SIG_BLOCK, SIGBUS);
        change_mask(SIG_BLOCK, SIGSYS);
    }
    opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(!(is_blocked(SIGUSR2) && (UNDER_TSAN || (is_blocked(SIGBUS) && is_blocked(SIGSYS)))));
    CHECK(exited(child, 0));
    CHECK(is_blocked(SIGUSR2) && (UNDER_TSAN || (is_blocked(SIGBUS) && is_blocked(SIGSYS))));
}

TEST(fd_of_an_inherited_bridge_is_refused) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    for (int asked = 0; asked < 2; asked++) {
        const pid_t child = fork();
        if (child == 0) {
            FAILS(csigshim_fd(bridge), EPERM);
            CHECK(csigshim_after_fork(bridge) == 0);
            polled(bridge);
            _exit(0);
        }
        CHECK(exited(child, 0));
        polled(bridge);
    }
}

/* clone(2) runs no atfork handlers. */
TEST(calls_of_a_cloned_child_are_refused) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not know such a child");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    change_mask(SIG_UNBLOCK, SIGUSR1); /* over signalfd: so that the handler records it */
    CHECK(raise(SIGUSR1) == 0);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
        FAILS(csigshim_wait(bridge, 0), EPERM);
        FAILS(csigshim_fd(bridge), EPERM);
        FAILS(csigshim_add(bridge, SIGUSR2, 0), EPERM);
        _exit(0);
    }
    CHECK(exited(child, 0));
    collect(bridge, SIGUSR1, 1);
}

/* The child forgets which signals a bridge has blocked in the parent's thread. From then on every blocked signal is the
 * host's. */
TEST(signal_blocked_by_the_child_stays_blocked_in_its_children) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(!is_blocked(SIGTERM));
        change_mask(SIG_BLOCK, SIGTERM);
        const pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(!is_blocked(SIGTERM));
        CHECK(exited(grandchild, 0));
        CHECK(csigshim_after_fork(bridge) == 0 && csigshim_remove(bridge, SIGTERM) == 0);
        _exit(!is_blocked(SIGTERM));
    }
    CHECK(exited(child, 0));
}
