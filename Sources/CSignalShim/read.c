/* The reader's side of the queue (ring.c) and of the wake-up (notify.c).
 *
 * Readers take turns under the bridge's own mutex. Signals are not blocked meanwhile, and no global lock is held, so a
 * reader does not delay other threads. fork(2) does not take the mutex; a forked child initializes it. */
#include "shim.h"
#include <limits.h>

/* Takes published records, in the order in which their slots were claimed. */
static size_t take_records(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity) {
    size_t count = 0;
    while (count < capacity) {
        struct csigshim__slot *slot = csigshim__slot_at(bridge, bridge->head);
        const size_t free = csigshim__free_sequence(bridge, bridge->head);
        if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != free + 1)
            break;
        events[count++] = slot->event;
        atomic_store_explicit(&slot->sequence, free + bridge->has.capacity, memory_order_release);
        bridge->head++;
    }
    return count;
}

/* Makes one event for each signal with deliveries that found the ring full. */
static size_t take_overflow(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity) {
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
        if (deliveries > UINT32_MAX) { /* the rest goes into the next event */
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
        };
    }
    return count;
}

/* Subtracts the taken events from the deliveries that count for escalation. */
static size_t take(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity) {
    size_t count = take_records(bridge, events, capacity);
    count += take_overflow(bridge, events + count, capacity - count);
    for (size_t i = 0; i < count; i++) {
        _Atomic unsigned *const unread = &bridge->subscriptions[events[i].signo].unread;
        unsigned now = atomic_load(unread);
        while (!atomic_compare_exchange_weak(unread, &now, now > events[i].count ? now - events[i].count : 0))
            ;
    }
    return count;
}

static bool has_events(struct csigshim_bridge *bridge) {
    const size_t sequence = atomic_load(&csigshim__slot_at(bridge, bridge->head)->sequence);
    return atomic_load(&bridge->overflowed) || sequence == csigshim__free_sequence(bridge, bridge->head) + 1;
}

/* [C] Empties the pipe. Returns 0, or an errno code. A thorough reader, which has found no record, also removes a byte
 * that its writer has not counted yet. */
static int empty_pipe(struct csigshim_bridge *bridge, bool is_thorough) {
    const int fd = bridge->has.pipe.read_end.fd;
    int available = 0;
    long count = 1;
    char bytes[64];
    if (!atomic_load(&bridge->fd_in_use))
        return 0;
    if (csigshim__compare_file(&bridge->has.pipe.read_end) == 0) /* D1 */
        return EBADF;
    while ((count > 0 || count == -EINTR) && (atomic_load(&bridge->pipe_bytes) > 0 || /* W3 */
                                              (is_thorough && ioctl(fd, FIONREAD, &available) == 0 && available > 0))) {
        count = csigshim__read_bytes(fd, bytes, sizeof bytes);
        if (count > 0)
            atomic_fetch_sub(&bridge->pipe_bytes, count);
    }
    return count < 0 && count != -EAGAIN ? (int)-count : 0;
}

/* The mutex is held. Returns the number of events; *failure is the error to report if there are none. */
static size_t read_locked(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity, int *failure) {
    size_t count = take(bridge, events, capacity);
    if (csigshim__uses_signalfd(bridge) && count < capacity) {
        const ssize_t taken = csigshim__queue_take(&bridge->has.queue, events + count, capacity - count);
        *failure = taken < 0 ? errno : 0;
        count += taken < 0 ? 0 : (size_t)taken;
    }
    if (count < capacity && (count == 0 || atomic_load(&bridge->notified))) {
        const int error = empty_pipe(bridge, count == 0);        /* [C] */
        atomic_exchange(&bridge->notified, 0);                   /* [D] */
        count += take(bridge, events + count, capacity - count); /* [E] */
        if (has_events(bridge) && csigshim__can_record(bridge))
            csigshim__notify(bridge);
        *failure = error != 0 ? error : *failure;
    }
    if (count == 0 && *failure == 0 && !(csigshim__can_record(bridge) && csigshim__can_poll(bridge)))
        *failure = EBADF;
    return count;
}

ssize_t csigshim_read(csigshim_bridge *bridge, csigshim_event *events, size_t capacity) {
    const int saved_errno = errno;
    int failure = 0;
    if (!csigshim__is_open(bridge))
        return -1;
    if (events == NULL || capacity > SSIZE_MAX)
        return csigshim__fail(EINVAL);
    if (capacity == 0 || csigshim__is_inherited(bridge))
        return 0;
    pthread_mutex_lock(&bridge->reader);
    const size_t count = read_locked(bridge, events, capacity, &failure);
    pthread_mutex_unlock(&bridge->reader);
    errno = count == 0 && failure != 0 ? failure : saved_errno;
    return count == 0 && failure != 0 ? -1 : (ssize_t)count;
}
