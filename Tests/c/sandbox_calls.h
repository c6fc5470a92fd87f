/* The system calls that a sandbox must permit to a program that opens a bridge, adds, receives, waits, reads, wakes,
 * removes and closes, on Linux. sandbox.c runs under exactly this list. csignalshim(7) has the same calls in the same
 * groups, and these, which sandbox.c does not make; Tests/tools/man_calls.sh compares the two.
 *
 * CALL(kcmp): a child of vfork(2) or clone(2) that a signal reaches before execve(2).
 * CALL(getrandom), CALL(pread64): the first csigshim_open, by glibc's dlopen(3). Not by each version of glibc, and not
 * for each executable.
 * CALL(getdents64), CALL(lseek): csigshim_unblocked_threads and csigshim_blocked_threads. */
#ifndef SANDBOX_CALLS_H
#define SANDBOX_CALLS_H

#include <sys/syscall.h>

struct sandbox_call {
    const char *name;
    long number;
};

#define CALL(name)                                                                                                     \
    { #name, SYS_##name }

/* Made by the handler, and by csigshim_wake. */
static const struct sandbox_call calls_in_signal_context[] = {
    CALL(clock_gettime), CALL(exit_group),   CALL(fstat),          CALL(futex),        CALL(getpid), CALL(gettid),
    CALL(kill),          CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(tkill),  CALL(write),
};

/* Made by the other functions: fcntl where the standard descriptors are closed, restart_syscall by a poll that was
 * stopped.
 */
static const struct sandbox_call calls_elsewhere[] = {
    CALL(brk),        CALL(close),  CALL(fcntl), CALL(ioctl), CALL(madvise),         CALL(mmap),
    CALL(munmap),     CALL(openat), CALL(pipe2), CALL(read),  CALL(clock_nanosleep), CALL(restart_syscall),
#ifdef SYS_poll
    CALL(poll),
#endif
    CALL(ppoll),
#ifdef SYS_newfstatat /* glibc's fstat */
    CALL(newfstatat),
#endif
#ifndef __GLIBC__ /* musl's open, sleep and stdio */
#ifdef SYS_open
    CALL(open),
#endif
    CALL(nanosleep),  CALL(writev),
#endif
};

/* Made by these over signalfd. */
static const struct sandbox_call calls_over_signalfd[] = {
    CALL(epoll_create1), CALL(epoll_ctl), CALL(prlimit64), CALL(rt_sigtimedwait), CALL(signalfd4),
};
#undef CALL
#endif
