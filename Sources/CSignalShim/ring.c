/* The queue of a bridge: a ring of slots, and a count for what finds it full.
 *
 * Each slot has a sequence number, as in Vyukov's bounded queue. In a ring of n slots, the slot of position p is free
 * if its sequence is p - p % n. One more means that it holds a record. So zeroed pages are an empty ring.
 *
 * Q1  A handler claims a position by moving `tail`, fills the slot, and publishes it by its sequence number. A reader
 *     stops at the first slot that is claimed and not published. The handler that fills it notifies afterwards (W1), so
 *     the reader returns.
 * Q2  No delivery is lost. One that finds the ring full is counted in its subscription, before the handler notifies. A
 *     reader returns these as one event for each signal, without details. (G1, G2)
 * Q3  A writer that is interrupted or preempted delays readers at its slot, but no other writer. The reader's side is
 *     in read.c. Tests/prove/protocol/delivery.pml refutes BREAK_PUBLISH_BEFORE_FILL (Q1), BREAK_COUNT_AFTER_NOTIFY
 *     (Q2) and BREAK_WRITER_WAITS (Q3). */
#include "shim.h"

void csigshim__describe(csigshim_event *event, int signo, const siginfo_t *info, uint64_t now) {
    event->signo = signo;
    event->code = info->si_code;
    event->pid = 0;
    event->uid = 0;
    event->status = 0;
    event->count = 1;
    event->value = 0;
    event->time_ns = now;
    event->flags = 0;
    event->overrun = 0;
    event->fd = -1;
    event->reserved[0] = event->reserved[1] = event->reserved[2] = 0;
    csigshim__set_details(event, info);
}

static bool push(struct csigshim_bridge *bridge, int signo, const siginfo_t *info, uint64_t now) {
    size_t at = atomic_load_explicit(&bridge->tail, memory_order_relaxed);
    for (;;) {
        struct csigshim__slot *slot = csigshim__slot_at(bridge, at);
        const size_t free = csigshim__free_sequence(bridge, at);
        const size_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        if (sequence == free) {
            if (atomic_compare_exchange_weak(&bridge->tail, &at, at + 1)) {
                csigshim__describe(&slot->event, signo, info, now);
                atomic_store_explicit(&slot->sequence, free + 1, memory_order_release); /* Q1 */
                return true;
            }
        } else if ((ptrdiff_t)(sequence - free) < 0) {
            return false; /* unread, or still being filled, since the last time round */
        } else {
            at = atomic_load(&bridge->tail);
        }
    }
}

void csigshim__store(struct csigshim_bridge *bridge, int signo, const siginfo_t *info, uint64_t now) {
    if (push(bridge, signo, info, now))
        return;
    atomic_fetch_add(&bridge->subscriptions[signo].overflow, 1); /* Q2 */
    atomic_store(&bridge->overflowed, true);
}
