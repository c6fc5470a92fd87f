/* The effect of fork(2) on bridges, and how a child takes over inherited ones.
 *
 * C1  The atfork handlers hold the lock across the fork (L3). In the child, with all signals still blocked, they
 *     restore the dispositions and the mask that there would be without bridges. So a child that executes a program
 *     without a call of this library starts it as if there were no bridges (G8).
 * C2  A child's bridges are inherited: nothing is recorded for them, and their descriptors, which the parent shares,
 *     are not used. State of threads that the child does not have is reset: counts of handlers, and readers' mutexes.
 * C3  csigshim_after_fork opens new resources, and only then closes the inherited ones, so a failure leaves the bridge
 *     as it was. Tests/prove/protocol/fork.pml refutes BREAK_NO_UNINSTALL (C1), BREAK_COUNTS_STAY (C2) and
 *     BREAK_CLOSE_INHERITED_FIRST (C3).
 *
 * A child of clone(2), vfork(2) or _Fork(3) runs no atfork handlers. The lock refuses it (P1), and it may call only
 * csigshim_reset_for_exec. */
#include "shim.h"
#include <dlfcn.h>

static _Thread_local struct csigshim__lock_state fork_state; /* from before the fork to after it */

static void before_fork(void) {
    csigshim__lock_for_fork(&fork_state);
}

static void after_fork_in_parent(void) {
    csigshim__unlock(&fork_state);
}

/* Stops recording until csigshim_after_fork. A closed bridge may have counted a handler, too. */
static void make_dormant(struct csigshim_bridge *bridge) {
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        struct csigshim__subscription *const subscription = &bridge->subscriptions[signo];
        const unsigned flags = atomic_load(&subscription->flags);
        if (flags & CSIGSHIM__ACTIVE)
            atomic_store(&subscription->flags, (flags & ~(unsigned)CSIGSHIM__ACTIVE) | CSIGSHIM__DORMANT);
        atomic_store(&subscription->active_handlers, 0);
    }
    pthread_mutex_init(&bridge->reader, NULL);
    atomic_store(&bridge->inherited, atomic_load(&bridge->open));
}

static void after_fork_in_child(void) {
    _Atomic pid_t *const page = atomic_load(&csigshim__owner_page);
    if (page != NULL) {
        for (unsigned i = 0; i < atomic_load(&csigshim__bridge_count); i++)
            make_dormant(&csigshim__bridges[i]);             /* C2 */
        for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) /* C1 */
            if (csigshim__dispositions[signo].installed)
                csigshim__uninstall(signo);
        csigshim__unblock_for_child(&fork_state.mask);
        csigshim__forget_masks();
        const pid_t self = csigshim__getpid();
        atomic_store(page, self > 0 ? self : 0);
    }
    csigshim__unlock(&fork_state);
}

static int register_fork_handlers(void) {
    static _Atomic bool registered;
    if (atomic_exchange(&registered, true))
        return 0;
    const int failure = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (failure == 0)
        return 0;
    atomic_store(&registered, false);
    return csigshim__fail(failure);
}

/* Runs when the code is loaded: before a host registers its own handlers, which may then call this library. */
__attribute__((constructor)) static void register_early(void) {
    (void)register_fork_handlers();
}

/* Keeps this code loaded, for instance in a plugin, because the kernel has a pointer to the handler. */
static void stay_loaded(void) {
    Dl_info here;
    if (dladdr((void *)&csigshim__bridges, &here) != 0)
        (void)dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* The kernel's own clock function needs no system call, and cannot be interposed. */
static void find_vdso_clock(void) {
    void *const vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
    void *const symbol = vdso == NULL ? NULL : dlsym(vdso, CSIGSHIM__VDSO_CLOCK);
    int (*clock)(clockid_t, struct timespec *) = NULL;
    memcpy(&clock, &symbol, sizeof clock);
    atomic_store(&csigshim__vdso_clock, clock);
}

/* Several threads may run this at once, because running it twice does no harm. */
int csigshim__prepare_process(void) {
    static _Atomic bool prepared;
    if (register_fork_handlers() != 0)
        return -1;
    if (!atomic_load(&prepared)) {
        stay_loaded();
        find_vdso_clock();
        atomic_store(&prepared, true);
    }
    return 0;
}

int csigshim__claim_process(void) {
    if (atomic_load(&csigshim__owner_page) != NULL)
        return 0;
    const pid_t self = csigshim__getpid();
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *const page = self < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (page == MAP_FAILED)
        return csigshim__fail(self < 0 ? -self : errno); /* a sandbox refuses getpid(2) */
    CSIGSHIM__WIPE_ON_FORK(page, size);
    atomic_store((_Atomic pid_t *)page, self);
    atomic_store(&csigshim__owner_page, (_Atomic pid_t *)page);
    return 0;
}

/* Makes the dormant subscriptions active again, as csigshim_add would. -1: none of them is active; see errno. */
static int resubscribe(struct csigshim_bridge *bridge, sigset_t *mask) {
    unsigned wanted[CSIGSHIM__NSIG] = {0};
    int signo = 1, failure = 0;
    for (; signo < CSIGSHIM__NSIG && failure == 0; signo++) {
        const unsigned flags = atomic_load(&bridge->subscriptions[signo].flags);
        wanted[signo] = flags;
        if (!(flags & CSIGSHIM__DORMANT))
            continue;
        if (csigshim__is_taken(bridge, signo))
            failure = EBUSY;
        else if (csigshim__activate(bridge, signo, flags & ~(unsigned)CSIGSHIM__DORMANT, mask) < 0)
            failure = errno;
    }
    if (failure == 0)
        return 0;
    atomic_store(&bridge->inherited, true); /* what is pending stays pending (K3) */
    while (--signo > 0)
        if (wanted[signo] & CSIGSHIM__DORMANT) {
            if (atomic_load(&bridge->subscriptions[signo].flags) & CSIGSHIM__ACTIVE)
                (void)csigshim__unsubscribe(bridge, signo, mask);
            atomic_store(&bridge->subscriptions[signo].flags, wanted[signo]);
        }
    return csigshim__fail(failure);
}

static int after_fork_locked(struct csigshim_bridge *bridge, sigset_t *mask) {
    const struct csigshim__resources inherited = bridge->has;
    struct csigshim__resources fresh = {0};
    if (csigshim__open_resources(&fresh, bridge->mechanism, inherited.capacity) != 0)
        return -1;
    bridge->has = fresh;
    csigshim__forget_events(bridge);
    atomic_store(&bridge->inherited, false);
    const int result = resubscribe(bridge, mask);
    const int saved_errno = errno;
    if (result != 0)
        bridge->has = inherited;
    csigshim__close_resources(result == 0 ? &inherited : &fresh, bridge->mechanism); /* C3 */
    errno = saved_errno;
    return result;
}

int csigshim_after_fork(csigshim_bridge *bridge) {
    struct csigshim__lock_state state;
    if (!csigshim__is_open(bridge) || csigshim__lock(&state) != 0)
        return -1;
    const int result = atomic_load(&bridge->inherited) ? after_fork_locked(bridge, &state.mask) : 0;
    csigshim__unlock(&state);
    return result;
}
