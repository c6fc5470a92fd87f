/* The lock, and what fork does to it.
 *
 * One lock guards all that handlers do not touch. It is taken with all signals blocked and cancellation off: neither a
 * host's handler that leaves by siglongjmp nor a cancelled thread may leave with the lock. pthread_atfork holds it
 * across a fork, so a child finds the tables whole; atfork handlers of the host, which run on the forking thread while
 * it is held, may call us all the same.
 *
 * `owner` says whose memory this is. fork wipes it (the kernel on Linux and BSD; elsewhere the atfork handler, before
 * which the pid alone tells), and the first call in the child that needs the lock makes the copy the child's own: its
 * bridges are inherited, so no signal is recorded for them, and the counts of handlers inside, of threads that the
 * child does not have, are cleared. Before that, while all signals are still blocked, the atfork handler has put back
 * dispositions and mask, so that what is exec'd without a word to us starts as the host would have started it. What our
 * handler finds without a subscription (clone(2) runs no atfork handlers), it passes on. A vforked child shares the
 * memory, so it is refused.
 */
#include "internal.h"
#include <dlfcn.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool forking; /* by the thread below, which holds the lock */
static _Atomic pthread_t forker;
static csigshim__guard forking_guard; /* the forking thread's */

static bool is_forking(void)
{
    return atomic_load(&forking) && pthread_equal(atomic_load(&forker), pthread_self());
}

static const int faults[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
enum { FAULTS = sizeof faults / sizeof *faults };

static int hold_off(csigshim__guard *guard)
{
    sigset_t all;
    sigfillset(&all);
    for (int i = 0; i < FAULTS; i++)
        sigdelset(&all, faults[i]);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancellation);
    const int failure = pthread_sigmask(SIG_SETMASK, &all, &guard->mask); /* refused by a sandbox, say */
    guard->masked = failure == 0;
    return failure;
}

static void let_go(const csigshim__guard *guard)
{
    const int saved_errno = errno;
    int ignored;
    if (guard->masked)
        pthread_sigmask(SIG_SETMASK, &guard->mask, NULL);
    pthread_setcancelstate(guard->cancellation, &ignored);
    errno = saved_errno;
}

static void before_fork(void)
{
    csigshim__guard guard;
    (void)hold_off(&guard);
    pthread_mutex_lock(&lock);
    forking_guard = guard;
    atomic_store(&forker, pthread_self());
    atomic_store(&forking, true);
}

static void after_fork_in_parent(void)
{
    const csigshim__guard guard = forking_guard;
    atomic_store(&forking, false);
    pthread_mutex_unlock(&lock);
    let_go(&guard);
}

/* Dispositions and mask as if there had never been a bridge: what this child execs, and what it does before that. */
static void leave_no_trace(void)
{
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (csigshim__put_back(signo) == 1)
            csigshim__step_down(signo);
    csigshim__unblock_for_children(&forking_guard.mask);
    csigshim__forget_masks();
}

/* Not the whole mask at once: another copy of this library, whose prepare handler ran after ours, has just unblocked
 * what it had blocked. So: what hold_off blocked is unblocked, and what it unblocked is blocked. */
static void let_go_in_child(const csigshim__guard *guard)
{
    sigset_t unblocked, blocked;
    int ignored;
    sigemptyset(&unblocked);
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (!sigismember(&guard->mask, signo))
            sigaddset(&unblocked, signo);
    sigemptyset(&blocked);
    for (int i = 0; i < FAULTS; i++)
        if (sigismember(&guard->mask, faults[i]))
            sigaddset(&blocked, faults[i]);
    if (guard->masked) {
        pthread_sigmask(SIG_BLOCK, &blocked, NULL);
        pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
    }
    pthread_setcancelstate(guard->cancellation, &ignored);
}

static void after_fork_in_child(void)
{
    _Atomic pid_t *const owner = atomic_load(&csigshim__owner);
    if (atomic_load(owner) != getpid()) { /* else: an earlier handler has asked for its bridges already */
        leave_no_trace();
        atomic_store(owner, 0);
    }
    const csigshim__guard guard = forking_guard;
    atomic_store(&forking, false);
    pthread_mutex_unlock(&lock);
    let_go_in_child(&guard);
}

/* No signal is recorded for the bridge until csigshim_after_fork. */
void csigshim__make_dormant(struct csigshim_bridge *bridge)
{
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
        const unsigned flags = atomic_load(&subscription->flags);
        if (flags & CSIGSHIM__ACTIVE)
            atomic_store(&subscription->flags, (flags & ~(unsigned)CSIGSHIM__ACTIVE) | CSIGSHIM__DORMANT);
        atomic_store(&subscription->inside, 0);
    }
    atomic_store(&bridge->inherited, true);
}

/* The child's own from here on. Where our handler ran in it already, it has put the saved action back. */
static void adopt(void)
{
    if (is_forking()) /* a host's atfork handler, before ours */
        leave_no_trace();
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++)
        if (atomic_load(&csigshim__bridges[i].open))
            csigshim__make_dormant(&csigshim__bridges[i]);
    csigshim__review_installed();
    atomic_store(atomic_load(&csigshim__owner), getpid());
}

/* Locked, before the first bridge. */
static int start(void)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (page == MAP_FAILED)
        return -1;
    const int failure = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (failure != 0) {
        munmap(page, size);
        errno = failure;
        return -1;
    }
    (void)csigshim__wipe_on_fork(page, size);
    /* Handlers point into this code: whatever contains it (a plugin, say) stays loaded from now on. */
    Dl_info here;
    if (dladdr((void *)&lock, &here) != 0)
        (void)dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    csigshim__bind_symbols();
    _Atomic pid_t *owner = page;
    atomic_store(owner, getpid());
    atomic_store(&csigshim__owner, owner);
    return 0;
}

int csigshim__enter(csigshim__guard *guard)
{
    const int failure = hold_off(guard);
    const bool borrowed = csigshim__whose() == CSIGSHIM__BORROWED; /* before the lock: its memory is the parent's */
    if (failure != 0 || borrowed) {
        errno = borrowed ? EPERM : failure;
        let_go(guard);
        return -1;
    }
    if (!is_forking()) /* else: a host's atfork handler calls, and the lock is held for its thread */
        pthread_mutex_lock(&lock);
    _Atomic pid_t *const owner = atomic_load(&csigshim__owner);
    if (owner == NULL && start() != 0) {
        csigshim__leave(guard);
        return -1;
    }
    if (owner != NULL && atomic_load(owner) == 0)
        adopt();
    return 0;
}

sigset_t *csigshim__mask(csigshim__guard *guard)
{
    return is_forking() ? &forking_guard.mask : &guard->mask;
}

void csigshim__leave(const csigshim__guard *guard)
{
    if (!is_forking())
        pthread_mutex_unlock(&lock);
    let_go(guard);
}

/* Active again, with all that `add` would do. */
static int revive(struct csigshim_bridge *bridge, int signo, sigset_t *mask)
{
    struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
    atomic_store(&subscription->unread, 0);
    atomic_store(&subscription->flags, (atomic_load(&subscription->flags) & CSIGSHIM_CHAIN) | CSIGSHIM__ACTIVE);
    atomic_fetch_add(&csigshim__additions, 1);
    if (csigshim__install(signo) != 0)
        return -1;
    if (csigshim__is_queued(bridge))
        csigshim__block(signo, mask);
    return csigshim__queue_add(bridge, signo);
}

/* As before csigshim_after_fork, so that it can be tried again: who was not told of new numbers does not have them. */
static void give_up(struct csigshim_bridge *bridge, sigset_t *mask, bool new_numbers)
{
    const int saved_errno = errno;
    csigshim__make_dormant(bridge);
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        if (!(atomic_load(&bridge->subscriptions[signo].flags) & CSIGSHIM__DORMANT))
            continue;
        if (csigshim__dispositions[signo].installed && !csigshim__wanted(signo) && csigshim__restore(signo))
            csigshim__step_down(signo);
        if (csigshim__is_queued(bridge))
            csigshim__unblock(signo, mask);
    }
    if (new_numbers) {
        csigshim__close_queue(bridge);
        csigshim__close_bell(bridge);
    }
    errno = saved_errno;
}

int csigshim_after_fork(csigshim_bridge *bridge)
{
    csigshim__guard guard;
    if (!csigshim__is_open(bridge) || csigshim__enter(&guard) != 0)
        return -1;
    int result = 0;
    if (!atomic_load(&bridge->inherited))
        goto out;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if ((atomic_load(&bridge->subscriptions[signo].flags) & CSIGSHIM__DORMANT) &&
            csigshim__is_taken(bridge, signo)) {
            errno = EBUSY;
            result = -1;
            goto out;
        }
    const int renewed = result = csigshim__renew_queue(bridge);
    if (result < 0)
        goto out;
    csigshim__discard(bridge); /* what came before the fork is the parent's */
    csigshim__review_installed();
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if ((atomic_load(&bridge->subscriptions[signo].flags) & CSIGSHIM__DORMANT) &&
            revive(bridge, signo, csigshim__mask(&guard)) != 0)
            result = -1;
    if (result < 0)
        give_up(bridge, csigshim__mask(&guard), renewed == 1);
    else
        atomic_store(&bridge->inherited, false);
out:
    csigshim__leave(&guard);
    return result;
}
