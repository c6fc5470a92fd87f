/* Signal masks: what a signalfd bridge blocks, and what a child is given.
 *
 * `add` blocks in the calling thread, and only that thread can unblock: so each thread remembers what it blocked for a
 * bridge. Threads that were made meanwhile have inherited the block, and keep it: so that a bridge once blocked a
 * signal is remembered for ever, for their children. Where `remove` has unblocked it, a block that is found later is
 * the host's own, in this thread. (csigshim_reset_for_exec, which may be anywhere, does not look at that.) A child
 * should have none of it; fork sees to that by itself (process.c), and around posix_spawn(3), which runs no atfork
 * handlers, the calling thread lays it down for a moment. A signal that comes to it meanwhile is recorded by the
 * handler under every bridge.
 *
 * What was ignored when a bridge got it cannot be given to a spawned child but by ignoring it here as well. That is
 * done on request alone, for as long as anybody is spawning.
 */
#include "internal.h"

static sigset_t original; /* the mask that the process had when this code was loaded */
static unsigned spawning; /* locked: threads that spawn with CSIGSHIM_SPAWN_IGNORED */
static _Thread_local bool blocked_here[CSIGSHIM__NSIG];
static _Thread_local bool unblocked_here[CSIGSHIM__NSIG]; /* since then none but the host can have blocked it */

struct spawn {
    sigset_t before;
    unsigned flags;
    pid_t process;
};
static_assert(sizeof(struct spawn) <= sizeof(csigshim_spawn), "room for a mask");

__attribute__((constructor)) static void remember_mask(void)
{
    pthread_sigmask(SIG_SETMASK, NULL, &original);
}

void csigshim__block(int signo, sigset_t *mask)
{
    _Atomic bool *blocked = &csigshim__dispositions[signo].blocked;
    if (sigismember(mask, signo) && !blocked_here[signo] && (unblocked_here[signo] || !atomic_load(blocked)))
        return; /* the host did that */
    sigaddset(mask, signo);
    blocked_here[signo] = true;
    unblocked_here[signo] = false;
    atomic_store(blocked, true);
}

void csigshim__unblock(int signo, sigset_t *mask)
{
    if (blocked_here[signo]) {
        sigdelset(mask, signo);
        unblocked_here[signo] = true;
    }
    blocked_here[signo] = false;
}

void csigshim__unblock_for_children(sigset_t *mask)
{
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (atomic_load(&csigshim__dispositions[signo].blocked) && !unblocked_here[signo])
            sigdelset(mask, signo);
}

void csigshim__forget_masks(void)
{
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        atomic_store(&csigshim__dispositions[signo].blocked, false);
        blocked_here[signo] = false;
        csigshim__dispositions[signo].lent = false;
    }
    spawning = 0;
}

static int take_all_back(void)
{
    int result = 0;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (csigshim__take_back(signo) != 0)
            result = -1;
    return result;
}

/* Also what was added since somebody else began. */
static int lend_all(void)
{
    int result = 0;
    for (int signo = 1; signo < CSIGSHIM__NSIG && result == 0; signo++)
        result = csigshim__lend(signo);
    if (result != 0 && spawning == 0) {
        const int saved_errno = errno;
        (void)take_all_back();
        errno = saved_errno;
    }
    return result;
}

int csigshim_spawn_begin(csigshim_spawn *spawn, unsigned flags)
{
    csigshim__guard guard;
    if (spawn == NULL || (flags & ~(unsigned)(CSIGSHIM_SPAWN_ORIGINAL | CSIGSHIM_SPAWN_IGNORED))) {
        errno = EINVAL;
        return -1;
    }
    if (csigshim__enter(&guard) != 0)
        return -1;
    if ((flags & CSIGSHIM_SPAWN_IGNORED) && lend_all() != 0) {
        csigshim__leave(&guard);
        return -1;
    }
    spawning += (flags & CSIGSHIM_SPAWN_IGNORED) != 0;
    sigset_t *mask = csigshim__mask(&guard);
    const struct spawn state = {*mask, flags, getpid()};
    memcpy(spawn, &state, sizeof state);
    if (flags & CSIGSHIM_SPAWN_ORIGINAL)
        *mask = original;
    else
        csigshim__unblock_for_children(mask);
    csigshim__leave(&guard);
    return 0;
}

int csigshim_spawn_end(csigshim_spawn *spawn)
{
    csigshim__guard guard;
    struct spawn state;
    if (spawn == NULL) {
        errno = EINVAL;
        return -1;
    }
    if (csigshim__enter(&guard) != 0)
        return -1;
    memcpy(&state, spawn, sizeof state);
    const bool mine = state.process == getpid(); /* else: a child that was forked in between, and has its mask */
    const bool lent = mine && (state.flags & CSIGSHIM_SPAWN_IGNORED) && spawning > 0;
    const int result = lent && spawning == 1 ? take_all_back() : 0;
    if (result == 0) {
        spawning -= lent;
        if (mine)
            *csigshim__mask(&guard) = state.before;
    }
    csigshim__leave(&guard);
    return result;
}
