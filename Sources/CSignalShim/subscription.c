/* Subscribes a bridge to a signal, and unsubscribes it, under the lock.
 *
 * U1  Subscribing makes the subscription active before the handler is installed, so that the first delivery finds it.
 *     Unsubscribing restores the old action first, then makes the subscription inactive, then waits until no handler
 *     is inside (R1). A delivery in between is recorded and stays readable. One that comes later finds no
 *     subscription, and meets the restored action. So a signal that is sent during the change is received, or meets the
 *     restored action (G5). Tests/prove/protocol/lifetime.pml refutes BREAK_RESTORE_AFTER_DEACTIVATE and
 *     BREAK_INSTALL_BEFORE_ACTIVATE.
 * U2  Over signalfd, the handler is installed before the kernel's queue takes the signal, and the queue stops before
 *     the handler is uninstalled. So one of the two always takes the signal. Tests/c/signalfd.c. */
#include "shim.h"

void csigshim__deactivate(struct csigshim_bridge *bridge, int signo) {
    struct csigshim__subscription *const subscription = &bridge->subscriptions[signo];
    const bool is_last = !csigshim__other_bridge_has(bridge, signo, 0);
    const unsigned flags = atomic_load(&subscription->flags);
    struct sigaction now;
    if (is_last && csigshim__dispositions[signo].installed)
        csigshim__uninstall(signo); /* U1 */
    atomic_store(&subscription->flags, 0);
    while (atomic_load(&subscription->active_handlers) != 0) /* R1 */
        nanosleep(&(struct timespec){0, 50000}, NULL);
    if (is_last && sigaction(signo, NULL, &now) == 0 && csigshim__is_shim_action(&now)) /* O6 */
        csigshim__uninstall(signo);
    if (!is_last && (flags & (CSIGSHIM_CHAIN | CSIGSHIM_INTERRUPT)))
        (void)csigshim__install(signo); /* this subscription may have turned SA_RESTART off */
}

/* The kernel's queue gives each signal to one reader, so a signalfd bridge shares a signal with no other bridge. */
bool csigshim__is_taken(const struct csigshim_bridge *bridge, int signo) {
    return csigshim__other_bridge_has(bridge, signo, csigshim__uses_signalfd(bridge) ? 0 : CSIGSHIM__QUEUED);
}

int csigshim__activate(struct csigshim_bridge *bridge, int signo, unsigned flags, sigset_t *mask) {
    struct csigshim__subscription *const subscription = &bridge->subscriptions[signo];
    const unsigned queued = csigshim__uses_signalfd(bridge) ? CSIGSHIM__QUEUED : 0;
    atomic_store(&subscription->flags, CSIGSHIM__ACTIVE | queued | flags); /* U1 */
    atomic_fetch_add(&csigshim__add_count, 1);                             /* R2 */
    if (csigshim__install(signo) != 0 || (csigshim__uses_signalfd(bridge) && csigshim__queue_add(bridge, signo) != 0)) {
        const int saved_errno = errno;
        csigshim__deactivate(bridge, signo);
        errno = saved_errno;
        return -1;
    }
    if (csigshim__uses_signalfd(bridge))
        csigshim__block(signo, mask);
    return 0;
}

/* Whether the signal would be ignored if there were no bridge; -1 if that is unknown. */
static int is_ignored_without_bridges(int signo) {
    struct sigaction now;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (!csigshim__is_shim_action(&now))
        return now.sa_handler == SIG_IGN;
    return atomic_load(&csigshim__dispositions[signo].old_action)->saved.sa_handler == SIG_IGN;
}

int csigshim__subscribe(struct csigshim_bridge *bridge, int signo, unsigned flags, sigset_t *mask) {
    int result = -1;
    if (atomic_load(&bridge->subscriptions[signo].flags) != 0)
        errno = EEXIST;
    else if (csigshim__uses_signalfd(bridge) && (flags & ~(unsigned)CSIGSHIM_KEEP_IGNORED))
        errno = ENOTSUP;
    else if (csigshim__is_taken(bridge, signo))
        errno = EBUSY;
    else if (!csigshim__can_record(bridge) || !csigshim__can_poll(bridge))
        errno = EBADF;
    else if (!(flags & CSIGSHIM_KEEP_IGNORED) || (result = is_ignored_without_bridges(signo)) == 0) {
        atomic_store(&bridge->subscriptions[signo].escalate_at, 0);
        result = csigshim__activate(bridge, signo, flags & ~(unsigned)CSIGSHIM_KEEP_IGNORED, mask);
    }
    return result;
}

int csigshim__unsubscribe(struct csigshim_bridge *bridge, int signo, sigset_t *mask) {
    const bool active = atomic_load(&bridge->subscriptions[signo].flags) & CSIGSHIM__ACTIVE;
    if (csigshim__uses_signalfd(bridge) && csigshim__queue_remove(bridge, signo) != 0) /* U2 */
        return -1;
    csigshim__deactivate(bridge, signo);
    if (active)
        csigshim__unblock(signo, mask);
    return 0;
}
