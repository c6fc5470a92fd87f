/* The model's kernel: pending signals, dispositions, masks, and what one delivery does, from the top of the chain down.
 * The rules, in the words of the contract: a delivery is recorded once by each bridge that has the signal and still has
 * its pipe; the previous handler runs as well if one of these chains; if none took it, it meets what is underneath.
 * What is put over ours and calls ours is the same delivery. After `rearm`, ours is over him, and a call of ours that
 * comes from within goes on to what was below; who is put over ours again and again is one link, and who is over ours
 * and, since `rearm`, under it as well, has had the delivery when he calls ours. */
#include "deliver.h"
#include <string.h>

static int next_below = -1; /* in a handler of the host's that ours calls: what a call of ours from there means */

static bool is_function(struct action action)
{
    return action.who == PLAIN || action.who == DETAILED || action.who == TOP0 || action.who == TOP1;
}

static bool same(struct action a, struct action b)
{
    return a.who == b.who && a.flags == b.flags && a.masked == b.masked;
}

static struct action underneath(int s)
{
    struct action action = m.under[s][0];
    if ((action.flags & RESETHAND) && m.spent[s][0])
        action.who = BY_DEFAULT;
    return action;
}

bool model_is_taken(int b, int s)
{
    bool taken = false;
    for (int i = 0; i < BRIDGES; i++)
        taken |= i != b && model_active(i, s) && (m.bridges[i].queued || m.bridges[b].queued);
    return taken;
}

bool model_ignored_underneath(int s)
{
    return m.kernel[s].who == OURS ? underneath(s).who == IGNORED : m.kernel[s].who == IGNORED;
}

void model_begin_step(void)
{
    m.deadly = 0;
    m.deliveries = 0;
    m.first_seen = m.clobbered = false;
}

/* Pending signals that become ignored are dropped by the kernel. */
void model_sigaction(int s, struct action action)
{
    m.kernel[s] = action;
    if (action.who == IGNORED || (action.who == BY_DEFAULT && s == WINCH))
        model_take_pending(-1, s);
}

/* A host's SA_RESTART, or its absence, holds where its handler goes on running. */
static struct action ours(int s)
{
    bool chained = false;
    for (int b = 0; b < BRIDGES; b++)
        chained |= model_active(b, s) && m.bridges[b].chain[s];
    const struct action under = underneath(s);
    const bool interrupts = chained && is_function(under) && !(under.flags & RESTART);
    return (struct action){OURS, interrupts ? 0 : RESTART, 0};
}

static void put_over(int s)
{
    const struct action found = m.kernel[s];
    struct action list[BELOW] = {found};
    bool spent[BELOW] = {false};
    int depth = 1;
    for (int i = 0; m.shared[s] && i < m.depth[s] && depth < BELOW; i++) {
        if (i < m.depth[s] - 1 && same(m.under[s][i], found)) /* the last one is the host's own, and stays */
            continue;
        spent[depth] = m.spent[s][i];
        list[depth++] = m.under[s][i];
    }
    memcpy(m.under[s], list, sizeof list);
    memcpy(m.spent[s], spent, sizeof spent);
    m.depth[s] = depth;
    m.kernel[s] = ours(s);
}

void model_install(int s, bool already)
{
    if (m.kernel[s].who == OURS)
        m.kernel[s] = ours(s);
    else if (!already)
        put_over(s);
}

/* Ours is out: if he whom it put back calls ours, that means what was below him. */
static void step_down(int s)
{
    if (m.depth[s] < 2)
        return;
    m.depth[s]--;
    memmove(m.under[s], m.under[s] + 1, (size_t)m.depth[s] * sizeof *m.under[s]);
    memmove(m.spent[s], m.spent[s] + 1, (size_t)m.depth[s] * sizeof *m.spent[s]);
}

void model_restore(int s)
{
    if (m.kernel[s].who != OURS) {
        m.shared[s] = true; /* he stays, and ours is a pass-through */
        return;
    }
    model_sigaction(s, underneath(s));
    step_down(s);
}

struct action model_without_bridges(int s)
{
    return m.kernel[s].who == OURS ? underneath(s) : m.kernel[s];
}

void model_in_child(int s)
{
    const bool was_ours = m.kernel[s].who == OURS;
    m.kernel[s] = model_without_bridges(s);
    if (was_ours)
        step_down(s);
}

struct answer model_state(int s)
{
    m.forked = false;
    if (!model_wanted(s))
        return (struct answer){0, 0};
    return (struct answer){m.kernel[s].who == OURS ? 1 : 2, 0};
}

struct answer model_disposition(int s)
{
    const enum who who = m.kernel[s].who;
    return (struct answer){who == BY_DEFAULT ? 0 : who == IGNORED ? 1 : 2, 0};
}

struct answer model_rearm(int s)
{
    m.forked = false;
    if (!model_wanted(s))
        return (struct answer){-1, R_ENOENT};
    if (m.kernel[s].who != OURS) {
        m.shared[s] = true;
        put_over(s);
    }
    return (struct answer){0, 0};
}

struct answer model_set_disposition(int s, bool ignore)
{
    m.forked = false;
    if (model_wanted(s))
        return (struct answer){-1, R_EBUSY};
    model_sigaction(s, (struct action){ignore ? IGNORED : BY_DEFAULT, 0, 0});
    return (struct answer){0, 0};
}

static bool run_below(int s, int place, bool kernel_called);
static void call_ours(int s, struct record record, bool kernel_called);
static struct record delivered;

static void run_host(int s, struct action action, bool kernel_called)
{
    if (!m.first_seen) {
        m.first_seen = true;
        m.first_mask = m.mask | action.masked | (action.flags & NODEFER ? 0 : 1u << s);
    }
    (void)kernel_called;
    m.calls[action.who][s]++;
    if (action.who != TOP0 && action.who != TOP1)
        return;
    const struct action found = m.found[action.who - TOP0][s];
    if (found.who == OURS)
        call_ours(s, delivered, false);
    else if (is_function(found))
        run_host(s, found, false);
}

static bool run_below(int s, int place, bool kernel_called)
{
    if (place >= m.depth[s] || !is_function(m.under[s][place]))
        return false;
    const struct action action = m.under[s][place];
    if (action.flags & RESETHAND) {
        if (m.spent[s][place])
            return false;
        m.spent[s][place] = !m.forked; /* a child's handler writes no memory */
    }
    const int before = next_below;
    next_below = place + 1;
    run_host(s, action, kernel_called);
    next_below = before;
    return true;
}

static void call_ours_in_child(int s, bool kernel_called)
{
    int place = 0;
    const struct action now = m.kernel[s], under = underneath(s);
    if (kernel_called) { /* as if ours had never been there */
        m.kernel[s] = under;
        if (under.flags & RESETHAND)
            m.kernel[s].who = BY_DEFAULT;
    } else if (is_function(now) && now.who == m.under[s][0].who) {
        place = 1;
    }
    if (!run_below(s, place, kernel_called) && kernel_called && under.who == BY_DEFAULT && s != WINCH)
        m.deadly |= 1u << s;
}

static void call_ours(int s, struct record record, bool kernel_called)
{
    if (next_below >= 0) {
        (void)run_below(s, next_below, false);
        return;
    }
    if (m.forked) {
        call_ours_in_child(s, kernel_called);
        return;
    }
    bool recorded = false, chain = false;
    for (int b = 0; b < BRIDGES; b++) {
        struct bridge *const bridge = &m.bridges[b];
        if (!model_active(b, s) || (bridge->lost & (1u << READ_END | 1u << WRITE_END)))
            continue;
        recorded = true;
        chain |= bridge->chain[s];
        if (++bridge->unread[s] >= bridge->limit[s] && bridge->limit[s] != 0)
            m.deadly |= 1u << s;
        model_keep(b, record);
    }
    const struct action now = m.kernel[s];
    const bool had_it = !kernel_called && m.depth[s] > 1 && is_function(now) && now.who == m.under[s][0].who;
    if (recorded) {
        if (chain)
            (void)run_below(s, had_it ? 1 : 0, kernel_called);
    } else if (!run_below(s, 0, kernel_called) && kernel_called && underneath(s).who != IGNORED && s != WINCH) {
        m.deadly |= 1u << s;
    }
}

static void deliver(struct record record)
{
    const int s = record.signal;
    const struct action action = m.kernel[s];
    m.deliveries++;
    delivered = record;
    next_below = -1;
    if (action.who == OURS) {
        call_ours(s, record, true);
    } else if (is_function(action)) {
        if (action.flags & RESETHAND)
            m.kernel[s].who = BY_DEFAULT;
        m.clobbered = true;
        run_host(s, action, true);
    } else if (action.who == BY_DEFAULT && s != WINCH) {
        m.deadly |= 1u << s;
    }
}

bool model_room_for(int s)
{
    return m.pending[0][s].count < PENDING && m.pending[1][s].count < PENDING;
}

/* Blocked, it waits, even if it is ignored; a standard signal only once in each queue. */
void model_send(int s, enum how how, uint32_t value)
{
    const struct record record = {.signal = (uint8_t)s, .how = (uint8_t)how, .value = how == BY_SIGQUEUE ? value : 0};
    struct queue *const queue = &m.pending[how != BY_PTHREAD_KILL][s];
    if (!(m.mask & 1u << s))
        deliver(record);
    else if (is_realtime(s) || queue->count == 0)
        queue->records[queue->count++] = record;
}

void model_set_mask(unsigned mask)
{
    m.mask = mask;
    for (int q = 0; q < 2; q++)
        for (int s = 0; s < SIGNALS; s++) {
            struct queue *const queue = &m.pending[q][s];
            for (int i = 0; i < queue->count && !(mask & 1u << s); i++)
                deliver(queue->records[i]);
            if (!(mask & 1u << s))
                queue->count = 0;
        }
}

bool model_would_loop(int s, int top)
{
    struct action action = m.kernel[s];
    while (action.who == TOP0 || action.who == TOP1) {
        if (action.who == TOP0 + top)
            return true;
        action = m.found[action.who - TOP0][s];
    }
    return false;
}

/* What was ignored before the bridge is ignored meanwhile; what waits for a signalfd bridge is kept before. */
void model_spawn_begin(unsigned flags)
{
    m.forked = false;
    m.scopes[m.scope_count++] = (struct scope){m.mask, flags, false};
    for (int s = 0; s < SIGNALS && (flags & 2); s++) {
        if (!model_wanted(s) || m.kernel[s].who != OURS || underneath(s).who != IGNORED)
            continue;
        for (int b = 0; b < BRIDGES; b++)
            if (m.bridges[b].queued && model_active(b, s))
                model_take_pending(b, s);
        model_sigaction(s, underneath(s));
        m.lent[s] = true;
    }
    model_set_mask(flags & 1 ? m.original : model_mask_without_bridges());
}

void model_spawn_end(void)
{
    const struct scope scope = m.scopes[--m.scope_count];
    m.forked = false;
    if (scope.inherited)
        return;
    bool others = false;
    for (int i = 0; i < m.scope_count; i++)
        others |= (m.scopes[i].flags & 2) && !m.scopes[i].inherited;
    for (int s = 0; s < SIGNALS && (scope.flags & 2) && !others; s++) {
        if (m.lent[s] && model_wanted(s) && m.kernel[s].who == IGNORED)
            m.kernel[s] = ours(s);
        m.lent[s] = false;
    }
    model_set_mask(scope.mask);
}
