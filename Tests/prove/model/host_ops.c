/* The host's own operations: signals to itself, handlers, masks, descriptors, a child. */
#define _GNU_SOURCE
#include "interpret.h"
#include "process_ops.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t next_value = 1;

static void say_signal(struct op op, char *text, size_t size) {
    snprintf(text, size, " %s", signal_name(signal_in(op)));
}

static void say_send(struct op op, char *text, size_t size) {
    static const char *const how[] = {"kill", "sigqueue", "pthread_kill"};
    snprintf(text, size, " %s, by %s%s", signal_name(signal_in(op)), how[op.x % 3],
             op.z >= MAY_DIE ? ", come what may" : "");
}

/* All processes of the user share one limit of queued signals, so it may be reached: then try again. */
static void send_it(int s, enum how how, uint32_t value) {
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

static bool is_pending(int s) {
    return m.pending[0][s].count + m.pending[1][s].count > 0;
}

static void op_send(struct op op) {
    const int s = signal_in(op);
    const enum how how = (enum how)(op.x % 3);
    const uint32_t value = next_value;
    if (!model_room_for(s) || (s == TSTP && is_pending(s))) /* two of these may stop it once or twice */
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

static int flood_of(struct op op) {
    return op.z & 1 && op.z >= MAY_DIE ? 9000 : 50;
}

static void say_flood(struct op op, char *text, size_t size) {
    snprintf(text, size, " %s, %d times", signal_name(signal_in(op)), flood_of(op));
}

static void op_flood(struct op op) {
    const int s = signal_in(op);
    if (s == TSTP || (is_realtime(s) && (m.mask & 1u << s)))
        return;
    for (int i = 0; i < flood_of(op) && m.deadly == 0; i++)
        model_send(s, BY_KILL, 0);
    if (!goes_ahead(op))
        return;
    for (int i = 0; i < flood_of(op); i++)
        send_it(s, BY_KILL, 0);
}

static struct action action_of(struct op op) {
    static const enum handler handlers[] = {PLAIN, PLAIN, PLAIN, DETAILED, DETAILED, IGNORED, IGNORED, BY_DEFAULT};
    const enum handler chosen = handlers[op.x % 8];
    struct action action = {(uint8_t)chosen, op.z & 1 ? RESTART : 0, 0};
    if (chosen == PLAIN && (op.z & 6) == 2)
        action.flags |= RESETHAND;
    if ((chosen == IGNORED || chosen == BY_DEFAULT) && (op.z & 6) == 4) /* libcurl does this */
        action.flags |= SIGINFO;
    if (op.z & 16)
        action.flags |= NODEFER;
    if (op.z & 32)
        action.masked = (uint8_t)(1u << (op.z % SIGNALS));
    return action;
}

static void say_handler(struct op op, char *text, size_t size) {
    static const char *const names[] = {"SIG_DFL", "SIG_IGN", "plain", "detailed"};
    const struct action action = action_of(op);
    snprintf(text, size, " %s, %s%s%s%s%s%s", signal_name(signal_in(op)), names[action.handler],
             action.flags & RESTART ? ", SA_RESTART" : "", action.flags & RESETHAND ? ", SA_RESETHAND" : "",
             action.flags & NODEFER ? ", SA_NODEFER" : "", action.flags & SIGINFO ? ", SA_SIGINFO" : "",
             action.masked ? ", masking another" : "");
}

static void op_handler(struct op op) {
    const struct action action = action_of(op);
    if (in_scope())
        return;
    model_sigaction(signal_in(op), action);
    host_sigaction(signal_in(op), action);
}

static int top_of(struct op op) {
    return op.x % 2;
}

static void say_top(struct op op, char *text, size_t size) {
    snprintf(text, size, " %d, %s%s%s", top_of(op), signal_name(signal_in(op)), op.z & 1 ? ", SA_RESTART" : "",
             (op.z & 14) == 2 ? ", SA_RESETHAND" : "");
}

static void op_top(struct op op) {
    const int s = signal_in(op), top = top_of(op);
    const struct action action = {(uint8_t)(TOP0 + top),
                                  (uint8_t)((op.z & 1 ? RESTART : 0) | ((op.z & 14) == 2 ? RESETHAND : 0)), 0};
    if (in_scope() || model_would_loop(s, top))
        return;
    m.found[top][s] = m.kernel[s];
    m.has_found[top][s] = true;
    model_sigaction(s, action);
    host_sigaction(s, action);
}

static void say_takes_away(struct op op, char *text, size_t size) {
    snprintf(text, size, " %d, %s%s", top_of(op), signal_name(signal_in(op)),
             op.z >= 192 ? ", whatever is installed" : "");
}

/* The host restores what its handler replaced, sometimes even if another handler is installed meanwhile. */
static void op_takes_away(struct op op) {
    const int s = signal_in(op), top = top_of(op);
    if (in_scope() || !m.has_found[top][s] || (m.kernel[s].handler != TOP0 + top && op.z < 192))
        return;
    model_sigaction(s, m.found[top][s]);
    host_restores_found(s, top);
}

static void say_mask(struct op op, char *text, size_t size) {
    static const char *const how[] = {"block", "unblock", "block only", "unblock"};
    snprintf(text, size, " %s %s%s", how[op.x % 4], signal_name(signal_in(op)),
             op.z >= MAY_DIE ? ", come what may" : "");
}

static void op_mask(struct op op) {
    const unsigned bit = 1u << signal_in(op);
    const unsigned mask = op.x % 4 == 0 ? m.mask | bit : op.x % 4 == 2 ? bit : m.mask & ~bit;
    if (in_scope())
        return;
    model_set_mask(mask);
    if (goes_ahead(op))
        host_set_mask(mask);
}

static void say_disposition(struct op op, char *text, size_t size) {
    snprintf(text, size, " %s, %s", signal_name(signal_in(op)), op.z & 1 ? "ignored" : "default");
}

static void op_set_disposition(struct op op) {
    const int s = signal_in(op);
    const struct answer answer = model_set_disposition(s, op.z & 1);
    const int disposition = op.z & 1 ? CSIGSHIM_DISPOSITION_IGNORED : CSIGSHIM_DISPOSITION_DEFAULT;
    expect(answer, csigshim_set_disposition(signo_of(s), disposition));
}

static void op_default_action(struct op op) {
    const int s = signal_in(op);
    if (s == TSTP && is_pending(s))
        return;
    model_default_action(s);
    if (goes_ahead(op))
        expect((struct answer){0, 0}, csigshim_take_default_action(signo_of(s)));
}

static void say_closes(struct op op, char *text, size_t size) {
    static const char *const end[] = {"pipe", "signalfd", "epoll"};
    static const char *const file[] = {"a file", "a pipe", "a signalfd", "an epoll"};
    const int b = op.x % BRIDGES;
    snprintf(text, size, " the %s of bridge %d%s%s", end[op.y % ENDS], b, op.z & 4 ? ", opens " : "",
             op.z & 4 ? file[op.z % 4] : "");
}

static void op_host_closes(struct op op) {
    const int b = bridge_of(op), end = op.y % ENDS;
    struct bridge *const bridge = &m.bridges[b];
    if (op.z < 128 || !bridge->open || (bridge->lost & 1u << end) || (!bridge->queued && end != PIPE_END))
        return;
    bridge->lost |= 1u << end;
    host_closes(b, end);
    if (op.z & 4)
        (void)host_opens(op.z % 4);
}

static void say_opens(struct op op, char *text, size_t size) {
    static const char *const file[] = {"a file", "a pipe", "a signalfd", "an epoll"};
    snprintf(text, size, " %s", file[op.z % 4]);
}

static void op_host_opens(struct op op) {
    (void)host_opens(op.z % 4);
}

/* SIGCHLD, with a bridge of its own that is closed again at once. Beneath it: SIG_DFL, SIG_IGN or a handler, with each
 * combination of the flags that SIGCHLD alone has. A child ends: it becomes a zombie unless SA_NOCLDWAIT was there. */
static struct sigaction child_action(struct op op) {
    struct sigaction action;
    host_child_action(op.y % 3, &action);
    action.sa_flags |= (op.z & 4 ? SA_NOCLDWAIT : 0) | (op.z & 8 ? SA_NOCLDSTOP : 0);
    return action;
}

static void say_child(struct op op, char *text, size_t size) {
    static const char *const names[] = {"SIG_DFL", "SIG_IGN", "a handler"};
    snprintf(text, size, " over %s%s%s, %s", names[op.y % 3], op.z & 4 ? ", SA_NOCLDWAIT" : "",
             op.z & 8 ? ", SA_NOCLDSTOP" : "", op.z & 1 ? "signalfd" : "handler");
}

static void op_child(struct op op) {
    const struct sigaction wanted = child_action(op);
    struct sigaction now;
    csigshim_bridge *bridge = NULL;
    csigshim_event event = {0};
    int status = 0;
    sigaction(SIGCHLD, &wanted, NULL);
    if (csigshim_open_sized(&bridge, op.z & 1 ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER, 16) != 0 ||
        csigshim_add(bridge, SIGCHLD, 0) != 0)
        failed("SIGCHLD cannot be added: %s", strerror(errno));
    sigaction(SIGCHLD, NULL, &now);
    if ((now.sa_flags ^ wanted.sa_flags) & (SA_NOCLDWAIT | SA_NOCLDSTOP))
        failed("the flags of SIGCHLD are %#x, not those of %#x", (unsigned)now.sa_flags, (unsigned)wanted.sa_flags);
    const pid_t child = fork();
    if (child == 0)
        _exit(7);
    const pid_t waited = waitpid(child, &status, 0);
    if (op.z & 4 ? waited >= 0 || errno != ECHILD : waited != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
        failed("waitpid gives %d, status %#x", (int)waited, (unsigned)status);
    if (csigshim_read(bridge, &event, 1) != 1 || event.signo != SIGCHLD || event.pid != child || event.status != 7 ||
        event.code != CLD_EXITED)
        failed("the child's end is not an event: signal %d, code %d, status %d", event.signo, event.code, event.status);
    if (csigshim_close(bridge) != 0)
        failed("csigshim_close: %s", strerror(errno));
    sigaction(SIGCHLD, NULL, &now);
    if (now.sa_handler != wanted.sa_handler || now.sa_flags != wanted.sa_flags)
        failed("the action of SIGCHLD was not restored: flags %#x, not %#x", (unsigned)now.sa_flags,
               (unsigned)wanted.sa_flags);
    signal(SIGCHLD, SIG_DFL);
}

const struct operation host_operations[] = {
    {"send", 34, op_send, say_send},
    {"flood", 3, op_flood, say_flood},
    {"the host installs", 14, op_handler, say_handler},
    {"the host puts on top: handler", 14, op_top, say_top},
    {"the host takes away: handler", 8, op_takes_away, say_takes_away},
    {"the host's mask:", 14, op_mask, say_mask},
    {"set_disposition", 6, op_set_disposition, say_disposition},
    {"take_default_action", 2, op_default_action, say_signal},
    {"the host closes", 8, op_host_closes, say_closes},
    {"the host opens", 1, op_host_opens, say_opens},
    {"a child ends", 1, op_child, say_child},
    {"fork", 10, op_fork, say_fork},
    {"reset_for_exec", 5, op_reset_for_exec, say_reset_for_exec},
    {"spawn_begin", 6, op_spawn_begin, say_spawn_begin},
    {"spawn_end", 7, op_spawn_end, say_nothing},
    {"bad argument", 6, op_bad_argument, say_bad_argument},
    {NULL, 0, NULL, NULL},
};
