/* A sandbox refuses system calls for good. No signal goes to another process, no loop is busy, the process can be
 * ended, and an event loses details at most (G9, G11). The last tests show that the list of calls a sandbox must permit
 * is complete. */
#include "refuge.h"

#if defined(__linux__) && defined(__LP64__)
#include "sandbox_calls.h"

#if defined(SYS_poll)
#define POLL SYS_poll
#else
#define POLL -1
#endif
#if defined(SYS_newfstatat)
#define FSTAT SYS_fstat, SYS_newfstatat
#else
#define FSTAT SYS_fstat, -1
#endif

/* The calls that the library makes, in signal context or elsewhere. The tests themselves make none of them, so they run
 * without a sanitizer, which might. */
static const struct refusal refusals[] = {
    {"getpid", {SYS_getpid, -1, -1}},
    {"clock_gettime", {SYS_clock_gettime, -1, -1}},
    {"fstat", {FSTAT, -1}},
    {"write", {SYS_write, -1, -1}},
    {"futex", {SYS_futex, -1, -1}},
    {"gettid", {SYS_gettid, -1, -1}},
    {"kill", {SYS_kill, -1, -1}},
    {"tkill", {SYS_tkill, -1, -1}},
    {"tkill", {SYS_tkill, -1, -1}},
    {"rt_sigaction", {SYS_rt_sigaction, -1, -1}},
    {"rt_sigprocmask", {SYS_rt_sigprocmask, -1, -1}},
    {"read", {SYS_read, -1, -1}},
    {"poll", {POLL, SYS_ppoll, -1}},
    {"ioctl", {SYS_ioctl, -1, -1}},
    {"fcntl", {SYS_fcntl, -1, -1}},
    {"preadv2, pwritev2", {SYS_preadv2, SYS_pwritev2, -1}},
    {"rt_sigtimedwait", {SYS_rt_sigtimedwait, -1, -1}},
    {"rt_sigpending", {SYS_rt_sigpending, -1, -1}},
    {"epoll_ctl", {SYS_epoll_ctl, -1, -1}},
    {"signalfd4", {SYS_signalfd4, -1, -1}},
    {"sched_yield", {SYS_sched_yield, -1, -1}},
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

static void refuse(const struct refusal *refused, int code) {
    refuse_calls(refused->numbers, sizeof refused->numbers / sizeof *refused->numbers, code);
}

static void sleep_ms(int ms) /* by nanosleep, which is never refused, and without reading a clock */
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000l};
    nanosleep(&time, NULL);
}

/* Another process sends the signals, because this one may not be permitted to. */
struct requested_signal {
    _Atomic pid_t target;
    _Atomic int signo;
};
static struct requested_signal *requested_signal;

static void start_sender(void) {
    requested_signal = shared(sizeof *requested_signal);
    if (fork() == 0) {
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        for (;; sleep_ms(1)) {
            const int signo = requested_signal->signo;
            if (signo != 0) {
                kill(requested_signal->target, signo);
                requested_signal->signo = 0;
            }
        }
    }
}

static void request_signal(pid_t target, int signo) {
    requested_signal->target = target;
    requested_signal->signo = signo;
    for (int tries = 0; requested_signal->signo != 0 && tries < 1000; tries++)
        sleep_ms(1);
}

/* One of `count` events of signo within a second; over signalfd, or else the error that `code` says. */
static bool is_read(csigshim_bridge *bridge, int signo, int code) {
    csigshim_event event;
    for (int tries = 0; tries < 1000; tries++) {
        errno = 0;
        const ssize_t count = csigshim_read(bridge, &event, 1);
        if (count == 1)
            return event.signo == signo && event.count == 1;
        if (count < 0 && !test_is_handler() && errno == code)
            return true;
        sleep_ms(1);
    }
    return false;
}

enum { POLLED = 1, WAITER = 2, CHAINED = 4, UNBLOCKED = 8 };
static unsigned situation;
static volatile sig_atomic_t hosts_calls;
static _Atomic bool woken;

static void hosts_function(int signo) {
    (void)signo;
    hosts_calls++;
}

static void *waits(void *bridge) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    (void)csigshim_wait(bridge, -1);
    woken = true;
    return NULL;
}

static void takes_a_delivery(const struct refusal *refused, int code) {
    const pid_t me = getpid();
    pthread_t waiter = 0;
    start_sender();
    if (situation & CHAINED)
        install(SIGUSR1, hosts_function, SA_RESTART);
    csigshim_bridge *bridge = opened_on(SIGUSR1, situation & CHAINED ? CSIGSHIM_CHAIN : 0);
    const int fd = situation & POLLED ? csigshim_fd(bridge) : -1;
    if (situation & UNBLOCKED)
        change_mask(SIG_UNBLOCK, SIGUSR1);
    refuse(refused, code);
    if (situation & WAITER) {
        waiter = started(waits, bridge);
        sleep_ms(20);
    }
    request_signal(me, SIGUSR1);
    for (int tries = 0; (situation & WAITER) && !woken && tries < 1000; tries++)
        sleep_ms(1);
    CHECK(!(situation & WAITER) || woken);
    CHECK(is_read(bridge, SIGUSR1, code));
    CHECK(hosts_calls == (situation & CHAINED ? 1 : 0));
    if (situation & WAITER)
        CHECK(pthread_join(waiter, NULL) == 0);
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int empty_reads = 0; /* poll reports the descriptor readable, and a read gives neither an event nor an error */
    for (int i = 0; fd >= 0 && i < 200; i++)
        if (poll(&poller, 1, 0) == 1 && (poller.revents & POLLIN))
            empty_reads += csigshim_read(bridge, &(csigshim_event){0}, 1) == 0;
    CHECK(empty_reads < 5);
    (void)csigshim_wait(bridge, 50);
    (void)csigshim_wake(bridge);
    (void)csigshim_read(bridge, &(csigshim_event){0}, 1);
    if (test_is_handler() || refused->numbers[0] != SYS_rt_sigtimedwait) { /* else it is still pending, and unread */
        (void)csigshim_remove(bridge, SIGUSR1);
        (void)csigshim_close(bridge);
    }
}

static bool ends_well(int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool harmless_delivery(unsigned which) {
    situation = which;
    return leaves_others_alone(refusals, REFUSALS, takes_a_delivery, ends_well);
}

TEST(each_call_refused_costs_a_delivery_no_event) {
    CHECK(harmless_delivery(0));
    CHECK(harmless_delivery(POLLED));
    CHECK(harmless_delivery(UNBLOCKED));
}

TEST(each_call_refused_leaves_no_waiter_asleep) {
    HANDLER_ONLY("signalfd is polled");
    CHECK(harmless_delivery(WAITER));
}

TEST(each_call_refused_leaves_the_chained_function) {
    HANDLER_ONLY("chaining");
    CHECK(harmless_delivery(CHAINED));
    CHECK(harmless_delivery(CHAINED | POLLED));
}

static bool is_terminated(int status) {
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
}

static void escalates(const struct refusal *refused, int code) {
    const pid_t me = getpid();
    start_sender();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    if (situation & POLLED)
        polled(bridge);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    refuse(refused, code);
    for (int i = 0; i < 2; i++)
        request_signal(me, SIGTERM);
    sleep_ms(2000);
}

TEST(each_call_refused_leaves_escalation) {
    HANDLER_ONLY("escalation");
    for (situation = 0; situation <= POLLED; situation++)
        CHECK(leaves_others_alone(refusals, REFUSALS, escalates, is_terminated));
}

static void has_no_descriptors(const struct refusal *refused, int code) {
    const pid_t me = getpid();
    start_sender();
    polled(opened_on(SIGTERM, 0));
    close_all_descriptors();
    if (refused->numbers[0] == SYS_fstat)
        raise(SIGTERM); /* the library then cannot tell that the descriptors are gone */
    refuse(refused, code);
    request_signal(me, SIGTERM);
    sleep_ms(2000);
}

TEST(each_call_refused_leaves_a_process_without_descriptors_mortal) {
    HANDLER_ONLY("a blocked signal stays pending");
    CHECK(leaves_others_alone(refusals, REFUSALS, has_no_descriptors, is_terminated));
}

static void takes_default_action(const struct refusal *refused, int code) {
    opened_on(SIGTERM, 0);
    refuse(refused, code);
    (void)csigshim_take_default_action(SIGTERM);
}

TEST(each_call_refused_leaves_the_default_action) {
    CHECK(leaves_others_alone(refusals, REFUSALS, takes_default_action, is_terminated));
}

static void stops(const struct refusal *refused, int code) {
    opened_on(SIGTSTP, 0);
    refuse(refused, code);
    (void)csigshim_take_default_action(SIGTSTP);
    (void)csigshim_take_default_action(SIGSTOP); /* or it reports the refusal; a bystander sends CONT */
}

TEST(each_call_refused_stops_no_other_process) {
    CHECK(leaves_others_alone(refusals, REFUSALS, stops, ends_well));
}

static void has_a_cloned_child(const struct refusal *refused, int code) {
    start_sender();
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    change_mask(SIG_UNBLOCK, SIGTERM);
    refuse(refused, code);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        for (;;)
            sleep_ms(1000);
    CHECK(child > 0);
    request_signal(child, SIGTERM);
    int status = -1, tries = 0;
    while (waitpid(child, &status, WNOHANG) == 0 && tries++ < 2000)
        sleep_ms(1);
    CHECK(is_terminated(status));
    (void)csigshim_close(bridge);
}

TEST(each_call_refused_leaves_a_cloned_child_mortal) {
    CHECK(leaves_others_alone(refusals, REFUSALS, has_a_cloned_child, ends_well));
}

/* The same for getpid(2) alone, whose result is the target of every signal. */
TEST(getpid_refused_signals_no_other_process) {
    for (situation = 0; situation <= POLLED; situation++)
        CHECK(leaves_others_alone(refusals, 1, takes_a_delivery, ends_well));
    if (test_is_handler()) {
        CHECK(leaves_others_alone(refusals, 1, escalates, is_terminated));
        CHECK(leaves_others_alone(refusals, 1, has_no_descriptors, is_terminated));
    }
    CHECK(leaves_others_alone(refusals, 1, takes_default_action, is_terminated));
    CHECK(leaves_others_alone(refusals, 1, stops, ends_well));
}

static void escalates_in_a_vforked_child(const struct refusal *refused, int code) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 1) == 0);
    refuse(refused, code);
    const pid_t child = vfork();
    if (child == 0) {
        syscall(SYS_tkill, (pid_t)syscall(SYS_gettid), SIGTERM);
        _exit(0);
    }
    CHECK(is_terminated(status_of(child)));
}

/* Where getpid(2) is refused, a vforked child counts as the parent. The default action that it takes is its own. */
TEST(getpid_refused_in_a_vforked_child_spares_the_parent) {
    HANDLER_ONLY("escalation");
    CHECK(leaves_others_alone(refusals, 1, escalates_in_a_vforked_child, ends_well));
}

static bool is_terminated_by_realtime(int status) {
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGRTMIN) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGRTMIN);
}

static void takes_default_action_with_a_full_queue(const struct refusal *refused, int code) {
    const struct rlimit none = {0, 0};
    opened_on(SIGRTMIN, 0);
    CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
    refuse(refused, code);
    (void)csigshim_take_default_action(SIGRTMIN);
}

/* Where the kernel's queue is full, the signal is sent by kill(2), which needs the pid. */
TEST(getpid_refused_with_a_full_queue_signals_no_other_process) {
    CHECK(leaves_others_alone(refusals, 1, takes_default_action_with_a_full_queue, is_terminated_by_realtime));
}

static int refused_code;

static csigshim_bridge *without_sigtimedwait(void) {
    const long number = SYS_rt_sigtimedwait;
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    change_mask(SIG_UNBLOCK, SIGTERM);
    CHECK(kill(getpid(), SIGTERM) == 0); /* by the handler */
    CHECK(kill(getpid(), SIGUSR1) == 0); /* into the kernel's queue */
    refuse_calls(&number, 1, refused_code);
    return bridge;
}

static void reads_without_sigtimedwait(void) {
    csigshim_event event;
    csigshim_bridge *bridge = without_sigtimedwait();
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGTERM);
    for (int i = 0; i < 3; i++) /* and again, for a program that polls and reads */
        FAILS(csigshim_read(bridge, &event, 1), refused_code);
}

/* The pending signal cannot be moved into the ring, so the removal fails, or the signal stays pending. */
static void removes_without_sigtimedwait(void) {
    csigshim_bridge *bridge = without_sigtimedwait();
    errno = 0;
    const int result = csigshim_remove(bridge, SIGUSR1);
    CHECK(result == 0 || (result == -1 && errno == refused_code));
}

TEST(refused_sigtimedwait_is_an_error_of_read) {
    SIGNALFD_ONLY("the kernel's queue");
    const int codes[] = {EPERM, ENOSYS, EACCES};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        refused_code = codes[i];
        CHECK(finishes(reads_without_sigtimedwait));
    }
}

TEST(refused_sigtimedwait_lets_no_removal_kill) {
    SIGNALFD_ONLY("the kernel's queue");
    refused_code = EPERM;
    CHECK(finishes(removes_without_sigtimedwait));
}

/* A bridge can be closed all the same. A pending signal is discarded as unread, and kills no process. */
static void closes_without_sigtimedwait(void) {
    sigset_t pending;
    csigshim_bridge *bridge = without_sigtimedwait();
    CHECK(csigshim_close(bridge) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT && csigshim_state(SIGTERM) == CSIGSHIM_ABSENT);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 0 && !is_blocked(SIGUSR1));
}

TEST(refused_sigtimedwait_lets_a_bridge_be_closed) {
    SIGNALFD_ONLY("the kernel's queue");
    refused_code = EPERM;
    CHECK(finishes(closes_without_sigtimedwait));
}

/* Says which call is missing from the list. */
static void needs_more(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    char text[] = "needs system call ....\n";
    unsigned number = (unsigned)info->si_syscall;
    for (char *digit = text + sizeof text - 3; digit >= text + 18; digit--, number /= 10)
        *digit = (char)('0' + number % 10);
    (void)!write(1, text, sizeof text - 1);
    _exit(3);
}

static void permit_the_list(void) {
    enum { ROOM = 100 };
    long numbers[ROOM];
    size_t count = 0;
    for (size_t i = 0; i < sizeof calls_in_signal_context / sizeof *calls_in_signal_context; i++)
        numbers[count++] = calls_in_signal_context[i].number;
    for (size_t i = 0; i < sizeof calls_elsewhere / sizeof *calls_elsewhere; i++)
        numbers[count++] = calls_elsewhere[i].number;
    for (size_t i = 0; !test_is_handler() && i < sizeof calls_over_signalfd / sizeof *calls_over_signalfd; i++)
        numbers[count++] = calls_over_signalfd[i].number;
    CHECK(count <= ROOM);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = needs_more;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    permit_only(numbers, count);
}

static _Atomic(csigshim_bridge *) waited_for;

static void *waits_unfiltered(void *unused) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (waited_for == NULL)
        usleep(1000);
    CHECK(csigshim_wait(waited_for, -1) == 1);
    woken = true;
    return unused;
}

static void lives_under_the_list(void) {
    csigshim_event event;
    csigshim_bridge *bridge = NULL, *second = NULL;
    install(SIGUSR1, hosts_function, 0);
    started(waits_unfiltered, NULL);
    const pid_t me = getpid();
    permit_the_list();
    CHECK(csigshim_open(&bridge, test_mechanism()) == 0 && csigshim_open_sized(&second, test_mechanism(), 16) == 0);
    CHECK(csigshim_add(bridge, SIGUSR1, chain_if_possible()) == 0 && csigshim_add(bridge, SIGTERM, 0) == 0);
    CHECK(csigshim_add(second, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 0);
    if (test_is_handler()) {
        waited_for = bridge;
        for (int tries = 0; tries < 100; tries++)
            usleep(1000);
        CHECK(kill(me, SIGUSR1) == 0); /* a waiter sleeps */
        while (!woken)
            usleep(1000);
        CHECK(csigshim_read(bridge, &event, 1) == 1 && csigshim_read(bridge, &event, 1) == 0);
        CHECK(csigshim_set_chain(bridge, SIGUSR1, 0) == 0);
        CHECK(csigshim_escalate_after(bridge, SIGTERM, 5) == 0);
    }
    CHECK(csigshim_wait(bridge, 10) == 0 && csigshim_wake(bridge) == 0);
    CHECK(csigshim_wait(bridge, 10) == 1 && csigshim_read(bridge, &event, 1) == 0);
    CHECK(csigshim_fd(bridge) >= 3);
    for (int i = 0; i < 3; i++) {
        CHECK(kill(me, SIGTERM) == 0 && csigshim_wait(bridge, -1) == 1);
        CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGTERM);
        CHECK(csigshim_read(bridge, &event, 1) == 0 && csigshim_wait(bridge, 10) == 0);
    }
    change_mask(SIG_UNBLOCK, SIGTERM);
    CHECK(kill(me, SIGTERM) == 0 && csigshim_wake(bridge) == 0 && csigshim_wait(bridge, -1) == 1);
    CHECK(csigshim_read(bridge, &event, 1) == 1);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ARMED && csigshim_rearm(SIGTERM) == 0);
    CHECK(csigshim_capacity(bridge) > 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && csigshim_close(bridge) == 0 && csigshim_close(second) == 0);
    _exit(0);
}

static void default_under_the_list(void) {
    const pid_t me = getpid();
    csigshim_bridge *bridge = polled(opened_on(SIGTERM, 0));
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    permit_the_list();
    kill(me, SIGTERM);
    kill(me, SIGTERM);
}

static void closed_under_the_list(void) {
    const pid_t me = getpid();
    polled(opened_on(SIGTERM, 0));
    permit_the_list();
    close_all_descriptors();
    kill(me, SIGTERM);
}

TEST(listed_calls_are_enough) {
#if defined(SANITIZED)
    SKIP("a sanitizer makes system calls of its own");
#endif
    CHECK(finishes(lives_under_the_list));
    if (!test_is_handler())
        return;
    CHECK(dies_of(default_under_the_list, SIGTERM));
    CHECK(dies_of(closed_under_the_list, SIGTERM));
}

TEST(calls_are_listed_once) {
    const size_t in_context = sizeof calls_in_signal_context / sizeof *calls_in_signal_context;
    const size_t elsewhere = sizeof calls_elsewhere / sizeof *calls_elsewhere;
    for (size_t i = 0; i < elsewhere; i++)
        for (size_t k = 0; k < in_context; k++)
            CHECK(calls_elsewhere[i].number != calls_in_signal_context[k].number);
}
#else
TEST(listed_calls_are_enough) {
    SKIP("seccomp is Linux's, and the list is for 64 bits");
}
#endif
