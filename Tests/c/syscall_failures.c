/* System calls that fail once, in the middle of a call or of the handler. The library reports the failure or makes up
 * for it, leaks nothing, and the call can be made again (G11). */
#include "seccomp.h"
#include <dirent.h>

static atomic_int host_calls;

static void host(int signo) {
    (void)signo;
    atomic_fetch_add(&host_calls, 1);
}

static int descriptors(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void works(csigshim_bridge *bridge) {
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

/* Fails one of the system calls of csigshim_after_fork, in a new child for each of them. The call reports the failure,
 * or works all the same, and in the first case it works when it is called again. `closed`: the child has closed the
 * inherited descriptors, so that the new ones get their numbers. */
static void after_fork_with_failing(long number, int code, bool closed) {
    CONFINED();
    prepare_to_fail(number);
    const int before = descriptors();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    bool *const failed = shared(sizeof *failed);
    int after = 0;
    do {
        *failed = false;
        const pid_t child = fork();
        if (child == 0) {
            for (int fd = 3; closed && fd < 100; fd++)
                close(fd);
            fail_once(number, after, code);
            const int result = csigshim_after_fork(bridge), result_errno = errno;
            *failed = !failing.armed;
            failing.armed = false;
            CHECK(result == 0 || (*failed && result == -1 && result_errno == code));
            CHECK(result == 0 || csigshim_after_fork(bridge) == 0);
            works(bridge);
            CHECK(csigshim_close(bridge) == 0);
            /* csigshim_after_fork leaves an inherited descriptor open if a failure keeps it from recognizing the
             * descriptor */
            const int left = number == FSTAT || number == SYS_epoll_ctl ? 3 : 0;
            CHECK(closed || (descriptors() >= before && descriptors() <= before + left));
            _exit(0);
        }
        CHECK(exited(child, 0));
        after += *failed;
    } while (*failed);
    CHECK(after > 0);
}

TEST(after_fork_can_be_retried_when_pipe2_fails) {
    after_fork_with_failing(SYS_pipe2, EMFILE, false);
}

TEST(after_fork_can_be_retried_when_epoll_ctl_fails) {
    SIGNALFD_ONLY("an epoll");
    after_fork_with_failing(SYS_epoll_ctl, ENOSPC, false);
}

TEST(after_fork_can_be_retried_when_signalfd_fails) {
    SIGNALFD_ONLY("a signalfd");
    after_fork_with_failing(SYS_signalfd4, ENOMEM, false);
}

TEST(after_fork_can_be_retried_when_fstat_fails) {
    after_fork_with_failing(FSTAT, ENOMEM, false);
}

TEST(after_fork_keeps_its_new_pipe_when_fstat_fails) {
    after_fork_with_failing(FSTAT, ENOMEM, true);
}

/* A pipe has no page of its own until it is written to, so that a write can fail for want of memory. */
TEST(failed_wakeup_write_is_made_up_for) {
    HANDLER_ONLY("over signalfd, no handler writes");
    CONFINED();
    prepare_to_fail(SYS_write);
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    fail_once(SYS_write, 0, ENOMEM);
    CHECK(kill(getpid(), SIGUSR1) == 0 && !failing.armed);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(drained(bridge, SIGUSR1) == 1);
}

TEST(wake_works_after_a_failed_write) {
    CONFINED();
    prepare_to_fail(SYS_write);
    csigshim_bridge *bridge = polled(opened());
    fail_once(SYS_write, 0, ENOMEM);
    CHECK(csigshim_wake(bridge) == 0 && !failing.armed);
    CHECK(csigshim_wait(bridge, 0) == 1);
}

/* A read that stopped there would leave an edge-triggered poller without another edge. */
TEST(read_goes_on_after_an_interrupted_sigtimedwait) {
    SIGNALFD_ONLY("the kernel's queue");
    CONFINED();
    prepare_to_fail(SYS_rt_sigtimedwait);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    fail_once(SYS_rt_sigtimedwait, 0, EINTR);
    CHECK(drained(bridge, SIGUSR1) == 1 && !failing.armed);
}

/* csigshim_remove takes what is pending before the default action could. */
TEST(remove_goes_on_after_an_interrupted_sigtimedwait) {
    SIGNALFD_ONLY("the kernel's queue");
    CONFINED();
    prepare_to_fail(SYS_rt_sigtimedwait);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    fail_once(SYS_rt_sigtimedwait, 0, EINTR);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && !failing.armed);
    CHECK(drained(bridge, SIGUSR1) == 1);
}

/* A count that is too small would mean that no thread takes the signal. */
TEST(unblocked_threads_reports_failures_of_proc) {
    CONFINED();
    pid_t tid;
    const long numbers[] = {SYS_openat, SYS_read, SYS_getdents64};
    for (int i = 0; i < 3; i++) {
        prepare_to_fail(numbers[i]);
        int failures = 0;
        for (bool failed = true; failed; failures += failed) {
            fail_once(numbers[i], failures, EMFILE);
            const ssize_t count = csigshim_unblocked_threads(SIGHUP, &tid, 1);
            failed = !failing.armed;
            CHECK(failed ? count == -1 && errno == EMFILE : count == 1);
            failing.armed = false;
        }
        CHECK(failures > 0);
    }
    fail_once(SYS_openat, 1, ENOENT); /* a thread that has ended in the meantime does not count */
    CHECK(csigshim_unblocked_threads(SIGHUP, &tid, 1) == 0 && !failing.armed);
}

static bool proc_says_blocked(int signo) {
    char line[256];
    unsigned long long mask = 0;
    FILE *file = fopen("/proc/thread-self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "SigBlk: %llx", &mask) != 1)
        ;
    fclose(file);
    return mask >> (signo - 1) & 1;
}

/* The library does not restore a mask that it could not read. */
TEST(add_and_fork_keep_the_mask_when_sigmask_fails) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer's fork needs rt_sigprocmask");
    CONFINED();
    csigshim_bridge *bridge = opened();
    change_mask(SIG_BLOCK, SIGHUP);
    refuse(SYS_rt_sigprocmask, EPERM);
    FAILS(csigshim_add(bridge, SIGUSR1, 0), EPERM);
    CHECK(proc_says_blocked(SIGHUP) && !proc_says_blocked(SIGTERM));
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
    const pid_t child = fork();
    CHECK(proc_says_blocked(SIGHUP) && !proc_says_blocked(SIGTERM));
    if (child == 0)
        _exit(0);
    CHECK(exited(child, 0));
}

TEST(failed_sigaction_is_reported) {
    CONFINED();
    prepare_to_fail(SYS_rt_sigaction);
    csigshim_bridge *bridge = opened();
    install(SIGUSR1, SIG_IGN, 0);
    fail_once(SYS_rt_sigaction, 0, EPERM);
    FAILS(csigshim_add(bridge, SIGUSR1, CSIGSHIM_KEEP_IGNORED), EPERM);
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    fail_once(SYS_rt_sigaction, 0, EPERM);
    FAILS(csigshim_state(SIGUSR1), EPERM);
    fail_once(SYS_rt_sigaction, 0, EPERM);
    FAILS(csigshim_reset_for_exec(), EPERM);
}

TEST(take_default_action_reports_a_failed_sigaction) {
    CONFINED();
    prepare_to_fail(SYS_rt_sigaction);
    csigshim_bridge *bridge = opened_on(SIGTSTP, 0);
    fail_once(SYS_rt_sigaction, 0, EPERM);
    FAILS(csigshim_take_default_action(SIGTSTP), EPERM);
    CHECK(csigshim_state(SIGTSTP) == CSIGSHIM_ARMED && csigshim_wait(bridge, 0) == 0);
}

TEST(take_default_action_reports_a_refused_stop) {
    CONFINED();
    prepare_to_fail(SYS_tkill);
    csigshim_bridge *bridge = opened_on(SIGTSTP, 0);
    fail_once(SYS_tkill, 0, EPERM);
    FAILS(csigshim_take_default_action(SIGTSTP), EPERM);
    CHECK(csigshim_state(SIGTSTP) == CSIGSHIM_ARMED && csigshim_wait(bridge, 0) == 0);
}

/* The handler may not ask for the installed action. It runs the chained handler, or the saved one, all the same. */
TEST(handler_runs_the_saved_action_when_sigaction_fails) {
    HANDLER_ONLY("over signalfd, no handler runs");
    CONFINED();
    prepare_to_fail(SYS_rt_sigaction);
    install(SIGUSR1, host, SA_RESTART);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    fail_once(SYS_rt_sigaction, 0, EPERM);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(atomic_load(&host_calls) == 1 && drained(bridge, SIGUSR1) == 1);
    CHECK(close(csigshim_fd(bridge)) == 0);
    fail_once(SYS_rt_sigaction, 0, EPERM);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(atomic_load(&host_calls) == 2);
}

/* The bridge has lost its descriptor, and the handler may not install SIG_DFL. It ends the process, and does not raise
 * the signal until its stack is full. */
TEST(handler_exits_when_it_cannot_restore_the_default) {
    HANDLER_ONLY("over signalfd, no handler runs");
    CONFINED();
    prepare_to_fail(SYS_rt_sigaction);
    for (int after = 0; after < 2; after++) {
        const pid_t child = fork();
        if (child == 0) {
            csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
            CHECK(close(csigshim_fd(bridge)) == 0);
            failing.always = true;
            fail_once(SYS_rt_sigaction, after, EPERM);
            kill(getpid(), SIGUSR1);
            _exit(0);
        }
        CHECK(exited(child, 128 + SIGUSR1));
    }
}

/* Where fstat is refused, the library finds a closed descriptor by poll(2). A wait on it must not spin. */
TEST(wait_on_a_closed_descriptor_ends_when_fstat_is_refused) {
    CONFINED();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    polled(bridge);
    refuse_fstat(EPERM);
    raise(SIGUSR1);
    collect(bridge, SIGUSR1, 1); /* a refusal does not mean that the descriptor is lost */
    close(csigshim_fd(bridge));
    FAILS(csigshim_wait(bridge, 500), EBADF);
}

static volatile sig_atomic_t errno_seen;

static void see_errno(int signo) {
    (void)signo;
    errno_seen = errno;
}

/* Every write fails for a while, and the host has cleared O_NONBLOCK. No read waits for a byte that was not written.
 * The record is read, the host keeps its errno, and the next delivery makes the descriptor readable. */
TEST(wakeup_that_cannot_be_written_is_made_up_for_by_the_next) {
    HANDLER_ONLY("over signalfd, no handler writes");
    CONFINED();
    csigshim_event event;
    prepare_to_fail(SYS_write);
    install(SIGUSR1, see_errno, SA_RESTART);
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, CSIGSHIM_CHAIN));
    struct pollfd descriptor = {.fd = csigshim_fd(bridge), .events = POLLIN};
    CHECK(fcntl(descriptor.fd, F_SETFL, fcntl(descriptor.fd, F_GETFL) & ~O_NONBLOCK) == 0);
    alarm(5); /* ends a read that blocks */
    failing.always = true;
    fail_once(SYS_write, 0, ENOMEM);
    errno = 4711;
    const int sent = kill(getpid(), SIGUSR1), after = errno;
    failing.armed = false;
    CHECK(sent == 0 && after == 4711 && errno_seen == 4711);
    CHECK(csigshim_read(bridge, &event, 1) == 1 && csigshim_read(bridge, &event, 1) == 0);

    failing.armed = true;
    CHECK(kill(getpid(), SIGUSR1) == 0);
    failing.armed = false;
    CHECK(poll(&descriptor, 1, 0) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0 && poll(&descriptor, 1, 0) == 1);
    CHECK(drained(bridge, SIGUSR1) == 2);

    failing.armed = true;
    FAILS(csigshim_wake(bridge), ENOMEM);
    failing.armed = false;
    CHECK(kill(getpid(), SIGUSR1) == 0 && poll(&descriptor, 1, 0) == 1);
    CHECK(drained(bridge, SIGUSR1) == 1);
}

TEST(failed_set_chain_changes_nothing) {
    HANDLER_ONLY("chaining");
    CONFINED();
    prepare_to_fail(SYS_rt_sigaction);
    install(SIGUSR1, host, SA_RESTART);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    fail_once(SYS_rt_sigaction, 0, EPERM);
    FAILS(csigshim_set_chain(bridge, SIGUSR1, 1), EPERM);
    works(bridge);
    CHECK(atomic_load(&host_calls) == 0);
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 1) == 0);
    works(bridge);
    CHECK(atomic_load(&host_calls) == 1);
}

/* A read returns the events that it took from the kernel's queue before a call failed. */
TEST(read_keeps_what_it_took_before_a_failed_sigtimedwait) {
    SIGNALFD_ONLY("the kernel's queue");
    CONFINED();
    csigshim_event events[4];
    prepare_to_fail(SYS_rt_sigtimedwait);
    csigshim_bridge *bridge = opened_on(SIGRTMIN, 0);
    for (int i = 0; i < 2; i++)
        post(getpid(), SIGRTMIN, i);
    fail_once(SYS_rt_sigtimedwait, 1, EPERM);
    CHECK(csigshim_read(bridge, events, 4) == 1 && events[0].value == 0 && !failing.armed);
    CHECK(csigshim_read(bridge, events, 4) == 1 && events[0].value == 1);
}

/* A signal that could not be added is still the host's. */
TEST(failed_add_leaves_the_queue_as_it_was) {
    SIGNALFD_ONLY("the kernel's queue");
    CONFINED();
    sigset_t pending;
    prepare_to_fail(SYS_signalfd4);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    change_mask(SIG_BLOCK, SIGUSR1);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    fail_once(SYS_signalfd4, 0, ENOMEM);
    FAILS(csigshim_add(bridge, SIGUSR1, 0), ENOMEM);
    CHECK(csigshim_wait(bridge, 0) == 0 && csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    collect(bridge, SIGUSR1, 1);
}

/* Each of these calls fails in turn. csigshim_open reports it and leaves no descriptor, or makes up for it. */
TEST(failed_open_leaves_no_descriptor) {
    CONFINED();
    const long numbers[] = {SYS_pipe2, FSTAT, SYS_epoll_create1, SYS_epoll_ctl, SYS_signalfd4};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        csigshim_bridge *bridge;
        prepare_to_fail(numbers[i]);
        const int before = descriptors();
        int after = 0;
        for (bool failed = true; failed; after += failed) {
            fail_once(numbers[i], after, EMFILE);
            const int result = csigshim_open(&bridge, test_mechanism()), code = errno;
            failed = !failing.armed;
            failing.armed = false;
            CHECK(result == 0 || (failed && code == EMFILE));
            CHECK(result != 0 || csigshim_close(bridge) == 0);
            CHECK(descriptors() == before);
        }
        CHECK(after > 0 || (test_is_handler() && i > 1));
    }
}
