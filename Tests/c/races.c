/* Calls that race with signals, with other calls, and with the cancellation of threads (G5, G9, G14). */
#include "check.h"
#include <sys/stat.h>

static _Atomic bool stop;
static _Atomic long rounds;
static int flood_signal;

static void host(int signo) {
    (void)signo;
}

/* A signal that is sent during csigshim_remove is recorded, or it meets the default action and kills. */
TEST(signal_during_remove_is_read_or_kills) {
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
            while (*go != 4) /* until the signal was sent */
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

static volatile unsigned char *seen_by_host;
static _Atomic int *received;

static void count_number_of_host(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    seen_by_host[info->si_value.sival_int]++;
    ++*received;
}

static void *unblock_and_wait(void *unused) {
    change_mask(SIG_UNBLOCK, SIGRTMIN);
    while (!stop)
        pause_ms(1);
    return unused;
}

/* The signal alternates between the bridge and the handler of the host. One of them gets each number, once. */
static void alternate_bridge_and_host(bool with_thread) {
    SKIP_IF_MERGED();
    enum { FEW = SCALED(100), MANY = SCALED(10000), MOST = 100 * MANY };
    static unsigned char seen_by_bridge[MOST];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = count_number_of_host;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
    seen_by_host = calloc(MOST, 1);
    pthread_t thread = with_thread ? started(unblock_and_wait, NULL) : 0;
    csigshim_bridge *bridge = opened();
    received = shared(4096);
    _Atomic int *const read_by_bridge = received + 1, *const sent = received + 2;
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < MANY || (i < MOST && (*read_by_bridge < FEW || *received - *read_by_bridge < FEW));
             *sent = ++i) {
            while (i - *received > 20) /* few for each round, so that they arrive in every phase of it */
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
        for (int i = 0; i < 20 && csigshim_read(bridge, &event, 1) == 1; i++) {
            seen_by_bridge[event.value]++;
            ++*read_by_bridge;
            ++*received;
        }
        CHECK(csigshim_remove(bridge, SIGRTMIN) == 0);
        CHECK(!is_blocked(SIGRTMIN));
        while (csigshim_read(bridge, &event, 1) == 1) {
            seen_by_bridge[event.value]++;
            ++*read_by_bridge;
            ++*received;
        }
    }
    CHECK(exited(sender, 0));
    stop = true;
    if (with_thread)
        pthread_join(thread, NULL);
    for (int i = 0; i < *sent; i++)
        CHECK(seen_by_bridge[i] + seen_by_host[i] == 1);
    CHECK(*received == *sent && *read_by_bridge >= FEW && *sent - *read_by_bridge >= FEW);
}

TEST(signal_between_bridge_and_host_is_taken_once) {
    alternate_bridge_and_host(false);
}

TEST(signal_between_bridge_host_and_thread_is_taken_once) {
    alternate_bridge_and_host(true);
}

static pid_t start_flood(const int *signals, int count) {
    const pid_t target = getpid(), sender = fork();
    if (sender == 0)
        for (int i = 0;; i = (i + 1) % count)
            if (kill(target, signals[i]) != 0 && errno != EAGAIN)
                _exit(1);
    CHECK(sender > 0);
    return sender;
}

static void end_flood(pid_t sender) {
    CHECK(kill(sender, SIGKILL) == 0);
    CHECK(died_of(sender, SIGKILL));
}

/* Opens and closes bridges, and a file that may get a number which has become free. The file must stay empty. Over
 * signalfd, each thread has its own signal. */
static void *open_and_close_bridges(void *argument) {
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
        const int file = memfd_create("other", MFD_CLOEXEC);
        CHECK(file >= 3);
        sched_yield();
        CHECK(fstat(file, &status) == 0 && status.st_size == 0);
        CHECK(close(file) == 0);
        rounds++;
    }
    return NULL;
}

static void open_and_close_on_four_threads(bool with_keeper) {
    pthread_t threads[4];
    static int signals[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGURG};
    for (int i = 0; i < 5; i++) {
        signals[i] = test_is_handler() ? SIGUSR1 : signals[i];
        install(signals[i], SIG_IGN, 0); /* the flood meets it between two bridges */
    }
    csigshim_bridge *keeper = with_keeper ? opened_on(signals[4], 0) : NULL;
    const pid_t sender = start_flood(signals, 5);
    for (int i = 0; i < 4; i++)
        threads[i] = started(open_and_close_bridges, &signals[i]);
    const int64_t end = milliseconds() + 2000;
    while (milliseconds() < end || rounds < 100) {
        static csigshim_event events[512];
        if (keeper != NULL) /* once, since a flood may be faster than a reader that drains the bridge */
            CHECK(csigshim_read(keeper, events, 512) >= 0);
        pause_ms(5);
    }
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    end_flood(sender);
    if (keeper != NULL)
        CHECK(csigshim_close(keeper) == 0);
    for (int i = 0; i < 5; i++)
        CHECK(csigshim_disposition(signals[i]) == CSIGSHIM_DISPOSITION_IGNORED);
}

TEST(bridges_opened_under_a_flood_write_to_no_other_file) {
    open_and_close_on_four_threads(false);
}

TEST(bridges_opened_beside_another_write_to_no_other_file) {
    open_and_close_on_four_threads(true);
}

static void *unblock_realtime_and_wait(void *unused) {
    (void)unused;
    change_mask(SIG_UNBLOCK, SIGRTMIN);
    while (!stop)
        pause_ms(1);
    return NULL;
}

/* Two threads take the signal, so the kernel may reorder it. Each value is recorded once. */
TEST(two_unblocked_threads_record_each_value_once) {
    SKIP_IF_MERGED();
    enum { TOTAL = SCALED(20000) };
    const int signo = SIGRTMIN;
    static unsigned char times_read[TOTAL];
    csigshim_bridge *bridge = opened_on(signo, 0);
    _Atomic int *read_so_far = shared(4096);
    pthread_t takers[2] = {started(unblock_realtime_and_wait, NULL), started(unblock_realtime_and_wait, NULL)};
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
        CHECK(times_read[event.value]++ == 0);
    }
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(takers[i], NULL);
    CHECK(exited(sender, 0));
    CHECK(drained(bridge, signo) == 0);
}

static _Atomic int in_loop;

static void *spin_until_cancelled(void *unused) {
    (void)unused;
    change_mask(SIG_UNBLOCK, SIGUSR1);
    in_loop = 1;
    for (;;) {
        rounds++;
        pthread_testcancel();
    }
    return NULL;
}

/* Threads are cancelled while they take a flood. After that, csigshim_remove and csigshim_close wait for no handler. */
TEST(remove_returns_after_threads_were_cancelled_in_a_flood) {
    const int times = SCALED(500);
    install(SIGUSR1, SIG_IGN, 0);
    change_mask(SIG_BLOCK, SIGUSR1); /* so that the threads take it */
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const pid_t sender = start_flood((int[]){SIGUSR1}, 1);
    for (int i = 0; i < times; i++) {
        void *result = NULL;
        in_loop = 0;
        pthread_t thread = started(spin_until_cancelled, NULL);
        while (!in_loop)
            sched_yield();
        for (volatile int k = 0; k < i * 100; k++)
            ;
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
        csigshim_event events[256];
        CHECK(csigshim_read(bridge, events, 256) >= 0);
        if (i % 5 == 0) {
            CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
            CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
        }
    }
    end_flood(sender);
    CHECK(csigshim_close(bridge) == 0);
}
static csigshim_bridge *shared_bridge;

static void *make_all_calls(void *index) {
    csigshim_event event;
    change_mask(SIG_BLOCK, countable_signal());
    while (!stop) {
        if (*(int *)index == 0)
            CHECK(csigshim_wake(shared_bridge) == 0);
        CHECK(csigshim_wait(shared_bridge, 20) >= 0);
        const ssize_t count = csigshim_read(shared_bridge, &event, 1);
        CHECK(count >= 0);
        if (count == 1)
            rounds += event.count;
        CHECK(csigshim_state(countable_signal()) == CSIGSHIM_ARMED);
        if (test_is_handler())
            CHECK(csigshim_set_chain(shared_bridge, SIGUSR1, *(int *)index) == 0);
    }
    return NULL;
}

/* Four threads make all calls on one bridge at once. No delivery is lost. */
TEST(calls_of_four_threads_on_one_bridge_add_up) {
    pthread_t threads[4];
    static int index[4] = {0, 1, 2, 3};
    const long total = SCALED(30000);
    shared_bridge = opened_on(countable_signal(), 0);
    for (int i = 0; i < 4; i++)
        threads[i] = started(make_all_calls, &index[i]);
    for (long i = 0; i < total; i++)
        post(getpid(), countable_signal(), 0);
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(rounds + (long)drained(shared_bridge, countable_signal()) == total);
}

static void *raise_until_stopped(void *argument) {
    change_mask(SIG_UNBLOCK, flood_signal);
    while (!atomic_load(&stop))
        raise(flood_signal);
    return argument;
}

static void discard(csigshim_bridge *bridge) {
    csigshim_event events[256];
    while (csigshim_read(bridge, events, 256) > 0)
        ;
}

/* A handler that examines one bridge after the other always finds the signal in one of them. */
TEST(signal_moved_between_two_bridges_always_has_one) {
    HANDLER_ONLY("two bridges for one signal");
    csigshim_bridge *bridges[] = {opened_on(SIGUSR1, 0), opened()};
    flood_signal = SIGUSR1;
    pthread_t threads[] = {started(raise_until_stopped, NULL), started(raise_until_stopped, NULL),
                           started(raise_until_stopped, NULL)};
    const int64_t end = milliseconds() + 4000;
    for (int i = 0; milliseconds() < end; i++) {
        CHECK(csigshim_add(bridges[(i + 1) % 2], SIGUSR1, 0) == 0);
        CHECK(csigshim_remove(bridges[i % 2], SIGUSR1) == 0);
        discard(bridges[0]);
        discard(bridges[1]);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* A handler that runs late for the old subscription does not undo what the new one installed. */
TEST(add_after_remove_under_a_flood_stays_armed) {
    csigshim_bridge *bridge = opened_on(SIGURG, 0);
    flood_signal = SIGURG;
    pthread_t threads[] = {started(raise_until_stopped, NULL), started(raise_until_stopped, NULL),
                           started(raise_until_stopped, NULL)};
    const int64_t end = milliseconds() + 4000;
    while (milliseconds() < end) {
        CHECK(csigshim_remove(bridge, SIGURG) == 0);
        CHECK(csigshim_add(bridge, SIGURG, 0) == 0);
        CHECK(csigshim_state(SIGURG) == CSIGSHIM_ARMED);
        discard(bridge);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* csigshim_remove waits for the handlers that are running. What they record is there when it returns. */
TEST(nothing_is_recorded_after_remove_has_returned) {
    csigshim_bridge *bridge = opened();
    install(SIGUSR1, host, 0);
    flood_signal = SIGUSR1;
    pthread_t threads[] = {started(raise_until_stopped, NULL), started(raise_until_stopped, NULL),
                           started(raise_until_stopped, NULL)};
    const int64_t end = milliseconds() + 3000;
    while (milliseconds() < end) {
        CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
        sched_yield();
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
        discard(bridge);
        sched_yield(); /* lets a handler go on that csigshim_remove did not wait for */
        CHECK(drained(bridge, SIGUSR1) == 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}
