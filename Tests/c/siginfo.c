/* The fields of an event (G2): sender, code, child status, timer overrun, descriptor. */
#include "check.h"
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

static pid_t sleeper(void) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    return child;
}

TEST(sender_is_the_process_and_its_real_user) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        if (getuid() == 0 && setresuid(4242, 0, 0) != 0) /* si_uid is the real user */
            _exit(1);
        _exit(kill(parent, SIGTERM) != 0);
    }
    const csigshim_event event = next_event(bridge);
    CHECK(event.signo == SIGTERM && event.code == SI_USER && event.pid == sender);
    CHECK(event.uid == (getuid() == 0 ? 4242 : getuid()));
    CHECK(event.value == 0 && event.status == 0 && event.overrun == 0 && event.fd == -1);
    CHECK(exited(sender, 0));
}

TEST(pthread_kill_has_code_si_tkill) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(pthread_kill(pthread_self(), SIGTERM) == 0);
    const csigshim_event event = next_event(bridge);
    CHECK(event.code == SI_TKILL && event.pid == getpid() && event.uid == getuid() && event.value == 0);
}

TEST(sigchld_carries_the_status_of_the_child) {
    csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
    pid_t child = fork();
    if (child == 0)
        _exit(37);
    csigshim_event event = next_event(bridge);
    CHECK(event.code == CLD_EXITED && event.status == 37 && event.pid == child && event.uid == getuid());
    CHECK(event.value == 0 && event.fd == -1 && event.overrun == 0);
    CHECK(exited(child, 37));

    child = sleeper();
    CHECK(kill(child, SIGSTOP) == 0);
    event = next_event(bridge);
    CHECK(event.code == CLD_STOPPED && event.status == SIGSTOP && event.pid == child);
    CHECK(kill(child, SIGCONT) == 0);
    event = next_event(bridge);
    CHECK(event.code == CLD_CONTINUED && event.status == SIGCONT && event.pid == child);
    CHECK(kill(child, SIGKILL) == 0);
    event = next_event(bridge);
    CHECK(event.code == CLD_KILLED && event.status == SIGKILL && event.pid == child);
    CHECK(died_of(child, SIGKILL));

    CHECK(kill(getpid(), SIGCHLD) == 0); /* sent by kill(2), so it carries no status */
    event = next_event(bridge);
    CHECK(event.code == SI_USER && event.pid == getpid() && event.status == 0);
}

/* The flags of the saved action stay in force: no event for a stopped child, and no zombies. */
TEST(sa_nocldstop_and_sa_nocldwait_are_kept) {
    struct sigaction action, now;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDSTOP | SA_NOCLDWAIT;
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
    if (!UNDER_TSAN) { /* which changes the flags that sigaction returns */
        CHECK(sigaction(SIGCHLD, NULL, &now) == 0);
        CHECK((now.sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)) == (SA_NOCLDSTOP | SA_NOCLDWAIT));
    }
    const pid_t child = sleeper();
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(csigshim_wait(bridge, 200) == 0);
    CHECK(kill(child, SIGKILL) == 0);
    const csigshim_event event = next_event(bridge);
    CHECK(event.pid == child && event.code == CLD_KILLED);
    int status;
    FAILS(waitpid(child, &status, 0), ECHILD);
}

/* The kernel reaps children only while SIGCHLD is ignored. A bridge catches it, so they become zombies. */
TEST(children_become_zombies_where_sigchld_was_ignored) {
    install(SIGCHLD, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGCHLD, 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(3);
    const csigshim_event event = next_event(bridge);
    CHECK(event.pid == child && event.status == 3);
    CHECK(exited(child, 3));
}

TEST(timer_event_carries_value_and_overrun) {
    const int signo = SIGRTMIN + 1;
    csigshim_bridge *bridge = opened_on(signo, 0);
    timer_t timer;
    struct sigevent how;
    memset(&how, 0, sizeof how);
    how.sigev_notify = SIGEV_SIGNAL;
    how.sigev_signo = signo;
    how.sigev_value.sival_ptr = (void *)(uintptr_t)0x123456789abcu;
    CHECK(timer_create(CLOCK_MONOTONIC, &how, &timer) == 0);
    const struct itimerspec quick = {{0, 1000000}, {0, 1000000}}, off = {{0, 0}, {0, 0}};
    change_mask(SIG_BLOCK, signo); /* over signalfd, it is blocked already */
    CHECK(timer_settime(timer, 0, &quick, NULL) == 0);
    pause_ms(100);
    if (test_is_handler())
        change_mask(SIG_UNBLOCK, signo);
    const csigshim_event event = next_event(bridge);
    CHECK(timer_settime(timer, 0, &off, NULL) == 0);
    CHECK(event.code == SI_TIMER && event.value == 0x123456789abcu && event.overrun >= 10);
    CHECK(event.pid == 0 && event.uid == 0 && event.fd == -1 && event.count == 1);
    CHECK(timer_delete(timer) == 0);
}

static void carries_the_descriptor(int signo) {
    csigshim_bridge *bridge = opened_on(signo, 0);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    const int fd = fcntl(pair[0], F_DUPFD, 77);
    CHECK(fd >= 77);
    CHECK(fcntl(fd, F_SETSIG, signo) == 0);
    CHECK(fcntl(fd, F_SETOWN, getpid()) == 0);
    CHECK(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    CHECK(write(pair[1], "x", 1) == 1);
    const csigshim_event event = next_event(bridge);
    CHECK(event.signo == signo && event.code == POLL_IN && event.fd == fd);
    CHECK(event.pid == 0 && event.uid == 0 && event.value == 0 && event.overrun == 0);
}

TEST(sigio_carries_the_descriptor) {
    carries_the_descriptor(SIGIO);
}

TEST(signal_of_f_setsig_carries_the_descriptor) {
    carries_the_descriptor(SIGRTMIN + 2);
}

TEST(alarm_has_code_si_kernel_and_no_sender) {
    csigshim_bridge *bridge = opened_on(SIGALRM, 0);
    const struct itimerval soon = {{0, 0}, {0, 20000}};
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    const csigshim_event event = next_event(bridge);
    CHECK(event.signo == SIGALRM && event.code == SI_KERNEL && event.pid == 0 && event.uid == 0);
    CHECK(event.value == 0 && event.fd == -1 && event.overrun == 0 && event.status == 0);
}

TEST(sigpipe_of_a_write_is_recorded_once) {
    csigshim_bridge *bridge = opened_on(SIGPIPE, 0);
    int ends[2];
    CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
    FAILS(write(ends[1], "x", 1), EPIPE);
    const csigshim_event event = next_event(bridge);
    CHECK(event.signo == SIGPIPE && event.count == 1);
    CHECK(event.pid == 0 || event.pid == getpid());
    CHECK(drained(bridge, SIGPIPE) == 0);
}

/* A sender outside the PID namespace of the process has no pid there. */
TEST(sender_outside_the_pid_namespace_is_0) {
    if (unshare(CLONE_NEWPID) != 0)
        SKIP("unshare(CLONE_NEWPID) is not permitted");
    int ready[2];
    CHECK(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        CHECK(write(ready[1], "x", 1) == 1);
        const csigshim_event event = next_event(bridge);
        CHECK(event.code == SI_USER && event.pid == 0);
        _exit(9);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK(kill(child, SIGTERM) == 0);
    CHECK(exited(child, 9));
}

TEST(poll_hup_carries_the_descriptor) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = POLL_HUP;
    info.si_fd = 42;
    csigshim_bridge *bridge = opened_on(SIGRTMIN + 1, 0);
    CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 1, &info) == 0);
    const csigshim_event event = next_event(bridge);
    CHECK(event.code == POLL_HUP && event.fd == 42);
}
