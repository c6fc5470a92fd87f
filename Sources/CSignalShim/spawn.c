/* Support for children that run no handlers of pthread_atfork(3): those of posix_spawn(3), popen(3), system(3),
 * vfork(2), clone(2) and _Fork(3).
 *
 * E1  In the process itself csigshim_reset_for_exec leaves the mask as it is. A signal that comes between this call and
 *     execve(2) then does not kill a daemon that re-executes itself: the new image finds the signal pending.
 *     Tests/c/reexec.c. */
#include "shim.h"

static sigset_t startup_mask; /* that of the process when this code was loaded */

__attribute__((constructor)) static void remember_startup_mask(void) {
    pthread_sigmask(SIG_SETMASK, NULL, &startup_mask);
}

int csigshim_spawn_begin(csigshim_spawn *spawn, unsigned flags) {
    struct csigshim__lock_state state;
    if (spawn == NULL || (flags & ~(unsigned)CSIGSHIM_SPAWN_ORIGINAL))
        return csigshim__fail(EINVAL);
    if (csigshim__lock(&state) != 0)
        return -1;
    spawn->mask = state.mask;
    spawn->process = csigshim__getpid();
    if (flags & CSIGSHIM_SPAWN_ORIGINAL)
        state.mask = startup_mask;
    else
        csigshim__unblock_for_child(&state.mask);
    csigshim__unlock(&state);
    return 0;
}

int csigshim_spawn_end(csigshim_spawn *spawn) {
    struct csigshim__lock_state state;
    if (spawn == NULL)
        return csigshim__fail(EINVAL);
    if (csigshim__lock(&state) != 0)
        return -1;
    const pid_t self = csigshim__getpid();
    if (self == spawn->process || self < 0 || spawn->process < 0) /* else a forked child, which keeps its mask */
        state.mask = spawn->mask;
    csigshim__unlock(&state);
    return 0;
}

/* Takes no lock, and writes no memory of a parent's. */
int csigshim_reset_for_exec(void) {
    const int saved_errno = errno;
    const bool is_child = csigshim__process_role() != CSIGSHIM__SELF;
    int failure = 0;
    long result;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        if (csigshim__restore_action(signo) < 0)
            failure = errno;
        if (is_child && atomic_load(&csigshim__dispositions[signo].ever_blocked) && /* E1 */
            (result = csigshim__change_mask(SIG_UNBLOCK, signo)) != 0)
            failure = (int)-result;
    }
    errno = failure != 0 ? failure : saved_errno;
    return failure != 0 ? -1 : 0;
}
