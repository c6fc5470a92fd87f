/* The traced process: prepares a state, makes the one call between two marks, and then checks that everything is right.
 *
 * Right means: as in the same run without a signal, which is recorded first. This holds for the result, errno, each
 * disposition, the mask, the descriptors, the heap, and the flags and counts of the bridges. The signal has gone where
 * the scenario says that it may: to a bridge, to the host's handler, or to both, to each at most once. One more signal
 * must then go where it belongs, and closing the bridges must bring back what was there before them.
 */
#include "step.h"
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { ERRNO_BEFORE = 123, ERRNO_OF_OTHER = 124, ERRNO_OF_HOST = 99 };

csigshim_bridge *bridges[2];
unsigned long expected[2], taken[2];
int host_expected;
static size_t tails[2];
static int host_before, foreign_before;
int mechanism;
bool spawning, pipe_is_lost;
void (*from_host_handler)(void);
struct guarded guarded;
struct page *page;

static void say(const char *format, va_list arguments) {
    if (page->message[0] == 0)
        vsnprintf(page->message, sizeof page->message, format, arguments);
}

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    _exit(1);
}

/* Reports a failure and continues, because the tracer waits for the threads of the process one by one. */
__attribute__((format(printf, 1, 2))) static void fail_later(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

static void fail_now(void) {
    if (page->message[0] != 0)
        _exit(1);
}

/* Whether the library's handler makes this call: it has left a marker in the siginfo. Otherwise the kernel makes it. */
static bool is_called_by_library(const siginfo_t *info) {
    uintptr_t handlers[2];
    memcpy(handlers, (const char *)(info + 1) - sizeof handlers, sizeof handlers);
    return handlers[0] == (uintptr_t)csigshim__handler || handlers[1] == (uintptr_t)csigshim__handler;
}

/* Changes errno, as handlers of hosts do, where the library has to restore it. */
void host_handler(int signo, siginfo_t *info, void *context) {
    const int saved_errno = errno;
    (void)signo, (void)context;
    page->host++;
    if (from_host_handler != NULL)
        from_host_handler();
    errno = is_called_by_library(info) ? ERRNO_OF_HOST : saved_errno;
}

static struct sigaction under_foreign;
static bool foreign_calls_replaced;

static void foreign(int signo, siginfo_t *info, void *context) {
    const int saved_errno = errno;
    page->foreign++;
    if (foreign_calls_replaced)
        under_foreign.sa_sigaction(signo, info, context);
    errno = saved_errno;
}

static void install(int signo, void (*handler)(int, siginfo_t *, void *), struct sigaction *before) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaddset(&action.sa_mask, SIGUSR2);
    if (sigaction(signo, &action, before) != 0)
        fail("sigaction: errno %d", errno);
}

void install_foreign_handler(bool calls_replaced) {
    foreign_calls_replaced = calls_replaced;
    install(SENT, foreign, &under_foreign);
}

void send_here(int signo) {
    const pid_t self = (pid_t)syscall(SYS_getpid);
    if (syscall(SYS_tgkill, self, (pid_t)syscall(SYS_gettid), signo) != 0)
        fail("tgkill: errno %d", errno);
}

void count_events(int bridge, ssize_t count, const csigshim_event *events) {
    if (count < 0)
        fail_later("csigshim_read: errno %d", errno);
    for (ssize_t i = 0; i < count; i++) {
        const csigshim_event *event = &events[i];
        if ((event->signo != SENT && event->signo != BESIDE) || event->count == 0 || event->reserved[0] != 0 ||
            (event->code != SI_TKILL && !(event->flags & CSIGSHIM_DETAILS_DROPPED)))
            fail_later("a broken event: signal %d, code %d, count %u", event->signo, event->code, event->count);
        taken[bridge] += event->count;
    }
}

/* Reads what is there. The bridge must have notified a waiting reader of it. */
static void drain(int i) {
    static csigshim_event events[512];
    const bool readable = csigshim_wait(bridges[i], 0) == 1;
    const unsigned long before = taken[i];
    for (ssize_t count; (count = csigshim_read(bridges[i], events, 512)) != 0;) {
        if (count < 0 && errno == EBADF && pipe_is_lost)
            break;
        count_events(i, count, events);
        fail_now();
    }
    if (taken[i] != before && !readable)
        fail("bridge %d had %lu deliveries, and its descriptor was not readable", i + 1, taken[i] - before);
}

/* Where the one signal of this phase has gone. A closed bridge has discarded its records; its tail still counts them,
 * and what moved there from the kernel's queue. */
static void check_where(const char *allowed, const char *when) {
    long counts[4] = {0, 0, page->host - host_before - host_expected, page->foreign - foreign_before};
    char found[100];
    for (int i = 0; i < 2; i++) {
        if (bridges[i] == NULL)
            continue;
        if (atomic_load(&bridges[i]->open)) {
            drain(i);
            counts[i] = (long)(taken[i] - expected[i]);
        } else {
            counts[i] = (long)(atomic_load(&bridges[i]->tail) - tails[i]);
            counts[i] -= mechanism == CSIGSHIM_SIGNALFD ? (long)expected[i] : 0;
        }
        taken[i] = expected[i] = 0;
        tails[i] = atomic_load(&bridges[i]->tail);
    }
    fail_now();
    host_before = page->host;
    foreign_before = page->foreign;
    host_expected = 0;
    snprintf(found, sizeof found, "%ld%ld%ld%ld", counts[0], counts[1], counts[2], counts[3]);
    if (strlen(found) != 4 || strstr(allowed, found) == NULL)
        fail("%s: bridge 1, bridge 2, host and foreign handler had it %s times, not %s", when, found, allowed);
}

static struct snapshot take_snapshot(void) {
    struct snapshot now;
    struct stat status;
    const int signals[3] = {SENT, BESIDE, IGNORED};
    memset(&now, 0, sizeof now);
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        syscall(SYS_rt_sigaction, signo, NULL, &now.actions[signo], 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now.mask, 8);
    for (int fd = 0; fd < 32; fd++)
        if (fstat(fd, &status) == 0)
            now.files[fd] = 1u + (unsigned)fcntl(fd, F_GETFD) + (unsigned)status.st_mode * 4;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 2; i++) {
            struct csigshim__subscription *one = &csigshim__bridges[i].subscriptions[signals[k]];
            const unsigned values[] = {one->flags, one->active_handlers, one->escalate_at};
            memcpy(now.subscriptions[i][k], values, sizeof values);
        }
        struct csigshim__disposition *of = &csigshim__dispositions[signals[k]];
        const uintptr_t values[] = {(uintptr_t)of->old_action, of->installed, of->reachable, of->ever_blocked};
        memcpy(now.dispositions[k], values, sizeof values);
    }
    now.heap = mallinfo2().uordblks;
    return now;
}

#define COMPARE(member)                                                                                                \
    if (memcmp(&now->member, &then->member, sizeof now->member) != 0)                                                  \
    fail("%s: not as without a signal: %s", when, #member)

static void compare(const struct snapshot *now, const struct snapshot *then, const char *when) {
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (memcmp(&now->actions[signo], &then->actions[signo], sizeof now->actions[signo]) != 0)
            fail("%s: disposition of signal %d: handler %#lx with flags %#lx, not %#lx with %#lx", when, signo,
                 now->actions[signo].handler, now->actions[signo].flags, then->actions[signo].handler,
                 then->actions[signo].flags);
    COMPARE(mask);
    COMPARE(files);
    COMPARE(subscriptions);
    COMPARE(dispositions);
    COMPARE(heap);
}

static void check_guards(void) {
    for (int i = 0; i < 64; i++)
        if (guarded.before[i] != 0xa5 || guarded.after[i] != 0xa5)
            fail("memory beside what was given to the call has changed");
}

/* Takes signals all the time. Its system calls are raw, so that errno is what the handler leaves. */
static void *other_thread(void *unused) {
    const uint64_t all = ~(uint64_t)0, none = 0;
    (void)unused;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
    atomic_store(&page->other, (pid_t)syscall(SYS_gettid));
    for (;;) {
        uint64_t mask;
        long result;
        errno = ERRNO_OF_OTHER;
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "0"(SYS_rt_sigsuspend), "D"(&none), "S"(8)
                         : "rcx", "r11", "memory");
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
        if (errno != ERRNO_OF_OTHER || (mask | 0x40100) != all)
            fail_later("the other thread: errno %d, mask %llx", errno, (unsigned long long)mask);
        page->returns++;
        __asm__ volatile("int3\n.globl mark_other\nmark_other:" ::: "memory");
    }
    return unused;
}

static void wait_for_other(void) {
    while (page->returns < page->returns_expected)
        sched_yield();
}

/* A bridge that counts as notified over an empty pipe would not be notified of the next delivery. Without a call of
 * csigshim_fd, waiters wait for `notified` itself. */
static void check_notified(int i) {
    struct pollfd pipe = {.fd = bridges[i]->has.pipe.read_end.fd, .events = POLLIN};
    if (atomic_load(&bridges[i]->fd_in_use) && atomic_load(&bridges[i]->notified) && poll(&pipe, 1, 0) != 1)
        fail("bridge %d counts as notified, and its pipe is empty", i + 1);
}

static void measure(const struct scenario *scenario) {
    pthread_t thread;
    if (page->with_other && pthread_create(&thread, NULL, other_thread, NULL) != 0)
        fail("pthread_create");
    while (page->with_other && page->other == 0)
        sched_yield();
    for (int i = 0; i < 2; i++)
        tails[i] = bridges[i] == NULL ? 0 : atomic_load(&bridges[i]->tail);
    host_before = page->host;
    foreign_before = page->foreign;

    errno = ERRNO_BEFORE;
    __asm__ volatile("int3\n.globl mark_begin\nmark_begin:" ::: "memory");
    const int result = scenario->call();
    const int code = errno;
    __asm__ volatile("int3\n.globl mark_end\nmark_end:" ::: "memory");

    wait_for_other();
    fail_now();
    const struct snapshot at_end = take_snapshot();
    for (int i = 0; i < 2; i++)
        if (scenario->where == HERE && bridges[i] != NULL && atomic_load(&bridges[i]->open))
            check_notified(i);
    if (scenario->result != ANY && result != scenario->result)
        fail("the result is %d, not %d (errno %d)", result, scenario->result, code);
    if (page->recording) {
        page->at_end = at_end;
        page->result = result;
        page->code = code;
    } else {
        if (code != page->code && (code != ERRNO_BEFORE || result < 0))
            fail("errno is %d, not %d", code, page->code);
        compare(&at_end, &page->at_end, "after the call");
    }
    if (!scenario->dies)
        check_where(page->recording ? "0000" : scenario->during, "the signal");
    check_guards();
    send_here(scenario->signo ? scenario->signo : SENT);
    if (scenario->dies)
        fail("the next signal did not end the process");
    check_where(scenario->after, "the next signal");
    if (spawning && csigshim_spawn_end(&guarded.spawn) != 0)
        fail("csigshim_spawn_end: errno %d", errno);
    for (int i = 0; i < 2; i++)
        if (bridges[i] != NULL && atomic_load(&bridges[i]->open) && csigshim_close(bridges[i]) != 0)
            fail("csigshim_close: errno %d", errno);
    const struct snapshot at_exit = take_snapshot();
    if (page->recording)
        page->at_exit = at_exit;
    else
        compare(&at_exit, &page->at_exit, "after close");
    check_guards();
}

/* A child makes the call. None of the child's signals may come to its parent's bridge, which must still work. */
static void measure_in_child(const struct scenario *scenario) {
    int status = 0;
    const unsigned long of_parent = expected[0];
    expected[0] = 0;
    const pid_t child = scenario->where == FORKED   ? fork()
                        : scenario->where == CLONED ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)
                                                    : vfork();
    if (child == 0) {
        measure(scenario);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("the child ended with status %#x", (unsigned)status);
    host_before = page->host;
    foreign_before = page->foreign;
    expected[0] = of_parent;
    taken[0] = 0;
    check_where("0000", "the parent, of the child's signals");
    send_here(SENT);
    check_where("1000 1010", "the parent, of its own signal");
}

void run_traced(const struct scenario *scenario) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    memset(guarded.before, 0xa5, sizeof guarded.before);
    memset(guarded.after, 0xa5, sizeof guarded.after);
    install(SENT, host_handler, NULL);
    install(BESIDE, host_handler, NULL);
    scenario->prepare();
    if (scenario->where == HERE)
        measure(scenario);
    else
        measure_in_child(scenario);
    _exit(0);
}
