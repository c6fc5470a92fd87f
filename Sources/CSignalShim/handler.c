/* The signal handler. It finds out which process it runs in (table.c). It records the delivery in the queue of each
 * bridge that has the signal (ring.c), and wakes the reader (notify.c). Then it runs the old handler if a bridge
 * chains, or takes the old action if no bridge recorded the delivery (old_action.c).
 *
 * Only this file and the files that it uses run in the handler. Tests/tools/symbols.sh names them, and checks the
 * functions that they call against a list. They take no lock, allocate nothing, keep errno, and contain no cancellation
 * point. The handler runs with every signal blocked except the synchronous faults, which are left to the host.
 *
 * R1  A bridge may be taken down only when no handler is inside it. A handler increments `active_handlers` between two
 *     loads of `flags`. The remover clears `flags`, then waits for active_handlers == 0. All four accesses are seq_cst,
 *     so either the handler sees the subscription gone, or the remover sees the handler. The first load keeps the count
 *     from rising once the subscription is gone, so a flood of signals cannot delay the remover. A handler accesses
 *     nothing else of a bridge unless both loads find it active. Tests/prove/protocol/lifetime.pml refutes
 *     BREAK_LOOK_ONCE, BREAK_LOOK_BEFORE_COUNT and BREAK_NO_WAIT_FOR_HANDLERS.
 * R2  If a subscription moves from one bridge to another, one of them records the signal. The handler visits the
 *     bridges one by one, so csigshim_add to one and csigshim_remove from another may fall between two visits. If no
 *     bridge recorded the delivery and `add_count` has changed, the handler visits them again. The first load of
 *     `flags` acquires, so a handler that sees the removal also sees the addition before it. lifetime.pml refutes
 *     BREAK_NO_ADD_COUNT. */
#include "shim.h"

enum { RECORDED = 1 << 16, ESCALATE = 1 << 17 };

/* Returns 0, or RECORDED with the subscription's flags, and ESCALATE if unread deliveries have reached the limit. */
static unsigned record(struct csigshim_bridge *bridge, int signo, const siginfo_t *info, uint64_t now) {
    struct csigshim__subscription *const subscription = &bridge->subscriptions[signo];
    unsigned result = 0;
    if (!(atomic_load_explicit(&subscription->flags, memory_order_acquire) & CSIGSHIM__ACTIVE)) /* R1, R2 */
        return 0;
    atomic_fetch_add(&subscription->active_handlers, 1); /* R1 */
    const unsigned flags = atomic_load(&subscription->flags);
    if ((flags & CSIGSHIM__ACTIVE) && csigshim__can_record(bridge)) { /* D1 */
        result = flags | RECORDED;
        const unsigned unread = atomic_fetch_add(&subscription->unread, 1) + 1;
        const unsigned limit = atomic_load(&subscription->escalate_at);
        if (limit != 0 && unread >= limit)
            result |= ESCALATE;
        csigshim__store(bridge, signo, info, now);
        csigshim__notify(bridge); /* W1 */
    }
    atomic_fetch_sub(&subscription->active_handlers, 1); /* R1: from here on the bridge may be gone */
    return result;
}

static unsigned record_in_each_bridge(int signo, const siginfo_t *info) {
    const uint64_t now = csigshim__now(); /* the same in each bridge */
    unsigned result, add_count;
    do {
        add_count = atomic_load(&csigshim__add_count);
        result = 0;
        const unsigned count = atomic_load(&csigshim__bridge_count);
        for (unsigned i = 0; i < count; i++)
            result |= record(&csigshim__bridges[i], signo, info, now);
    } while (!(result & RECORDED) && atomic_load(&csigshim__add_count) != add_count); /* R2 */
    return result;
}

static void deliver(struct csigshim__delivery *delivery) {
    const unsigned result = record_in_each_bridge(delivery->signo, delivery->info);
    if (result & ESCALATE)
        csigshim__terminate(delivery->signo);
    if (!(result & RECORDED))
        csigshim__run_old_action(delivery);
    else if (result & CSIGSHIM_CHAIN)
        (void)csigshim__call_old_handler(delivery, csigshim__is_installed(delivery->signo));
}

void csigshim__handler(int signo, siginfo_t *info, void *context) {
    const enum csigshim__role role = csigshim__process_role(); /* P1 */
    struct csigshim__delivery delivery = {info, context, signo, errno, role == CSIGSHIM__SELF};
    if (csigshim__is_reentry(info)) /* O5 */
        return;
    if (delivery.is_owner)
        deliver(&delivery);
    else
        csigshim__pass_on_in_child(&delivery, role);
    errno = delivery.interrupted_errno;
}
