/* Bridges, and what they subscribe to.
 *
 * `add` makes the subscription active before the kernel gets our action, so that the first delivery finds it.
 * `remove` puts the old action back first, then makes the subscription inactive, then waits until no handler is inside.
 * A delivery in between is recorded and stays readable; a handler that comes later finds no subscription, and runs the
 * action that was put back. So a signal that is sent during the change is received, or meets what was restored.
 *
 * A signalfd bridge does the same, and besides blocks the signal in the thread that adds it, and has the kernel's queue
 * for it. The handler is there before the queue is: in between a signal has at least one place to go. A queue gives
 * each signal to one reader only, so a signal has one such bridge, and none of the other kind beside it.
 */
#include "internal.h"
#include <sched.h>
#include <time.h>

bool csigshim__is_open(const struct csigshim_bridge *bridge)
{
    if (bridge >= csigshim__bridges && bridge < csigshim__bridges + CSIGSHIM__BRIDGES && atomic_load(&bridge->open))
        return true;
    errno = EINVAL;
    return false;
}

int csigshim_open(csigshim_bridge **out, int mechanism)
{
    csigshim__guard guard;
    if (out == NULL || (mechanism != CSIGSHIM_HANDLER && mechanism != CSIGSHIM_SIGNALFD)) {
        errno = EINVAL;
        return -1;
    }
    if (csigshim__enter(&guard) != 0)
        return -1;
    int result = -1;
    unsigned i = 0;
    while (i < CSIGSHIM__BRIDGES && atomic_load(&csigshim__bridges[i].open))
        i++;
    struct csigshim_bridge *bridge = &csigshim__bridges[i];
    if (i == CSIGSHIM__BRIDGES) {
        errno = ENOSPC;
        goto out;
    }
    if (atomic_load(&bridge->slots) == NULL) {
        void *slots = mmap(NULL, CSIGSHIM__SLOTS * sizeof(struct csigshim__slot), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANON, -1, 0);
        if (slots == MAP_FAILED)
            goto out;
        atomic_store(&bridge->slots, slots);
    }
    if (csigshim__open_bell(bridge) != 0)
        goto out;
    if (mechanism == CSIGSHIM_SIGNALFD && csigshim__open_queue(bridge) != 0) {
        const int saved_errno = errno;
        csigshim__close_bell(bridge);
        errno = saved_errno;
        goto out;
    }
    bridge->mechanism = mechanism;
    atomic_store(&bridge->polled, mechanism == CSIGSHIM_SIGNALFD || !CSIGSHIM__SLEEPS_ON_WORDS);
    atomic_store(&bridge->open, true);
    if (atomic_load(&csigshim__bridges_used) <= i)
        atomic_store(&csigshim__bridges_used, i + 1);
    *out = bridge;
    result = 0;
out:
    csigshim__leave(&guard);
    return result;
}

/* Ends when each handler that saw the subscription active has left; none can enter any more. Handlers take
 * microseconds, but their threads may be preempted in them: yield first, then sleep. */
static void wait_until_empty(struct csigshim__subscription *subscription)
{
    for (int tries = 0; atomic_load(&subscription->inside) != 0; tries++) {
        if (tries < 100)
            sched_yield();
        else
            nanosleep(&(struct timespec){0, 100000}, NULL);
    }
}

void csigshim__keep_pending(int signo)
{
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++) {
        struct csigshim_bridge *bridge = &csigshim__bridges[i];
        if (atomic_load(&bridge->subscriptions[signo].flags) & CSIGSHIM__ACTIVE)
            csigshim__queue_empty(bridge, signo);
    }
}

bool csigshim__is_taken(const struct csigshim_bridge *bridge, int signo)
{
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++) {
        const struct csigshim_bridge *other = &csigshim__bridges[i];
        if (other != bridge && (csigshim__is_queued(other) || csigshim__is_queued(bridge)) &&
            (atomic_load(&other->subscriptions[signo].flags) & CSIGSHIM__ACTIVE))
            return true;
    }
    return false;
}

/* The disposition is as it would be without this subscription, and no handler records for that any more. */
static void withdraw(struct csigshim_bridge *bridge, int signo)
{
    struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
    const unsigned flags = atomic_load(&subscription->flags);
    bool others = false;
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++)
        others |= &csigshim__bridges[i] != bridge &&
                  (atomic_load(&csigshim__bridges[i].subscriptions[signo].flags) & CSIGSHIM__ACTIVE);
    bool restored = !others && csigshim__dispositions[signo].installed && csigshim__restore(signo);
    atomic_store(&subscription->flags, 0);
    wait_until_empty(subscription);
    if (!others && csigshim__put_back(signo) == 1) /* a handler had it out, and brought it back: come_back */
        restored = true;
    if (others && (flags & CSIGSHIM_CHAIN))
        (void)csigshim__install(signo); /* SA_RESTART may have been off for this one's sake */
    if (restored)
        csigshim__step_down(signo);
}

static void remove_locked(struct csigshim_bridge *bridge, int signo, sigset_t *mask)
{
    const unsigned flags = atomic_load(&bridge->subscriptions[signo].flags);
    csigshim__queue_remove(bridge, signo);
    withdraw(bridge, signo);
    if (csigshim__is_queued(bridge) && (flags & CSIGSHIM__ACTIVE))
        csigshim__unblock(signo, mask);
}

int csigshim_close(csigshim_bridge *bridge)
{
    csigshim__guard guard;
    if (!csigshim__is_open(bridge))
        return -1;
    if (csigshim__enter(&guard) != 0)
        return csigshim__whose() == CSIGSHIM__BORROWED ? 0 : -1;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (atomic_load(&bridge->subscriptions[signo].flags) != 0)
            remove_locked(bridge, signo, csigshim__mask(&guard));
    csigshim__close_queue(bridge);
    csigshim__close_bell(bridge);
    csigshim__discard(bridge);
    atomic_store(&bridge->inherited, false);
    atomic_store(&bridge->open, false);
    csigshim__leave(&guard);
    return 0;
}

/* Locks for a call that changes a subscription of an open bridge of this process. */
static int enter_bridge(struct csigshim_bridge *bridge, int signo, csigshim__guard *guard)
{
    if (!csigshim__is_open(bridge) || csigshim__check(signo) != 0 || csigshim__enter(guard) != 0)
        return -1;
    if (!atomic_load(&bridge->inherited))
        return 0;
    errno = EPERM;
    csigshim__leave(guard);
    return -1;
}

/* Whether signo would be ignored if there were no bridge; -1 if that cannot be known. */
static int ignored_underneath(int signo)
{
    struct sigaction now;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (csigshim__is_ours(&now))
        now = csigshim__underneath(atomic_load(&csigshim__dispositions[signo].previous));
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
}

int csigshim_add(csigshim_bridge *bridge, int signo, unsigned flags)
{
    csigshim__guard guard;
    if (flags & ~(unsigned)(CSIGSHIM_CHAIN | CSIGSHIM_KEEP_IGNORED)) {
        errno = EINVAL;
        return -1;
    }
    if (enter_bridge(bridge, signo, &guard) != 0)
        return -1;
    struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
    int result = -1;
    if (atomic_load(&subscription->flags) != 0) {
        errno = EEXIST;
    } else if (csigshim__is_queued(bridge) && (flags & CSIGSHIM_CHAIN)) {
        errno = ENOTSUP;
    } else if (csigshim__is_taken(bridge, signo)) {
        errno = EBUSY;
    } else if (!csigshim__bell_intact(bridge) || !csigshim__queue_intact(bridge)) {
        errno = EBADF;
    } else if (!(flags & CSIGSHIM_KEEP_IGNORED) || (result = ignored_underneath(signo)) == 0) {
        atomic_store(&subscription->unread, 0);
        atomic_store(&subscription->escalate_at, 0);
        atomic_fetch_add(&subscription->epoch, 1);
        atomic_store(&subscription->flags, CSIGSHIM__ACTIVE | (flags & CSIGSHIM_CHAIN));
        atomic_fetch_add(&csigshim__additions, 1);
        result = csigshim__install(signo) == 0 ? csigshim__queue_add(bridge, signo) : -1;
        if (result != 0) {
            const int saved_errno = errno;
            withdraw(bridge, signo);
            errno = saved_errno;
        } else if (csigshim__is_queued(bridge)) {
            csigshim__block(signo, csigshim__mask(&guard));
        }
    }
    csigshim__leave(&guard);
    return result;
}

int csigshim_remove(csigshim_bridge *bridge, int signo)
{
    csigshim__guard guard;
    if (!csigshim__is_open(bridge) || csigshim__check(signo) != 0)
        return -1;
    if (csigshim__enter(&guard) != 0)
        return csigshim__whose() == CSIGSHIM__BORROWED ? 0 : -1;
    int result = -1;
    if (atomic_load(&bridge->subscriptions[signo].flags) == 0) {
        errno = ENOENT;
    } else {
        remove_locked(bridge, signo, csigshim__mask(&guard));
        result = 0;
    }
    csigshim__leave(&guard);
    return result;
}

int csigshim_set_chain(csigshim_bridge *bridge, int signo, int on)
{
    csigshim__guard guard;
    if (enter_bridge(bridge, signo, &guard) != 0)
        return -1;
    struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
    int result = -1;
    const unsigned before = atomic_load(&subscription->flags);
    if (before == 0) {
        errno = ENOENT;
    } else if (csigshim__is_queued(bridge) && on) {
        errno = ENOTSUP;
    } else {
        atomic_store(&subscription->flags, CSIGSHIM__ACTIVE | (on ? CSIGSHIM_CHAIN : 0u));
        result = csigshim__install(signo);
        if (result != 0)
            atomic_store(&subscription->flags, before);
    }
    csigshim__leave(&guard);
    return result;
}

int csigshim_escalate_after(csigshim_bridge *bridge, int signo, unsigned unread)
{
    csigshim__guard guard;
    if (enter_bridge(bridge, signo, &guard) != 0)
        return -1;
    int result = -1;
    if (csigshim_default_of(signo) != CSIGSHIM_ACTION_TERMINATE) {
        errno = EINVAL;
    } else if (csigshim__is_queued(bridge)) { /* no handler runs that could decide */
        errno = ENOTSUP;
    } else if (atomic_load(&bridge->subscriptions[signo].flags) == 0) {
        errno = ENOENT;
    } else {
        atomic_store(&bridge->subscriptions[signo].escalate_at, unread);
        result = 0;
    }
    csigshim__leave(&guard);
    return result;
}
