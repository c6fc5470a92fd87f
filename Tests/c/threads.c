/* Calls about threads and from threads (G14), wake-ups, waiting, default actions. */
#include "check.h"
#include <sys/syscall.h>

static _Atomic int ready, step;
static _Atomic bool stop;

static void *block_and_sleep(void *signo)
{
    change_mask(SIG_BLOCK, *(int *)signo);
    ready++;
    while (!stop)
        pause_ms(1);
    return NULL;
}

TEST(who_could_take_a_signal)
{
    int signo = SIGUSR1;
    pid_t tids[16];
    if (!UNDER_TSAN) { /* it has a thread of its own */
        CHECK(csigshim_unblocked_threads(SIGUSR1, tids, 16) == 1);
        CHECK(tids[0] == getpid());
        CHECK(csigshim_blocked_threads(SIGUSR1, tids, 16) == 0);
    }
    pthread_t blocked[3];
    for (int i = 0; i < 3; i++)
        blocked[i] = started(block_and_sleep, &signo);
    while (ready < 3)
        pause_ms(1);
    memset(tids, 0, sizeof tids);
    const ssize_t others = csigshim_blocked_threads(SIGUSR2, NULL, 0);
    CHECK(others == 0 || UNDER_TSAN);
    CHECK(csigshim_blocked_threads(SIGUSR1, tids, 2) == others + 3);
    CHECK(tids[0] > 0 && tids[1] > 0 && tids[2] == 0); /* no more than there is room for */
    CHECK(csigshim_unblocked_threads(SIGUSR1, NULL, 0) == 1);
    CHECK(csigshim_unblocked_threads(SIGUSR2, tids, 16) == 4);
    stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(blocked[i], NULL);
}

/* Each call with a cancellation pending: at a cancellation point the thread would end, and keep what it holds. */
static void *calls_while_cancelled(void *unused)
{
    csigshim_bridge *bridge;
    csigshim_event event;
    csigshim_spawn spawn;
    (void)unused;
    pthread_cancel(pthread_self());
    if (csigshim_open(&bridge, test_mechanism()) != 0)
        return NULL;
    step = 1;
    csigshim_add(bridge, SIGUSR1, chain_if_possible());
    csigshim_set_chain(bridge, SIGUSR1, 0);
    step = 2;
    csigshim_escalate_after(bridge, SIGUSR1, 5);
    csigshim_state(SIGUSR1);
    csigshim_rearm(SIGUSR1);
    csigshim_fd(bridge);
    csigshim_capacity(bridge);
    step = 3;
    csigshim_wake(bridge);
    kill(getpid(), SIGUSR1);
    step = 4;
    csigshim_read(bridge, &event, 1);
    csigshim_read(bridge, &event, 1);
    step = 5;
    csigshim_remove(bridge, SIGUSR1);
    csigshim_set_disposition(SIGUSR1, CSIGSHIM_DISPOSITION_IGNORED);
    csigshim_disposition(SIGUSR1);
    csigshim_take_default_action(SIGURG);
    csigshim_after_fork(bridge);
    step = 6;
    csigshim_close(bridge);
    step = 7;
    csigshim_reset_for_exec();
    if (csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_ORIGINAL | CSIGSHIM_SPAWN_IGNORED) == 0)
        csigshim_spawn_end(&spawn);
    step = 8;
    return NULL;
}

static void *lists_while_cancelled(void *unused)
{
    pid_t tid;
    (void)unused;
    pthread_cancel(pthread_self());
    csigshim_unblocked_threads(SIGUSR1, &tid, 1);
    csigshim_blocked_threads(SIGUSR1, &tid, 1);
    step = 1;
    return NULL;
}

TEST(no_call_is_a_cancellation_point)
{
    void *result = NULL;
    csigshim_bridge *bridge = opened();
    CHECK(pthread_join(started(calls_while_cancelled, NULL), &result) == 0);
    if (step != 8)
        printf("the thread ended after step %d\n", step);
    CHECK(result == NULL && step == 8);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
}

TEST(no_list_of_threads_is_a_cancellation_point)
{
    void *result = NULL;
    CHECK(pthread_join(started(lists_while_cancelled, NULL), &result) == 0);
    CHECK(result == NULL && step == 1);
}

static void *wait_for_ever(void *bridge)
{
    ready++;
    csigshim_wait(bridge, -1);
    pthread_testcancel(); /* where wait returned because of something else */
    return NULL;
}

TEST(wait_can_be_cancelled)
{
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not bear cancellation inside poll(2)");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int i = 0; i < 50; i++) {
        void *result = NULL;
        ready = 0;
        pthread_t waiter = started(wait_for_ever, bridge);
        while (!ready)
            sched_yield();
        CHECK(pthread_cancel(waiter) == 0 && pthread_join(waiter, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
    }
    CHECK(csigshim_close(bridge) == 0);
}

TEST(wait_with_timeouts)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int64_t start = milliseconds();
    CHECK(csigshim_wait(bridge, 0) == 0);
    CHECK(csigshim_wait(bridge, 300) == 0);
    CHECK(milliseconds() - start >= 299);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(csigshim_wait(bridge, -1) == 1);
    CHECK(drained(bridge, SIGUSR1) == 1);
    CHECK(csigshim_wait(bridge, 0) == 0);
}

static volatile sig_atomic_t interruptions;

static void interrupt(int signo)
{
    (void)signo;
    interruptions++;
}

TEST(wait_goes_on_after_eintr)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    install(SIGUSR2, interrupt, 0);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < 20; i++) {
            pause_ms(30);
            kill(parent, SIGUSR2);
        }
        pause_ms(300);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    const int64_t start = milliseconds();
    CHECK(csigshim_wait(bridge, 400) == 0); /* the time that is left, not the whole time again */
    CHECK(milliseconds() - start >= 399);
    CHECK(interruptions >= 1);
    CHECK(csigshim_wait(bridge, -1) == 1);
    CHECK(drained(bridge, SIGUSR1) == 1);
    CHECK(exited(sender, 0));
}

static void *wake_soon(void *bridge)
{
    pause_ms(100);
    CHECK(csigshim_wake(bridge) == 0);
    return NULL;
}

TEST(wake_from_another_thread)
{
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    csigshim_event event;
    for (int i = 0; i < 5; i++) {
        pthread_t waker = started(wake_soon, bridge);
        CHECK(csigshim_wait(bridge, -1) == 1);
        CHECK(csigshim_read(bridge, &event, 1) == 0);
        CHECK(csigshim_wait(bridge, 0) == 0);
        pthread_join(waker, NULL);
    }
    CHECK(csigshim_wake(bridge) == 0 && csigshim_wake(bridge) == 0); /* before anybody waits */
    CHECK(csigshim_wait(bridge, -1) == 1);
    CHECK(csigshim_read(bridge, &event, 1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 0);
    CHECK(csigshim_wake(bridge) == 0 && kill(getpid(), SIGUSR1) == 0); /* neither hides the other */
    collect(bridge, SIGUSR1, 1);
}

static csigshim_bridge *to_wake;
static volatile sig_atomic_t wake_changed_errno;

static void wake_from_handler(int signo)
{
    (void)signo;
    errno = 4242;
    csigshim_wake(to_wake);
    wake_changed_errno |= errno != 4242;
}

TEST(wake_from_a_signal_handler)
{
    to_wake = opened_on(SIGUSR1, 0);
    install(SIGUSR2, wake_from_handler, 0);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        pause_ms(100);
        kill(parent, SIGUSR2);
        _exit(0);
    }
    CHECK(csigshim_wait(to_wake, -1) == 1);
    CHECK(drained(to_wake, SIGUSR1) == 0);
    CHECK(csigshim_wait(to_wake, 0) == 0);
    CHECK(!wake_changed_errno);
    CHECK(exited(sender, 0));
}

/* The default action, whatever is installed, in a child. */
static pid_t defaulting(int signo, int how)
{
    const pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0); /* a group that is not orphaned: else the kernel does not let it stop */
        if (how == 1)
            install(signo, SIG_IGN, 0);
        if (how == 2)
            change_mask(SIG_BLOCK, signo);
        if (how == 3)
            opened_on(signo, 0);
        _exit(csigshim_take_default_action(signo) == 0 ? 0 : 1);
    }
    return child;
}

TEST(default_action_dies)
{
    const int deadly[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGUSR1, SIGPIPE, SIGALRM, SIGRTMIN, SIGRTMAX};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        for (int how = 0; how < 4; how++)
            CHECK(died_of(defaulting(deadly[i], how), deadly[i]));
    CHECK(died_of(defaulting(SIGKILL, 0), SIGKILL));
    CHECK(died_of(defaulting(SIGSEGV, 0), SIGSEGV));
    CHECK(died_of(defaulting(SIGFPE, 2), SIGFPE));
}

/* sigqueue, raise and pthread_kill of a realtime signal say EAGAIN then; the process dies by it all the same. */
TEST(default_action_dies_with_a_full_queue)
{
    for (int with_bridge = 0; with_bridge < 2; with_bridge++) {
        const pid_t child = fork();
        if (child == 0) {
            const struct rlimit none = {0, 0};
            CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
            FAILS(sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = 1}), EAGAIN);
            if (with_bridge)
                opened_on(SIGRTMIN, 0);
            csigshim_take_default_action(SIGRTMIN);
            _exit(1);
        }
        CHECK(died_of(child, SIGRTMIN));
    }
}

TEST(default_action_ignores_or_stops)
{
    const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT}, stopping[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP};
    for (size_t i = 0; i < 4; i++)
        for (int how = 0; how < 4; how++)
            CHECK(exited(defaulting(harmless[i], how), 0));
    for (size_t i = 0; i < 4; i++)
        for (int how = 0; how < (stopping[i] == SIGSTOP ? 1 : 4); how++) {
            int status = 0;
            const pid_t child = defaulting(stopping[i], how);
            CHECK(waitpid(child, &status, WUNTRACED) == child);
            CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == stopping[i]);
            CHECK(kill(child, SIGCONT) == 0);
            CHECK(exited(child, 0));
        }
}
