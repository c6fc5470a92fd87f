/* The lists of threads, and calls of threads that are being cancelled (G14). */
#include "check.h"
#include <sys/syscall.h>

static _Atomic int ready, step;
static _Atomic bool stop;

static void *block_and_sleep(void *signo) {
    change_mask(SIG_BLOCK, *(int *)signo);
    ready++;
    while (!stop)
        pause_ms(1);
    return NULL;
}

TEST(unblocked_and_blocked_threads_are_counted) {
    int signo = SIGUSR1;
    pid_t tids[16];
    if (!UNDER_TSAN) { /* which has a thread of its own */
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
    CHECK(tids[0] > 0 && tids[1] > 0 && tids[2] == 0); /* no more ids than the array has room for */
    CHECK(csigshim_unblocked_threads(SIGUSR1, NULL, 0) == 1);
    CHECK(csigshim_unblocked_threads(SIGUSR2, tids, 16) == 4);
    stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(blocked[i], NULL);
}

static _Atomic ssize_t taken;

/* Makes each call with a cancellation pending. At a cancellation point, the thread would end and keep its locks. */
static void *calls_while_cancelled(void *unused) {
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
    raise(SIGUSR1); /* for this thread alone: the main thread might take it only after csigshim_remove */
    step = 4;
    taken = csigshim_read(bridge, &event, 1);
    taken += csigshim_read(bridge, &event, 1);
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
    if (csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_ORIGINAL) == 0)
        csigshim_spawn_end(&spawn);
    step = 8;
    return NULL;
}

static void *lists_while_cancelled(void *unused) {
    pid_t tid;
    (void)unused;
    pthread_cancel(pthread_self());
    csigshim_unblocked_threads(SIGUSR1, &tid, 1);
    csigshim_blocked_threads(SIGUSR1, &tid, 1);
    step = 1;
    return NULL;
}

TEST(no_call_is_a_cancellation_point) {
    void *result = NULL;
    csigshim_bridge *bridge = opened();
    CHECK(pthread_join(started(calls_while_cancelled, NULL), &result) == 0);
    if (step != 8)
        printf("the thread ended after step %d\n", step);
    CHECK(result == NULL && step == 8 && taken == 1);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
}

TEST(listing_threads_is_no_cancellation_point) {
    void *result = NULL;
    CHECK(pthread_join(started(lists_while_cancelled, NULL), &result) == 0);
    CHECK(result == NULL && step == 1);
}

static void *close_while_cancelled(void *bridge) {
    pthread_cancel(pthread_self());
    csigshim_event event;
    csigshim_bridge *another;
    (void)csigshim_read(bridge, &event, 1);
    (void)csigshim_unblocked_threads(SIGTERM, NULL, 0);
    if (csigshim_open(&another, test_mechanism()) == 0)
        (void)csigshim_close(another);
    (void)csigshim_close(bridge);
    pthread_testcancel();
    return NULL;
}

/* close(2) is a cancellation point, so the library may not call it with cancellation enabled. */
TEST(cancelled_thread_leaves_no_lock_behind) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0), *other = opened();
    void *result;
    pthread_join(started(close_while_cancelled, bridge), &result);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(csigshim_add(other, SIGTERM, 0) == 0);
    FAILS(csigshim_remove(bridge, SIGTERM), EINVAL); /* the cancelled thread has closed it */
}
