/* The model's bridges and subscriptions; dispositions and deliveries are in deliver.c. Written from the header's words.
 * Where they leave freedom the model does: which of several reasons a refusal gives, in which order a read gives events
 * of different signals, whether wait says 1 once too often after a read that filled its buffer. */
#include "deliver.h"
#include <string.h>

struct model m;
static struct record logs[BRIDGES][LOG];

static const struct answer fine;

static struct answer refused(unsigned refusals)
{
    return (struct answer){-1, refusals};
}

bool model_intact(int b)
{
    return m.bridges[b].lost == 0;
}

/* The signalfd and the epoll can be shown to be ours. */
/* By its signalfd; the first few of each read need no descriptor. */
static bool has_signalfd(int b)
{
    return !(m.bridges[b].lost & (1u << READ_END | 1u << QUEUE | 1u << POLLED));
}
enum { FEW = 2 };

bool model_active(int b, int s)
{
    return m.bridges[b].open && !m.bridges[b].inherited && m.bridges[b].added[s];
}

bool model_wanted(int s)
{
    bool wanted = false;
    for (int b = 0; b < BRIDGES; b++)
        wanted |= model_active(b, s);
    return wanted;
}

void model_keep(int b, struct record record)
{
    struct bridge *const bridge = &m.bridges[b];
    record.taken = false;
    record.addition = bridge->addition[record.signal];
    if (bridge->kept == ROOM) {
        bridge->overflow[record.signal]++;
    } else {
        bridge->kept++;
        logs[b][bridge->tail++ % LOG] = record;
    }
}

static void discard(struct bridge *bridge)
{
    bridge->head = bridge->tail;
    bridge->kept = 0;
    memset(bridge->overflow, 0, sizeof bridge->overflow);
    bridge->woken = bridge->stale = false;
}

struct answer model_open(int b, bool queued)
{
    m.forked = false;
    const unsigned tail = m.bridges[b].tail;
    m.bridges[b] = (struct bridge){.open = true, .queued = queued, .head = tail, .tail = tail};
    return fine;
}

/* What the kernel has of s, taken out; for a bridge, or for nobody. */
void model_take_pending(int b, int s)
{
    for (int q = 0; q < 2; q++) {
        struct queue *const queue = &m.pending[q][s];
        for (int i = 0; i < queue->count && b >= 0; i++)
            model_keep(b, queue->records[i]);
        queue->count = 0;
    }
}

static void remove_one(int b, int s)
{
    struct bridge *const bridge = &m.bridges[b];
    if (!bridge->inherited && bridge->queued)
        model_take_pending(b, s); /* stays readable */
    bridge->added[s] = false;
    if (bridge->inherited)
        return;
    if (!model_wanted(s))
        model_restore(s);
    else if (bridge->chain[s])
        model_install(s, true);
    if (bridge->queued && (m.borrowed & 1u << s)) {
        m.borrowed &= ~(1u << s);
        model_set_mask(m.mask & ~(1u << s));
    }
}

void model_close(int b)
{
    m.forked = false;
    /* All signals are blocked meanwhile, so what becomes deliverable comes at the end. */
    const unsigned mask = m.mask;
    m.mask = ~0u;
    unsigned unblocked = 0;
    for (int s = 0; s < SIGNALS; s++)
        if (m.bridges[b].added[s]) {
            const unsigned before = m.borrowed;
            remove_one(b, s);
            unblocked |= before & ~m.borrowed;
            m.mask = ~0u;
        }
    discard(&m.bridges[b]);
    m.bridges[b].open = false;
    model_set_mask(mask & ~unblocked);
}

/* What the host blocks already is the host's, and stays so. */
static void borrow(int s)
{
    if (m.mask & 1u << s)
        return;
    m.borrowed |= 1u << s;
    m.once |= 1u << s;
    m.mask |= 1u << s;
}

struct answer model_add(int b, int s, unsigned flags)
{
    struct bridge *const bridge = &m.bridges[b];
    m.forked = false;
    unsigned refusals = bridge->inherited ? R_EPERM : 0;
    if (bridge->added[s])
        refusals |= R_EEXIST;
    if (bridge->queued && (flags & 1))
        refusals |= R_ENOTSUP;
    if (!bridge->inherited && model_is_taken(b, s))
        refusals |= R_EBUSY;
    if (!model_intact(b))
        refusals |= R_EBADF;
    if (refusals != 0)
        return refused(refusals);
    if ((flags & 2) && model_ignored_underneath(s))
        return (struct answer){1, 0};
    const bool already = model_wanted(s);
    bridge->added[s] = true;
    bridge->chain[s] = flags & 1;
    bridge->unread[s] = bridge->limit[s] = 0;
    bridge->addition[s]++;
    model_install(s, already);
    if (bridge->queued)
        borrow(s);
    return fine;
}

struct answer model_remove(int b, int s)
{
    m.forked = false;
    if (!m.bridges[b].added[s])
        return refused(R_ENOENT);
    remove_one(b, s);
    return fine;
}

static unsigned why_not(int b, int s)
{
    m.forked = false;
    return (m.bridges[b].inherited ? R_EPERM : 0) | (m.bridges[b].added[s] ? 0 : R_ENOENT);
}

struct answer model_set_chain(int b, int s, bool on)
{
    const unsigned refusals = why_not(b, s) | (m.bridges[b].queued && on ? R_ENOTSUP : 0);
    if (refusals != 0)
        return refused(refusals);
    m.bridges[b].chain[s] = on;
    model_install(s, true);
    return fine;
}

struct answer model_escalate(int b, int s, unsigned limit)
{
    const unsigned refusals = why_not(b, s) | (m.bridges[b].queued ? R_ENOTSUP : 0) | (s == WINCH ? R_EINVAL : 0);
    if (refusals != 0)
        return refused(refusals);
    m.bridges[b].limit[s] = limit;
    return fine;
}

static unsigned in_kernel(int b)
{
    unsigned count = 0;
    for (int s = 0; s < SIGNALS && m.bridges[b].queued; s++)
        if (model_active(b, s))
            count += (unsigned)(m.pending[0][s].count + m.pending[1][s].count);
    return count > FEW && !has_signalfd(b) ? FEW : count;
}

static unsigned available(int b)
{
    unsigned count = m.bridges[b].kept + in_kernel(b);
    for (int s = 0; s < SIGNALS; s++)
        count += m.bridges[b].overflow[s] > 0;
    return count;
}

/* `also` is a second result that is allowed. */
struct answer model_wait(int b, int *also)
{
    const struct bridge *const bridge = &m.bridges[b];
    if (m.forked || bridge->inherited)
        return refused(R_EPERM);
    if (!model_intact(b))
        return refused(R_EBADF);
    const int must = bridge->woken || available(b) > 0;
    *also = must || bridge->stale;
    return (struct answer){must, 0};
}

struct answer model_wake(int b)
{
    struct bridge *const bridge = &m.bridges[b];
    if (m.forked || bridge->inherited)
        return fine;
    if (!model_intact(b))
        return refused(R_EBADF);
    bridge->woken = true;
    return fine;
}

struct answer model_mechanism(int s)
{
    m.forked = false;
    for (int b = 0; b < BRIDGES; b++)
        if (model_active(b, s))
            return (struct answer){m.bridges[b].queued, 0};
    return refused(R_ENOENT);
}

struct answer model_read_count(int b, unsigned capacity)
{
    if (capacity == 0)
        return fine;
    m.forked = false;
    if (m.bridges[b].inherited)
        return fine;
    const unsigned count = available(b);
    if (count == 0 && !model_intact(b))
        return refused(R_EBADF);
    return (struct answer){(int)(count < capacity ? count : capacity), 0};
}

static void hand_out(struct bridge *bridge, int s, uint32_t count)
{
    bridge->unread[s] -= count < bridge->unread[s] ? count : bridge->unread[s];
}

/* The next of its signal: from the ring, or the kernel's queue; what found no room comes after what did. */
const char *model_read_event(int b, int s, bool dropped, uint32_t count, struct record *expected)
{
    struct bridge *const bridge = &m.bridges[b];
    if (dropped) {
        if (bridge->overflow[s] == 0 || bridge->overflow[s] != count)
            return "its count is not that of the deliveries that found no room";
        bridge->overflow[s] = 0;
        hand_out(bridge, s, count);
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
        if (record->addition == bridge->addition[s])
            hand_out(bridge, s, 1);
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

void model_read_done(int b, unsigned capacity, unsigned count)
{
    struct bridge *const bridge = &m.bridges[b];
    if (capacity == 0 || bridge->inherited)
        return;
    bridge->stale = count == capacity;
    bridge->woken = false;
}

/* What there was before the fork is the parent's: pending signals, records, blocks of the mask. */
void model_fork_child(void)
{
    m.forked = true;
    for (int s = 0; s < SIGNALS; s++) {
        if (model_wanted(s))
            m.shared[s] = true;
        model_in_child(s);
        model_take_pending(-1, s);
        m.lent[s] = false;
    }
    for (int b = 0; b < BRIDGES; b++)
        m.bridges[b].inherited = m.bridges[b].open;
    for (int i = 0; i < m.scope_count; i++)
        m.scopes[i].inherited = true;
    m.mask = model_mask_without_bridges();
    m.borrowed = m.once = 0;
}

unsigned model_mask_without_bridges(void)
{
    return m.mask & ~m.borrowed;
}

struct answer model_after_fork(int b)
{
    struct bridge *const bridge = &m.bridges[b];
    m.forked = false;
    if (!bridge->inherited)
        return fine;
    for (int s = 0; s < SIGNALS; s++)
        if (bridge->added[s] && model_is_taken(b, s))
            return refused(R_EBUSY);
    discard(bridge);
    bridge->inherited = false;
    for (int s = 0; s < SIGNALS; s++) {
        if (!bridge->added[s])
            continue;
        bridge->added[s] = false;
        const bool already = model_wanted(s);
        bridge->added[s] = true;
        bridge->unread[s] = 0;
        model_install(s, already);
        if (bridge->queued)
            borrow(s);
    }
    const struct answer answer = {bridge->lost != 0, 0};
    bridge->lost = 0;
    return answer;
}
