/* A place for programs that may signal other processes by mistake: an unprivileged PID namespace. There, kill(-1, …)
 * reaches only two bystanders, which must survive. */
#ifndef REFUGE_H
#define REFUGE_H

#include "bounded.h"
#include "seccomp_filter.h"

#if defined(__linux__)
#include <grp.h>

/* System calls that a process in the refuge cannot make: `numbers` fail with `code`. */
struct refusal {
    const char *name;
    long numbers[3];
};

/* Runs in the refuge: sets up the refusal, does something, and returns or dies. */
typedef void sandboxed_body(const struct refusal *refused, int code);

/* Returns true if the wait status is the expected one. */
typedef bool status_check(int status);

enum { NOT_PERMITTED = 2, BUSY_MILLISECONDS = 700 };

/* A refused getpid(2) returns minus its error, so that kill(2) reaches the process group ENOSYS, too. */
static inline pid_t bystander(pid_t at_least) {
    for (;;) {
        const pid_t child = fork();
        if (child == 0) {
            if (getpid() < at_least)
                _exit(0);
            setpgid(0, 0);
            for (;;)
                pause();
        }
        CHECK(child > 0);
        if (child >= at_least)
            return child;
        CHECK(waitpid(child, NULL, 0) == child);
    }
}

/* Alive and not stopped. */
static inline bool is_untouched(pid_t child) {
    siginfo_t info;
    info.si_pid = 0;
    return waitid(P_PID, (id_t)child, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static inline bool try_in_refuge(const struct refusal *refused, int code, sandboxed_body *body, status_check *expected,
                                 const pid_t *bystanders) {
    struct rusage usage;
    int status = -1;
    pid_t result;
    fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body(refused, code);
        _exit(0);
    }
    const int64_t deadline = milliseconds() + 8000;
    while ((result = wait4(child, &status, WNOHANG | WUNTRACED, &usage)) == 0 || (result > 0 && WIFSTOPPED(status))) {
        if (result > 0)
            CHECK(kill(child, SIGCONT) == 0);
        if (milliseconds() > deadline)
            CHECK(kill(child, SIGKILL) == 0);
        pause_ms(1);
    }
    CHECK(result == child);
    const int64_t busy = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    const bool in_time = milliseconds() <= deadline, quiet = busy < BUSY_MILLISECONDS;
    const bool untouched = is_untouched(bystanders[0]) && is_untouched(bystanders[1]);
    const bool judged = expected(status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        _exit(SKIPPED);
    if (!in_time || !quiet || !untouched || !judged)
        printf("%s refused with %s:%s%s%s%s (status 0x%x, %d ms of processor time)\n", refused->name, strerror(code),
               in_time ? "" : " does not end", quiet ? "" : " busy", untouched ? "" : " signals other processes",
               judged ? "" : " ends wrongly", (unsigned)status, (int)busy);
    return in_time && quiet && untouched && judged;
}

/* The first process of the namespace, which no signal from within reaches. */
static inline int in_refuge(const struct refusal *refusals, size_t count, sandboxed_body *body,
                            status_check *expected) {
    const int codes[] = {EPERM, ENOSYS};
    if (geteuid() == 0)
        CHECK(setgroups(0, NULL) == 0 && setgid(12345) == 0 && setuid(12345) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 1) == 0); /* or its /proc/self/fd stays root's */
    CHECK(getpid() == 1 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && geteuid() != 0);
    bool good = true;
    const pid_t bystanders[] = {bystander(2), bystander(ENOSYS)};
    CHECK(bystanders[1] == ENOSYS);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof codes / sizeof *codes; k++) {
            good &= try_in_refuge(&refusals[i], codes[k], body, expected, bystanders);
            if (!is_untouched(bystanders[0]) || !is_untouched(bystanders[1]))
                return 1; /* no bystander is left to watch */
        }
    return good ? 0 : 1;
}

/* True if, with each of `refusals`, no other process was signalled, no processor time was wasted, and the end was as
 * expected. */
static inline bool leaves_others_alone(const struct refusal *refusals, size_t count, sandboxed_body *body,
                                       status_check *expected) {
#if defined(SANITIZED)
    SKIP("a sanitizer makes system calls of its own");
#endif
    fflush(stdout);
    const pid_t outer = fork();
    if (outer == 0) {
        if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
            _exit(NOT_PERMITTED);
        const pid_t init = fork();
        CHECK(init >= 0);
        if (init == 0) {
            const int result = in_refuge(refusals, count, body, expected);
            fflush(stdout);
            _exit(result);
        }
        const int status = status_of(init);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    const int status = status_of(outer);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED)
        SKIP("no PID namespaces here");
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        _exit(SKIPPED);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#endif
#endif
