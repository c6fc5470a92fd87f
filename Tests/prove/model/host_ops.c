/* What the host does around the bridges: signals to itself, handlers of its own, masks, descriptors. */
#define _GNU_SOURCE
#include "interpret.h"
#include "process_ops.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { FLOOD = 9000 };
static uint32_t next_value = 1;

static void say_signal(struct op op, char *text, size_t size)
{
    snprintf(text, size, " %s", signal_name(signal_in(op)));
}

static void say_send(struct op op, char *text, size_t size)
{
    static const char *const how[] = {"kill", "sigqueue", "pthread_kill"};
    snprintf(text, size, " %s, by %s%s", signal_name(signal_in(op)), how[op.x % 3],
             op.z >= 224 ? ", come what may" : "");
}

/* The user's queue of signals is shared with other processes, who may have filled it. */
static void send_it(int s, enum how how, uint32_t value)
{
    const union sigval with = {.sival_ptr = (void *)(uintptr_t)value};
    const int signo = signo_of(s);
    for (;;) {
        errno = ERRNO_BEFORE;
        if (how == BY_PTHREAD_KILL ? pthread_kill(pthread_self(), signo) == 0
            : how == BY_SIGQUEUE   ? sigqueue(getpid(), signo, with) == 0
                                   : kill(getpid(), signo) == 0)
            return;
        sched_yield();
    }
}

static void op_send(struct op op)
{
    const int s = signal_in(op);
    const enum how how = (enum how)(op.x % 3);
    const uint32_t value = next_value;
    if (!model_room_for(s))
        return;
    model_send(s, how, value);
    if (!goes_ahead(op))
        return;
    next_value++;
    send_it(s, how, value);
    const int after = errno, should = m.clobbered ? ERRNO_OF_A_HANDLER : ERRNO_BEFORE;
    if (after != should && m.deliveries == 1)
        failed("errno is %d after the signal, not %d", after, should);
    if (m.deliveries == 1 && m.first_seen && seen.error != ERRNO_BEFORE)
        failed("the host's handler found errno %d", (int)seen.error);
}

static void op_flood(struct op op)
{
    const int s = signal_in(op);
    if (op.z < 224 || (is_realtime(s) && (m.mask & 1u << s)))
        return;
    for (int i = 0; i < FLOOD && m.deadly == 0; i++)
        model_send(s, BY_KILL, 0);
    if (!goes_ahead(op))
        return;
    for (int i = 0; i < FLOOD; i++)
        send_it(s, BY_KILL, 0);
}

static struct action handler_of(struct op op)
{
    static const enum who who[] = {PLAIN, PLAIN, PLAIN, DETAILED, DETAILED, IGNORED, IGNORED, BY_DEFAULT};
    const enum who chosen = who[op.x % 8];
    struct action action = {(uint8_t)chosen, op.z & 1 ? RESTART : 0, 0};
    if (chosen == PLAIN && (op.z & 6) == 2) /* with what it leaves behind, as an old-style handler has it */
        action.flags |= RESETHAND;
    if (op.z & 16)
        action.flags |= NODEFER;
    if (op.z & 32)
        action.masked = (uint8_t)(1u << (op.z % SIGNALS));
    return action;
}

static void say_handler(struct op op, char *text, size_t size)
{
    static const char *const who[] = {"SIG_DFL", "SIG_IGN", "plain", "with siginfo"};
    const struct action action = handler_of(op);
    snprintf(text, size, " %s, %s%s%s%s%s", signal_name(signal_in(op)), who[action.who],
             action.flags & RESTART ? ", SA_RESTART" : "", action.flags & RESETHAND ? ", SA_RESETHAND" : "",
             action.flags & NODEFER ? ", SA_NODEFER" : "", action.masked ? ", masking another" : "");
}

static void op_handler(struct op op)
{
    const struct action action = handler_of(op);
    if (in_scope())
        return;
    model_sigaction(signal_in(op), action);
    host_sigaction(signal_in(op), action);
}

static void say_top(struct op op, char *text, size_t size)
{
    snprintf(text, size, " %d, %s%s", op.x % 2, signal_name(signal_in(op)), op.z & 1 ? ", SA_RESTART" : "");
}

static void op_top(struct op op)
{
    const int s = signal_in(op), top = op.x % 2;
    const struct action action = {(uint8_t)(TOP0 + top), op.z & 1 ? RESTART : 0, 0};
    if (in_scope() || model_would_loop(s, top))
        return;
    m.found[top][s] = m.kernel[s];
    m.calls_found[top][s] = true;
    model_sigaction(s, action);
    host_sigaction(s, action);
}

/* He puts back what he found, if he is there, and also if somebody else is meanwhile. */
static void op_take_away(struct op op)
{
    const int s = signal_in(op), top = op.x % 2;
    if (in_scope() || !m.calls_found[top][s] || (m.kernel[s].who != TOP0 + top && op.z < 192))
        return;
    model_sigaction(s, m.found[top][s]);
    host_takes_away(s, top);
}

static void say_mask(struct op op, char *text, size_t size)
{
    static const char *const how[] = {"block", "unblock", "block only", "unblock"};
    snprintf(text, size, " %s %s%s", how[op.x % 4], signal_name(signal_in(op)), op.z >= 224 ? ", come what may" : "");
}

static void op_mask(struct op op)
{
    const unsigned bit = 1u << signal_in(op);
    const unsigned mask = op.x % 4 == 0 ? m.mask | bit : op.x % 4 == 2 ? bit : m.mask & ~bit;
    if (in_scope())
        return;
    model_set_mask(mask);
    if (goes_ahead(op))
        host_set_mask(mask);
}

static void say_disposition(struct op op, char *text, size_t size)
{
    snprintf(text, size, " %s, %s", signal_name(signal_in(op)), op.z & 1 ? "ignored" : "default");
}

static void op_set_disposition(struct op op)
{
    const int s = signal_in(op);
    const struct answer answer = model_set_disposition(s, op.z & 1);
    expect(answer, csigshim_set_disposition(signo_of(s), op.z & 1 ? CSIGSHIM_DISPOSITION_IGNORED : CSIGSHIM_DISPOSITION_DEFAULT));
}

static void op_default_action(struct op op)
{
    const int s = signal_in(op);
    if (s != WINCH)
        m.deadly = 1u << s;
    if (goes_ahead(op))
        expect((struct answer){0, 0}, csigshim_take_default_action(signo_of(s)));
}

static void say_closes(struct op op, char *text, size_t size)
{
    static const char *const end[] = {"read end", "write end", "signalfd", "epoll"};
    static const char *const file[] = {"a file", "a pipe", "a signalfd", "an epoll"};
    const int b = op.x % BRIDGES;
    snprintf(text, size, " the %s of bridge %d%s%s", end[op.y % ENDS], b, op.z & 4 ? ", opens " : "",
             op.z & 4 ? file[op.z % 4] : "");
}

static void op_host_closes(struct op op)
{
    const int b = bridge_of(op), end = op.y % ENDS;
    struct bridge *const bridge = &m.bridges[b];
    if (op.z < 128 || !bridge->open || (bridge->lost & 1u << end) || (!bridge->queued && end > WRITE_END))
        return;
    bridge->lost |= 1u << end;
    host_closes(b, end);
    if (op.z & 4)
        (void)host_opens(op.z % 4);
}

static void say_opens(struct op op, char *text, size_t size)
{
    static const char *const file[] = {"a file", "a pipe", "a signalfd", "an epoll"};
    snprintf(text, size, " %s", file[op.z % 4]);
}

static void op_host_opens(struct op op)
{
    (void)host_opens(op.z % 4);
}

const struct operation host_operations[] = {
    {"send", 44, op_send, say_send},
    {"flood", 1, op_flood, say_signal},
    {"the host installs", 16, op_handler, say_handler},
    {"the host puts on top: handler", 14, op_top, say_top},
    {"the host takes away: handler", 8, op_take_away, say_top},
    {"the host's mask:", 14, op_mask, say_mask},
    {"set_disposition", 6, op_set_disposition, say_disposition},
    {"default_action", 1, op_default_action, say_signal},
    {"the host closes", 8, op_host_closes, say_closes},
    {"the host opens", 1, op_host_opens, say_opens},
    {"fork", 10, op_fork, say_fork},
    {"reset_for_exec", 5, op_reset_for_exec, say_reset_for_exec},
    {"spawn_begin", 6, op_spawn_begin, say_spawn_begin},
    {"spawn_end", 7, op_spawn_end, say_nothing},
    {"bad argument", 6, op_bad_argument, say_bad_argument},
    {NULL, 0, NULL, NULL},
};
