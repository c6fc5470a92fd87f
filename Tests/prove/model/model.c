/* The model's bridges and subscriptions; dispositions and deliveries are in deliver.c. The model is written from the
 * header alone, and permits what the header permits. A refusal may give any reason that applies. A read may give events
 * of different signals in any order. After a read that filled its buffer, wait may return 1 once too often. */
#include "deliver.h"
#include <string.h>

struct model m;
static struct record logs[BRIDGES][LOG];

static const struct answer fine;

static struct answer refused(unsigned refusals) {
    return (struct answer){-1, refusals};
}

bool model_can_record(int b) {
    return !m.bridges[b].fd_in_use || !(m.bridges[b].lost & 1u << PIPE_END);
}

static bool is_usable(int b) {
    return !m.bridges[b].fd_in_use || m.bridges[b].lost == 0;
}

bool model_active(int b, int s) {
    return m.bridges[b].open && !m.bridges[b].inherited && m.bridges[b].added[s];
}

bool model_wanted(int s) {
    bool wanted = false;
    for (int b = 0; b < BRIDGES; b++)
        wanted |= model_active(b, s);
    return wanted;
}

void model_keep(int b, struct record record) {
    struct bridge *const bridge = &m.bridges[b];
    record.taken = false;
    if (bridge->kept == bridge->capacity) {
        bridge->overflow[record.signal]++;
    } else {
        bridge->kept++;
        logs[b][bridge->tail++ % LOG] = record;
    }
}

static void discard(struct bridge *bridge) {
    bridge->head = bridge->tail;
    bridge->kept = 0;
    memset(bridge->overflow, 0, sizeof bridge->overflow);
    memset(bridge->unread, 0, sizeof bridge->unread);
    bridge->woken = bridge->stale = false;
    bridge->fd_in_use = bridge->queued;
    bridge->lost = 0;
}

struct answer model_open(int b, bool queued, unsigned capacity) {
    const unsigned tail = m.bridges[b].tail;
    m.bridges[b] = (struct bridge){.open = true, .queued = queued, .capacity = capacity, .tail = tail};
    discard(&m.bridges[b]);
    return fine;
}

/* Takes what the kernel's queues have of s: for a bridge, or for none (-1). */
void model_take_pending(int b, int s) {
    for (int q = 0; q < 2; q++) {
        struct queue *const queue = &m.pending[q][s];
        for (int i = 0; i < queue->count && b >= 0; i++)
            model_keep(b, queue->records[i]);
        queue->count = 0;
    }
}

static void remove_one(int b, int s) {
    struct bridge *const bridge = &m.bridges[b];
    if (!bridge->inherited && bridge->queued)
        model_take_pending(b, s); /* stays readable */
    bridge->added[s] = false;
    if (bridge->inherited) {
        if (!model_wanted(s) && m.kernel[s].handler == LIBRARY) /* the host has installed it again in this child */
            model_restore(s);
        return;
    }
    if (!model_wanted(s))
        model_restore(s);
    else if (bridge->chain[s] || bridge->interrupt[s])
        model_install(s, true);
    if (bridge->queued && (m.blocked & 1u << s)) {
        m.blocked &= ~(1u << s);
        model_set_mask(m.mask & ~(1u << s));
    }
}

void model_close(int b) {
    /* The library blocks all signals meanwhile, so what becomes deliverable comes at the end. */
    const unsigned mask = m.mask;
    unsigned unblocked = 0;
    m.mask = ~0u;
    for (int s = 0; s < SIGNALS; s++)
        if (m.bridges[b].added[s]) {
            const unsigned before = m.blocked;
            remove_one(b, s);
            unblocked |= before & ~m.blocked;
            m.mask = ~0u;
        }
    discard(&m.bridges[b]);
    m.bridges[b].open = false;
    model_set_mask(mask & ~unblocked);
}

struct answer model_fd(int b) {
    struct bridge *const bridge = &m.bridges[b];
    if (bridge->inherited)
        return refused(R_EPERM);
    if (!bridge->fd_in_use && bridge->lost != 0)
        return refused(R_EBADF);
    bridge->fd_in_use = true;
    return fine;
}

/* A signal that the host has blocked stays blocked after the removal. */
static void block(int s) {
    if (m.mask & 1u << s)
        return;
    m.blocked |= 1u << s;
    m.ever_blocked |= 1u << s;
    m.mask |= 1u << s;
}

static unsigned why_not_add(int b, int s, unsigned flags) {
    const struct bridge *const bridge = &m.bridges[b];
    unsigned refusals = bridge->inherited ? R_EPERM : 0;
    if (bridge->added[s])
        refusals |= R_EEXIST;
    if (bridge->queued && (flags & (CHAIN | INTERRUPT)))
        refusals |= R_ENOTSUP;
    if (!bridge->inherited && model_is_taken(b, s))
        refusals |= R_EBUSY;
    if (!is_usable(b))
        refusals |= R_EBADF;
    return refusals;
}

struct answer model_add(int b, int s, unsigned flags) {
    struct bridge *const bridge = &m.bridges[b];
    const unsigned refusals = why_not_add(b, s, flags), bit = 1u << s;
    if (refusals != 0)
        return refused(refusals);
    if ((flags & KEEP_IGNORED) && model_ignored_underneath(s))
        return (struct answer){1, 0};
    const bool already = model_wanted(s);
    bridge->added[s] = true;
    bridge->chain[s] = flags & CHAIN;
    bridge->interrupt[s] = flags & INTERRUPT;
    bridge->limit[s] = 0; /* and what is unread goes on counting */
    model_install(s, already);
    if (bridge->queued) {
        block(s);
    } else if ((flags & UNBLOCK) && (m.mask & bit)) {
        model_set_mask(m.mask & ~bit);
        return (struct answer){2, 0};
    }
    return fine;
}

/* All of the signals, or none. */
struct answer model_add_set(int b, unsigned signals, unsigned flags, bool with_kill) {
    unsigned refusals = with_kill ? R_ENOTSUP : 0;
    int left_out = 0;
    for (int s = 0; s < SIGNALS; s++)
        if (signals & 1u << s)
            refusals |= why_not_add(b, s, flags);
    if (refusals != 0)
        return refused(refusals);
    for (int s = 0; s < SIGNALS; s++)
        if (signals & 1u << s)
            left_out |= model_add(b, s, flags).result == 1;
    m.first_seen = false; /* unblocked in any order, so the handler's mask may differ */
    return (struct answer){left_out, 0};
}

struct answer model_remove(int b, int s) {
    if (!m.bridges[b].added[s])
        return refused(R_ENOENT);
    remove_one(b, s);
    return fine;
}

static unsigned why_not_change(int b, int s) {
    return (m.bridges[b].inherited ? R_EPERM : 0) | (m.bridges[b].added[s] ? 0 : R_ENOENT);
}

struct answer model_set_chain(int b, int s, bool on) {
    const unsigned refusals = why_not_change(b, s) | (m.bridges[b].queued && on ? R_ENOTSUP : 0);
    if (refusals != 0)
        return refused(refusals);
    m.bridges[b].chain[s] = on;
    model_install(s, true);
    return fine;
}

struct answer model_escalate(int b, int s, unsigned limit) {
    const unsigned terminates = s == WINCH || s == TSTP ? R_EINVAL : 0;
    const unsigned refusals = why_not_change(b, s) | (m.bridges[b].queued ? R_ENOTSUP : 0) | terminates;
    if (refusals != 0)
        return refused(refusals);
    m.bridges[b].limit[s] = limit;
    return fine;
}

static unsigned in_kernel(int b) {
    unsigned count = 0;
    for (int s = 0; s < SIGNALS && m.bridges[b].queued; s++)
        if (model_active(b, s))
            count += (unsigned)(m.pending[0][s].count + m.pending[1][s].count);
    return count;
}

static unsigned available(int b) {
    unsigned count = m.bridges[b].kept + in_kernel(b);
    for (int s = 0; s < SIGNALS; s++)
        count += m.bridges[b].overflow[s] > 0;
    return count;
}

/* `also` is a second result that is allowed. */
struct answer model_wait(int b, int *also) {
    const struct bridge *const bridge = &m.bridges[b];
    if (bridge->inherited)
        return refused(R_EPERM);
    if (!is_usable(b))
        return refused(R_EBADF);
    const int must = bridge->woken || available(b) > 0;
    *also = must || bridge->stale;
    return (struct answer){must, 0};
}

/* A handler may call it, so it looks at the pipe alone. */
struct answer model_wake(int b) {
    struct bridge *const bridge = &m.bridges[b];
    if (bridge->inherited)
        return fine;
    if (!model_can_record(b))
        return refused(R_EBADF);
    bridge->woken = true;
    return fine;
}

struct answer model_mechanism(int s) {
    for (int b = 0; b < BRIDGES; b++)
        if (model_active(b, s))
            return (struct answer){m.bridges[b].queued, 0};
    return refused(R_ENOENT);
}

struct answer model_read_count(int b, unsigned capacity) {
    if (capacity == 0 || m.bridges[b].inherited)
        return fine;
    const unsigned count = available(b);
    if (count == 0 && !is_usable(b))
        return refused(R_EBADF);
    return (struct answer){(int)(count < capacity ? count : capacity), 0};
}

static void count_as_read(struct bridge *bridge, int s, uint32_t count) {
    bridge->unread[s] -= count < bridge->unread[s] ? count : bridge->unread[s];
}

/* The next event of its signal: from the ring, or from the kernel's queue. What found no room comes as a count. */
const char *model_read_event(int b, int s, bool dropped, uint32_t count, struct record *expected) {
    struct bridge *const bridge = &m.bridges[b];
    if (dropped) {
        if (bridge->overflow[s] == 0 || bridge->overflow[s] != count)
            return "its count is not that of the deliveries that found no room";
        bridge->overflow[s] = 0;
        count_as_read(bridge, s, count);
        return NULL;
    }
    while (bridge->head != bridge->tail && logs[b][bridge->head % LOG].taken)
        bridge->head++;
    for (unsigned i = bridge->head; i != bridge->tail; i++) {
        struct record *const record = &logs[b][i % LOG];
        if (record->taken || record->signal != s)
            continue;
        record->taken = true;
        bridge->kept--;
        count_as_read(bridge, s, 1);
        *expected = *record;
        return NULL;
    }
    for (int q = 0; q < 2 && m.bridges[b].queued && model_active(b, s); q++) {
        struct queue *const queue = &m.pending[q][s];
        if (queue->count == 0)
            continue;
        *expected = queue->records[0];
        queue->count--;
        memmove(queue->records, queue->records + 1, (size_t)queue->count * sizeof *queue->records);
        return NULL;
    }
    return "no such signal is there to be read";
}

void model_read_done(int b, unsigned capacity, unsigned count) {
    struct bridge *const bridge = &m.bridges[b];
    if (capacity == 0 || bridge->inherited)
        return;
    bridge->stale = count == capacity;
    bridge->woken = false;
}

/* Pending signals, records, and what the library blocked stay with the parent. */
void model_fork_child(void) {
    for (int s = 0; s < SIGNALS; s++) {
        if (model_wanted(s))
            model_restore(s);
        model_take_pending(-1, s);
    }
    for (int b = 0; b < BRIDGES; b++)
        m.bridges[b].inherited = m.bridges[b].open;
    for (int i = 0; i < m.scope_count; i++)
        m.scopes[i].inherited = true;
    m.mask = model_mask_without_bridges();
    m.blocked = m.ever_blocked = 0;
    m.stops = 0;
}

unsigned model_mask_without_bridges(void) {
    return m.mask & ~m.blocked;
}

struct answer model_after_fork(int b) {
    struct bridge *const bridge = &m.bridges[b];
    if (!bridge->inherited)
        return fine;
    for (int s = 0; s < SIGNALS; s++)
        if (bridge->added[s] && model_is_taken(b, s))
            return refused(R_EBUSY);
    discard(bridge);
    bool added[SIGNALS];
    memcpy(added, bridge->added, sizeof added);
    memset(bridge->added, 0, sizeof bridge->added);
    bridge->inherited = false;
    for (int s = 0; s < SIGNALS; s++) {
        if (!added[s])
            continue;
        const bool already = model_wanted(s);
        bridge->added[s] = true;
        model_install(s, already);
        if (bridge->queued)
            block(s);
    }
    return fine;
}
