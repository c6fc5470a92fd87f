/* The model's kernel: pending signals, dispositions, masks, and what one delivery does, from the installed handler
 * down. The rules, in the words of the contract:
 * - Each bridge that has the signal, and still has its pipe, records a delivery once. The saved handler runs as well if
 *   one of these bridges chains. A delivery that no bridge recorded meets the saved action.
 * - A handler that replaced the library's may call it: that is the same delivery. While the saved handler runs, a call
 *   of the library's handler does nothing.
 * - The first csigshim_add saves the action and installs the handler. A handler that was left installed at the last
 *   removal may still call the library's, so it stays, and the signal is displaced.
 * - A displaced signal stays so until csigshim_rearm, which installs the handler over the action that was saved first.
 * - The last removal restores the saved action if the library's handler is the installed one. */
#include "deliver.h"
#include <string.h>

static bool in_saved_handler; /* during a delivery */

static bool is_function(struct action action) {
    return action.handler == PLAIN || action.handler == DETAILED || action.handler == TOP0 || action.handler == TOP1;
}

static bool is_top(struct action action) {
    return action.handler == TOP0 || action.handler == TOP1;
}

/* The saved action, as SA_RESETHAND has left it. */
static struct action underneath(int s) {
    struct action action = m.saved[s];
    if (is_function(action) && m.spent[s])
        action.handler = BY_DEFAULT;
    return action;
}

bool model_is_taken(int b, int s) {
    bool taken = false;
    for (int i = 0; i < BRIDGES; i++)
        taken |= i != b && model_active(i, s) && (m.bridges[i].queued || m.bridges[b].queued);
    return taken;
}

bool model_ignored_underneath(int s) {
    return (m.kernel[s].handler == LIBRARY ? m.saved[s] : m.kernel[s]).handler == IGNORED;
}

void model_begin_step(void) {
    m.deadly = 0;
    m.deliveries = 0;
    m.first_seen = m.clobbered = false;
}

/* The kernel drops pending signals that become ignored. */
void model_sigaction(int s, struct action action) {
    m.kernel[s] = action;
    if (action.handler == IGNORED || (action.handler == BY_DEFAULT && s == WINCH))
        model_take_pending(-1, s);
}

/* No SA_RESTART if a bridge asks for that, or if a chained handler of the host has none. */
static struct action library_action(int s) {
    bool chained = false, interrupts = false;
    for (int b = 0; b < BRIDGES; b++) {
        chained |= model_active(b, s) && m.bridges[b].chain[s];
        interrupts |= model_active(b, s) && m.bridges[b].interrupt[s];
    }
    interrupts |= chained && is_function(m.saved[s]) && !(m.saved[s].flags & RESTART);
    return (struct action){LIBRARY, interrupts ? 0 : RESTART, 0};
}

void model_install(int s, bool already) {
    if (m.kernel[s].handler != LIBRARY) {
        if (already || (m.left[s] && is_function(m.kernel[s])))
            return;
        m.saved[s] = m.kernel[s];
        m.spent[s] = m.left[s] = false;
    }
    m.kernel[s] = library_action(s);
}

void model_restore(int s) {
    m.left[s] = m.kernel[s].handler != LIBRARY;
    if (!m.left[s])
        model_sigaction(s, underneath(s));
}

struct action model_without_bridges(int s) {
    return m.kernel[s].handler == LIBRARY ? underneath(s) : m.kernel[s];
}

struct answer model_state(int s) {
    if (!model_wanted(s))
        return (struct answer){0, 0};
    return (struct answer){m.kernel[s].handler == LIBRARY ? 1 : 2, 0};
}

struct answer model_disposition(int s) {
    const enum handler handler = m.kernel[s].handler;
    return (struct answer){handler == BY_DEFAULT ? 0 : handler == IGNORED ? 1 : 2, 0};
}

struct answer model_rearm(int s) {
    if (!model_wanted(s))
        return (struct answer){-1, R_ENOENT};
    m.kernel[s] = library_action(s);
    return (struct answer){0, 0};
}

struct answer model_set_disposition(int s, bool ignore) {
    if (model_wanted(s))
        return (struct answer){-1, R_EBUSY};
    model_sigaction(s, (struct action){ignore ? IGNORED : BY_DEFAULT, 0, 0});
    return (struct answer){0, 0};
}

/* Another process continues this one at once, by SIGCONT, which drops pending stop signals. */
static void stop(void) {
    m.stops++;
    model_take_pending(-1, TSTP);
}

void model_default_action(int s) {
    if (s == TSTP)
        stop();
    else if (s != WINCH)
        m.deadly |= 1u << s;
}

static void enter_library(struct record record, bool kernel_called);

static void run_host(struct record record, struct action action) {
    const int s = record.signal;
    if (!m.first_seen) {
        m.first_seen = true;
        m.first_mask = m.mask | action.masked | (action.flags & NODEFER ? 0 : 1u << s);
    }
    m.calls[action.handler][s]++;
    if (!is_top(action))
        return;
    const struct action found = m.found[action.handler - TOP0][s];
    if (found.handler == LIBRARY)
        enter_library(record, false);
    else if (is_function(found))
        run_host(record, found);
}

/* False: there is no handler to run. */
static bool run_saved(struct record record) {
    const int s = record.signal;
    if (!is_function(m.saved[s]) || m.spent[s])
        return false;
    m.spent[s] = m.saved[s].flags & RESETHAND;
    in_saved_handler = true;
    run_host(record, m.saved[s]);
    in_saved_handler = false;
    return true;
}

static void enter_library(struct record record, bool kernel_called) {
    const int s = record.signal;
    bool recorded = false, chain = false;
    if (in_saved_handler)
        return;
    for (int b = 0; b < BRIDGES; b++) {
        struct bridge *const bridge = &m.bridges[b];
        if (!model_active(b, s) || !model_can_record(b))
            continue;
        recorded = true;
        chain |= bridge->chain[s];
        if (++bridge->unread[s] >= bridge->limit[s] && bridge->limit[s] != 0)
            m.deadly |= 1u << s;
        model_keep(b, record);
    }
    if (recorded) {
        if (chain)
            (void)run_saved(record);
    } else if (!run_saved(record) && m.saved[s].handler != IGNORED &&
               (kernel_called || m.kernel[s].handler == BY_DEFAULT)) {
        /* A handler that called this one, and is still installed, decides by itself. */
        model_default_action(s);
        /* The host had installed the library's handler by itself, so the library does not reinstall it after a stop. */
        if (s == TSTP && kernel_called && !model_wanted(s))
            m.kernel[s] = (struct action){BY_DEFAULT, 0, 0};
    }
}

static void deliver(struct record record) {
    const int s = record.signal;
    const struct action action = m.kernel[s];
    m.deliveries++;
    if (action.handler == LIBRARY) {
        enter_library(record, true);
    } else if (is_function(action)) {
        if (action.flags & RESETHAND) { /* the kernel resets the handler, and keeps the flags */
            m.kernel[s].handler = BY_DEFAULT;
            m.kernel[s].flags |= action.handler == PLAIN ? 0 : SIGINFO;
        }
        m.clobbered = true;
        run_host(record, action);
    } else if (action.handler == BY_DEFAULT) {
        model_default_action(s);
    }
}

bool model_room_for(int s) {
    return m.pending[0][s].count < PENDING && m.pending[1][s].count < PENDING;
}

/* A blocked signal becomes pending, even if it is ignored; a standard one only once in each queue. */
void model_send(int s, enum how how, uint32_t value) {
    const struct record record = {.signal = (uint8_t)s, .how = (uint8_t)how, .value = how == BY_SIGQUEUE ? value : 0};
    struct queue *const queue = &m.pending[how != BY_PTHREAD_KILL][s];
    if (!(m.mask & 1u << s))
        deliver(record);
    else if (is_realtime(s) || queue->count == 0)
        queue->records[queue->count++] = record;
}

void model_set_mask(unsigned mask) {
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

/* Handlers of the host that call each other for ever, without the library between them. */
bool model_would_loop(int s, int top) {
    struct action action = m.kernel[s];
    while (is_top(action)) {
        if (action.handler == TOP0 + top)
            return true;
        action = m.found[action.handler - TOP0][s];
    }
    return false;
}

void model_spawn_begin(bool original) {
    m.scopes[m.scope_count++] = (struct scope){m.mask, false};
    model_set_mask(original ? m.original : model_mask_without_bridges());
}

void model_spawn_end(void) {
    const struct scope scope = m.scopes[--m.scope_count];
    if (!scope.inherited) /* a forked child keeps the mask that it has */
        model_set_mask(scope.mask);
}
