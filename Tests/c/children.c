/* fork, vfork, posix_spawn and exec (G7, G8). */
#include "check.h"
#include <spawn.h>
#include <sys/stat.h>

extern char **environ;

static volatile sig_atomic_t calls;

static void host(int signo)
{
    (void)signo;
    calls++;
}

static void pause_for_ever(void)
{
    for (;;)
        pause();
}

/* The parent's bridge has heard nothing of what its children were sent, and still works. */
static void parent_heard_nothing(csigshim_bridge *bridge, int signo)
{
    CHECK(csigshim_wait(bridge, 50) == 0);
    CHECK(drained(bridge, signo) == 0);
    CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), signo) == 0);
    collect(bridge, signo, 1);
}

TEST(child_dies_by_default)
{
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    for (int himself = 0; himself < 2; himself++) {
        const pid_t child = fork();
        if (child == 0) {
            if (himself)
                kill(getpid(), SIGTERM);
            pause_for_ever();
        }
        CHECK(himself || kill(child, SIGTERM) == 0);
        CHECK(died_of(child, SIGTERM));
        parent_heard_nothing(bridge, SIGTERM);
    }
}

TEST(grandchild_dies_by_default)
{
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
    parent_heard_nothing(bridge, SIGTERM);
}

/* The previous handler runs, or SIG_IGN ignores, whether or not the bridge chains (signalfd: never). */
TEST(child_meets_the_previous_action)
{
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

/* vfork suspends us, so a process that we forked before sends the signal. With signalfd the child has our mask, which
 * reset_for_exec opens. */
TEST(vforked_child_dies_by_default)
{
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
        parent_heard_nothing(bridge, SIGTERM);
    }
    CHECK(csigshim_close(bridge) == 0);
}

TEST(spawned_child_dies_by_default)
{
    csigshim_bridge *bridge = opened_on(SIGTERM, chain_if_possible());
    char *arguments[] = {"sleep", "1000", NULL};
    for (int round = 0; round < 10; round++) {
        pid_t child;
        csigshim_spawn spawn;
        if (!test_is_handler()) /* the child inherits the mask */
            CHECK(csigshim_spawn_begin(&spawn, 0) == 0);
        CHECK(posix_spawnp(&child, "sleep", NULL, NULL, arguments, environ) == 0);
        if (!test_is_handler())
            CHECK(csigshim_spawn_end(&spawn) == 0);
        CHECK(kill(child, SIGTERM) == 0);
        CHECK(died_of(child, SIGTERM));
        parent_heard_nothing(bridge, SIGTERM);
    }
}

TEST(child_asks_for_its_bridge)
{
    const int other = for_second_bridge(SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0), *second = opened_on(other, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* unread: the parent's alone */
    const int number = csigshim_fd(bridge);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_event event;
        CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        FAILS(csigshim_wait(bridge, 0), EPERM);
        FAILS(csigshim_add(bridge, SIGUSR2, 0), EPERM);
        CHECK(csigshim_after_fork(bridge) == 0);
        CHECK(csigshim_fd(bridge) == number);
        CHECK(csigshim_wait(bridge, 0) == 0);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        for (int i = 0; i < 10; i++)
            CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, unread(SIGUSR1, 10));
        CHECK(csigshim_read(second, &event, 1) == 0); /* has not been asked for */
        CHECK(csigshim_after_fork(second) == 0);
        CHECK(kill(getpid(), other) == 0);
        collect(second, other, 1);
        if (other == SIGUSR1)
            collect(bridge, SIGUSR1, 1);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK(csigshim_after_fork(bridge) == 0);
            CHECK(csigshim_fd(bridge) == number);
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
    collect(bridge, SIGUSR1, 1); /* what was unread before the fork is still here */
    if (other == SIGUSR1)
        collect(second, SIGUSR1, 1);
}

/* A grandchild whose parent never asked. */
TEST(only_the_grandchild_asks)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t child = fork();
    if (child == 0) {
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK(csigshim_after_fork(bridge) >= 0);
            CHECK(kill(getpid(), SIGUSR1) == 0);
            collect(bridge, SIGUSR1, 1);
            _exit(0);
        }
        CHECK(exited(grandchild, 0));
        kill(getpid(), SIGUSR1);
        _exit(1);
    }
    CHECK(died_of(child, SIGUSR1));
    parent_heard_nothing(bridge, SIGUSR1);
}

/* Closed, or taken by the child's own files: the bridge gets new descriptors, and the files stay empty. */
TEST(child_lost_the_descriptors)
{
    HANDLER_ONLY("strangers.c has the like for both");
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
                files[count] = memfd_create("stranger", 0);
            CHECK(csigshim_after_fork(bridge) == 1);
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
        parent_heard_nothing(bridge, SIGUSR1);
    }
}

TEST(child_that_does_not_ask_harms_nobody)
{
    const int other = for_second_bridge(SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0), *second = opened_on(other, 0);
    CHECK(other == SIGUSR1 || kill(getpid(), other) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_event event;
        (void)csigshim_wake(second);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        if (test_is_handler())
            FAILS(csigshim_set_chain(bridge, SIGUSR1, 1), EPERM);
        (void)csigshim_remove(bridge, SIGUSR1);
        (void)csigshim_close(bridge);
        csigshim_bridge *own = opened_on(SIGUSR2, 0); /* and may have bridges of its own */
        CHECK(kill(getpid(), SIGUSR2) == 0);
        collect(own, SIGUSR2, 1);
        CHECK(csigshim_close(own) == 0);
        kill(getpid(), SIGUSR1);
        _exit(1);
    }
    CHECK(died_of(child, SIGUSR1));
    collect(bridge, SIGUSR1, 1);
    collect(second, other, 1);
    parent_heard_nothing(second, other);
    CHECK(drained(bridge, SIGUSR1) == (other == SIGUSR1 ? 1 : 0));
    CHECK(csigshim_wait(bridge, 0) == 0);
}

/* The child's own bridge may have the signal; over signalfd, the parent's cannot have it then. */
TEST(child_has_a_bridge_of_its_own)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *own = opened_on(SIGUSR1, 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(own, SIGUSR1, 1);
        if (!test_is_handler())
            FAILS(csigshim_after_fork(bridge), EBUSY);
        CHECK(csigshim_close(own) == 0 && csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT && !is_blocked(SIGUSR1));
        CHECK(csigshim_after_fork(bridge) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
    parent_heard_nothing(bridge, SIGUSR1);
}

TEST(after_fork_without_descriptors)
{
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
    parent_heard_nothing(bridge, SIGUSR1);
}

TEST(escalation_starts_at_zero_in_the_child)
{
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
