/* A small test harness. TEST(name) { ... } defines a test, and this file defines main. Each test runs in a child
 * process with a deadline, so that dispositions, masks and descriptors do not leak into the next one. `program name...`
 * runs the tests with these names. The environment variable CSIGSHIM_MECHANISM, handler or signalfd, selects the
 * mechanism. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CSignalShimSupport.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if !defined(__linux__)
#include "non_linux.h"
#endif

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#if defined(EMULATED) /* Tests/prove/systems/run.sh defines it, and SANITIZED */
enum { DEADLINE_SECONDS = 240 };
#define SCALED(n) ((n) / 10)
#elif defined(SANITIZED) /* run.sh defines it */
enum { DEADLINE_SECONDS = 90 };
#define SCALED(n) ((n) / 10)
#else
enum { DEADLINE_SECONDS = 60 };
#define SCALED(n) (n)
#endif

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            check_failed(__FILE__, __LINE__, #condition);                                                              \
    } while (0)

/* The thread sanitizer delays a signal until the thread makes a blocking call, and keeps only one of each number. */
#define SKIP_IF_MERGED()                                                                                               \
    do {                                                                                                               \
        if (UNDER_TSAN)                                                                                                \
            SKIP("the thread sanitizer coalesces queued signals");                                                     \
    } while (0)

#define FAILS(call, code) CHECK((errno = 0, (call) == -1 && errno == (code)))

/* Skips a test for which this machine lacks a permission or a feature. */
#define SKIP(reason)                                                                                                   \
    do {                                                                                                               \
        printf("skip %s%s: %s\n", check_current, test_label(), reason);                                                \
        fflush(stdout);                                                                                                \
        _exit(77);                                                                                                     \
    } while (0)

#define TEST(name)                                                                                                     \
    static void name(void);                                                                                            \
    __attribute__((constructor)) static void register_##name(void) {                                                   \
        check_tests[check_count++] = (struct check_test){#name, name};                                                 \
    }                                                                                                                  \
    static void name(void)

struct check_test {
    const char *name;
    void (*run)(void);
};
static struct check_test check_tests[100];
static int check_count;
static const char *check_current = "";

static inline bool test_is_handler(void) {
    const char *name = getenv("CSIGSHIM_MECHANISM");
    return name == NULL || strcmp(name, "signalfd") != 0;
}

static inline int test_mechanism(void) {
    return test_is_handler() ? CSIGSHIM_HANDLER : CSIGSHIM_SIGNALFD;
}

static inline const char *test_label(void) {
    return test_is_handler() ? "" : " (signalfd)";
}

static inline void check_failed(const char *file, int line, const char *text) {
    const int code = errno;
    printf("%s:%d: %s (errno %d, %s)\n", file, line, text, code, strerror(code));
    fflush(stdout);
    _exit(1);
}

static inline int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline void pause_ms(int ms) {
    struct timespec end; /* an absolute time: rounding the time that is left would never end under a flood of signals */
    clock_gettime(CLOCK_MONOTONIC, &end);
    const long nanoseconds = end.tv_nsec + ms % 1000 * 1000000l;
    end.tv_sec += ms / 1000 + nanoseconds / 1000000000;
    end.tv_nsec = nanoseconds % 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
}

/* Each test has a process group of its own. The group is killed at the end, so that no child outlives its test. */
static inline bool check_run(const struct check_test *test) {
    siginfo_t info;
    check_current = test->name;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        /* All processes of a user share one queue of signals: a test that fills its own leaves room for the others. */
        const struct rlimit none = {0, 0}, queue = {40000, 40000};
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_SIGPENDING, &queue);
        setpgid(0, 0);
        struct sigaction given; /* inherited: the background job of a shell ignores SIGINT */
        for (int signo = 1; signo <= SIGRTMAX; signo++)
            if (sigaction(signo, NULL, &given) == 0 && given.sa_handler == SIG_IGN)
                signal(signo, SIG_DFL);
        test->run();
        fflush(stdout);
        _exit(0);
    }
    setpgid(child, child);
    const int64_t deadline = milliseconds() + DEADLINE_SECONDS * 1000;
    bool late = false;
    do {
        info.si_pid = 0;
        waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
        late = milliseconds() > deadline;
        if (info.si_pid == 0)
            pause_ms(2);
    } while (info.si_pid == 0 && !late);
    kill(-child, SIGKILL); /* the child is not reaped yet, so the number is still in use by it */
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (info.si_pid != 0 && WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77)) {
        if (WEXITSTATUS(status) == 0)
            printf("ok %s%s\n", test->name, test_label());
        return true;
    }
    if (info.si_pid == 0)
        printf("FAIL %s%s (no end within %d s)\n", test->name, test_label(), DEADLINE_SECONDS);
    else if (WIFSIGNALED(status))
        printf("FAIL %s%s (signal %d)\n", test->name, test_label(), WTERMSIG(status));
    else
        printf("FAIL %s%s (exit %d)\n", test->name, test_label(), WEXITSTATUS(status));
    return false;
}

int main(int argc, char **argv) {
    int failed = 0, run = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < check_count; i++) {
        bool wanted = argc == 1;
        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], check_tests[i].name) == 0;
        if (!wanted)
            continue;
        run++;
        failed += !check_run(&check_tests[i]);
    }
    printf("%d passed, %d failed\n", run - failed, failed);
    return failed != 0 || run == 0;
}

/* Helpers of several test programs. */

#define HANDLER_ONLY(reason)                                                                                           \
    do {                                                                                                               \
        if (!test_is_handler())                                                                                        \
            SKIP("handler mechanism only: " reason);                                                                   \
    } while (0)

#define SIGNALFD_ONLY(reason)                                                                                          \
    do {                                                                                                               \
        if (test_is_handler())                                                                                         \
            SKIP("signalfd mechanism only: " reason);                                                                  \
    } while (0)

/* The differences between the mechanisms that most tests need. Over signalfd there is no chaining, and one bridge for
 * each signal. The kernel holds unread signals and coalesces the standard ones. */
static inline unsigned chain_if_possible(void) {
    return test_is_handler() ? CSIGSHIM_CHAIN : 0;
}

static inline int for_second_bridge(int signo) {
    return test_is_handler() ? signo : SIGHUP;
}

static inline unsigned long unread(int signo, unsigned long sent) {
    return test_is_handler() || signo >= SIGRTMIN || sent == 0 ? sent : 1;
}

/* Returns a signal that the kernel does not coalesce over this mechanism, so that each delivery can be counted. */
static inline int countable_signal(void) {
    return test_is_handler() ? SIGUSR1 : SIGRTMIN + 9;
}

static inline void post(pid_t target, int signo, int value) {
    while (signo < SIGRTMIN ? kill(target, signo) : sigqueue(target, signo, (union sigval){.sival_int = value})) {
        CHECK(errno == EAGAIN); /* the kernel's queue is full */
        sched_yield();
    }
}

static inline csigshim_bridge *opened(void) {
    csigshim_bridge *bridge = NULL;
    CHECK(csigshim_open(&bridge, test_mechanism()) == 0);
    CHECK(bridge != NULL);
    return bridge;
}

static inline csigshim_bridge *opened_on(int signo, unsigned flags) {
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_add(bridge, signo, flags) == 0);
    return bridge;
}

/* Calls csigshim_fd, after which the descriptor is in use. */
static inline csigshim_bridge *polled(csigshim_bridge *bridge) {
    CHECK(csigshim_fd(bridge) >= 3);
    return bridge;
}

/* Reads all events and returns the number of deliveries. They must be of signo. */
static inline unsigned long drained(csigshim_bridge *bridge, int signo) {
    csigshim_event events[256];
    unsigned long sum = 0;
    for (ssize_t count; (count = csigshim_read(bridge, events, 256)) != 0;) {
        CHECK(count > 0);
        for (ssize_t i = 0; i < count; i++) {
            CHECK(events[i].signo == signo);
            CHECK(events[i].count >= 1);
            sum += events[i].count;
        }
    }
    return sum;
}

/* Waits and reads until there were `expected` deliveries, and no more. */
static inline void collect(csigshim_bridge *bridge, int signo, unsigned long expected) {
    unsigned long sum = 0;
    while (sum < expected) {
        CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1);
        sum += drained(bridge, signo);
    }
    CHECK(sum == expected);
    CHECK(csigshim_wait(bridge, 20) == 0);
}

static inline void raise_times(int signo, int times) {
    for (int i = 0; i < times; i++)
        CHECK(raise(signo) == 0);
}

/* Waits for the next event and returns it. */
static inline csigshim_event next_event(csigshim_bridge *bridge) {
    csigshim_event event;
    ssize_t count;
    do {
        CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1);
        count = csigshim_read(bridge, &event, 1);
    } while (count == 0);
    CHECK(count == 1);
    return event;
}

static inline int status_of(pid_t pid) {
    int status;
    CHECK(pid > 0);
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    return status;
}

static inline bool exited(pid_t pid, int code) {
    const int status = status_of(pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static inline bool died_of(pid_t pid, int signo) {
    const int status = status_of(pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

/* Returns zeroed memory that forked children share with the parent. */
static inline void *shared(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* Installs a handler as another library does: it saves the action that it replaces. */
static inline void put_on_top(int signo, void (*handler)(int, siginfo_t *, void *), struct sigaction *saved) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    CHECK(sigaction(signo, &action, saved) == 0);
}

static inline void install(int signo, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK(sigaction(signo, &action, NULL) == 0);
}

static inline bool is_blocked(int signo) {
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    return sigismember(&mask, signo) == 1;
}

static inline void change_mask(int how, int signo) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signo);
    CHECK(pthread_sigmask(how, &one, NULL) == 0);
}

static inline pthread_t started(void *(*body)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    return thread;
}

#endif
