/* What no other test saw when it was put wrong: see Tests/prove/mutants. */
#include "check.h"
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

enum { RING = 16384 };

static volatile sig_atomic_t calls, errno_seen;

static void host(int signo)
{
    (void)signo;
    calls++;
    errno_seen = errno;
}

static void send(int signo, int times)
{
    for (int i = 0; i < times; i++)
        CHECK(raise(signo) == 0);
}

static void close_from(int first)
{
    for (int fd = first; fd < 256; fd++)
        close(fd);
}

TEST(one_more_than_the_ring_holds)
{
    HANDLER_ONLY("its ring");
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    send(SIGUSR1, RING + 1);
    CHECK(drained(bridge, SIGUSR1) == RING + 1);
    send(SIGUSR1, RING + 5);
    CHECK(csigshim_close(bridge) == 0);
    bridge = opened_on(SIGUSR1, 0); /* the next one in that place owes nothing */
    send(SIGUSR1, RING + 1);
    CHECK(drained(bridge, SIGUSR1) == RING + 1);
}

TEST(overflow_that_was_read_does_not_escalate)
{
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    send(SIGTERM, RING + 2);
    CHECK(drained(bridge, SIGTERM) == RING + 2);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    send(SIGTERM, 1);
    CHECK(drained(bridge, SIGTERM) == 1);
}

TEST(one_that_was_read_forgives_no_other)
{
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    csigshim_event event;
    _Atomic int *sent = shared(4096);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        CHECK(csigshim_escalate_after(bridge, SIGTERM, 3) == 0);
        send(SIGTERM, 2);
        CHECK(csigshim_read(bridge, &event, 1) == 1);
        send(SIGTERM, 1);
        *sent = 3;
        send(SIGTERM, 1);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM) && *sent == 3);
}

TEST(unread_ends_with_its_subscription)
{
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    send(SIGTERM, 2);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && csigshim_add(bridge, SIGTERM, 0) == 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 3) == 0);
    send(SIGTERM, 1);
    CHECK(drained(bridge, SIGTERM) == 3);
}

TEST(escalation_ends_with_its_subscription)
{
    HANDLER_ONLY("escalation");
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && csigshim_add(bridge, SIGTERM, 0) == 0);
    send(SIGTERM, 3);
    CHECK(drained(bridge, SIGTERM) == 3);
}

TEST(nothing_is_added_to_a_lost_pipe)
{
    csigshim_bridge *bridge = polled(opened());
    close_from(3);
    FAILS(csigshim_add(bridge, SIGTERM, 0), EBADF);
    FAILS(csigshim_read(bridge, &(csigshim_event){0}, 1), EBADF);
    CHECK(csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_DEFAULT);
}

TEST(host_finds_its_errno_where_the_pipe_is_lost)
{
    HANDLER_ONLY("a signal that is blocked waits");
    install(SIGUSR1, host, 0);
    polled(opened_on(SIGUSR1, 0));
    close_from(3);
    errno = 4711;
    CHECK(raise(SIGUSR1) == 0 && calls == 1);
    CHECK(errno_seen == 4711 || UNDER_TSAN); /* it delivers later */
}

/* The kernel has chosen ours, and comes to it when `remove` has returned. */
TEST(handler_that_comes_late_meets_the_default)
{
    if (UNDER_TSAN)
        SKIP("the thread sanitizer tells of no handler but its own");
    const pid_t child = fork();
    if (child == 0) {
        struct sigaction ours;
        ucontext_t context;
        siginfo_t info;
        memset(&info, 0, sizeof info);
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        memset(&context, 0, sizeof context); /* of a thread that blocks nothing */
        CHECK(sigaction(SIGTERM, NULL, &ours) == 0);
        CHECK(csigshim_remove(bridge, SIGTERM) == 0);
        ours.sa_sigaction(SIGTERM, &info, &context);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM));
}

/* The kernel's action is as before when a stopped process goes on: after the default action, and after falling back. */
static void stopped_and_continued(bool loses_its_pipe)
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        polled(opened_on(SIGTSTP, 0));
        if (loses_its_pipe)
            close_from(3);
        CHECK(loses_its_pipe ? raise(SIGTSTP) == 0 : csigshim_take_default_action(SIGTSTP) == 0);
        _exit(csigshim_state(SIGTSTP) != CSIGSHIM_ARMED);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK(kill(child, SIGCONT) == 0 && exited(child, 0));
}

TEST(armed_again_after_a_stop)
{
    stopped_and_continued(false);
    if (test_is_handler())
        stopped_and_continued(true);
}

TEST(timeout_counts_from_the_call_whatever_interrupts)
{
    const struct itimerval often = {{0, 50000}, {0, 50000}};
    install(SIGALRM, host, 0);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    CHECK(csigshim_wait(bridge, 500) == 0);
    CHECK(calls > 0);
}

TEST(chain_goes_on_in_the_child)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, host, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_after_fork(bridge) == 0);
        send(SIGUSR1, 1);
        collect(bridge, SIGUSR1, 1);
        _exit(calls != 1);
    }
    CHECK(exited(child, 0));
}

TEST(vforked_child_does_not_use_up_the_parents_handler)
{
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
    send(SIGUSR1, 1);
    collect(bridge, SIGUSR1, 1);
    CHECK(calls == 2);
}

TEST(vforked_child_is_refused)
{
    if (UNDER_TSAN)
        SKIP("the thread sanitizer makes a fork of it");
    static csigshim_bridge *bridge, *own;
    static int opening, adding;
    if (UNDER_TSAN)
        SKIP("the thread sanitizer makes a fork of it");
    bridge = opened_on(SIGTERM, 0);
    const pid_t child = vfork();
    if (child == 0) {
        opening = csigshim_open(&own, test_mechanism()) == -1 ? errno : 0;
        adding = csigshim_add(bridge, SIGHUP, 0) == -1 ? errno : 0;
        _exit(csigshim_remove(bridge, SIGTERM)); /* as if it had, for who closes all that it has */
    }
    CHECK(exited(child, 0) && opening == EPERM && adding == EPERM);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ARMED && csigshim_state(SIGHUP) == CSIGSHIM_ABSENT);
}

TEST(wake_in_a_child_says_nothing)
{
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        errno = 4711;
        const int result = csigshim_wake(bridge), after = errno;
        _exit(result != 0 || after != 4711);
    }
    CHECK(exited(child, 0));
}

TEST(what_comes_to_the_child_does_not_wake_the_parent)
{
    char byte;
    int from_child[2], to_child[2];
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(pipe(from_child) == 0 && pipe(to_child) == 0);
    const pid_t child = fork();
    if (child == 0) {
        close(to_child[1]);
        CHECK(csigshim_after_fork(bridge) == 0);
        change_mask(SIG_UNBLOCK, SIGTERM); /* with signalfd: so that the pipe is written to */
        CHECK(kill(getpid(), SIGTERM) == 0);
        CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1 && write(from_child[1], "", 1) == 1);
        CHECK(read(to_child[0], &byte, 1) == 1); /* alive, and it has not read */
        collect(bridge, SIGTERM, 1);
        _exit(0);
    }
    CHECK(read(from_child[0], &byte, 1) == 1);
    CHECK(csigshim_wait(bridge, 50) == 0);
    CHECK(write(to_child[1], "", 1) == 1 && exited(child, 0));
}

static int flags_of(int signo)
{
    struct sigaction now;
    CHECK(sigaction(signo, NULL, &now) == 0);
    return now.sa_flags & (SA_RESTART | SA_ONSTACK);
}

TEST(one_handler_with_other_flags_is_another_action)
{
    csigshim_bridge *bridge = opened();
    const int flags[] = {0, SA_RESTART, SA_ONSTACK, 0};
    for (int i = 0; i < 4; i++) {
        install(SIGUSR1, host, flags[i]);
        CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_remove(bridge, SIGUSR1) == 0);
        CHECK(flags_of(SIGUSR1) == flags[i]);
    }
}

static long pages(void)
{
    long total = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", &total) != 1)
        SKIP("no /proc");
    fclose(file);
    return total;
}

TEST(adding_for_ever_takes_no_memory)
{
    if (UNDER_TSAN)
        SKIP("the thread sanitizer remembers each call");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const long before = pages();
    for (int i = 0; i < 5000; i++)
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_add(bridge, SIGUSR1, 0) == 0);
    CHECK(pages() - before < 100);
}

static struct sigaction saved;

static void passes_on(int signo, siginfo_t *info, void *context)
{
    calls += 100;
    saved.sa_sigaction(signo, info, context);
}

/* He was below ours once with nothing beneath him. */
TEST(handler_that_comes_again_has_others_beneath_him)
{
    HANDLER_ONLY("chaining");
    put_on_top(SIGUSR1, passes_on, NULL);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    install(SIGUSR1, host, SA_RESTART);
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
    put_on_top(SIGUSR1, passes_on, &saved);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    send(SIGUSR1, 1);
    collect(bridge, SIGUSR1, 1);
    CHECK(calls == 101);
}

TEST(calls_restart_again_when_the_one_that_chained_has_gone)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, host, 0);
    csigshim_bridge *chains = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    opened_on(SIGUSR1, 0);
    CHECK(!(flags_of(SIGUSR1) & SA_RESTART));
    CHECK(csigshim_remove(chains, SIGUSR1) == 0);
    CHECK(flags_of(SIGUSR1) & SA_RESTART);
}

TEST(ignored_is_seen_beneath_another_bridge)
{
    HANDLER_ONLY("two bridges with one signal");
    install(SIGHUP, SIG_IGN, 0);
    opened_on(SIGHUP, 0);
    csigshim_bridge *second = opened();
    CHECK(csigshim_add(second, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
}

TEST(who_installs_his_own_within_a_scope_keeps_it)
{
    csigshim_spawn scope;
    struct sigaction now;
    install(SIGHUP, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_spawn_begin(&scope, CSIGSHIM_SPAWN_IGNORED) == 0);
    install(SIGHUP, host, 0);
    CHECK(csigshim_spawn_end(&scope) == 0);
    CHECK(sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == host);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
}

static void all_are_closed_by_exec(void)
{
    for (int fd = 3; fd < 256; fd++) {
        const int flags = fcntl(fd, F_GETFD);
        CHECK(flags < 0 || (flags & FD_CLOEXEC));
    }
}

TEST(childs_own_descriptors_are_not_inherited)
{
    close_from(3);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_after_fork(bridge) == 0);
        all_are_closed_by_exec();
        _exit(0);
    }
    CHECK(exited(child, 0));
}

TEST(moved_descriptors_are_not_inherited)
{
    close(0);
    close(2);
    close_from(3);
    opened();
    all_are_closed_by_exec();
    CHECK(fcntl(3, F_GETFD) >= 0 && fcntl(4, F_GETFD) >= 0);
}

TEST(failed_open_leaves_no_descriptor)
{
    csigshim_bridge *bridge;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    close(0);
    close(2);
    close_from(3);
    limit.rlim_cur = 4; /* of the two that must be moved, one has room */
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    FAILS(csigshim_open(&bridge, test_mechanism()), EMFILE);
    CHECK(fcntl(0, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0 && fcntl(3, F_GETFD) < 0);
}

#if defined(__linux__)
TEST(hang_up_names_its_descriptor)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = POLL_HUP;
    info.si_fd = 42;
    csigshim_bridge *bridge = opened_on(SIGRTMIN + 1, 0);
    CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 1, &info) == 0);
    const csigshim_event event = next_event(bridge);
    CHECK(event.code == POLL_HUP && event.fd == 42);
}
#endif
