/* What another thread does between two instructions of ours, for each two of them. The processor can trap after every
 * instruction, and the library never blocks TRAP: so one thread makes a call, stands still at its first instruction,
 * the next time at its second, and so on to the last; meanwhile another one does what must not matter there, to its end
 * if it can. Where it waits for the first one, that goes on after a moment. */
#include "check.h"

#if defined(__linux__) && defined(__x86_64__)
#include <setjmp.h>
#include <ucontext.h>

enum { TRAP_FLAG = 0x100, PATIENCE_MS = 3, SECONDS = DEADLINE_SECONDS * 3 / 4 };

static volatile sig_atomic_t stepping;
static volatile long steps_left; /* below zero: it came there */
static int stands_still[2], goes_on[2];
static csigshim_bridge *bridge, *another;
static bool is_polled;
static volatile sig_atomic_t by_host, by_other_host;
static unsigned long recorded;

static void trapped(int signo, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    (void)signo, (void)info;
    if (stepping && steps_left-- > 0)
        return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    struct pollfd answer = {.fd = goes_on[0], .events = POLLIN};
    if (stepping && write(stands_still[1], "", 1) == 1)
        poll(&answer, 1, PATIENCE_MS);
    errno = saved_errno;
}

static void *interferes(void *other)
{
    char byte;
    while (read(stands_still[0], &byte, 1) == 1) {
        if (steps_left < 0)
            (*(void (**)(void))other)();
        CHECK(write(goes_on[1], "", 1) == 1);
    }
    return NULL;
}

/* Each time `prepare` goes before, and `check` follows. Where the whole takes too long, which it does on a busy
 * machine, the rest is sampled. */
static void at_each(long stride, void (*prepare)(void), void (*call)(void), void (*other)(void), void (*check)(void))
{
    HANDLER_ONLY("whoever records does the same over both mechanisms");
#if defined(SANITIZED)
    SKIP("a sanitizer's own instructions are too many, and the thread sanitizer delivers TRAP when it likes");
#endif
    char byte;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    bridge = opened(), another = opened();
    if (is_polled)
        polled(bridge);
    CHECK(pipe(stands_still) == 0 && pipe(goes_on) == 0);
    (void)started(interferes, &other);
    const int64_t end = milliseconds() + SECONDS * 1000;
    for (long step = 0, came_there = 1; came_there; step += milliseconds() < end ? stride : 50) {
        recorded = 0, by_host = by_other_host = 0;
        prepare();
        steps_left = step;
        stepping = 1;
        __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | TRAP_FLAG);
        call();
        stepping = 0; /* first: else it could still come there, and be told twice */
        came_there = steps_left < 0;
        if (!came_there)
            CHECK(write(stands_still[1], "", 1) == 1);
        CHECK(read(goes_on[0], &byte, 1) == 1);
        if (came_there)
            check();
        (void)csigshim_remove(bridge, SIGUSR1);
        (void)csigshim_remove(another, SIGUSR1);
        drained(bridge, SIGUSR1);
        drained(another, SIGUSR1);
        CHECK(came_there || step > 100);
    }
}

static void host(int signo)
{
    (void)signo;
    by_host++;
}

static void other_host(int signo)
{
    (void)signo;
    by_other_host++;
}

static void add_over_host(void)
{
    install(SIGUSR1, host, SA_RESTART);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
}

/* A delivery, as the kernel makes it. */
static void delivery(void)
{
    struct sigaction ours;
    ucontext_t context;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = 4711;
    CHECK(getcontext(&context) == 0 && sigaction(SIGUSR1, NULL, &ours) == 0);
    if (ours.sa_flags & SA_SIGINFO)
        ours.sa_sigaction(SIGUSR1, &info, &context);
    else
        ours.sa_handler(SIGUSR1);
}

static void remove_and_read(void)
{
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    recorded += drained(bridge, SIGUSR1);
}

static void had_by_one_and_nothing_later(void)
{
    CHECK(recorded + (unsigned long)by_host == 1);
    CHECK(drained(bridge, SIGUSR1) == 0);
}

/* When remove has returned, whoever was to record has done it. */
TEST(remove_within_a_delivery)
{
    at_each(1, add_over_host, delivery, remove_and_read, had_by_one_and_nothing_later);
}

static void read_it(void)
{
    csigshim_event events[4];
    const ssize_t count = csigshim_read(bridge, events, 4);
    CHECK(count >= 0);
    for (ssize_t i = 0; i < count; i++) {
        CHECK(events[i].signo == SIGUSR1 && events[i].count == 1 && events[i].value == 4711);
        recorded++;
    }
}

static void one_comes(void)
{
    CHECK(raise(SIGUSR1) == 0 && csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) == 1);
}

/* What is unread is told, and so is what comes next. */
static void nobody_sleeps_over(unsigned long sent)
{
    if (recorded < sent) {
        CHECK(csigshim_wait(bridge, 0) == 1);
        recorded += drained(bridge, SIGUSR1);
    }
    CHECK(recorded == sent && by_host == 0);
    one_comes();
}

static void one_came(void)
{
    nobody_sleeps_over(1);
}

TEST(read_within_a_delivery)
{
    at_each(1, add_over_host, delivery, read_it, one_came);
}

TEST(read_within_a_delivery_to_a_polled_bridge)
{
    is_polled = true;
    at_each(1, add_over_host, delivery, read_it, one_came);
}

static void read_until_empty(void)
{
    read_it();
    read_it();
}

TEST(emptied_within_a_delivery_to_a_polled_bridge)
{
    is_polled = true;
    at_each(1, add_over_host, delivery, read_until_empty, one_came);
}

static void read_one(void)
{
    csigshim_event event;
    const ssize_t count = csigshim_read(bridge, &event, 1);
    CHECK(count >= 0);
    recorded += (unsigned long)count;
}

static void send_two(void)
{
    CHECK(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0);
}

static void two_came(void)
{
    nobody_sleeps_over(2);
}

TEST(deliveries_within_a_read)
{
    at_each(1, add_over_host, read_one, send_two, two_came);
}

TEST(deliveries_within_a_read_of_a_polled_bridge)
{
    is_polled = true;
    at_each(1, add_over_host, read_one, send_two, two_came);
}

/* Polled from the moment on that csigshim_fd is asked, and not before. */
static void add_to_a_new_one(void)
{
    CHECK(csigshim_close(bridge) == 0);
    bridge = opened();
    add_over_host();
}

static void ask(void)
{
    polled(bridge);
}

static void ask_and_look(void)
{
    ask();
    CHECK(csigshim_wait(bridge, 0) >= 0);
}

static void descriptor_tells_of_one(void)
{
    struct pollfd bell = {.fd = csigshim_fd(bridge), .events = POLLIN};
    CHECK(poll(&bell, 1, 0) == 1);
    one_came();
    CHECK(poll(&bell, 1, 0) == 0);
}

TEST(descriptor_asked_for_within_a_delivery)
{
    at_each(1, add_to_a_new_one, delivery, ask, descriptor_tells_of_one);
}

static void send_one(void)
{
    CHECK(raise(SIGUSR1) == 0);
}

TEST(delivery_while_the_descriptor_is_asked_for)
{
    at_each(1, add_to_a_new_one, ask_and_look, send_one, descriptor_tells_of_one);
}

/* Nobody polls. The signal comes at the instruction, or a while later, to one who sleeps. */
enum { LONG_MS = DEADLINE_SECONDS * 1000 / 4 };
static atomic_bool sent;
static pthread_t late_one;

static void send_it(void)
{
    if (!atomic_exchange(&sent, true))
        send_one();
}

static void *sends_late(void *unused)
{
    pause_ms(10);
    send_it();
    return unused;
}

static void add_and_send_late(void)
{
    static bool again;
    if (again)
        CHECK(pthread_join(late_one, NULL) == 0);
    again = true;
    drained(bridge, SIGUSR1);
    add_over_host();
    sent = false;
    late_one = started(sends_late, NULL);
}

static void wait_for_it(void)
{
    const int64_t end = milliseconds() + LONG_MS;
    CHECK(csigshim_wait(bridge, LONG_MS) == 1);
    CHECK(milliseconds() < end); /* else it slept, and saw the flag at last */
}

TEST(delivery_within_a_wait)
{
    at_each(1, add_and_send_late, wait_for_it, send_it, one_came);
}

static void add_and_send(void)
{
    add_over_host();
    send_one();
}

static void wait_a_while(void)
{
    const uint64_t begin = nanoseconds();
    CHECK(csigshim_wait(bridge, 4) == 1 || nanoseconds() - begin >= 4000000);
}

static void drain(void)
{
    recorded += drained(bridge, SIGUSR1);
}

/* Whoever finds that another thread has read what had rung waits as long as he said. */
TEST(read_within_a_wait)
{
    at_each(1, add_and_send, wait_a_while, drain, one_came);
}

/* Of a wake-up, a read takes away what is there; what comes later of it, the next one. */
static void add_to_a_polled_one(void)
{
    polled(bridge);
    add_over_host();
}

static void wake_it(void)
{
    CHECK(csigshim_wake(bridge) == 0);
}

static void nothing_stays(void)
{
    CHECK(recorded == 0 && drained(bridge, SIGUSR1) == 0);
    CHECK(csigshim_wait(bridge, 0) == 0);
    one_comes();
}

TEST(read_within_a_wake)
{
    at_each(1, add_to_a_polled_one, wake_it, read_it, nothing_stays);
}

static sigjmp_buf away;

static void leaves(int signo)
{
    (void)signo;
    if (stepping && steps_left-- == 0) {
        stepping = 0;
        siglongjmp(away, 1);
    }
}

static void *sleeps(void *result)
{
    *(int *)result = csigshim_wait(bridge, LONG_MS);
    return NULL;
}

/* A host's handler may leave csigshim_wake at any instruction. Who sleeps is woken by what comes next. */
TEST(wake_that_is_left_by_siglongjmp)
{
    HANDLER_ONLY("signalfd is polled");
#if defined(SANITIZED)
    SKIP("a sanitizer's own instructions are too many");
#endif
    install(SIGTRAP, leaves, 0);
    for (volatile bool came_there = true; came_there;) {
        static long step;
        int result = 0;
        bridge = opened_on(SIGUSR1, 0);
        const int64_t end = milliseconds() + LONG_MS;
        const pthread_t thread = started(sleeps, &result);
        pause_ms(1); /* it sleeps by now, or soon */
        steps_left = step++;
        stepping = 1;
        if (sigsetjmp(away, 1) == 0) {
            __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | TRAP_FLAG);
            csigshim_wake(bridge);
            stepping = 0;
            __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~(unsigned long long)TRAP_FLAG);
            came_there = false;
        }
        CHECK(raise(SIGUSR1) == 0 && pthread_join(thread, NULL) == 0 && result == 1);
        CHECK(milliseconds() < end); /* else it slept, and saw the flag at last */
        CHECK(drained(bridge, SIGUSR1) == 1 && csigshim_close(bridge) == 0);
    }
}

static void put_other_host(void)
{
    static bool turn;
    turn = !turn;
    install(SIGUSR1, turn ? host : other_host, SA_RESTART);
}

static void add_chained(void)
{
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
}

static void host_had_it(void)
{
    struct sigaction below;
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && sigaction(SIGUSR1, NULL, &below) == 0);
    CHECK(by_host == (below.sa_handler == host) && by_other_host == (below.sa_handler == other_host));
    CHECK(drained(bridge, SIGUSR1) <= 1);
}

/* A handler of ours that runs at once finds what it is to chain to. */
TEST(delivery_within_an_add)
{
    at_each(8, put_other_host, add_chained, send_one, host_had_it);
}

static void remove_it(void)
{
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
}

static void had_by_one(void)
{
    CHECK(drained(bridge, SIGUSR1) + (unsigned long)by_host == 1);
}

TEST(delivery_within_a_remove)
{
    at_each(8, add_over_host, remove_it, send_one, had_by_one);
}

static void add_to_the_second(void)
{
    install(SIGUSR1, host, SA_RESTART);
    CHECK(csigshim_add(another, SIGUSR1, 0) == 0);
}

static void to_the_first(void)
{
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_remove(another, SIGUSR1) == 0);
}

static void had_by_a_bridge(void)
{
    const unsigned long sum = drained(bridge, SIGUSR1) + drained(another, SIGUSR1);
    CHECK(by_host == 0 && sum >= 1 && sum <= 2);
}

/* The first has been looked at when it is added there, and the second is looked at when it has gone from there. */
TEST(handover_within_a_delivery)
{
    at_each(8, add_to_the_second, delivery, to_the_first, had_by_a_bridge);
}
#else
TEST(between_instructions)
{
    SKIP("Linux on x86-64 only");
}
#endif
