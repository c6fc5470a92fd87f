/* What differs between systems, so that no function elsewhere has an #ifdef in its body.
 * Everything here that takes part in signal context is a system call without cancellation point, or arithmetic. */
#ifndef CSIGSHIM__PLATFORM_H
#define CSIGSHIM__PLATFORM_H

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#undef _FILE_OFFSET_BITS /* or fstat refuses large files where off_t has 32 bits */
#define _FILE_OFFSET_BITS 64
#include "include/CSignalShimSupport.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(_SIG_MAXSIG)
#define CSIGSHIM__NSIG (_SIG_MAXSIG + 1)
#elif defined(_NSIG)
#define CSIGSHIM__NSIG _NSIG
#else
#define CSIGSHIM__NSIG NSIG
#endif

/* write(2) of one byte that is no cancellation point: a cancelled thread must not leave the handler half-way. */
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__)
#include <sys/syscall.h>
static inline ssize_t csigshim__write_byte(int fd)
{
    return (ssize_t)syscall(SYS_write, fd, "", (size_t)1);
}
static inline ssize_t csigshim__read_bytes(int fd, void *bytes, size_t size)
{
    return (ssize_t)syscall(SYS_read, fd, bytes, size);
}
#elif defined(__APPLE__)
extern ssize_t csigshim__write_nocancel(int, const void *, size_t) __asm("_write$NOCANCEL");
extern ssize_t csigshim__read_nocancel(int, void *, size_t) __asm("_read$NOCANCEL");
static inline ssize_t csigshim__write_byte(int fd)
{
    return csigshim__write_nocancel(fd, "", 1);
}
static inline ssize_t csigshim__read_bytes(int fd, void *bytes, size_t size)
{
    return csigshim__read_nocancel(fd, bytes, size);
}
#else
static inline ssize_t csigshim__write_byte(int fd) /* POSIX.1-2024: pthread_setcancelstate is async-signal-safe */
{
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    ssize_t count = write(fd, "", 1);
    pthread_setcancelstate(state, &state);
    return count;
}
static inline ssize_t csigshim__read_bytes(int fd, void *bytes, size_t size)
{
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    ssize_t count = read(fd, bytes, size);
    pthread_setcancelstate(state, &state);
    return count;
}
#endif

/* Sleeping until *word is not 0, with no descriptor: futex(2). Elsewhere there is no such public call, and bridges are
 * polled; also under the thread sanitizer, which runs handlers only in calls that it knows to sleep. Returns 0, or the
 * reason why it did not sleep, or sleeps no longer. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CSIGSHIM__THREAD_SANITIZER 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define CSIGSHIM__THREAD_SANITIZER 1
#endif
#if defined(__linux__) && defined(SYS_futex) && !defined(CSIGSHIM__THREAD_SANITIZER)
#include <errno.h>
#include <linux/futex.h>
enum { CSIGSHIM__SLEEPS_ON_WORDS = 1 };
static inline int csigshim__sleep(_Atomic uint32_t *word, int timeout_ms)
{
    /* A timespec, as this call has it. Always one: without, the kernel goes back to sleep after a handler with
     * SA_RESTART, also in a child to which that handler forked. */
    const unsigned ms = timeout_ms < 0 ? 0x7fffffff : (unsigned)timeout_ms;
    const long left[2] = {ms / 1000, ms % 1000 * 1000000L};
    return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, left, NULL, 0) == 0 ? 0 : errno;
}
static inline void csigshim__wake_sleepers(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, NULL, NULL, 0);
}
#else
enum { CSIGSHIM__SLEEPS_ON_WORDS = 0 };
static inline int csigshim__sleep(_Atomic uint32_t *word, int timeout_ms)
{
    (void)word, (void)timeout_ms;
    return 0;
}
static inline void csigshim__wake_sleepers(_Atomic uint32_t *word)
{
    (void)word;
}
#endif

/* A flag that the C library adds to what it gives to the kernel; sigaction(2) hands it back. */
#if defined(__linux__)
enum { CSIGSHIM__FOREIGN_FLAGS = 0x04000000 }; /* SA_RESTORER */
#else
enum { CSIGSHIM__FOREIGN_FLAGS = 0 };
#endif

/* Sends signo to the calling thread. By hand on Linux, because some C libraries cache the numbers that a vforked
 * child must not trust; and a realtime signal, where the queue is full, by kill(2), which needs no place in it. */
#if defined(__linux__)
static inline void csigshim__raise(int signo)
{
    if (syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signo) != 0)
        (void)syscall(SYS_kill, getpid(), signo);
}
#else
static inline void csigshim__raise(int signo)
{
    (void)raise(signo);
}
#endif

/* The mask that the interrupted thread had. */
#if defined(__OpenBSD__)
static inline void csigshim__interrupted_mask(const void *context, sigset_t *mask)
{
    *mask = (sigset_t)((const struct sigcontext *)context)->sc_mask;
}
#else
static inline void csigshim__interrupted_mask(const void *context, sigset_t *mask)
{
    sigemptyset(mask);
    /* the kernel's set may be shorter than the C library's: take only the bits that are signals */
    memcpy(mask, &((const ucontext_t *)context)->uc_sigmask, (CSIGSHIM__NSIG + 6) / 8);
}
#endif

/* Places of two words at the end of siginfo_t that no signal uses. */
#if defined(__FreeBSD__)
enum { CSIGSHIM__MARKS = 2 };
#else
enum { CSIGSHIM__MARKS = 3 };
#endif

/* Signals that only some systems ignore by default. */
#if defined(__linux__)
static inline bool csigshim__ignored_here(int signo)
{
    (void)signo;
    return false;
}
#else
static inline bool csigshim__ignored_here(int signo)
{
    return signo == SIGIO || signo == SIGINFO;
}
#endif

/* The members of siginfo_t to which si_code gives a meaning: sigaction(2). */
#if defined(__linux__)
static inline void csigshim__choose(csigshim_event *event, int32_t pid, uint32_t uid, int32_t status, int32_t overrun,
                                    int32_t fd, uint64_t value) /* each of which may be another one's bytes */
{
    const int code = event->code;
    const bool child = event->signo == SIGCHLD && code > 0;
    if (code == SI_TIMER) {
        event->overrun = overrun;
    } else if (child) {
        event->status = status;
    } else if (code >= POLL_IN && code <= POLL_HUP) {
        event->fd = fd; /* SIGIO, or what F_SETSIG put in its place */
    }
    const bool user = code <= 0 && code != SI_TIMER && code != SI_SIGIO;
    if (user || child) {
        event->pid = pid;
        event->uid = uid;
    }
    if (code == SI_TIMER || (user && code != SI_USER && code != SI_TKILL)) /* the rest has SI_QUEUE's layout */
        event->value = value;
}
static inline void csigshim__details(csigshim_event *event, const siginfo_t *info)
{
    csigshim__choose(event, info->si_pid, info->si_uid, info->si_status, info->si_overrun, info->si_fd,
                     (uint64_t)(uintptr_t)info->si_value.sival_ptr);
}
#else
static inline void csigshim__details(csigshim_event *event, const siginfo_t *info)
{
    const int code = info->si_code;
    const bool child = info->si_signo == SIGCHLD && code > 0 && code != SI_USER && code != SI_QUEUE;
    if (child)
        event->status = info->si_status;
    if (child || code == SI_USER || code == SI_QUEUE || code == 0 /* macOS's kill */) {
        event->pid = info->si_pid;
        event->uid = info->si_uid;
    }
    if (code == SI_QUEUE || code == SI_TIMER)
        event->value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
}
#endif

/* Makes the kernel hand a forked child zeros in place of this page. -1 where it cannot: the atfork handler does it. */
#if defined(MADV_WIPEONFORK)
static inline int csigshim__wipe_on_fork(void *page, size_t size)
{
    return madvise(page, size, MADV_WIPEONFORK);
}
#elif defined(INHERIT_ZERO)
static inline int csigshim__wipe_on_fork(void *page, size_t size)
{
    return minherit(page, size, INHERIT_ZERO);
}
#elif defined(MAP_INHERIT_ZERO)
static inline int csigshim__wipe_on_fork(void *page, size_t size)
{
    return minherit(page, size, MAP_INHERIT_ZERO);
}
#else
static inline int csigshim__wipe_on_fork(void *page, size_t size)
{
    (void)page, (void)size;
    return -1;
}
#endif

/* FreeBSD takes a pipe's st_ino from a pool, so a number comes back; its st_ctim is the time of creation and stays.
 * Linux numbers pipes once, and changes st_ctim with each write. */
#if defined(__FreeBSD__)
static inline long csigshim__birth(const struct stat *status)
{
    return (long)status->st_ctim.tv_sec ^ status->st_ctim.tv_nsec;
}
#else
static inline long csigshim__birth(const struct stat *status)
{
    (void)status;
    return 0;
}
#endif

/* A nonblocking, close-on-exec pipe. */
#if defined(__APPLE__)
static inline int csigshim__pipe(int ends[2])
{
    if (pipe(ends) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}
static inline int csigshim__dup_onto(int fd, int number)
{
    return dup2(fd, number) < 0 ? -1 : fcntl(number, F_SETFD, FD_CLOEXEC);
}
#else
static inline int csigshim__pipe(int ends[2])
{
    return pipe2(ends, O_NONBLOCK | O_CLOEXEC);
}
static inline int csigshim__dup_onto(int fd, int number)
{
    return dup3(fd, number, O_CLOEXEC) < 0 ? -1 : 0;
}
#endif

#endif
