/* The lock, for all data that handlers do not access.
 *
 * L1  A thread takes it with all signals blocked and cancellation off, so no handler of the host runs, and no thread
 *     is cancelled, while it is held. Tests/c/threads.c.
 * L2  While it is held, no function is called that takes a lock of the loader, of the C library's allocator or of
 *     stdio. A plugin's constructor, or a handler of pthread_atfork(3), may hold such a lock and call this library.
 *     Tests/c/loader_lock.c.
 * L3  fork(2) holds it (fork.c), so a child finds the tables consistent. fork.pml refutes BREAK_FORK_WITHOUT_LOCK. */
#include "shim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Every signal except the synchronous faults, which a crash reporter of the host may handle. */
static int block_signals(struct csigshim__lock_state *state) {
    static const int faults[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state->cancel_state);
    const int failure = pthread_sigmask(SIG_SETMASK, &all, &state->mask); /* a sandbox may refuse it */
    state->masked = failure == 0;
    return failure;
}

static void restore_signals(const struct csigshim__lock_state *state) {
    const int saved_errno = errno;
    int ignored;
    if (state->masked)
        pthread_sigmask(SIG_SETMASK, &state->mask, NULL);
    pthread_setcancelstate(state->cancel_state, &ignored);
    errno = saved_errno;
}

int csigshim__lock(struct csigshim__lock_state *state) {
    const int failure = block_signals(state);
    const bool is_owner =
        csigshim__process_role() == CSIGSHIM__SELF; /* P1: before the lock, which may be the parent's */
    if (failure == 0 && is_owner) {
        pthread_mutex_lock(&mutex);
        return 0;
    }
    errno = failure != 0 ? failure : EPERM;
    restore_signals(state);
    return failure != 0 ? -1 : 1;
}

void csigshim__unlock(const struct csigshim__lock_state *state) {
    pthread_mutex_unlock(&mutex);
    restore_signals(state);
}

void csigshim__lock_for_fork(struct csigshim__lock_state *state) {
    (void)block_signals(state);
    pthread_mutex_lock(&mutex);
}
