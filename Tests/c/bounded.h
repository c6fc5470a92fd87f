/* Runs code that may hang, crash or die in a child of its own, so that a fault shows after seconds. */
#ifndef BOUNDED_H
#define BOUNDED_H

#include "check.h"

enum { SKIPPED = 77 }; /* the exit status of SKIP */
#if defined(EMULATED)
enum { PATIENCE_SECONDS = 60 }; /* an emulator on a busy machine takes long, too */
#else
enum { PATIENCE_SECONDS = 15 };
#endif

/* Waits for the child to end, PATIENCE_SECONDS at most; then it kills the child and returns false. */
static inline bool ended(pid_t child, int *status) {
    CHECK(child > 0);
    const int64_t deadline = milliseconds() + 1000 * PATIENCE_SECONDS;
    pid_t result;
    while ((result = waitpid(child, status, WNOHANG)) == 0 && milliseconds() < deadline)
        pause_ms(2);
    if (result == child)
        return true;
    CHECK(result == 0 && kill(child, SIGKILL) == 0 && waitpid(child, status, 0) == child);
    printf("process %d does not end within %d s\n", (int)child, PATIENCE_SECONDS);
    return false;
}

static inline pid_t started_process(void (*body)(void)) {
    fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body();
        fflush(stdout);
        _exit(0);
    }
    return child;
}

/* True if `body`, in a process of its own, returns in time and no CHECK fails. Where `body` skips, so does the test. */
static inline bool finishes(void (*body)(void)) {
    int status = -1;
    if (!ended(started_process(body), &status))
        return false;
    if (WIFSIGNALED(status))
        printf("the process dies of signal %d\n", WTERMSIG(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        _exit(SKIPPED);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* True if `body` dies of signo in time. */
static inline bool dies_of(void (*body)(void), int signo) {
    int status = -1;
    if (!ended(started_process(body), &status))
        return false;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signo)
        printf("the process has status 0x%x\n", (unsigned)status);
    return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

static inline bool same_actions(const struct sigaction *a, const struct sigaction *b) {
    enum { RESTORER = 0x04000000 }; /* what a C library adds for itself on Linux */
    for (int signo = 1; signo <= SIGRTMAX && signo <= 64; signo++)
        if (sigismember(&a->sa_mask, signo) != sigismember(&b->sa_mask, signo))
            return false;
    return ((a->sa_flags ^ b->sa_flags) & ~RESTORER) == 0 && (uintptr_t)a->sa_handler == (uintptr_t)b->sa_handler;
}

static inline struct sigaction present_action(int signo) {
    struct sigaction now;
    CHECK(sigaction(signo, NULL, &now) == 0);
    return now;
}

/* Closes every descriptor above standard error, as closefrom(3) does. */
static inline void close_all_descriptors(void) {
    for (int fd = 3; fd < 256; fd++)
        close(fd);
}

#endif
