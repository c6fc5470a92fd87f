/* Differences between systems, so that no function elsewhere has an #ifdef in its body. On 64-bit Linux, code in signal
 * context makes raw system calls. A C library function could be interposed (LD_PRELOAD, a sanitizer), take a lock, be a
 * cancellation point, or be bound lazily on a small signal stack. Other systems call async-signal-safe functions of
 * POSIX. Both return a negative errno code when they fail. */
#ifndef CSIGSHIM__PLATFORM_H
#define CSIGSHIM__PLATFORM_H

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#if defined(__linux__) && !defined(_FILE_OFFSET_BITS)
#define _FILE_OFFSET_BITS 64 /* where off_t has 32 bits, fstat refuses large files */
#endif
#include "include/CSignalShimSupport.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(_SIG_MAXSIG)
#define CSIGSHIM__NSIG (_SIG_MAXSIG + 1)
#elif defined(_NSIG)
#define CSIGSHIM__NSIG _NSIG
#else
#define CSIGSHIM__NSIG NSIG
#endif
enum { CSIGSHIM__MASK_SIZE = (CSIGSHIM__NSIG + 6) / 8 }; /* bytes of a sigset_t that the kernel uses */

/* The thread sanitizer wraps sigaction(2), and runs handlers only in calls that it knows to block. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CSIGSHIM__THREAD_SANITIZER 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define CSIGSHIM__THREAD_SANITIZER 1
#endif

/* The kernel's clock, which needs no system call; null: there is none. */
extern _Atomic(int (*)(clockid_t, struct timespec *)) csigshim__vdso_clock __attribute__((visibility("hidden")));

#if defined(__linux__) && defined(__LP64__) && !defined(CSIGSHIM__THREAD_SANITIZER) &&                                 \
    (defined(__x86_64__) || defined(__aarch64__) || defined(__riscv))
#define CSIGSHIM__RAW       1
#define CSIGSHIM__HAS_FUTEX 1
#if defined(__aarch64__)
#define CSIGSHIM__VDSO_CLOCK "__kernel_clock_gettime"
#else
#define CSIGSHIM__VDSO_CLOCK "__vdso_clock_gettime"
#endif
#include <sys/syscall.h>

#if !defined(CSIGSHIM__SYSTEM_CALL) /* tests make system calls fail by a definition of their own */
#define CSIGSHIM__SYSTEM_CALL csigshim__system_call
static inline long csigshim__system_call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
    register long r10 __asm("r10") = d;
    __asm volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return number;
#elif defined(__aarch64__)
    register long x8 __asm("x8") = number, x0 __asm("x0") = a, x1 __asm("x1") = b, x2 __asm("x2") = c;
    register long x3 __asm("x3") = d;
    __asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
    register long a7 __asm("a7") = number, a0 __asm("a0") = a, a1 __asm("a1") = b, a2 __asm("a2") = c;
    register long a3 __asm("a3") = d;
    __asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3) : "memory");
    return a0;
#endif
}
#endif

#define csigshim__getpid()                    ((pid_t)CSIGSHIM__SYSTEM_CALL(SYS_getpid, 0, 0, 0, 0))
#define csigshim__write_byte(fd)              CSIGSHIM__SYSTEM_CALL(SYS_write, fd, (long)"", 1, 0)
#define csigshim__read_bytes(fd, bytes, size) CSIGSHIM__SYSTEM_CALL(SYS_read, fd, (long)(bytes), (long)(size), 0)
#define csigshim__fstat(fd, status)           CSIGSHIM__SYSTEM_CALL(SYS_fstat, fd, (long)(status), 0, 0)
#define csigshim__exit(status)                ((void)CSIGSHIM__SYSTEM_CALL(SYS_exit_group, status, 0, 0, 0))
/* The numbers of linux/futex.h, which is not installed with every C library. */
enum { CSIGSHIM__FUTEX_WAIT = 128, CSIGSHIM__FUTEX_WAKE = 129 };
#define csigshim__futex(word, operation, value, timeout)                                                               \
    CSIGSHIM__SYSTEM_CALL(SYS_futex, (long)(word), operation, value, (long)(timeout))

/* Sends signo to the calling thread, whose id is never that of another process. If the kernel's queue is full, kill(2)
 * needs no entry in it. But if getpid(2) was refused, kill(2) would signal a process group. */
static inline long csigshim__send_to_thread(int signo) {
    const long thread = CSIGSHIM__SYSTEM_CALL(SYS_gettid, 0, 0, 0, 0);
    const long result = thread > 0 ? CSIGSHIM__SYSTEM_CALL(SYS_tkill, thread, signo, 0, 0) : thread;
    const pid_t pid = result == -EAGAIN ? csigshim__getpid() : -1;
    return pid > 0 ? CSIGSHIM__SYSTEM_CALL(SYS_kill, pid, signo, 0, 0) : result;
}

/* Whether two processes may share one table of handlers: clone(2) with CLONE_SIGHAND. 4 is KCMP_SIGHAND. */
#define csigshim__may_share_handlers(a, b) (CSIGSHIM__SYSTEM_CALL(SYS_kcmp, a, b, 4, 0) <= 0)

static inline void csigshim__read_clock(struct timespec *now) {
    now->tv_sec = now->tv_nsec = 0; /* where a sandbox refuses */
    int (*const clock)(clockid_t, struct timespec *) = atomic_load(&csigshim__vdso_clock);
    if (clock == NULL || clock(CLOCK_MONOTONIC, now) != 0)
        (void)CSIGSHIM__SYSTEM_CALL(SYS_clock_gettime, CLOCK_MONOTONIC, (long)now, 0, 0);
}

/* A mask as the kernel takes it: a sigset_t of the C library may need 128 bytes of stack. */
static inline uint64_t csigshim__kernel_mask(const sigset_t *set) {
    return *(const uint64_t __attribute__((may_alias)) *)set;
}

static inline long csigshim__change_mask(int how, int signo) {
    const uint64_t mask = UINT64_C(1) << (signo - 1);
    return CSIGSHIM__SYSTEM_CALL(SYS_rt_sigprocmask, how, (long)&mask, 0, sizeof mask);
}

/* The mask that the kernel would have given to the action's handler. */
static inline void csigshim__set_handler_mask(const struct sigaction *action, int signo, const void *context) {
    uint64_t mask = csigshim__kernel_mask(&((const ucontext_t *)context)->uc_sigmask);
    mask |= csigshim__kernel_mask(&action->sa_mask);
    mask |= action->sa_flags & SA_NODEFER ? 0 : UINT64_C(1) << (signo - 1);
    (void)CSIGSHIM__SYSTEM_CALL(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask);
}

/* The kernel's own structure of a sigaction(2). */
#define csigshim__handler_field handler
struct csigshim__action_now {
    void (*handler)(int);
    unsigned long flags;
#if defined(__riscv)
    uint64_t mask, unused; /* qemu-user reads and writes a word more than Linux */
#else
    void (*restorer)(void); /* returns from a handler that the C library has installed */
    uint64_t mask;
#endif
};

#define csigshim__exchange_action(signo, new, old)                                                                     \
    CSIGSHIM__SYSTEM_CALL(SYS_rt_sigaction, signo, (long)(new), (long)(old), sizeof(uint64_t))
#else
#define CSIGSHIM__HAS_FUTEX                              0
#define CSIGSHIM__VDSO_CLOCK                             "none"
enum { CSIGSHIM__FUTEX_WAKE };
#define csigshim__futex(word, operation, value, timeout) ((void)(word))
#define csigshim__getpid()                               getpid()
#define csigshim__write_byte(fd)                         csigshim__transfer(fd, (char[1]){0}, 1, true)
#define csigshim__read_bytes(fd, bytes, size)            csigshim__transfer(fd, bytes, size, false)
#define csigshim__fstat(fd, status)                      (fstat(fd, status) == 0 ? 0 : -errno)
#define csigshim__exit(status)                           _exit(status)
#define csigshim__send_to_thread(signo)                                                                                \
    (raise(signo) == 0 || (getpid() > 0 && kill(getpid(), signo) == 0) ? 0L : (long)-errno)
#define csigshim__may_share_handlers(a, b)         ((void)(a), (void)(b), false)
#define csigshim__read_clock(now)                  ((void)clock_gettime(CLOCK_MONOTONIC, now))
#define csigshim__action_now                       sigaction
#define csigshim__handler_field                    sa_handler
#define csigshim__exchange_action(signo, new, old) (sigaction(signo, new, old) == 0 ? 0L : (long)-errno)

/* No cancellation point. POSIX.1-2024: pthread_setcancelstate(3) is async-signal-safe. */
static inline long csigshim__transfer(int fd, void *bytes, size_t size, bool writes) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    const ssize_t count = writes ? write(fd, bytes, size) : read(fd, bytes, size);
    const int code = errno;
    pthread_setcancelstate(state, &state);
    return count < 0 ? -code : count;
}

static inline long csigshim__change_mask(int how, int signo) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, signo);
    return -pthread_sigmask(how, &mask, NULL);
}

static inline void csigshim__set_handler_mask(const struct sigaction *action, int signo, const void *context) {
    sigset_t mask = action->sa_mask;
#if defined(__OpenBSD__)
    mask |= (sigset_t)((const struct sigcontext *)context)->sc_mask;
#else /* the kernel's set may be shorter than the C library's */
    for (size_t i = 0; i < CSIGSHIM__MASK_SIZE; i++)
        ((char *)&mask)[i] |= ((const char *)&((const ucontext_t *)context)->uc_sigmask)[i];
#endif
    if (!(action->sa_flags & SA_NODEFER))
        sigaddset(&mask, signo);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}
#endif

static inline long csigshim__get_handler(int signo, void (**handler)(int)) {
    struct csigshim__action_now now;
    now.csigshim__handler_field = SIG_DFL;
    const long result = csigshim__exchange_action(signo, NULL, &now);
    *handler = now.csigshim__handler_field;
    return result;
}

/* Installs SIG_DFL or SIG_IGN. `old` may be null. */
static inline long csigshim__set_plain(int signo, bool ignored, struct csigshim__action_now *old) {
    static const struct csigshim__action_now plain[] = {{.csigshim__handler_field = SIG_DFL},
                                                        {.csigshim__handler_field = SIG_IGN}};
    return csigshim__exchange_action(signo, &plain[ignored], old);
}

/* CLOCK_MONOTONIC, in nanoseconds */
static inline uint64_t csigshim__now(void) {
    struct timespec now;
    csigshim__read_clock(&now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Differences of signals, siginfo_t and st_ctim. FreeBSD reuses a pipe's st_ino, but its st_ctim is the time of
 * creation and does not change. Linux never reuses one, and changes st_ctim with each write. */
#if defined(__linux__)
#define CSIGSHIM__IGNORED_HERE(signo) false
#define CSIGSHIM__IS_TIMER(code)      ((code) == SI_TIMER)
#define CSIGSHIM__IS_USER(code)       ((code) <= 0 && (code) != SI_TIMER && (code) != SI_SIGIO)
#define CSIGSHIM__HAS_VALUE(code)     ((code) <= 0 && (code) != SI_SIGIO && (code) != SI_USER && (code) != SI_TKILL)
#define CSIGSHIM__IS_CHILD(code)      ((code) > 0)
#else
#define CSIGSHIM__IGNORED_HERE(signo) ((signo) == SIGIO || (signo) == SIGINFO)
#define CSIGSHIM__IS_TIMER(code)      false
#define CSIGSHIM__IS_USER(code)       ((code) == SI_USER || (code) == SI_QUEUE || (code) == 0 /* macOS: kill(2) */)
#define CSIGSHIM__HAS_VALUE(code)     ((code) == SI_QUEUE || (code) == SI_TIMER)
#define CSIGSHIM__IS_CHILD(code)      ((code) > 0 && !CSIGSHIM__IS_USER(code))
#endif
#if defined(__FreeBSD__)
#define CSIGSHIM__CREATED(status) ((long)(status)->st_ctim.tv_sec ^ (status)->st_ctim.tv_nsec)
#else
#define CSIGSHIM__CREATED(status) 0L
#endif

/* The members of siginfo_t to which si_code gives a meaning: sigaction(2). */
static inline void csigshim__set_details(csigshim_event *event, const siginfo_t *info) {
    const int code = info->si_code;
    const bool child = info->si_signo == SIGCHLD && CSIGSHIM__IS_CHILD(code);
    if (child)
        event->status = info->si_status;
    if (child || CSIGSHIM__IS_USER(code)) {
        event->pid = info->si_pid;
        event->uid = info->si_uid;
    }
    if (CSIGSHIM__HAS_VALUE(code))
        event->value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
#if defined(__linux__)
    if (CSIGSHIM__IS_TIMER(code))
        event->overrun = info->si_overrun;
    else if (!child && code >= POLL_IN && code <= POLL_HUP) /* SIGIO, or the signal of F_SETSIG */
        event->fd = info->si_fd;
#endif
}

/* The rest is not for signal context. */

static inline int csigshim__fail(int code) {
    errno = code;
    return -1;
}

/* SA_RESTORER: Linux C libraries add it for the kernel, and sigaction(2) returns it. Elsewhere it is no flag. */
enum { CSIGSHIM__LIBRARY_FLAGS = 0x04000000 };

/* Makes the kernel zero this page in a forked child. Where it cannot, the atfork handler clears the page. */
#if defined(MADV_WIPEONFORK)
#define CSIGSHIM__WIPE_ON_FORK(page, size) ((void)madvise(page, size, MADV_WIPEONFORK))
#elif defined(INHERIT_ZERO)
#define CSIGSHIM__WIPE_ON_FORK(page, size) ((void)minherit(page, size, INHERIT_ZERO))
#elif defined(MAP_INHERIT_ZERO)
#define CSIGSHIM__WIPE_ON_FORK(page, size) ((void)minherit(page, size, MAP_INHERIT_ZERO))
#else
#define CSIGSHIM__WIPE_ON_FORK(page, size) ((void)(page), (void)(size))
#endif

/* Moves the descriptor to 3 or higher, because it must not replace a standard descriptor that the host has closed. */
static inline int csigshim__move_above_standard(int fd) {
    if (fd < 0 || fd > 2)
        return fd;
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return moved;
}

/* Makes a nonblocking, close-on-exec pipe. On macOS a child that another thread forks meanwhile inherits it. */
#if defined(__APPLE__)
static inline int csigshim__pipe(int ends[2]) {
    const int result = pipe(ends);
    for (int i = 0; i < 2 && result == 0; i++) {
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
        (void)fcntl(ends[i], F_SETNOSIGPIPE, 1); /* the host may close one end between a look at it and a write */
    }
    return result;
}
#else
#define csigshim__pipe(ends) pipe2(ends, O_NONBLOCK | O_CLOEXEC)
#endif

#endif
