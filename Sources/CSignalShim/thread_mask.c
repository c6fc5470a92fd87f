/* What signalfd bridges blocked in threads' signal masks, so that it can be undone, also for children.
 *
 * A bridge blocks its signals in the thread that adds them, and only that thread can unblock them: so each thread
 * remembers what was blocked in it. Threads that it makes meanwhile inherit the block. For their children it is
 * remembered for ever that some bridge once blocked the signal.
 *
 * M1  What the host itself blocked stays blocked: before csigshim_add, or again after csigshim_remove.
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
