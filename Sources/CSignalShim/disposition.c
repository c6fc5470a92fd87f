/* The kernel's side of a signal: our sigaction in, the saved one back.
 *
 * The saved action is published before ours is installed, since a handler may run at once, and published again if
 * somebody was quicker than our look. It is put back exactly as it was (the Swift runtime owns handlers too, so never
 * SIG_DFL), and only if ours is still there. sigaction(2) has no compare-and-swap: a handler that is installed by
 * another thread between our look and our call is lost to its owner, and nothing can be done about it here.
 */
#include "internal.h"
#include <stdlib.h>

static bool chained(int signo)
{
    const unsigned both = CSIGSHIM__ACTIVE | CSIGSHIM_CHAIN;
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++)
        if ((atomic_load(&csigshim__bridges[i].subscriptions[signo].flags) & both) == both)
            return true;
    return false;
}

static bool ignores(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN;
}

static bool same(const struct sigaction *a, const struct sigaction *b)
{
    return ((a->sa_flags ^ b->sa_flags) & ~CSIGSHIM__FOREIGN_FLAGS) == 0 &&
           memcmp(&a->sa_mask, &b->sa_mask, (CSIGSHIM__NSIG + 6) / 8) == 0 &&
           ((a->sa_flags & SA_SIGINFO) ? a->sa_sigaction == b->sa_sigaction : a->sa_handler == b->sa_handler);
}

/* Our action for signo, with `under` below it. */
static struct sigaction ours_over(int signo, const struct sigaction *under)
{
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = csigshim__handler;
    csigshim__our_mask(&ours.sa_mask);
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    const bool function = (under->sa_flags & SA_SIGINFO) || (under->sa_handler != SIG_DFL && !ignores(under));
    /* A read by a background process would be restarted, get TTIN again, and spin. A host whose handler had no
     * SA_RESTART counts on its EINTR, if that handler goes on running. */
    if (signo == SIGTTIN || signo == SIGTTOU || (chained(signo) && function && !(under->sa_flags & SA_RESTART)))
        ours.sa_flags &= ~SA_RESTART;
    if (signo == SIGCHLD) {
        ours.sa_flags |= under->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
        if (ignores(under)) /* which means: no zombies */
            ours.sa_flags |= SA_NOCLDWAIT;
    }
    return ours;
}

/* The one action that equals these two; made if there is none yet. */
static struct csigshim__action *intern(int signo, const struct sigaction *saved, struct csigshim__action *below)
{
    struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
    struct csigshim__action *first = atomic_load(&disposition->known);
    for (struct csigshim__action *known = first; known != NULL; known = known->next)
        if (known->below == below && same(&known->saved, saved))
            return known;
    struct csigshim__action *action = calloc(1, sizeof *action);
    if (action == NULL)
        return NULL;
    action->saved = *saved;
    action->below = below;
    action->next = first;
    atomic_store(&disposition->known, action);
    return action;
}

/* `chain` with no action that equals `saved`: one handler that is installed over ours again and again is one link. But
 * the last link stays: of two copies of this library that are re-armed over each other by turns, each comes by twice in
 * one delivery, and the second time it goes on to what was there before both. */
static struct csigshim__action *without(int signo, struct csigshim__action *chain, const struct sigaction *saved)
{
    if (chain == NULL || chain->below == NULL)
        return chain;
    struct csigshim__action *rest = without(signo, chain->below, saved);
    if (same(&chain->saved, saved))
        return rest;
    return rest == chain->below ? chain : intern(signo, &chain->saved, rest);
}

/* Installs ours over what the kernel has, which is not ours. */
static int put_over(int signo, struct sigaction now)
{
    struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
    struct csigshim__action *linked = disposition->linked ? atomic_load(&disposition->previous) : NULL;
    for (bool ours_is_in = false;; ours_is_in = true) {
        struct csigshim__action *action = intern(signo, &now, without(signo, linked, &now));
        if (action == NULL) {
            if (ours_is_in)
                sigaction(signo, &now, NULL);
            return -1;
        }
        atomic_store(&action->spent, false);
        atomic_store(&disposition->previous, action);
        if (ours_is_in)
            break;
        const struct sigaction ours = ours_over(signo, &now);
        struct sigaction was;
        if (sigaction(signo, &ours, &was) != 0)
            return -1;
        if (same(&was, &now))
            break;
        now = was;
    }
    disposition->installed = true;
    return 0;
}

/* Makes the kernel's action ours, with the flags that the present subscriptions ask for. One that was put over ours
 * stays there: that is for csigshim_rearm. */
int csigshim__install(int signo)
{
    struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
    struct sigaction now;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (csigshim__is_ours(&now)) {
        disposition->installed = true;
        const struct sigaction under = csigshim__underneath(atomic_load(&disposition->previous));
        const struct sigaction ours = ours_over(signo, &under);
        return same(&ours, &now) ? 0 : sigaction(signo, &ours, NULL);
    }
    return disposition->installed ? 0 : put_over(signo, now);
}

/* Nobody wants signo any more. If somebody is on top of ours, ours stays beneath, and passes on. */
bool csigshim__restore(int signo)
{
    struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
    struct sigaction now;
    disposition->installed = false;
    if (sigaction(signo, NULL, &now) != 0 || !csigshim__is_ours(&now)) {
        disposition->linked = true;
        return false;
    }
    const struct sigaction under = csigshim__underneath(atomic_load(&disposition->previous));
    return sigaction(signo, &under, NULL) == 0;
}

void csigshim__step_down(int signo)
{
    struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
    struct csigshim__action *const below = atomic_load(&disposition->previous)->below;
    if (below != NULL)
        atomic_store(&disposition->previous, below);
}

int csigshim__lend(int signo)
{
    struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
    struct sigaction now;
    if (!disposition->installed)
        return 0;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (!csigshim__is_ours(&now))
        return 0;
    const struct sigaction under = csigshim__underneath(atomic_load(&disposition->previous));
    if (!ignores(&under))
        return 0;
    csigshim__keep_pending(signo); /* the kernel drops what is pending of a signal that becomes ignored */
    const int result = sigaction(signo, &under, NULL);
    disposition->lent |= result == 0;
    return result;
}

/* If nobody has changed it in the meantime. */
int csigshim__take_back(int signo)
{
    struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
    struct sigaction now;
    int result = 0;
    if (disposition->lent && disposition->installed && csigshim__wanted(signo)) {
        result = sigaction(signo, NULL, &now);
        if (result == 0 && ignores(&now)) {
            const struct sigaction ours = ours_over(signo, &now);
            result = sigaction(signo, &ours, NULL);
        }
    }
    disposition->lent &= result != 0;
    return result;
}

void csigshim__review_installed(void)
{
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        struct csigshim__disposition *disposition = &csigshim__dispositions[signo];
        if (disposition->installed && !csigshim__wanted(signo)) {
            disposition->installed = false;
            disposition->linked = true;
        }
    }
}

int csigshim_state(int signo)
{
    csigshim__guard guard;
    struct sigaction now;
    if (csigshim__check(signo) != 0 || csigshim__enter(&guard) != 0)
        return -1;
    int state = CSIGSHIM_ABSENT;
    if (csigshim__wanted(signo) && sigaction(signo, NULL, &now) != 0)
        state = -1;
    else if (csigshim__wanted(signo))
        state = csigshim__is_ours(&now) ? CSIGSHIM_ARMED : CSIGSHIM_DISPLACED;
    csigshim__leave(&guard);
    return state;
}

int csigshim_mechanism(int signo)
{
    csigshim__guard guard;
    if (csigshim__check(signo) != 0 || csigshim__enter(&guard) != 0)
        return -1;
    int result = -1;
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++)
        if (atomic_load(&csigshim__bridges[i].subscriptions[signo].flags) & CSIGSHIM__ACTIVE)
            result = csigshim__bridges[i].mechanism;
    if (result < 0)
        errno = ENOENT;
    csigshim__leave(&guard);
    return result;
}

int csigshim_rearm(int signo)
{
    csigshim__guard guard;
    struct sigaction now;
    if (csigshim__check(signo) != 0 || csigshim__enter(&guard) != 0)
        return -1;
    int result = -1;
    if (!csigshim__wanted(signo)) {
        errno = ENOENT;
    } else if (sigaction(signo, NULL, &now) == 0) {
        if (!csigshim__is_ours(&now)) {
            csigshim__dispositions[signo].linked = true;
            result = put_over(signo, now);
        } else {
            result = 0;
        }
    }
    csigshim__leave(&guard);
    return result;
}
