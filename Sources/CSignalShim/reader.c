/* Taking records out: see handler.c for the argument of the ring and its doorbell.
 *
 * Readers take turns under the lock. The doorbell stays rung until the ring is seen empty, so a reader with a small
 * buffer leaves the descriptor readable; and what is left over after the bell was silenced rings it again.
 */
#include "internal.h"
#include <limits.h>
#include <poll.h>
#include <time.h>

/* Records that are ready, in the order in which their places were claimed. */
static size_t pop(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity)
{
    struct csigshim__slot *const slots = atomic_load(&bridge->slots);
    size_t count = 0;
    while (count < capacity) {
        struct csigshim__slot *slot = csigshim__slot_of(slots, bridge->head);
        const size_t empty = csigshim__empty_turn(bridge->head);
        if (atomic_load_explicit(&slot->turn, memory_order_acquire) != empty + 1)
            break;
        events[count++] = slot->event;
        atomic_store_explicit(&slot->turn, empty + CSIGSHIM__SLOTS, memory_order_release);
        bridge->head++;
    }
    return count;
}

/* One event for each signal that had more deliveries than the ring had room for. */
static size_t pop_overflow(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity)
{
    size_t count = 0;
    if (capacity == 0 || !atomic_exchange(&bridge->overflowed, false))
        return 0;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        _Atomic size_t *overflow = &bridge->subscriptions[signo].overflow;
        if (atomic_load(overflow) == 0)
            continue;
        if (count == capacity) {
            atomic_store(&bridge->overflowed, true);
            break;
        }
        size_t deliveries = atomic_exchange(overflow, 0);
        if (deliveries > UINT32_MAX) { /* the rest in the next event */
            atomic_fetch_add(overflow, deliveries - UINT32_MAX);
            atomic_store(&bridge->overflowed, true);
            deliveries = UINT32_MAX;
        }
        events[count++] = (csigshim_event){
            .signo = signo,
            .count = (uint32_t)deliveries,
            .time_ns = csigshim__now(),
            .flags = CSIGSHIM_DETAILS_DROPPED,
            .fd = -1,
            .reserved = {atomic_load(&bridge->subscriptions[signo].epoch)},
        };
    }
    return count;
}

static size_t pop_both(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity)
{
    const size_t count = pop(bridge, events, capacity);
    return count + pop_overflow(bridge, events + count, capacity - count);
}

/* Empties the pipe, then clears the flag: in the other order a ring could get lost. False: it is not our pipe any more.
 */
static bool silence(struct csigshim_bridge *bridge)
{
    char bytes[64];
    atomic_store(&bridge->woken, false); /* first: a wake-up that comes now stays */
    const bool polled = atomic_load(&bridge->polled), intact = !polled || csigshim__end_intact(&bridge->read_end);
    while (polled && intact && csigshim__read_bytes(bridge->read_end.fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
    atomic_exchange(&bridge->rung, 0);
    return intact;
}

static bool something_left(struct csigshim_bridge *bridge)
{
    const size_t turn = atomic_load(&csigshim__slot_of(atomic_load(&bridge->slots), bridge->head)->turn);
    return atomic_load(&bridge->overflowed) || turn == csigshim__empty_turn(bridge->head) + 1;
}

/* What is handed out is read: it counts no longer for escalation, if it belongs to the present `add`. */
static void hand_out(struct csigshim_bridge *bridge, csigshim_event *event)
{
    struct csigshim__subscription *subscription = &bridge->subscriptions[event->signo];
    if (event->reserved[0] == atomic_load(&subscription->epoch)) {
        unsigned unread = atomic_load(&subscription->unread), left;
        do
            left = unread > event->count ? unread - event->count : 0;
        while (!atomic_compare_exchange_weak(&subscription->unread, &unread, left));
    }
    event->reserved[0] = 0;
}

ssize_t csigshim_read(csigshim_bridge *bridge, csigshim_event *events, size_t capacity)
{
    const int saved_errno = errno;
    csigshim__guard guard;
    if (!csigshim__is_open(bridge))
        return -1;
    if (events == NULL || capacity > SSIZE_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (capacity == 0)
        return 0;
    if (csigshim__enter(&guard) != 0)
        return csigshim__whose() == CSIGSHIM__BORROWED ? 0 : -1;
    size_t count = 0;
    bool intact = true;
    if (!atomic_load(&bridge->inherited)) {
        count = pop_both(bridge, events, capacity);
        if (count < capacity)
            count += csigshim__queue_read(bridge, events + count, capacity - count, &intact);
        /* Where nothing was found, also a byte that came late, of a wake-up that a read before this one knew of. */
        if (intact && count < capacity && (count == 0 || atomic_load(&bridge->rung) || atomic_load(&bridge->woken))) {
            intact = silence(bridge);
            count += pop_both(bridge, events + count, capacity - count);
            if (something_left(bridge))
                csigshim__ring(bridge, false);
        }
        if (intact && count == 0) /* without the other end nothing rings any more */
            intact = !atomic_load(&bridge->polled) ||
                     (csigshim__end_intact(&bridge->write_end) && csigshim__queue_intact(bridge));
    }
    for (size_t i = 0; i < count; i++)
        hand_out(bridge, &events[i]);
    csigshim__leave(&guard);
    errno = intact || count > 0 ? saved_errno : EBADF;
    return intact || count > 0 ? (ssize_t)count : -1;
}

/* Makes the ring as good as new, also where a claimed slot will never be filled: its handler ran in a thread that this
 * forked child does not have. */
void csigshim__discard(struct csigshim_bridge *bridge)
{
    struct csigshim__slot *const slots = atomic_load(&bridge->slots);
    for (const size_t tail = atomic_load(&bridge->tail); bridge->head != tail; bridge->head++)
        atomic_store(&csigshim__slot_of(slots, bridge->head)->turn,
                     csigshim__empty_turn(bridge->head) + CSIGSHIM__SLOTS);
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        atomic_store(&bridge->subscriptions[signo].overflow, 0);
    atomic_store(&bridge->overflowed, false);
    atomic_store(&bridge->rung, 0);
    atomic_store(&bridge->woken, false);
    atomic_store(&bridge->sleepers, 0);
}

/* 0 if this process may use the bridge's descriptors. */
static int check_bell(csigshim_bridge *bridge)
{
    if (csigshim__whose() != CSIGSHIM__OURS || atomic_load(&bridge->inherited)) {
        errno = EPERM;
        return -1;
    }
    if (csigshim__bell_intact(bridge) && csigshim__queue_intact(bridge))
        return 0;
    errno = EBADF;
    return -1;
}

static int descriptor(const csigshim_bridge *bridge)
{
    return csigshim__is_queued(bridge) ? bridge->queue.poll_fd : bridge->read_end.fd;
}

static int wait_on_descriptor(const struct csigshim_bridge *bridge, int timeout_ms)
{
    struct pollfd bell = {.fd = descriptor(bridge), .events = POLLIN};
    const int ready = poll(&bell, 1, timeout_ms);
    if (ready <= 0 || (bell.revents & POLLIN))
        return ready;
    errno = EBADF;
    return -1;
}

/* Nobody polls the bridge, so its pipe may be closed, or not be needed at all. */
static int wait_on_word(struct csigshim_bridge *bridge, int timeout_ms)
{
    int type, failure = timeout_ms == 0 ? ETIMEDOUT : EINTR; /* EINTR: it had rung, and another one reads */
    pthread_testcancel();
    if (atomic_load(&bridge->rung) == 0 && timeout_ms != 0) {
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type); /* the system call is a cancellation point */
        atomic_fetch_add(&bridge->sleepers, 1);
        /* Polled by now: whoever wakes may have seen that, and not us. */
        failure = atomic_load(&bridge->polled) ? EINTR : csigshim__sleep(&bridge->rung, timeout_ms);
        atomic_fetch_sub(&bridge->sleepers, 1);
        pthread_setcanceltype(type, &type);
    }
    if (atomic_load(&bridge->rung) != 0)
        return 1;
    if (failure == ETIMEDOUT)
        return 0;
    errno = failure == 0 || failure == EAGAIN ? EINTR : failure; /* another reader was quicker */
    return -1;
}

int csigshim_wait(csigshim_bridge *bridge, int timeout_ms)
{
    const int saved_errno = errno;
    if (!csigshim__is_open(bridge))
        return -1;
    const uint64_t deadline = csigshim__now() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
    for (int left = timeout_ms < 0 ? -1 : timeout_ms;;) {
        const bool polled = atomic_load(&bridge->polled); /* before the look at the pipe */
        if (check_bell(bridge) != 0)
            return -1;
        const int ready = polled ? wait_on_descriptor(bridge, left) : wait_on_word(bridge, left);
        if (ready > 0 || (ready == 0 && timeout_ms >= 0)) {
            errno = saved_errno;
            return ready;
        }
        if (ready < 0 && errno != EINTR)
            return -1;
        if (timeout_ms >= 0) {
            const int64_t remaining = (int64_t)(deadline - csigshim__now());
            left = remaining > 0 ? (int)((remaining + 999999) / 1000000) : 0;
        }
    }
}

int csigshim_wake(csigshim_bridge *bridge)
{
    const int saved_errno = errno;
    if (!csigshim__is_open(bridge))
        return -1;
    const bool polled = atomic_load(&bridge->polled); /* before the look at the pipe */
    if (check_bell(bridge) != 0)
        return errno == EPERM ? (errno = saved_errno, 0) : -1;
    /* Polled: not `rung`, for who leaves from here by siglongjmp must not leave it set with no byte in the pipe. And an
     * edge for those who poll by edges. Not polled: who leaves in between leaves it set, and the next one to ring wakes
     * who sleeps. Both, where somebody fell asleep before it was polled; then nobody leaves in between. */
    if (polled) {
        atomic_store(&bridge->woken, true);
        if (!csigshim__pull(bridge))
            return -1;
    }
    if (!polled) {
        csigshim__ring(bridge, false);
    } else if (atomic_load(&bridge->sleepers) != 0) {
        sigset_t all, mask;
        csigshim__our_mask(&all);
        const bool masked = pthread_sigmask(SIG_BLOCK, &all, &mask) == 0;
        csigshim__ring(bridge, false);
        if (masked)
            pthread_sigmask(SIG_SETMASK, &mask, NULL);
    }
    errno = saved_errno;
    return 0;
}

/* From here on the pipe is rung. What is there already rings it now; who records meanwhile sees `polled`, or is seen.
 * Locked: neither a siglongjmp nor csigshim_after_fork comes in between. */
static int become_polled(struct csigshim_bridge *bridge)
{
    const int saved_errno = errno;
    csigshim__guard guard;
    if (csigshim__enter(&guard) == 0) {
        if (!atomic_exchange(&bridge->polled, true) && !atomic_load(&bridge->inherited) &&
            atomic_load(&bridge->rung) != 0 && csigshim__bell_intact(bridge) && !csigshim__pull(bridge))
            atomic_store(&bridge->rung, 0);
        csigshim__leave(&guard);
    } else if (csigshim__whose() != CSIGSHIM__BORROWED) {
        return -1;
    }
    errno = saved_errno;
    return 0;
}

int csigshim_fd(const csigshim_bridge *bridge)
{
    if (!csigshim__is_open(bridge))
        return -1;
    if (!atomic_load(&bridge->polled) && become_polled(&csigshim__bridges[bridge - csigshim__bridges]) != 0)
        return -1;
    return descriptor(bridge);
}

int csigshim_capacity(const csigshim_bridge *bridge)
{
    if (!csigshim__is_open(bridge))
        return -1;
    return csigshim__is_queued(bridge) ? csigshim__queue_capacity() : CSIGSHIM__SLOTS;
}
