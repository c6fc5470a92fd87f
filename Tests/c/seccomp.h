/* Makes system calls fail, or run code of the test, by a seccomp filter. It reaches the calls that the library makes
 * directly, also in a signal handler, where interposing a C function has no effect. Linux only.
 *
 *     TEST(name)
 *     {
 *         CONFINED();
 *         refuse(SYS_getpid, EPERM);
 *         ...
 *     }
 *
 * A filter lasts as long as its process and is inherited. So a test that installs one starts with CONFINED(), and the
 * rest of it runs unprivileged in a PID namespace of its own. Whatever the library does after a refusal, its signals
 * can then reach no other process. */
#ifndef SECCOMP_H
#define SECCOMP_H

#include "seccomp_filter.h"
#include <grp.h>
#include <ucontext.h>

#define CONFINED()                                                                                                     \
    do {                                                                                                               \
        if (!confined())                                                                                               \
            return;                                                                                                    \
    } while (0)

static inline void exit_like(pid_t child) {
    const int status = status_of(child);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Returns true in a new process that is confined, and false in the test's own when that one has succeeded. The process
 * is not the init of its namespace, because no default action would terminate that. */
static inline bool confined(void) {
    enum { UNPRIVILEGED = 12345 };
    const bool root = geteuid() == 0;
    fflush(stdout);
    const pid_t outside = fork();
    if (outside == 0) {
        if (unshare(root ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER) != 0)
            SKIP("a PID namespace is not permitted");
        const pid_t init = fork();
        if (init != 0)
            exit_like(init);
        const pid_t worker = fork();
        if (worker != 0)
            exit_like(worker); /* which ends everything else in the namespace */
        if (root)
            CHECK(setgroups(0, NULL) == 0 && setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0 &&
                  setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0);
        CHECK(prctl(PR_SET_DUMPABLE, 1) == 0); /* else its /proc/self/fd belongs to root */
        return true;
    }
    const int status = status_of(outside);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        _exit(77);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

enum { PASSED = 0x5ec0de }; /* the sixth argument of a call that is intercepted and made all the same */

static inline void install_verdict(long number, unsigned verdict) {
    struct sock_filter program[] = {
        LOAD(nr),
        SKIP_UNLESS(number, 4),
        LOAD(args[5]), /* its lower half */
        SKIP_UNLESS(PASSED, 1),
        ANSWER(SECCOMP_RET_ALLOW),
        ANSWER(verdict),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    install_filter(program, sizeof program / sizeof *program);
}

/* From now on the system call fails with this errno, on the calling thread and on the threads that it starts. */
static inline void refuse(long number, int errno_code) {
    install_verdict(number, SECCOMP_RET_ERRNO | ((unsigned)errno_code & SECCOMP_RET_DATA));
}

/* fstat has two numbers where the C library and the library under test may differ. */
static inline void refuse_fstat(int errno_code) {
#if defined(SYS_fstat)
    refuse(SYS_fstat, errno_code);
#endif
#if defined(SYS_newfstatat)
    refuse(SYS_newfstatat, errno_code);
#endif
}

/* open(3) has two numbers too. */
static inline void refuse_open(int errno_code) {
#if defined(SYS_open)
    refuse(SYS_open, errno_code);
#endif
    refuse(SYS_openat, errno_code);
}

/* Runs in place of an intercepted call, and returns what the call then returns: a result, or a negated errno. */
typedef long interception(long number, const long arguments[6]);
static interception *intercepting;

/* Makes the call. */
static inline long pass(long number, const long a[6]) {
    const long result = syscall(number, a[0], a[1], a[2], a[3], a[4], (long)PASSED);
    return result < 0 ? -errno : result;
}

static inline void on_sigsys(int signo, siginfo_t *info, void *context) {
    const int saved_errno = errno;
    mcontext_t *const registers = &((ucontext_t *)context)->uc_mcontext;
    (void)signo;
#if defined(__x86_64__)
    greg_t *const r = registers->gregs;
    const long arguments[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
    r[REG_RAX] = intercepting(info->si_syscall, arguments);
#elif defined(__aarch64__)
    long arguments[6];
    for (int i = 0; i < 6; i++)
        arguments[i] = (long)registers->regs[i];
    registers->regs[0] = (unsigned long)intercepting(info->si_syscall, arguments);
#else
    (void)registers, (void)info;
    abort(); /* `intercept` has skipped the test */
#endif
    errno = saved_errno;
}

/* From now on `body` runs in place of the system call, by way of SIGSYS, which the library never blocks. It may not be
 * used for what it calls itself, except through `pass`. */
static inline void intercept(long number, interception *body) {
#if defined(SANITIZED) || !(defined(__x86_64__) || defined(__aarch64__))
    SKIP("system calls cannot be intercepted here");
#endif
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_sigsys;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    intercepting = body;
    install_verdict(number, SECCOMP_RET_TRAP);
}

/* fstat(2) may be either of two system calls: FSTAT stands for both. */
#if defined(SYS_newfstatat)
enum { FSTAT = SYS_newfstatat };
#else
enum { FSTAT = SYS_fstat };
#endif

static struct {
    volatile long number; /* this system call fails, */
    volatile int code;    /* with this errno, */
    volatile int after;   /* after so many that do not, */
    volatile bool armed;  /* once, */
    volatile bool always; /* or from then on always */
} failing;

static inline long fail_when_armed(long number, const long arguments[6]) {
    const long kind = number == SYS_fstat ? FSTAT : number;
    if (!failing.armed || kind != failing.number || failing.after-- > 0)
        return pass(number, arguments);
    failing.armed = failing.always;
    return -failing.code;
}

/* Allows fail_once for this system call. */
static inline void prepare_to_fail(long number) {
    intercept(number, fail_when_armed);
    if (number == FSTAT && FSTAT != SYS_fstat)
        intercept(SYS_fstat, fail_when_armed);
}

/* Fails one call of this number, after `after` calls that do not fail. `failing.armed` is then false. */
static inline void fail_once(long number, int after, int code) {
    failing.number = number;
    failing.after = after;
    failing.code = code;
    failing.armed = true;
}

#endif
