/* Installing this library's handler for a signal, and uninstalling it. All of this is done under the lock.
 *
 * S1  The saved action is published before the handler is installed, because a handler may run at once; and again if
 *     another thread installed an action between the query and the call. sigaction(2) has no compare-and-swap: an
 *     action that another thread installs between uninstall's query and its call is lost.
 * S2  An action is saved only while this library's handler cannot be reached from it: at the first installation, and
 *     after an uninstallation that found this library's handler installed. Otherwise another handler may still call
 *     this one, so it stays installed, and the state is "displaced" until csigshim_rearm. So the saved action never
 *     leads back here, unless the host itself installs an old handler (O5).
 *     Tests/prove/protocol/disposition.pml refutes BREAK_SAVE_REACHABLE, BREAK_SAVES_ITSELF and, for S1,
 *     BREAK_PUBLISH_AFTER_INSTALL. */
#include "shim.h"

static bool are_equal(const struct sigaction *a, const struct sigaction *b) {
    return ((a->sa_flags ^ b->sa_flags) & ~CSIGSHIM__LIBRARY_FLAGS) == 0 && a->sa_handler == b->sa_handler &&
           memcmp(&a->sa_mask, &b->sa_mask, CSIGSHIM__MASK_SIZE) == 0;
}

/* Returns the saved action that equals this one, or makes it. It is never freed, and has a page of its own, because the
 * C library's allocator has locks (L2). */
static struct csigshim__action *find_or_save(int signo, const struct sigaction *action) {
    struct csigshim__disposition *const disposition = &csigshim__dispositions[signo];
    for (struct csigshim__action *known = disposition->known; known != NULL; known = known->next)
        if (are_equal(&known->saved, action))
            return known;
    struct csigshim__action *const new = mmap(NULL, sizeof *new, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (new == MAP_FAILED)
        return NULL;
    new->saved = *action;
    new->next = disposition->known;
    disposition->known = new;
    return new;
}

/* Returns this library's action for signo, to be installed over `old`. */
static struct sigaction make_shim_action(int signo, const struct csigshim__action *old) {
    static const int unmasked[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGKILL, SIGSTOP};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = csigshim__handler;
    /* Every signal, including the C library's: asynchronous cancellation uses one. With an empty mask, the handlers of
     * signals that are pending together would nest, and the last would run first. */
    memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
    for (size_t i = 0; i < sizeof unmasked / sizeof *unmasked; i++)
        sigdelset(&action.sa_mask, unmasked[i]);
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    const int old_flags = old->saved.sa_flags;
    const bool chained = csigshim__other_bridge_has(NULL, signo, CSIGSHIM_CHAIN) && csigshim__is_function(&old->saved);
    /* A restarted background read gets TTIN again, and loops. A host that had no SA_RESTART relies on EINTR. */
    if (signo == SIGTTIN || signo == SIGTTOU || csigshim__other_bridge_has(NULL, signo, CSIGSHIM_INTERRUPT) ||
        (chained && !(old_flags & SA_RESTART)))
        action.sa_flags &= ~SA_RESTART;
    if (signo == SIGCHLD)
        action.sa_flags |= old_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
    return action;
}

/* Replaces `now`, which is not this library's action. */
static int save_and_install(int signo, struct sigaction now) {
    struct csigshim__disposition *const disposition = &csigshim__dispositions[signo];
    for (bool is_in = false;; is_in = true) {
        struct csigshim__action *const old = find_or_save(signo, &now);
        if (old == NULL) {
            if (is_in)
                sigaction(signo, &now, NULL);
            return -1;
        }
        atomic_store(&old->reset, false);
        atomic_store(&disposition->old_action, old); /* S1 */
        if (is_in)
            break;
        const struct sigaction shim_action = make_shim_action(signo, old);
        struct sigaction replaced;
        if (sigaction(signo, &shim_action, &replaced) != 0)
            return -1;
        if (csigshim__is_shim_action(&replaced) || are_equal(&replaced, &now)) /* S2 */
            break;
        now = replaced; /* S1: another thread was quicker */
    }
    disposition->installed = true;
    disposition->reachable = false;
    return 0;
}

/* Installs this library's handler with the flags that the present subscriptions need. */
static int install_over_saved(int signo) {
    struct csigshim__disposition *const disposition = &csigshim__dispositions[signo];
    const struct sigaction shim_action = make_shim_action(signo, atomic_load(&disposition->old_action));
    if (sigaction(signo, &shim_action, NULL) != 0)
        return -1;
    disposition->installed = true;
    return 0;
}

int csigshim__install(int signo) {
    struct csigshim__disposition *const disposition = &csigshim__dispositions[signo];
    struct sigaction now;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (csigshim__is_shim_action(&now))
        return install_over_saved(signo);
    if (!disposition->installed && !(disposition->reachable && csigshim__is_function(&now)))
        return save_and_install(signo, now);
    disposition->installed = true; /* S2: beneath another handler */
    return 0;
}

int csigshim__reinstall(int signo) {
    return install_over_saved(signo);
}

int csigshim__restore_action(int signo) {
    const struct csigshim__action *const old = atomic_load(&csigshim__dispositions[signo].old_action);
    struct sigaction now;
    if (old == NULL)
        return 0;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (!csigshim__is_shim_action(&now))
        return 0;
    struct sigaction action = old->saved;
    if (atomic_load(&old->reset)) { /* SA_RESETHAND, as the kernel would have done */
        action.sa_handler = SIG_DFL;
        action.sa_flags &= ~SA_SIGINFO;
    }
    return sigaction(signo, &action, NULL) == 0 ? 1 : -1;
}

void csigshim__uninstall(int signo) {
    struct csigshim__disposition *const disposition = &csigshim__dispositions[signo];
    disposition->reachable = csigshim__restore_action(signo) != 1; /* S2 */
    disposition->installed = false;
}
