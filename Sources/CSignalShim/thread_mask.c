/* Records the signals that signalfd bridges blocked in threads, so that they can be unblocked there and in children.
 *
 * A bridge blocks its signals in the thread that adds them, and only that thread can unblock them. So each thread has a
 * record of them. Threads that it creates meanwhile inherit the block. For their children, a flag of the signal records
 * that some bridge once blocked it.
 *
 * M1  A signal that the host itself blocked stays blocked, whether before csigshim_add or again after csigshim_remove.
 *     Tests/c/signalfd.c, Tests/c/children.c. */
#include "shim.h"

enum { UNTOUCHED, BLOCKED, UNBLOCKED };

static _Thread_local unsigned char history[CSIGSHIM__NSIG];

void csigshim__block(int signo, sigset_t *mask) {
    _Atomic bool *const ever_blocked = &csigshim__dispositions[signo].ever_blocked;
    const bool may_be_inherited = history[signo] == UNTOUCHED && atomic_load(ever_blocked);
    if (sigismember(mask, signo) && history[signo] != BLOCKED && !may_be_inherited)
        return; /* M1 */
    sigaddset(mask, signo);
    history[signo] = BLOCKED;
    atomic_store(ever_blocked, true);
}

void csigshim__unblock(int signo, sigset_t *mask) {
    if (history[signo] != BLOCKED)
        return;
    sigdelset(mask, signo);
    history[signo] = UNBLOCKED; /* from here on only the host can have blocked it */
}

void csigshim__unblock_for_child(sigset_t *mask) {
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (atomic_load(&csigshim__dispositions[signo].ever_blocked) && history[signo] != UNBLOCKED)
            sigdelset(mask, signo);
}

void csigshim__forget_masks(void) {
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        atomic_store(&csigshim__dispositions[signo].ever_blocked, false);
        history[signo] = UNTOUCHED;
    }
}
