/* Calls that race with signals, with each other, and with the end of threads (G5, G9, G14). */
#include "check.h"
#include <sys/stat.h>

static _Atomic bool stop;
static _Atomic long spinning;

/* A signal that is sent while `remove` runs is received, or kills: it never vanishes. */
TEST(remove_races_with_kill)
{
    int received = 0, died = 0;
    for (int round = 0; round < 200; round++) {
        _Atomic int *go = shared(4096);
        const pid_t child = fork();
        if (child == 0) {
            csigshim_bridge *bridge = opened_on(SIGTERM, 0);
            *go = 1;
            while (*go == 1)
                ;
            for (volatile int i = 0; i < round * 40; i++)
                ;
            if (csigshim_remove(bridge, SIGTERM) != 0)
                _exit(3);
            *go = 3;
            while (*go != 4) /* until it was sent */
                sched_yield();
            _exit(drained(bridge, SIGTERM) == 1 ? 7 : 8);
        }
        while (*go != 1)
            sched_yield();
        *go = 2;
        for (volatile int i = 0; i < (round % 10) * 500; i++)
            ;
        CHECK(kill(child, SIGTERM) == 0);
        int expected = 3;
        while (!atomic_compare_exchange_weak(go, &expected, 4)) {
            siginfo_t info = {0};
            CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
            if (info.si_pid == child)
                break;
            expected = 3;
        }
        const int status = status_of(child);
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 7);
            received++;
        } else {
            CHECK(WTERMSIG(status) == SIGTERM);
            died++;
        }
        munmap((void *)go, 4096);
    }
    CHECK(received + died == 200);
}

static volatile unsigned char *hosts;
static _Atomic int *received;

static void takes_a_number(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    hosts[info->si_value.sival_int]++;
    ++*received;
}

static void *opens_its_mask(void *unused)
{
    change_mask(SIG_UNBLOCK, SIGRTMIN);
    while (!stop)
        pause_ms(1);
    return unused;
}

/* The signal comes and goes between the bridge and the host's own handler: each number is had once, by one of them. */
static void handed_to_and_fro(bool with_thread)
{
    SKIP_IF_MERGED();
    enum { FEW = SCALED(100), MANY = SCALED(10000), MOST = 100 * MANY };
    static unsigned char ours[MOST];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = takes_a_number;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
    hosts = calloc(MOST, 1);
    pthread_t thread = with_thread ? started(opens_its_mask, NULL) : 0;
    csigshim_bridge *bridge = opened();
    received = shared(4096);
    _Atomic int *const by_us = received + 1, *const sent = received + 2;
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < MANY || (i < MOST && (*by_us < FEW || *received - *by_us < FEW)); *sent = ++i) {
            while (i - *received > 20) /* a few in each round, so that they meet every stage of it */
                sched_yield();
            post(target, SIGRTMIN, i);
        }
        _exit(0);
    }
    siginfo_t info = {0};
    for (bool last = false; !last;) {
        csigshim_event event;
        CHECK(waitid(P_PID, (id_t)sender, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
        last = info.si_pid == sender;
        CHECK(csigshim_add(bridge, SIGRTMIN, 0) == 0);
        for (int i = 0; i < 20 && csigshim_read(bridge, &event, 1) == 1; i++, ++*by_us, ++*received)
            ours[event.value]++;
        CHECK(csigshim_remove(bridge, SIGRTMIN) == 0);
        CHECK(!is_blocked(SIGRTMIN));
        for (; csigshim_read(bridge, &event, 1) == 1; ++*by_us, ++*received)
            ours[event.value]++;
    }
    CHECK(exited(sender, 0));
    stop = true;
    if (with_thread)
        pthread_join(thread, NULL);
    for (int i = 0; i < *sent; i++)
        CHECK(ours[i] + hosts[i] == 1);
    CHECK(*received == *sent && *by_us >= FEW && *sent - *by_us >= FEW);
}

TEST(nothing_vanishes_between_bridge_and_host)
{
    handed_to_and_fro(false);
}

TEST(nothing_vanishes_with_a_thread_that_does_not_block)
{
    handed_to_and_fro(true);
}

static pid_t flooding(const int *signals, int count)
{
    const pid_t target = getpid(), sender = fork();
    if (sender == 0)
        for (int i = 0;; i = (i + 1) % count)
            if (kill(target, signals[i]) != 0 && errno != EAGAIN)
                _exit(1);
    CHECK(sender > 0);
    return sender;
}

static void ended(pid_t sender)
{
    CHECK(kill(sender, SIGKILL) == 0);
    CHECK(died_of(sender, SIGKILL));
}

/* Opens and closes bridges, and files that get the numbers which became free: they must stay empty. With signalfd each
 * thread has a signal of its own. */
static void *churn(void *argument)
{
    struct stat status;
    const int signo = *(const int *)argument;
    while (!stop) {
        csigshim_bridge *bridge;
        csigshim_event events[16];
        CHECK(csigshim_open(&bridge, test_mechanism()) == 0);
        CHECK(csigshim_add(bridge, signo, 0) == 0);
        CHECK(csigshim_read(bridge, events, 16) >= 0);
        CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
        CHECK(csigshim_remove(bridge, signo) == 0);
        CHECK(csigshim_add(bridge, signo, chain_if_possible()) == 0);
        CHECK(csigshim_close(bridge) == 0);
        const int file = memfd_create("stranger", MFD_CLOEXEC);
        CHECK(file >= 3);
        sched_yield();
        CHECK(fstat(file, &status) == 0 && status.st_size == 0);
        CHECK(close(file) == 0);
        spinning++;
    }
    return NULL;
}

static void churning(bool with_keeper)
{
    pthread_t threads[4];
    static int signals[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGURG};
    for (int i = 0; i < 5; i++) {
        signals[i] = test_is_handler() ? SIGUSR1 : signals[i];
        install(signals[i], SIG_IGN, 0); /* what the flood meets between two bridges */
    }
    csigshim_bridge *keeper = with_keeper ? opened_on(signals[4], 0) : NULL;
    const pid_t sender = flooding(signals, 5);
    for (int i = 0; i < 4; i++)
        threads[i] = started(churn, &signals[i]);
    const int64_t end = milliseconds() + 2000;
    while (milliseconds() < end || spinning < 100) {
        static csigshim_event events[512];
        if (keeper != NULL) /* once: a flood may be quicker than a reader who wants to see the end of it */
            CHECK(csigshim_read(keeper, events, 512) >= 0);
        pause_ms(5);
    }
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ended(sender);
    if (keeper != NULL)
        CHECK(csigshim_close(keeper) == 0);
    for (int i = 0; i < 5; i++)
        CHECK(csigshim_disposition(signals[i]) == CSIGSHIM_DISPOSITION_IGNORED);
}

TEST(four_threads_under_a_flood)
{
    churning(false);
}

TEST(four_threads_beside_one_that_stays)
{
    churning(true);
}

static void *take_signals(void *unused)
{
    (void)unused;
    change_mask(SIG_UNBLOCK, SIGRTMIN);
    while (!stop)
        pause_ms(1);
    return NULL;
}

/* Two threads take the signal at once: each value once. The order is the kernel's. */
TEST(two_threads_take_signals)
{
    SKIP_IF_MERGED();
    enum { TOTAL = SCALED(20000) };
    const int signo = SIGRTMIN;
    static unsigned char got[TOTAL];
    csigshim_bridge *bridge = opened_on(signo, 0);
    _Atomic int *read_so_far = shared(4096);
    pthread_t takers[2] = {started(take_signals, NULL), started(take_signals, NULL)};
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < TOTAL; i++) {
            while (i - *read_so_far > 8000)
                sched_yield();
            while (sigqueue(target, signo, (union sigval){.sival_int = i}) != 0)
                sched_yield();
        }
        _exit(0);
    }
    for (int count = 0; count < TOTAL; count++, (*read_so_far)++) {
        const csigshim_event event = next_event(bridge);
        CHECK(event.count == 1 && event.flags == 0 && event.value < TOTAL);
        CHECK(got[event.value]++ == 0);
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(takers[i], NULL);
    CHECK(exited(sender, 0));
    CHECK(drained(bridge, signo) == 0);
}

static _Atomic int in_loop;

static void *deferred(void *unused)
{
    (void)unused;
    change_mask(SIG_UNBLOCK, SIGUSR1);
    in_loop = 1;
    for (;;) {
        spinning++;
        pthread_testcancel();
    }
    return NULL;
}

static void *asynchronous(void *unused)
{
    int before;
    (void)unused;
    change_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before) == 0);
    in_loop = 1;
    for (;;)
        spinning++;
    return NULL;
}

/* Threads that take a flood are cancelled; nothing is left behind that remove or close would wait for. */
static void cancelling(void *(*body)(void *), int times)
{
    install(SIGUSR1, SIG_IGN, 0);
    change_mask(SIG_BLOCK, SIGUSR1); /* only the threads take it */
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t sender = flooding((int[]){SIGUSR1}, 1);
    for (int i = 0; i < times; i++) {
        void *result = NULL;
        in_loop = 0;
        pthread_t thread = started(body, NULL);
        while (!in_loop)
            sched_yield();
        for (volatile int k = 0; k < i * 100; k++)
            ;
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
        csigshim_event events[256]; /* once: see above */
        CHECK(csigshim_read(bridge, events, 256) >= 0);
        if (i % 5 == 0) {
            CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
            CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
        }
    }
    ended(sender);
    CHECK(csigshim_close(bridge) == 0);
}

TEST(cancelled_while_signals_come)
{
    cancelling(deferred, SCALED(500));
}

TEST(cancelled_asynchronously_while_signals_come)
{
    if (UNDER_TSAN)
        SKIP("the thread sanitizer cannot be cancelled asynchronously");
    cancelling(asynchronous, SCALED(500));
}

static csigshim_bridge *common;

static void *readers_and_wakers(void *index)
{
    csigshim_event event;
    change_mask(SIG_BLOCK, countable_signal());
    while (!stop) {
        if (*(int *)index == 0)
            CHECK(csigshim_wake(common) == 0);
        CHECK(csigshim_wait(common, 20) >= 0);
        const ssize_t count = csigshim_read(common, &event, 1);
        CHECK(count >= 0);
        if (count == 1)
            spinning += event.count;
        CHECK(csigshim_state(countable_signal()) == CSIGSHIM_ARMED);
        if (test_is_handler())
            CHECK(csigshim_set_chain(common, SIGUSR1, *(int *)index) == 0);
    }
    return NULL;
}

/* All calls at once on one bridge; the counts add up. */
TEST(one_bridge_for_all_threads)
{
    pthread_t threads[4];
    static int index[4] = {0, 1, 2, 3};
    const long total = SCALED(30000);
    common = opened_on(countable_signal(), 0);
    for (int i = 0; i < 4; i++)
        threads[i] = started(readers_and_wakers, &index[i]);
    for (long i = 0; i < total; i++)
        post(getpid(), countable_signal(), 0);
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(spinning + (long)drained(common, countable_signal()) == total);
}
