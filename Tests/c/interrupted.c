/* What a host's signal handler, or cancellation, does to a call of ours that it interrupts, at each instruction. The
 * processor traps after every one; at the one that is wanted, the handler of TRAP, which the library never blocks,
 * sends USR2, which it does block where that must be: so USR2 comes then and there, or when it may. */
#include "check.h"

#if defined(__linux__) && defined(__x86_64__)
#include <setjmp.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum { TRAP_FLAG = 0x100, SECONDS = DEADLINE_SECONDS * 3 / 4 };

static csigshim_bridge *bridge;
static volatile sig_atomic_t stepping;
static volatile long steps, comes_at, reads_at;
static void (*meanwhile)(void); /* in place of USR2, and whatever is blocked */
static sigjmp_buf away;

static void let_step(bool on)
{
    stepping = on;
    const unsigned long long flags = __builtin_ia32_readeflags_u64();
    __builtin_ia32_writeeflags_u64(on ? flags | TRAP_FLAG : flags & ~(unsigned long long)TRAP_FLAG);
}

static void trapped(int signo, siginfo_t *info, void *context)
{
    csigshim_event events[4];
    const int saved_errno = errno;
    (void)signo, (void)info;
    if (stepping && steps == reads_at)
        (void)csigshim_read(bridge, events, 4);
    if (stepping && steps++ == comes_at) {
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        stepping = 0;
        if (meanwhile != NULL)
            meanwhile();
        else
            raise(SIGUSR2);
    }
    errno = saved_errno;
}

static void start_to_step(void (*host)(int))
{
#if defined(SANITIZED)
    SKIP("a sanitizer's own instructions are too many, and the thread sanitizer delivers TRAP when it likes");
#endif
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trapped;
    action.sa_flags = SA_SIGINFO;
    sigaddset(&action.sa_mask, SIGUSR2); /* it comes when this has returned */
    reads_at = -1;
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    install(SIGUSR2, host, 0);
}

static void leaves(int signo)
{
    (void)signo;
    siglongjmp(away, 1);
}

/* True while USR2 came before the call had ended. */
static bool left(void (*call)(void))
{
    steps = 0;
    if (sigsetjmp(away, 1) != 0)
        return true;
    let_step(true);
    call();
    const bool all = stepping;
    let_step(false);
    return !all;
}

static bool is_readable(void)
{
    struct pollfd bell = {.fd = csigshim_fd(bridge), .events = POLLIN};
    return poll(&bell, 1, 0) == 1;
}

static void ask(void)
{
    (void)csigshim_fd(bridge);
}

/* What came before rings, also where the first csigshim_fd was left half-way. */
TEST(descriptor_asked_for_and_left_by_siglongjmp)
{
    start_to_step(leaves);
    bool more = true;
    for (comes_at = 0; more; comes_at++) {
        bridge = opened_on(SIGUSR1, 0);
        CHECK(raise(SIGUSR1) == 0);
        more = left(ask);
        CHECK(is_readable() && csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) == 1 && !is_readable());
        CHECK(raise(SIGUSR1) == 0 && is_readable() && csigshim_close(bridge) == 0);
    }
    CHECK(comes_at > 100 || !test_is_handler());
}

static void *sleeps(void *unused)
{
    (void)csigshim_wait(bridge, -1);
    return unused;
}

static void wake(void)
{
    (void)csigshim_wake(bridge);
}

/* Polled, after somebody slept by the word and was cancelled, so that a sleeper is counted for ever. */
TEST(wake_that_another_one_reads_left_by_siglongjmp)
{
    HANDLER_ONLY("signalfd is polled");
    start_to_step(leaves);
    bridge = opened_on(SIGUSR1, 0);
    const pthread_t thread = started(sleeps, NULL);
    pause_ms(300);
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
    polled(bridge);
    bool more = true;
    for (comes_at = 0; more; comes_at += 2) {
        for (long gap = 5; gap <= 40; gap *= 2) {
            reads_at = comes_at - gap;
            more = left(wake);
            CHECK(raise(SIGUSR1) == 0 && is_readable() && drained(bridge, SIGUSR1) == 1);
            CHECK(drained(bridge, SIGUSR1) == 0);
        }
    }
    CHECK(comes_at > 50);
}

static atomic_bool asked, answered;

static void *records_and_asks(void *unused)
{
    while (!asked)
        sched_yield();
    CHECK(raise(SIGUSR1) == 0);
    ask();
    answered = true;
    return unused;
}

/* The thread that stands still goes on when the other one has its answer, or may be waiting for it. */
static void let_ask(void)
{
    const int64_t end = milliseconds() + 20;
    asked = true;
    while (!answered && milliseconds() < end)
        sched_yield();
}

static void child_asks_for_its_bridge(bool *more)
{
    const pthread_t thread = started(records_and_asks, NULL);
    steps = 0;
    let_step(true);
    const int result = csigshim_after_fork(bridge);
    *more = !stepping;
    let_step(false);
    asked = true;
    CHECK(result >= 0 && pthread_join(thread, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0 && is_readable());
    _exit(0);
}

/* Whoever asks for the descriptor in a child that is just getting its bridge is told of what came by then. First how
 * long that call is, to a thousand instructions, then what matters: the end of it, when signals come again. */
TEST(descriptor_asked_for_within_after_fork)
{
    HANDLER_ONLY("signalfd is polled");
    start_to_step(SIG_IGN);
    meanwhile = let_ask;
    bool *const more = mmap(NULL, sizeof *more, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    install(SIGUSR1, SIG_IGN, 0);
    bridge = opened_on(SIGUSR1, 0);
    for (long stride = 1000; stride > 1; stride = stride == 1000 ? 16 : 1) {
        comes_at = stride == 1000 ? 0 : comes_at - 2000;
        for (*more = true; *more; comes_at += stride) {
            const pid_t child = fork();
            if (child == 0)
                child_asks_for_its_bridge(more);
            CHECK(exited(child, 0));
        }
    }
    CHECK(comes_at > 1000);
}

static void cancels(int signo)
{
    (void)signo;
    pthread_cancel(pthread_self());
}

/* Calls our handler, on a thread that can be cancelled anywhere. */
static void step_through_a_delivery(int signo)
{
    struct sigaction ours;
    ucontext_t context;
    siginfo_t info;
    int type;
    memset(&info, 0, sizeof info);
    CHECK(getcontext(&context) == 0 && sigaction(signo, NULL, &ours) == 0);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
    steps = 0;
    let_step(true);
    ours.sa_sigaction(signo, &info, &context);
}

/* As somebody's handler that is over ours calls it, with no mask that keeps cancellation out. */
static void *is_handed_a_delivery(void *unused)
{
    step_through_a_delivery(SIGUSR1);
    const bool all = stepping;
    let_step(false);
    return all ? unused : NULL;
}

/* A cancelled thread leaves no count behind that others wait for, and no slot half filled. */
TEST(cancelled_within_a_delivery_that_the_host_hands_on)
{
    HANDLER_ONLY("whoever records does the same over both mechanisms");
    start_to_step(cancels);
    bridge = opened_on(SIGUSR1, 0);
    void *result = NULL;
    for (comes_at = 0; result == NULL || result == PTHREAD_CANCELED; comes_at++) {
        const pthread_t thread = started(is_handed_a_delivery, &result);
        CHECK(pthread_join(thread, &result) == 0 && drained(bridge, SIGUSR1) <= 1);
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_add(bridge, SIGUSR1, 0) == 0);
        CHECK(raise(SIGUSR1) == 0 && csigshim_wait(bridge, 0) == 1 && drained(bridge, SIGUSR1) == 1);
    }
    CHECK(comes_at > 100);
}

static void *cancels_when_asked(void *thread)
{
    while (!asked)
        sched_yield();
    CHECK(pthread_cancel(*(pthread_t *)thread) == 0);
    answered = true;
    return NULL;
}

/* Under the mask that the kernel gives to ours: full, the C library's own signals included, but for the faults. */
static void *is_delivered_term(void *unused)
{
    const uint64_t mask = ~(UINT64_C(1) << (SIGTRAP - 1));
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask) == 0);
    step_through_a_delivery(SIGTERM);
    return unused;
}

static atomic_bool *reached;

static void let_cancel(void)
{
    *reached = true;
    let_ask();
}

static void escalates(void)
{
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 1) == 0);
}

static void is_closed(void)
{
    CHECK(close(csigshim_fd(bridge)) == 0);
}

static void dies_first(void (*prepare)(void))
{
    HANDLER_ONLY("escalation, and default actions of a handler");
    start_to_step(SIG_IGN);
    meanwhile = let_cancel;
    reached = shared(sizeof *reached);
    for (*reached = true, comes_at = 0; *reached; comes_at++) {
        *reached = false;
        const pid_t child = fork();
        if (child == 0) {
            bridge = polled(opened_on(SIGTERM, 0));
            prepare();
            pthread_t thread = started(is_delivered_term, NULL);
            const pthread_t other = started(cancels_when_asked, &thread);
            CHECK(pthread_join(thread, NULL) == 0 && pthread_join(other, NULL) == 0);
            _exit(2);
        }
        CHECK(died_of(child, SIGTERM));
    }
    CHECK(comes_at > 100);
}

/* A cancelled thread first does what the delivery asks for. */
TEST(cancelled_within_an_escalation)
{
    dies_first(escalates);
}

TEST(cancelled_within_a_default_action)
{
    dies_first(is_closed);
}
#else
TEST(interrupted_at_each_instruction)
{
    SKIP("Linux on x86-64 only");
}
#endif
