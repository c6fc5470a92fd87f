/* Children of a process with many threads, and what is exec'd (G7, G8). */
#include "check.h"
#include <spawn.h>
#include <sys/syscall.h>

extern char **environ;

static _Atomic bool stop;
static _Atomic int churning;

static void *churn(void *shared_bridge)
{
    csigshim_event events[16];
    const int other = test_is_handler() ? SIGUSR1 : SIGRTMIN + churning++;
    while (!stop) {
        csigshim_bridge *bridge = opened_on(other, 0);
        CHECK(csigshim_read(shared_bridge, events, 16) >= 0);
        CHECK(csigshim_remove(bridge, other) == 0);
        CHECK(csigshim_close(bridge) == 0);
        CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    }
    return NULL;
}

static void *take_signals(void *unused)
{
    (void)unused;
    change_mask(SIG_UNBLOCK, SIGUSR1);
    while (!stop)
        sched_yield();
    return NULL;
}

/* The child is a process with one thread, whatever the others were inside of: its counts are its own. */
static void forking(void *(*body)(void *), int times)
{
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
            alarm(DEADLINE_SECONDS); /* a child that hangs dies of it, and the test fails */
            CHECK(csigshim_after_fork(bridge) == 0);
            CHECK(drained(bridge, SIGUSR1) == 0 || UNDER_TSAN);
            for (int k = 0; k < 10; k++)
                CHECK(kill(getpid(), SIGUSR1) == 0);
            if (UNDER_TSAN) /* it merges them, and hands the child what it held back for the parent */
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

TEST(fork_while_threads_take_a_flood)
{
    forking(take_signals, SCALED(300));
}

TEST(fork_while_threads_are_in_calls)
{
    forking(churn, SCALED(300));
}

static unsigned long long mask_of(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    CHECK(line != NULL);
    return strtoull(line + strlen(name), NULL, 16);
}

enum how { FORK, VFORK, CLONE };

/* What `cat /proc/self/status` tells of the signals that it ignores, if it was started like this. */
static unsigned long long ignored_after_exec(enum how how, bool reset, unsigned long long *blocked)
{
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

static unsigned long long bit(int signo)
{
    return 1ull << (signo - 1);
}

static void host(int signo)
{
    (void)signo;
}

TEST(reset_for_exec_gives_back_what_was_ignored)
{
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
            continue; /* its sigaction must not run in such a child */
        CHECK(ignored_after_exec(how, true, &blocked) == before);
        CHECK(blocked == blocked_before);
        for (size_t i = 0; i < sizeof subscribed / sizeof *subscribed; i++)
            CHECK(csigshim_state(subscribed[i]) == CSIGSHIM_ARMED); /* here nothing has changed */
        while (csigshim_read(bridge, &(csigshim_event){0}, 1) == 1) /* the children that ended */
            ;
        CHECK(kill(getpid(), SIGHUP) == 0);
        collect(bridge, SIGHUP, 1);
    }
}

static _Atomic int stage;

static void *exec_when_it_has_gone(void *blocked)
{
    while (stage == 0)
        pause_ms(1);
    ignored_after_exec(FORK, false, blocked);
    return NULL;
}

static void *remove_here(void *bridge)
{
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    return NULL;
}

/* A thread that inherited the blocked signal, and the thread that added it, after it was removed elsewhere: what they
 * exec must not be deaf. */
TEST(exec_after_the_bridge_has_gone)
{
    unsigned long long before, blocked = ~0ull;
    ignored_after_exec(FORK, false, &before);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    pthread_t thread = started(exec_when_it_has_gone, &blocked);
    CHECK(csigshim_close(bridge) == 0);
    stage = 1;
    pthread_join(thread, NULL);
    CHECK(blocked == before);

    bridge = opened_on(SIGTERM, 0);
    pthread_join(started(remove_here, bridge), NULL);
    ignored_after_exec(FORK, false, &blocked);
    CHECK(blocked == before);
}

TEST(reset_for_exec_in_a_child_that_stays)
{
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
            if (csigshim_disposition(SIGHUP) != CSIGSHIM_DISPOSITION_IGNORED || csigshim_disposition(SIGTERM) != CSIGSHIM_DISPOSITION_DEFAULT)
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

/* clone(2) runs no atfork handlers: a signal meets the previous action all the same, if it is not blocked. */
TEST(cloned_child_dies_by_default)
{
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

/* The doorbell is close-on-exec, so an exec'd child has none of ours. */
TEST(exec_inherits_no_descriptor)
{
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
