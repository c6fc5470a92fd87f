/* The public functions of bridges and their subscriptions. subscription.c and disposition.c do the work. */
#include "shim.h"

static int open_locked(csigshim_bridge **out, int mechanism, size_t capacity) {
    struct csigshim__resources resources = {0};
    if (csigshim__claim_process() != 0)
        return -1;
    unsigned i = 0;
    while (i < CSIGSHIM__BRIDGES && atomic_load(&csigshim__bridges[i].open))
        i++;
    if (i == CSIGSHIM__BRIDGES)
        return csigshim__fail(ENOSPC);
    if (csigshim__open_resources(&resources, mechanism, capacity) != 0)
        return -1;
    struct csigshim_bridge *const bridge = &csigshim__bridges[i];
    pthread_mutex_init(&bridge->reader, NULL);
    bridge->mechanism = mechanism;
    bridge->has = resources;
    csigshim__forget_events(bridge);
    atomic_store(&bridge->open, true);
    if (atomic_load(&csigshim__bridge_count) <= i)
        atomic_store(&csigshim__bridge_count, i + 1);
    *out = bridge;
    return 0;
}

int csigshim_open_sized(csigshim_bridge **bridge, int mechanism, size_t capacity) {
    struct csigshim__lock_state state;
    const bool is_valid = mechanism == CSIGSHIM_HANDLER || mechanism == CSIGSHIM_SIGNALFD;
    if (bridge == NULL || !is_valid || (mechanism == CSIGSHIM_SIGNALFD && !csigshim__is_signalfd(mechanism)) ||
        capacity < CSIGSHIM__MIN_CAPACITY || capacity > CSIGSHIM__MAX_CAPACITY || (capacity & (capacity - 1)) != 0) {
        errno = mechanism == CSIGSHIM_SIGNALFD && !csigshim__is_signalfd(mechanism) ? ENOTSUP : EINVAL;
        return -1;
    }
    if (csigshim__prepare_process() != 0 || csigshim__lock(&state) != 0)
        return -1;
    const int result = open_locked(bridge, mechanism, capacity);
    csigshim__unlock(&state);
    return result;
}

int csigshim_open(csigshim_bridge **bridge, int mechanism) {
    return csigshim_open_sized(bridge, mechanism, CSIGSHIM__MAX_CAPACITY);
}

int csigshim_close(csigshim_bridge *bridge) {
    struct csigshim__lock_state state;
    if (!csigshim__is_open(bridge))
        return -1;
    const int locked = csigshim__lock(&state);
    if (locked != 0)
        return locked < 0 ? -1 : 0;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (atomic_load(&bridge->subscriptions[signo].flags) != 0 &&
            csigshim__unsubscribe(bridge, signo, &state.mask) != 0) {
            struct csigshim__action_now now; /* SIG_IGN discards what is pending and could not be taken */
            csigshim__deactivate(bridge, signo);
            if (csigshim__set_plain(signo, true, &now) == 0)
                (void)csigshim__exchange_action(signo, &now, NULL);
            csigshim__unblock(signo, &state.mask);
        }
    csigshim__close_resources(&bridge->has, bridge->mechanism);
    pthread_mutex_destroy(&bridge->reader);
    atomic_store(&bridge->inherited, false);
    atomic_store(&bridge->open, false);
    csigshim__unlock(&state);
    return 0;
}

/* Locks for a call that changes an open bridge of this process. */
static int lock_bridge(const struct csigshim_bridge *bridge, struct csigshim__lock_state *state) {
    if (!csigshim__is_open(bridge) || csigshim__lock(state) != 0)
        return -1;
    if (!atomic_load(&bridge->inherited))
        return 0;
    csigshim__unlock(state);
    return csigshim__fail(EPERM);
}

int csigshim_add(csigshim_bridge *bridge, int signo, unsigned flags) {
    enum { ALL = CSIGSHIM_CHAIN | CSIGSHIM_KEEP_IGNORED | CSIGSHIM_INTERRUPT | CSIGSHIM_UNBLOCK };
    struct csigshim__lock_state state;
    if (flags & ~(unsigned)ALL)
        return csigshim__fail(EINVAL);
    if (csigshim__check_catchable(signo) != 0 || lock_bridge(bridge, &state) != 0)
        return -1;
    int result = csigshim__subscribe(bridge, signo, flags & ~(unsigned)CSIGSHIM_UNBLOCK, &state.mask);
    if (result == 0 && (flags & CSIGSHIM_UNBLOCK) && !csigshim__uses_signalfd(bridge) &&
        sigismember(&state.mask, signo) == 1) {
        sigdelset(&state.mask, signo);
        result = 2;
    }
    csigshim__unlock(&state);
    return result;
}

/* A set that cannot be added is refused before anything changes. */
static int check_set(const csigshim_bridge *bridge, const sigset_t *set) {
    int failure = set == NULL || !csigshim__is_open(bridge) ? EINVAL : csigshim__is_inherited(bridge) ? EPERM : 0;
    for (int signo = 1; signo < CSIGSHIM__NSIG && failure != EINVAL; signo++) {
        if (sigismember(set, signo) != 1)
            continue;
        if (csigshim__check_catchable(signo) != 0)
            return -1;
        if (failure == 0 && atomic_load(&bridge->subscriptions[signo].flags) != 0)
            failure = EEXIST;
        else if (failure == 0 && csigshim__is_taken(bridge, signo))
            failure = EBUSY;
    }
    return failure == 0 ? 0 : csigshim__fail(failure);
}

int csigshim_add_set(csigshim_bridge *bridge, const sigset_t *set, unsigned flags) {
    bool added[CSIGSHIM__NSIG] = {false}, unblocked[CSIGSHIM__NSIG] = {false};
    int left_out = 0;
    if (check_set(bridge, set) != 0)
        return -1;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        const int result = sigismember(set, signo) == 1 ? csigshim_add(bridge, signo, flags) : 3;
        unblocked[signo] = result == 2;
        added[signo] = result == 0 || result == 2;
        left_out |= result == 1;
        if (result >= 0)
            continue;
        const int failure = errno;
        while (--signo > 0) {
            if (added[signo])
                (void)csigshim_remove(bridge, signo);
            if (unblocked[signo])
                (void)csigshim__change_mask(SIG_BLOCK, signo);
        }
        return csigshim__fail(failure);
    }
    return left_out;
}

int csigshim_remove(csigshim_bridge *bridge, int signo) {
    struct csigshim__lock_state state;
    if (!csigshim__is_open(bridge) || csigshim__check_catchable(signo) != 0)
        return -1;
    const int locked = csigshim__lock(&state);
    if (locked != 0)
        return locked < 0 ? -1 : 0;
    const bool is_added = atomic_load(&bridge->subscriptions[signo].flags) != 0;
    const int result = is_added ? csigshim__unsubscribe(bridge, signo, &state.mask) : -1;
    csigshim__unlock(&state);
    errno = is_added ? errno : ENOENT;
    return result;
}

int csigshim_set_chain(csigshim_bridge *bridge, int signo, int on) {
    struct csigshim__lock_state state;
    if (csigshim__check_catchable(signo) != 0 || lock_bridge(bridge, &state) != 0)
        return -1;
    _Atomic unsigned *const flags = &bridge->subscriptions[signo].flags;
    const unsigned before = atomic_load(flags);
    int result = -1;
    if (before == 0) {
        errno = ENOENT;
    } else if (csigshim__uses_signalfd(bridge) && on) {
        errno = ENOTSUP;
    } else {
        atomic_store(flags, on ? before | CSIGSHIM_CHAIN : before & ~(unsigned)CSIGSHIM_CHAIN);
        result = csigshim__install(signo); /* SA_RESTART may change */
        if (result != 0)
            atomic_store(flags, before);
    }
    csigshim__unlock(&state);
    return result;
}

int csigshim_escalate_after(csigshim_bridge *bridge, int signo, unsigned unread) {
    struct csigshim__lock_state state;
    if (csigshim__check_catchable(signo) != 0 || lock_bridge(bridge, &state) != 0)
        return -1;
    int result = -1;
    if (csigshim__default_action(signo) != CSIGSHIM_ACTION_TERMINATE) {
        errno = EINVAL;
    } else if (csigshim__uses_signalfd(bridge)) { /* no handler runs that could decide */
        errno = ENOTSUP;
    } else if (atomic_load(&bridge->subscriptions[signo].flags) == 0) {
        errno = ENOENT;
    } else {
        atomic_store(&bridge->subscriptions[signo].escalate_at, unread);
        result = 0;
    }
    csigshim__unlock(&state);
    return result;
}

int csigshim_state(int signo) {
    struct sigaction now;
    if (csigshim__check_catchable(signo) != 0)
        return -1;
    if (!csigshim__is_wanted(signo))
        return CSIGSHIM_ABSENT;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    return csigshim__is_shim_action(&now) ? CSIGSHIM_ARMED : CSIGSHIM_DISPLACED;
}

int csigshim_mechanism(int signo) {
    if (csigshim__check_catchable(signo) != 0)
        return -1;
    if (csigshim__is_wanted(signo))
        return csigshim__other_bridge_has(NULL, signo, CSIGSHIM__QUEUED) ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER;
    return csigshim__fail(ENOENT);
}

int csigshim_rearm(int signo) {
    struct csigshim__lock_state state;
    if (csigshim__check_catchable(signo) != 0 || csigshim__lock(&state) != 0)
        return -1;
    const bool is_wanted = csigshim__is_wanted(signo);
    const int result = is_wanted ? csigshim__reinstall(signo) : -1;
    csigshim__unlock(&state);
    errno = is_wanted ? errno : ENOENT;
    return result;
}

int csigshim_version(void) {
    return CSIGSHIM_VERSION;
}
