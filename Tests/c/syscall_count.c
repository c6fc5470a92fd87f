/* The system calls that one signal costs in a poll loop, counted by a tracer. The tracer sends each signal at the entry
 * of the poll that waits for it. So each signal interrupts its poll, and the numbers are the same in every run. */
#include "check.h"
#if defined(__linux__)
#include <sys/ptrace.h>
#include <sys/syscall.h>
#endif

#if defined(__linux__) && defined(PTRACE_GET_SYSCALL_INFO) && !defined(SANITIZED)

enum { WARM_UP = 32, SIGNALS = 1000, NUMBERS = 1024, ROOM = 16 };

struct page {
    _Atomic unsigned long taken; /* deliveries that the traced process has read */
};

static const struct {
    long number;
    const char *name;
} names[] = {
    {SYS_ppoll, "ppoll"},
    {SYS_getpid, "getpid"},
    {SYS_gettid, "gettid"},
    {SYS_read, "read"},
    {SYS_write, "write"},
    {SYS_futex, "futex"},
    {SYS_rt_sigreturn, "rt_sigreturn"},
    {SYS_rt_sigprocmask, "rt_sigprocmask"},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait"},
    {SYS_rt_sigaction, "rt_sigaction"},
    {SYS_clock_gettime, "clock_gettime"},
#if defined(SYS_poll)
    {SYS_poll, "poll"},
#endif
#if defined(SYS_fstat)
    {SYS_fstat, "fstat"},
#endif
#if defined(SYS_newfstatat)
    {SYS_newfstatat, "newfstatat"},
#endif
#if defined(SYS_statx)
    {SYS_statx, "statx"},
#endif
};

static const char *name_of(long number) {
    static char text[32];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf(text, sizeof text, "call number %ld", number);
    return text;
}

static bool is_poll(long number) {
#if defined(SYS_poll)
    if (number == SYS_poll)
        return true;
#endif
    return number == SYS_ppoll;
}

static void poll_until(csigshim_bridge *bridge, int fd, struct page *page, unsigned long taken) {
    csigshim_event events[ROOM];
    struct pollfd one = {.fd = fd, .events = POLLIN};
    while (page->taken < taken) {
        if (poll(&one, 1, -1) < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        const ssize_t count = csigshim_read(bridge, events, ROOM);
        CHECK(count >= 0);
        for (ssize_t i = 0; i < count; i++)
            page->taken += events[i].count;
    }
    CHECK(page->taken == taken);
}

/* The tracer counts between the two calls of getppid. */
static _Noreturn void poll_loop(struct page *page) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int fd = csigshim_fd(bridge);
    poll_until(bridge, fd, page, WARM_UP);
    (void)syscall(SYS_getppid);
    poll_until(bridge, fd, page, WARM_UP + SIGNALS);
    (void)syscall(SYS_getppid);
    _exit(0);
}

static pid_t traced_poll_loop(struct page *page) {
    const pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        poll_loop(page);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        SKIP("ptrace(2) is refused");
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) == 0);
    return pid;
}

/* Returns the number of the system call at whose entry the tracee stopped; -1 at an exit. */
static long entered(pid_t pid) {
    struct __ptrace_syscall_info info;
    memset(&info, 0, sizeof info);
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) <= 0)
        SKIP("this kernel does not tell a tracer the entry of a system call from its exit");
    return info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

/* Lets the loop run to its end; counts[n] becomes how often it made call n between the two calls of getppid. */
static void count_calls(pid_t pid, struct page *page, unsigned long counts[NUMBERS]) {
    unsigned long sent = 0;
    int markers = 0, signo = 0;
    for (int status;;) {
        CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signo) == 0);
        CHECK(waitpid(pid, &status, 0) == pid);
        if (!WIFSTOPPED(status)) {
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            break;
        }
        signo = WSTOPSIG(status);
        if (signo != (SIGTRAP | 0x80))
            continue; /* a signal, which it gets as it goes on */
        signo = 0;
        const long number = entered(pid);
        if (number < 0)
            continue;
        if (number == SYS_getppid)
            markers++;
        else if (markers == 1 && number < NUMBERS)
            counts[number]++;
        if (is_poll(number) && sent == page->taken) {
            sent++;
            CHECK(kill(pid, SIGUSR1) == 0);
        }
    }
    CHECK(markers == 2 && sent == WARM_UP + SIGNALS);
}

TEST(poll_loop_makes_few_system_calls_for_each_signal) {
    static unsigned long counts[NUMBERS];
    const unsigned long budget = test_is_handler() ? 8 : 5;
    unsigned long sum = 0;
    struct page *page = shared(sizeof *page);
    count_calls(traced_poll_loop(page), page, counts);
    for (int i = 0; i < NUMBERS; i++)
        sum += counts[i];
    const unsigned long tenths = (sum * 10 + SIGNALS - 1) / SIGNALS; /* rounded up: too many must show */
    printf("# %lu.%lu calls for each signal %s:", tenths / 10, tenths % 10,
           test_is_handler() ? "in a handler" : "over signalfd");
    const char *comma = "";
    for (int i = 0; i < NUMBERS; i++)
        if (counts[i] != 0) {
            printf("%s %s %.4g", comma, name_of(i), (double)counts[i] / SIGNALS);
            comma = ",";
        }
    printf("\n");
    CHECK(sum >= 2 * SIGNALS); /* at least poll and a read: otherwise nothing was counted */
    CHECK(sum <= budget * SIGNALS);
}

#else

TEST(poll_loop_makes_few_system_calls_for_each_signal) {
    SKIP("needs Linux, PTRACE_GET_SYSCALL_INFO, and no sanitizer, which makes calls of its own");
}

#endif
