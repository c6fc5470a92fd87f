/* The operations on bridges: open to close, reading, waiting, and what the library says of a signal. */
#define _GNU_SOURCE
#include "interpret.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_EVENTS = 20000 };
static csigshim_event events[MOST_EVENTS];

static void say_bridge(struct op op, char *text, size_t size)
{
    snprintf(text, size, " bridge %d", bridge_of(op));
}

static void say_signal(struct op op, char *text, size_t size)
{
    snprintf(text, size, " %s", signal_name(signal_in(op)));
}

static void say_open(struct op op, char *text, size_t size)
{
    snprintf(text, size, " bridge %d, %s", bridge_of(op), op.z & 1 ? "signalfd" : "handler");
}

static void op_open(struct op op)
{
    const int b = bridge_of(op);
    const bool queued = op.z & 1;
    if (m.bridges[b].open)
        return;
    const struct answer answer = model_open(b, queued);
    expect(answer, csigshim_open(&bridges[b], queued ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER));
    const char *const wrong = learn_descriptors(b);
    if (wrong != NULL)
        failed("%s", wrong);
}

/* In a child where the host has put ours back by itself, what a removal does is not said: ours passes on, or is out. */
static void look_whether_restored(const struct bridge *was)
{
    for (int s = 0; s < SIGNALS; s++)
        if (was->inherited && was->added[s] && !model_wanted(s) && m.kernel[s].who == OURS && action_now(s).who != OURS)
            model_restore(s);
}

static void op_close(struct op op)
{
    const int b = bridge_of(op);
    const struct bridge was = m.bridges[b];
    if (!was.open || in_scope())
        return;
    model_close(b);
    if (!goes_ahead(op))
        return;
    expect((struct answer){0, 0}, csigshim_close(bridges[b]));
    forget_descriptors(b, was.lost, was.queued);
    look_whether_restored(&was);
}

static void say_add(struct op op, char *text, size_t size)
{
    snprintf(text, size, " bridge %d, %s%s%s", bridge_of(op), signal_name(signal_in(op)), op.z & 1 ? ", chain" : "",
             (op.z & 6) == 2 ? ", keep ignored" : "");
}

static void op_add(struct op op)
{
    const int b = bridge_of(op), s = signal_in(op);
    const unsigned flags = (op.z & 1) | ((op.z & 6) == 2 ? 2 : 0);
    if (!m.bridges[b].open || in_scope() || m.bridges[b].overflow[s] > 0) /* whose unread that would be is not said */
        return;
    const struct answer answer = model_add(b, s, flags);
    expect(answer, csigshim_add(bridges[b], signo_of(s), flags));
}

static void say_both(struct op op, char *text, size_t size)
{
    snprintf(text, size, " bridge %d, %s", bridge_of(op), signal_name(signal_in(op)));
}

static void op_remove(struct op op)
{
    const int b = bridge_of(op), s = signal_in(op);
    if (!m.bridges[b].open || in_scope())
        return;
    const struct bridge was = m.bridges[b];
    const struct answer answer = model_remove(b, s);
    if (!goes_ahead(op))
        return;
    expect(answer, csigshim_remove(bridges[b], signo_of(s)));
    if (!m.bridges[b].added[s])
        look_whether_restored(&was);
}

static void say_chain(struct op op, char *text, size_t size)
{
    snprintf(text, size, " bridge %d, %s, %s", bridge_of(op), signal_name(signal_in(op)), op.z & 1 ? "on" : "off");
}

static void op_set_chain(struct op op)
{
    const int b = bridge_of(op), s = signal_in(op);
    if (!m.bridges[b].open || in_scope())
        return;
    const struct answer answer = model_set_chain(b, s, op.z & 1);
    expect(answer, csigshim_set_chain(bridges[b], signo_of(s), op.z & 1));
}

static unsigned limit_of(struct op op)
{
    const unsigned limits[] = {0, 1, 2, 3, 5, 50, 1000, 100000};
    return limits[op.z % 8];
}

static void say_escalate(struct op op, char *text, size_t size)
{
    snprintf(text, size, " bridge %d, %s, unread %u", bridge_of(op), signal_name(signal_in(op)), limit_of(op));
}

static void op_escalate(struct op op)
{
    const int b = bridge_of(op), s = signal_in(op);
    if (!m.bridges[b].open || m.bridges[b].overflow[s] > 0)
        return;
    const struct answer answer = model_escalate(b, s, limit_of(op));
    expect(answer, csigshim_escalate_after(bridges[b], signo_of(s), limit_of(op)));
}

static const char *wrong_event(const csigshim_event *event, const struct record *record)
{
    static const int codes[] = {[BY_KILL] = SI_USER, [BY_SIGQUEUE] = SI_QUEUE, [BY_PTHREAD_KILL] = SI_TKILL};
    if (event->code != codes[record->how] || event->value != record->value)
        return "code or value of the event are not those of the next one of its signal";
    if (event->pid != getpid() || event->uid != getuid())
        return "the event's sender is not this process";
    if (event->count != 1 || event->flags != 0 || event->status != 0 || event->overrun != 0 || event->fd != -1)
        return "the event has members that its kind does not have";
    return NULL;
}

static unsigned capacity_of(struct op op)
{
    const unsigned capacities[] = {0, 1, 1, 2, 3, 8, 64, MOST_EVENTS};
    return capacities[op.z % 8];
}

static void say_read(struct op op, char *text, size_t size)
{
    snprintf(text, size, " bridge %d, capacity %u", bridge_of(op), capacity_of(op));
}

static long read_some(int b, unsigned capacity)
{
    const struct answer answer = model_read_count(b, capacity);
    const ssize_t count = csigshim_read(bridges[b], events, capacity);
    expect(answer, count);
    for (ssize_t i = 0; i < count; i++) {
        struct record expected;
        const csigshim_event *const event = &events[i];
        const int s = signal_of(event->signo);
        const bool dropped = event->flags == CSIGSHIM_DETAILS_DROPPED;
        const char *wrong = s < 0 ? "an event of another signal" : NULL;
        if (wrong == NULL)
            wrong = model_read_event(b, s, dropped, event->count, &expected);
        if (wrong == NULL && !dropped)
            wrong = wrong_event(event, &expected);
        if (wrong == NULL && (event->reserved[0] | event->reserved[1] | event->reserved[2]) != 0)
            wrong = "reserved members are not 0";
        if (wrong != NULL)
            failed("event %zd of %zd, %s, code %d, value %llu, count %u: %s", i, count, s < 0 ? "?" : signal_name(s),
                   event->code, (unsigned long long)event->value, event->count, wrong);
    }
    if (answer.refusals == 0)
        model_read_done(b, capacity, (unsigned)count);
    return count;
}

static void op_read(struct op op)
{
    if (m.bridges[bridge_of(op)].open)
        (void)read_some(bridge_of(op), capacity_of(op));
}

static void check_wait(int b)
{
    int also = 0;
    const struct answer answer = model_wait(b, &also);
    expect_or(answer, also, csigshim_wait(bridges[b], 0));
}

static void op_wait(struct op op)
{
    if (m.bridges[bridge_of(op)].open)
        check_wait(bridge_of(op));
}

void drain(void)
{
    for (int b = 0; b < BRIDGES; b++) {
        if (!m.bridges[b].open)
            continue;
        check_wait(b);
        while (read_some(b, 64) > 0)
            ;
        check_wait(b);
    }
    check_everything();
}

static void op_wake(struct op op)
{
    if (!m.bridges[bridge_of(op)].open)
        return;
    const struct answer answer = model_wake(bridge_of(op));
    expect(answer, csigshim_wake(bridges[bridge_of(op)]));
}

static void op_ask(struct op op)
{
    const int b = bridge_of(op), s = signal_in(op);
    expect(model_disposition(s), csigshim_disposition(signo_of(s)));
    if (op.z & 1)
        expect(model_state(s), csigshim_state(signo_of(s)));
    if (op.z & 2)
        expect(model_mechanism(s), csigshim_mechanism(signo_of(s)));
    if (m.bridges[b].open && !m.bridges[b].queued)
        expect((struct answer){ROOM, 0}, csigshim_capacity(bridges[b]));
}

static void op_rearm(struct op op)
{
    const int s = signal_in(op);
    if (in_scope())
        return;
    const struct answer answer = model_rearm(s);
    expect(answer, csigshim_rearm(signo_of(s)));
}

static void op_after_fork(struct op op)
{
    const int b = bridge_of(op);
    if (!m.bridges[b].open || in_scope())
        return;
    const unsigned lost = m.bridges[b].lost;
    const struct answer answer = model_after_fork(b);
    expect(answer, csigshim_after_fork(bridges[b]));
    const char *const wrong = answer.result == 1 && answer.refusals == 0 ? learn_renewed(b, lost) : NULL;
    if (wrong != NULL)
        failed("%s", wrong);
}

const struct operation bridge_operations[] = {
    {"open", 10, op_open, say_open},
    {"close", 4, op_close, say_bridge},
    {"add", 24, op_add, say_add},
    {"remove", 10, op_remove, say_both},
    {"set_chain", 5, op_set_chain, say_chain},
    {"escalate_after", 4, op_escalate, say_escalate},
    {"read", 20, op_read, say_read},
    {"wait", 6, op_wait, say_bridge},
    {"wake", 4, op_wake, say_bridge},
    {"disposition, state, mechanism", 6, op_ask, say_signal},
    {"rearm", 8, op_rearm, say_signal},
    {"after_fork", 10, op_after_fork, say_bridge},
    {NULL, 0, NULL, NULL},
};
