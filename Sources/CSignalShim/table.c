/* The bridges, queries of their subscriptions, and the process that owns them. A handler reads the tables without a
 * lock.
 *
 * P1  In a process that does not own the bridges, the handler writes nothing to them and records no signal. The owner's
 *     pid is on a page that fork(2) wipes in the child: 0 means a forked child. A child of vfork(2) shares the page and
 *     has another pid. So the role is known before any other access.
 *     Tests/prove/protocol/fork.pml refutes BREAK_NO_PID_CHECK and BREAK_NO_OWNER_PAGE.
 *
 * If a sandbox refuses getpid(2), the process counts as the owner. A vfork(2) in a new PID namespace is not detected if
 * both parent and child have pid 1. */
#include "shim.h"

struct csigshim_bridge csigshim__bridges[CSIGSHIM__BRIDGES];
_Atomic unsigned csigshim__bridge_count;
struct csigshim__disposition csigshim__dispositions[CSIGSHIM__NSIG];
_Atomic unsigned csigshim__add_count;
_Atomic(_Atomic pid_t *) csigshim__owner_page;
_Atomic(int (*)(clockid_t, struct timespec *)) csigshim__vdso_clock;

bool csigshim__is_open(const struct csigshim_bridge *bridge) {
    if (bridge >= csigshim__bridges && bridge < csigshim__bridges + CSIGSHIM__BRIDGES && atomic_load(&bridge->open))
        return true;
    errno = EINVAL;
    return false;
}

bool csigshim__other_bridge_has(const struct csigshim_bridge *except, int signo, unsigned flags) {
    const unsigned count = atomic_load(&csigshim__bridge_count), wanted = CSIGSHIM__ACTIVE | flags;
    for (unsigned i = 0; i < count; i++)
        if (&csigshim__bridges[i] != except &&
            (atomic_load(&csigshim__bridges[i].subscriptions[signo].flags) & wanted) == wanted)
            return true;
    return false;
}

pid_t csigshim_owner(void) {
    _Atomic pid_t *const page = atomic_load_explicit(&csigshim__owner_page, memory_order_acquire);
    return page == NULL ? 0 : atomic_load_explicit(page, memory_order_relaxed);
}

enum csigshim__role csigshim__process_role(void) {
    const pid_t owner = csigshim_owner();
    if (owner == 0)
        return atomic_load(&csigshim__owner_page) == NULL ? CSIGSHIM__SELF : CSIGSHIM__FORK_CHILD;
    const pid_t self = csigshim__getpid();
    return self == owner || self < 0 ? CSIGSHIM__SELF : CSIGSHIM__VFORK_CHILD;
}
