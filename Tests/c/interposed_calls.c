/* A preloaded library may wrap calls as safe as fstat(2), and take a lock in the wrapper. So neither the handler nor
 * csigshim_wake calls a function that can be wrapped. This program wraps all the functions that they could call, and
 * notes each wrapper that a delivery enters. */
#undef _FORTIFY_SOURCE /* it defines some of the names below */
#include "bounded.h"

#if defined(__GLIBC__) && !defined(SANITIZED) && (defined(__x86_64__) || defined(__aarch64__) || defined(__riscv))
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static _Thread_local volatile bool watching;
static const char *volatile *entered; /* the first wrapper that a delivery entered; children share it */

static void note(const char *name) {
    if (watching && entered != NULL && *entered == NULL)
        *entered = name;
}

/* Looked up before main, so that no wrapper calls the loader later. */
#define WRAP(result, name, parameters, arguments)                                                                      \
    static result(*real_##name) parameters;                                                                            \
    __attribute__((constructor)) static void find_##name(void) {                                                       \
        *(void **)(&real_##name) = dlsym(RTLD_NEXT, #name);                                                            \
    }                                                                                                                  \
    result name parameters {                                                                                           \
        note(#name);                                                                                                   \
        if (real_##name == NULL)                                                                                       \
            find_##name();                                                                                             \
        return real_##name arguments;                                                                                  \
    }

WRAP(int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(int, fstat64, (int fd, struct stat64 *status), (fd, status))
WRAP(int, clock_gettime, (clockid_t clock, struct timespec *now), (clock, now))
WRAP(pid_t, getpid, (void), ())
WRAP(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size))
WRAP(int, kill, (pid_t pid, int signo), (pid, signo))
WRAP(int, raise, (int signo), (signo))
WRAP(int, pthread_kill, (pthread_t thread, int signo), (thread, signo))
WRAP(int, poll, (struct pollfd * descriptors, nfds_t count, int timeout), (descriptors, count, timeout))
WRAP(int, sigaction, (int signo, const struct sigaction *action, struct sigaction *old), (signo, action, old))
WRAP(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
WRAP(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
WRAP(int, sigemptyset, (sigset_t * set), (set))
WRAP(int, sigfillset, (sigset_t * set), (set))
WRAP(int, sigaddset, (sigset_t * set, int signo), (set, signo))
WRAP(int, sigdelset, (sigset_t * set, int signo), (set, signo))
WRAP(int, sigismember, (const sigset_t *set, int signo), (set, signo))
WRAP(int, pthread_setcancelstate, (int state, int *old), (state, old))
WRAP(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
WRAP(int, pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
WRAP(int, sched_yield, (void), ())

/* These run before anything can be looked up. */
#define VOLATILE_BYTES(to, from)                                                                                       \
    volatile unsigned char *const to##_bytes = to;                                                                     \
    const unsigned char *const from##_bytes = from

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    VOLATILE_BYTES(to, from);
    note("memcpy");
    for (size_t i = 0; i < size; i++)
        to_bytes[i] = from_bytes[i];
    return to;
}

void *memset(void *to, int byte, size_t size) {
    volatile unsigned char *const bytes = to;
    note("memset");
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)byte;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    VOLATILE_BYTES(to, from);
    note("memmove");
    for (size_t i = 0; i < size; i++) {
        const size_t at = to_bytes < from_bytes ? i : size - 1 - i;
        to_bytes[at] = from_bytes[at];
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t size) {
    const volatile unsigned char *const one_bytes = one;
    const volatile unsigned char *const other_bytes = other;
    note("memcmp");
    for (size_t i = 0; i < size; i++)
        if (one_bytes[i] != other_bytes[i])
            return one_bytes[i] < other_bytes[i] ? -1 : 1;
    return 0;
}

static long (*real_syscall)(long, ...);

long syscall(long number, ...) {
    va_list list;
    long a[6];
    note("syscall");
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (real_syscall == NULL)
        *(void **)(&real_syscall) = dlsym(RTLD_NEXT, "syscall");
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void prepare(void) {
    entered = shared(sizeof *entered);
    watching = true; /* first the test shows that it sees a wrapper which is entered */
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    watching = false;
    CHECK(*entered != NULL && strcmp((const char *)*entered, "clock_gettime") == 0);
    *entered = NULL;
    (void)syscall(SYS_getpid);
}

static void expect_none_entered(const char *situation) {
    if (*entered != NULL)
        printf("%s: a delivery calls %s\n", situation, (const char *)*entered);
    CHECK(*entered == NULL);
}

/* The signal comes before this returns. Apart from the handlers, only the C library's own code runs in here. */
static void take(int signo) {
    change_mask(SIG_UNBLOCK, signo); /* over signalfd, so that the handler runs */
    const pid_t pid = getpid(), thread = (pid_t)syscall(SYS_gettid);
    watching = true;
    const long result = real_syscall(SYS_tgkill, pid, thread, signo);
    watching = false;
    CHECK(result == 0);
}

static void *waits(void *bridge) {
    CHECK(csigshim_wait(bridge, -1) == 1);
    return NULL;
}

static void hosts_function(int signo) {
    (void)signo;
}

static void hosts_siginfo_function(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
}

TEST(delivery_enters_no_wrapper) {
    prepare();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    take(SIGUSR1);
    expect_none_entered("no thread waits");
    collect(bridge, SIGUSR1, 1);

    const pthread_t waiter = started(waits, bridge);
    pause_ms(200);
    take(SIGUSR1);
    CHECK(pthread_join(waiter, NULL) == 0);
    expect_none_entered("a thread waits");
    collect(bridge, SIGUSR1, 1);

    polled(bridge);
    take(SIGUSR1);
    expect_none_entered("polled");
    collect(bridge, SIGUSR1, 1);

    for (int i = 0; i < 16384; i++)
        raise(SIGUSR1);
    take(SIGUSR1);
    expect_none_entered("full");
    collect(bridge, SIGUSR1, 16385);

    csigshim_bridge *second = opened();
    CHECK(csigshim_add(second, for_second_bridge(SIGUSR1), 0) == 0);
    take(for_second_bridge(SIGUSR1));
    expect_none_entered("two bridges");

    const int kinds[] = {SIGCHLD, SIGIO, SIGRTMIN + 1};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        CHECK(csigshim_add(bridge, kinds[i], 0) == 0);
        take(kinds[i]);
        expect_none_entered("a signal with details of another layout");
    }
}

TEST(chained_delivery_enters_no_wrapper) {
    HANDLER_ONLY("chaining");
    prepare();
    const int flags[] = {0, SA_NODEFER, SA_RESTART | SA_ONSTACK, (int)SA_RESETHAND};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        install(SIGUSR1, hosts_function, flags[i]);
        csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
        for (int k = 0; k < 2; k++)
            take(SIGUSR1);
        expect_none_entered("chained to a plain function");
        CHECK(csigshim_close(bridge) == 0);
    }
    put_on_top(SIGUSR1, hosts_siginfo_function, NULL);
    polled(opened_on(SIGUSR1, CSIGSHIM_CHAIN));
    take(SIGUSR1);
    expect_none_entered("chained to a function with siginfo");
    install(SIGUSR2, SIG_IGN, 0);
    opened_on(SIGUSR2, CSIGSHIM_CHAIN);
    take(SIGUSR2);
    expect_none_entered("chained to SIG_IGN");
}

static struct sigaction found_by_host;

static void calls_what_it_found(int signo, siginfo_t *info, void *context) {
    found_by_host.sa_sigaction(signo, info, context);
}

TEST(delivery_through_a_handler_on_top_enters_no_wrapper) {
    prepare();
    install(SIGUSR1, hosts_function, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, chain_if_possible());
    put_on_top(SIGUSR1, calls_what_it_found, &found_by_host);
    take(SIGUSR1);
    expect_none_entered("called by the handler on top");
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    take(SIGUSR1);
    expect_none_entered("called by the handler on top, after the removal");
}

TEST(delivery_without_descriptors_enters_no_wrapper) {
    HANDLER_ONLY("a blocked signal stays pending");
    prepare();
    install(SIGUSR1, hosts_function, 0);
    install(SIGUSR2, SIG_IGN, 0);
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_add(bridge, SIGURG, 0) == 0);
    close_all_descriptors();
    take(SIGUSR1);
    take(SIGUSR2);
    take(SIGURG);
    expect_none_entered("the bridge's descriptors are closed");
}

static void terminated_without_descriptors(void) {
    polled(opened_on(SIGTERM, 0));
    close_all_descriptors();
    take(SIGTERM);
}

static void escalates(void) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 2) == 0);
    take(SIGTERM);
    take(SIGTERM);
}

TEST(default_action_enters_no_wrapper) {
    HANDLER_ONLY("a blocked signal stays pending");
    prepare();
    CHECK(dies_of(terminated_without_descriptors, SIGTERM));
    expect_none_entered("the default action");
    CHECK(dies_of(escalates, SIGTERM));
    expect_none_entered("escalation");
}

static void in_cloned_child(int signo, int expected) {
    int status = -1;
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        take(signo);
        take(signo);
        _exit(0);
    }
    CHECK(ended(child, &status));
    CHECK(expected == 0 ? WIFEXITED(status) : WIFSIGNALED(status) && WTERMSIG(status) == expected);
    expect_none_entered("a cloned child");
}

TEST(delivery_in_a_cloned_child_enters_no_wrapper) {
    prepare();
    install(SIGUSR1, hosts_function, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, chain_if_possible());
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    in_cloned_child(SIGUSR1, 0);
    in_cloned_child(SIGTERM, SIGTERM);
}

static csigshim_bridge *woken;

static void wakes(int signo) {
    (void)signo;
    (void)csigshim_wake(woken);
}

TEST(wake_in_a_handler_enters_no_wrapper) {
    prepare();
    woken = opened();
    install(SIGUSR2, wakes, 0);
    take(SIGUSR2);
    expect_none_entered("csigshim_wake, no thread waits");
    CHECK(csigshim_wait(woken, 0) == 1 && csigshim_read(woken, &(csigshim_event){0}, 1) == 0);

    const pthread_t waiter = started(waits, woken);
    pause_ms(200);
    take(SIGUSR2);
    CHECK(pthread_join(waiter, NULL) == 0);
    expect_none_entered("csigshim_wake, a thread waits");
    CHECK(csigshim_read(woken, &(csigshim_event){0}, 1) == 0);

    polled(woken);
    for (int i = 0; i < 3; i++)
        take(SIGUSR2);
    expect_none_entered("csigshim_wake, polled");
    CHECK(csigshim_wait(woken, 0) == 1 && csigshim_read(woken, &(csigshim_event){0}, 1) == 0);
    close_all_descriptors();
    take(SIGUSR2);
    expect_none_entered("csigshim_wake, the descriptors are closed");
}
#else
TEST(delivery_enters_no_wrapper) {
    SKIP("wrappers need glibc, no sanitizer, and an architecture with system calls of the library's own");
}
#endif
