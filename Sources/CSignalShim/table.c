/* The bridges, what they say about a signal, and which process this memory belongs to. A static table needs no lock to
 * be read in a handler.
 *
 * P1  A process that does not own the memory writes none of it in a handler, and none of its signals is recorded. The
 *     owner's pid stands on a page that fork(2) wipes in the child: 0 means a forked child. A child of vfork(2) shares
 *     the page and has another pid. So the role is known before anything else is touched.
 *     Tests/prove/protocol/fork.pml refutes BREAK_NO_PID_CHECK and BREAK_NO_OWNER_PAGE.
 *
 * Where a sandbox refuses getpid(2), the process counts as the owner, for it is alone in the sandbox. Not detected: a
 * process with pid 1 that enters a new PID namespace and calls vfork(2) there. */
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
