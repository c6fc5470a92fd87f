/* Every interleaving of one call on this thread with a whole call on another thread. The processor traps after each
 * instruction, and the library never blocks SIGTRAP. This thread makes a call and stops at its first instruction, the
 * next time at its second, and so on to its last. At each stop the other thread makes its call. If that call waits for
 * this thread, this thread continues after PATIENCE_MS. */
#include "check.h"
#include <sys/syscall.h>

#if defined(__linux__) && defined(__x86_64__)
#include <ucontext.h>

enum { TRAP_FLAG = 0x100, PATIENCE_MS = 3, SECONDS = DEADLINE_SECONDS * 3 / 4 };

static volatile sig_atomic_t stepping;
static volatile long steps_left; /* below zero: the stop was reached */
static int stopped[2], released[2];
static csigshim_bridge *bridge, *another;
static bool is_polled;
static volatile sig_atomic_t by_host, by_other_host;
static unsigned long recorded;

static void wait_for_other(void) {
    struct pollfd answer = {.fd = released[0], .events = POLLIN};
    if (write(stopped[1], "", 1) == 1)
        poll(&answer, 1, PATIENCE_MS);
}

static void (*at_stop)(void) = wait_for_other;

static void trapped(int signo, siginfo_t *info, void *context) {
    const int saved_errno = errno;
    (void)signo, (void)info;
    if (stepping && steps_left-- > 0)
        return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    if (stepping)
        at_stop();
    errno = saved_errno;
}

static void let_step(bool on) {
    stepping = on;
    const unsigned long long flags = __builtin_ia32_readeflags_u64();
    __builtin_ia32_writeeflags_u64(on ? flags | TRAP_FLAG : flags & ~(unsigned long long)TRAP_FLAG);
}

static void prepare_to_step(void) {
#if defined(SANITIZED)
    SKIP("a sanitizer adds too many instructions, and the thread sanitizer delays SIGTRAP");
#endif
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
}

static void *run_other_at_each_stop(void *other) {
    char byte;
    while (read(stopped[0], &byte, 1) == 1) {
        if (steps_left < 0)
            (*(void (**)(void))other)();
        CHECK(write(released[1], "", 1) == 1);
    }
    return NULL;
}

/* `prepare` runs before each stop, and `check` after it. On a busy machine, only a sample of the last stops is tried.
 */
static void at_each(long stride, void (*prepare)(void), void (*call)(void), void (*other)(void), void (*check)(void)) {
    HANDLER_ONLY("the handler records in the same way over both mechanisms");
    char byte;
    prepare_to_step();
    bridge = opened(), another = opened();
    if (is_polled)
        polled(bridge);
    CHECK(pipe(stopped) == 0 && pipe(released) == 0);
    (void)started(run_other_at_each_stop, &other);
    const int64_t end = milliseconds() + SECONDS * 1000;
    for (long step = 0, stop_was_reached = 1; stop_was_reached; step += milliseconds() < end ? stride : 50) {
        recorded = 0, by_host = by_other_host = 0;
        prepare();
        steps_left = step;
        let_step(true);
        call();
        stepping = 0; /* first of all, or the stop could still be reached and be announced twice */
        stop_was_reached = steps_left < 0;
        if (!stop_was_reached)
            CHECK(write(stopped[1], "", 1) == 1);
        CHECK(read(released[0], &byte, 1) == 1);
        if (stop_was_reached)
            check();
        (void)csigshim_remove(bridge, SIGUSR1);
        (void)csigshim_remove(another, SIGUSR1);
        drained(bridge, SIGUSR1);
        drained(another, SIGUSR1);
        CHECK(stop_was_reached || step > 100);
    }
}

static void host(int signo) {
    (void)signo;
    by_host++;
}

static void other_host(int signo) {
    (void)signo;
    by_other_host++;
}

static void add_over_host(void) {
    install(SIGUSR1, host, SA_RESTART);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
}

/* Calls the library's handler as the kernel does for a delivery. */
static void delivery(void) {
    struct sigaction installed;
    ucontext_t context;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = 4711;
    CHECK(getcontext(&context) == 0 && sigaction(SIGUSR1, NULL, &installed) == 0);
    if (installed.sa_flags & SA_SIGINFO)
        installed.sa_sigaction(SIGUSR1, &info, &context);
    else
        installed.sa_handler(SIGUSR1);
}

static void remove_and_read(void) {
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    recorded += drained(bridge, SIGUSR1);
}

static void taken_once_and_nothing_later(void) {
    CHECK(recorded + (unsigned long)by_host == 1);
    CHECK(drained(bridge, SIGUSR1) == 0);
}

/* When csigshim_remove returns, each running handler has recorded its signal. */
TEST(remove_within_a_delivery_loses_nothing) {
    at_each(1, add_over_host, delivery, remove_and_read, taken_once_and_nothing_later);
}

static void read_some(void) {
    csigshim_event events[4];
    const ssize_t count = csigshim_read(bridge, events, 4);
    CHECK(count >= 0);
    for (ssize_t i = 0; i < count; i++) {
        CHECK(events[i].signo == SIGUSR1 && events[i].count == 1 && events[i].value == 4711);
        recorded++;
    }
}

static void check_that_the_next_is_announced(void) {
    CHECK(raise(SIGUSR1) == 0 && csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) == 1);
}

/* A waiter is notified of the unread events, and of the next signal. */
static void check_that_unread_is_announced(unsigned long sent) {
    if (recorded < sent) {
        CHECK(csigshim_wait(bridge, 0) == 1);
        recorded += drained(bridge, SIGUSR1);
    }
    CHECK(recorded == sent && by_host == 0);
    check_that_the_next_is_announced();
}

static void one_was_sent(void) {
    check_that_unread_is_announced(1);
}

TEST(read_within_a_delivery_loses_no_wakeup) {
    at_each(1, add_over_host, delivery, read_some, one_was_sent);
}

TEST(polled_read_within_a_delivery_loses_no_wakeup) {
    is_polled = true;
    at_each(1, add_over_host, delivery, read_some, one_was_sent);
}

static void read_until_empty(void) {
    read_some();
    read_some();
}

TEST(polled_drain_within_a_delivery_loses_no_wakeup) {
    is_polled = true;
    at_each(1, add_over_host, delivery, read_until_empty, one_was_sent);
}

static void read_one_event(void) {
    csigshim_event event;
    const ssize_t count = csigshim_read(bridge, &event, 1);
    CHECK(count >= 0);
    recorded += (unsigned long)count;
}

static void send_two(void) {
    CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0);
}

static void two_were_sent(void) {
    check_that_unread_is_announced(2);
}

TEST(deliveries_within_a_read_lose_no_wakeup) {
    at_each(1, add_over_host, read_one_event, send_two, two_were_sent);
}

TEST(deliveries_within_a_polled_read_lose_no_wakeup) {
    is_polled = true;
    at_each(1, add_over_host, read_one_event, send_two, two_were_sent);
}

/* A new bridge has a descriptor in use only after the first csigshim_fd. */
static void add_to_a_new_bridge(void) {
    CHECK(csigshim_close(bridge) == 0);
    bridge = opened();
    add_over_host();
}

static void call_fd(void) {
    polled(bridge);
}

static void call_fd_and_wait(void) {
    call_fd();
    CHECK(csigshim_wait(bridge, 0) >= 0);
}

static void descriptor_announces_one(void) {
    struct pollfd descriptor = {.fd = csigshim_fd(bridge), .events = POLLIN};
    CHECK(poll(&descriptor, 1, 0) == 1);
    one_was_sent();
    CHECK(poll(&descriptor, 1, 0) == 0);
}

TEST(first_fd_call_within_a_delivery_finds_it_readable) {
    at_each(1, add_to_a_new_bridge, delivery, call_fd, descriptor_announces_one);
}

static void send_one(void) {
    CHECK(raise(SIGUSR1) == 0);
}

TEST(delivery_within_the_first_fd_call_makes_it_readable) {
    at_each(1, add_to_a_new_bridge, call_fd_and_wait, send_one, descriptor_announces_one);
}

/* No descriptor is in use. The signal comes at the stop, or later, when the thread waits on the futex. */
enum { LONG_MS = DEADLINE_SECONDS * 1000 / 4 };
static atomic_bool sent;
static pthread_t late_sender;

static void send_once(void) {
    if (!atomic_exchange(&sent, true))
        send_one();
}

static void *sends_late(void *unused) {
    pause_ms(10);
    send_once();
    return unused;
}

static void add_and_send_late(void) {
    static bool again;
    if (again)
        CHECK(pthread_join(late_sender, NULL) == 0);
    again = true;
    drained(bridge, SIGUSR1);
    add_over_host();
    sent = false;
    late_sender = started(sends_late, NULL);
}

static void wait_for_the_signal(void) {
    const int64_t end = milliseconds() + LONG_MS;
    CHECK(csigshim_wait(bridge, LONG_MS) == 1);
    CHECK(milliseconds() < end); /* or the wake-up was lost, and the wait saw the flag after its timeout */
}

TEST(delivery_within_a_wait_ends_it) {
    at_each(1, add_and_send_late, wait_for_the_signal, send_once, one_was_sent);
}

static void add_and_send(void) {
    add_over_host();
    send_one();
}

static void wait_until_woken(void) {
    CHECK(csigshim_wait(bridge, LONG_MS) == 1);
}

/* When this wakes the bridge, the stopped thread has gone on for a while. */
static void drain_and_wake_later(void) {
    recorded += drained(bridge, SIGUSR1);
    pause_ms(2 * PATIENCE_MS);
    CHECK(csigshim_wake(bridge) == 0);
}

/* When another thread reads the events, a wait does not end before its timeout, and a wake-up ends it. */
TEST(wait_keeps_its_timeout_when_another_thread_reads) {
    at_each(1, add_and_send, wait_until_woken, drain_and_wake_later, one_was_sent);
}

static void no_check(void) {
}

/* The same after the kernel has woken the waiter. */
TEST(wait_goes_on_when_another_thread_reads_what_woke_it) {
    at_each(3, add_and_send_late, wait_until_woken, drain_and_wake_later, no_check);
}

/* Two reads, one during and one after csigshim_wake, clear all of its wake-up. */
static void add_to_a_polled_bridge(void) {
    polled(bridge);
    add_over_host();
}

static void wake_the_bridge(void) {
    CHECK(csigshim_wake(bridge) == 0);
}

static void nothing_is_left(void) {
    CHECK(recorded == 0 && drained(bridge, SIGUSR1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 0);
    check_that_the_next_is_announced();
}

TEST(read_within_a_wake_clears_it) {
    at_each(1, add_to_a_polled_bridge, wake_the_bridge, read_some, nothing_is_left);
}

static void put_other_host(void) {
    static bool turn;
    turn = !turn;
    install(SIGUSR1, turn ? host : other_host, SA_RESTART);
}

static void add_chained(void) {
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
}

static void chained_to_the_installed_handler(void) {
    struct sigaction below;
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && sigaction(SIGUSR1, NULL, &below) == 0);
    CHECK(by_host == (below.sa_handler == host) && by_other_host == (below.sa_handler == other_host));
    CHECK(drained(bridge, SIGUSR1) <= 1);
}

/* A handler that runs before csigshim_add returns finds the action that it chains to. */
TEST(delivery_within_an_add_chains_to_the_present_handler) {
    at_each(8, put_other_host, add_chained, send_one, chained_to_the_installed_handler);
}

static void remove_from_the_first(void) {
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
}

static void taken_once(void) {
    CHECK(drained(bridge, SIGUSR1) + (unsigned long)by_host == 1);
}

TEST(delivery_within_a_remove_is_taken_once) {
    at_each(8, add_over_host, remove_from_the_first, send_one, taken_once);
}

static void add_to_the_second(void) {
    install(SIGUSR1, host, SA_RESTART);
    CHECK(csigshim_add(another, SIGUSR1, 0) == 0);
}

static void move_to_the_first(void) {
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_remove(another, SIGUSR1) == 0);
}

static void taken_by_a_bridge(void) {
    const unsigned long sum = drained(bridge, SIGUSR1) + drained(another, SIGUSR1);
    CHECK(by_host == 0 && sum >= 1 && sum <= 2);
}

/* The handler examines the bridges one after the other. The signal moves from the second, which the handler has not
 * examined yet, to the first, which it has. */
TEST(handover_within_a_delivery_always_has_a_bridge) {
    at_each(8, add_to_the_second, delivery, move_to_the_first, taken_by_a_bridge);
}

static atomic_bool asked, answered;
static int fd_of_other_thread;

/* csigshim_fd fails with EPERM while the bridge is still the parent's. */
static void *send_and_call_fd(void *unused) {
    while (!asked)
        sched_yield();
    send_one();
    fd_of_other_thread = csigshim_fd(bridge);
    CHECK(fd_of_other_thread >= 3 || errno == EPERM);
    answered = true;
    return unused;
}

/* The stopped thread continues when csigshim_fd has returned, or after a while, because csigshim_fd may wait for it. */
static void let_other_thread_call_fd(void) {
    const int64_t end = milliseconds() + PATIENCE_MS;
    asked = true;
    while (!answered && milliseconds() < end)
        sched_yield();
}

static void one_was_sent_to_the_child(void) {
    CHECK(csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) >= 1);
}

static void after_fork_step_by_step(bool *more) {
    const pthread_t thread = started(send_and_call_fd, NULL);
    let_step(true);
    const int result = csigshim_after_fork(bridge);
    let_step(false);
    *more = steps_left < 0;
    asked = true;
    CHECK(result == 0 && pthread_join(thread, NULL) == 0);
    send_one();
    struct pollfd descriptor = {.fd = fd_of_other_thread, .events = POLLIN};
    CHECK(descriptor.fd < 0 || poll(&descriptor, 1, 0) == 1);
    one_was_sent_to_the_child();
    _exit(0);
}

/* Another thread of the child calls csigshim_fd for the first time while csigshim_after_fork runs. One stop in 31
 * is tried. */
TEST(fd_call_within_after_fork_finds_it_readable) {
    HANDLER_ONLY("the descriptor of a signalfd bridge is always in use");
    prepare_to_step();
    at_stop = let_other_thread_call_fd;
    bool *const more = shared(sizeof *more);
    install(SIGUSR1, SIG_IGN, 0);
    bridge = opened_on(SIGUSR1, 0);
    const int64_t end = milliseconds() + SECONDS * 1000 / 4;
    long step = 0;
    for (*more = true; *more; step += milliseconds() < end ? 31 : 1000) {
        const pid_t child = fork();
        if (child == 0) {
            steps_left = step;
            after_fork_step_by_step(more);
        }
        CHECK(exited(child, 0));
    }
    CHECK(step > 100);
}

static void read_until_empty_and_poll(void) {
    read_until_empty();
    struct pollfd descriptor = {.fd = csigshim_fd(bridge), .events = POLLIN};
    CHECK(poll(&descriptor, 1, 0) == 0);
}

/* The handler has written the byte, and has not counted it yet. */
TEST(polled_drain_within_a_delivery_leaves_nothing_readable) {
    is_polled = true;
    at_each(1, add_over_host, delivery, read_until_empty_and_poll, one_was_sent);
}

/* The smallest bridge is full. One more signal either finds room or is counted, and changes no record. */
enum { SMALLEST = 16 };
static csigshim_event first_event;

static void queue_to_this_thread(int value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = value;
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1, &info) == 0);
}

static void fill_a_small_bridge(void) {
    CHECK(csigshim_close(bridge) == 0 && csigshim_open_sized(&bridge, CSIGSHIM_HANDLER, SMALLEST) == 0);
    add_over_host();
    for (int i = 0; i < SMALLEST; i++)
        queue_to_this_thread(i);
}

static void read_the_first(void) {
    CHECK(csigshim_read(bridge, &first_event, 1) == 1);
}

static void send_one_more(void) {
    queue_to_this_thread(SMALLEST);
}

static void first_is_as_it_was_sent(void) {
    CHECK(first_event.value == 0 && first_event.count == 1);
    CHECK(drained(bridge, SIGUSR1) == SMALLEST && by_host == 0);
}

TEST(delivery_within_a_read_changes_no_record) {
    at_each(1, fill_a_small_bridge, read_the_first, send_one_more, first_is_as_it_was_sent);
}

/* Another thread installs a handler while csigshim_add looks, saves and installs. */
static void put_host_alone(void) {
    install(SIGUSR1, SIG_DFL, 0);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_remove(bridge, SIGUSR1) == 0);
    install(SIGUSR1, host, SA_RESTART);
}

static void add_to_the_first(void) {
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
}

static void install_other_host(void) {
    install(SIGUSR1, other_host, SA_RESTART);
}

static void other_host_is_restored_or_on_top(void) {
    struct sigaction left;
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && sigaction(SIGUSR1, NULL, &left) == 0);
    CHECK(left.sa_handler == other_host);
}

TEST(handler_installed_within_an_add_is_not_lost) {
    at_each(2, put_host_alone, add_to_the_first, install_other_host, other_host_is_restored_or_on_top);
}

/* The bridge has no descriptor any more, so a stop signal meets SIG_DFL, which the handler installs for a moment. The
 * kernel stops no process of an orphaned group. */
static csigshim_bridge *lost;

static void add_stop_signal_to_a_lost_bridge(void) {
    lost = opened();
    install(SIGTSTP, SIG_DFL, 0);
    CHECK(csigshim_add(lost, SIGTSTP, 0) == 0 && close(csigshim_fd(lost)) == 0);
}

static void stop_delivery(void) {
    struct sigaction installed;
    ucontext_t context;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    CHECK(getcontext(&context) == 0 && sigaction(SIGTSTP, NULL, &installed) == 0);
    if (installed.sa_handler != SIG_DFL) /* removed before this */
        installed.sa_sigaction(SIGTSTP, &info, &context);
}

static void remove_stop_signal(void) {
    CHECK(csigshim_remove(lost, SIGTSTP) == 0);
}

static void default_is_restored(void) {
    CHECK(csigshim_disposition(SIGTSTP) == CSIGSHIM_DISPOSITION_DEFAULT);
    CHECK(csigshim_close(lost) == 0);
}

TEST(remove_within_a_stop_restores_the_default) {
    HANDLER_ONLY("over signalfd, a blocked signal stays pending");
#if defined(SANITIZED)
    SKIP("a sanitizer adds too many instructions");
#endif
    const pid_t child = fork();
    if (child == 0) {
        CHECK(setsid() > 0);
        at_each(1, add_stop_signal_to_a_lost_bridge, stop_delivery, remove_stop_signal, default_is_restored);
        _exit(0);
    }
    CHECK(exited(child, 0));
}
#else
TEST(interleavings_are_not_tested_here) {
    SKIP("Linux on x86-64 only");
}
#endif
