/* The operations on bridges: from open to close, reading, waiting, and queries about a signal. */
#define _GNU_SOURCE
#include "interpret.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_EVENTS = 20000 };
static csigshim_event events[MOST_EVENTS];

static void say_bridge(struct op op, char *text, size_t size) {
    snprintf(text, size, " bridge %d", bridge_of(op));
}

static void say_signal(struct op op, char *text, size_t size) {
    snprintf(text, size, " %s", signal_name(signal_in(op)));
}

/* A small ring is easily full. */
static unsigned capacity_of(struct op op) {
    const unsigned capacities[] = {ROOM, ROOM, 16, 16, 32, 64, 1024, 4096};
    return capacities[op.z / 2 % 8];
}

static void say_open(struct op op, char *text, size_t size) {
    snprintf(text, size, " bridge %d, %s, capacity %u", bridge_of(op), op.z & 1 ? "signalfd" : "handler",
             capacity_of(op));
}

static void op_open(struct op op) {
    const int b = bridge_of(op), mechanism = op.z & 1 ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER;
    const unsigned capacity = capacity_of(op);
    if (m.bridges[b].open)
        return;
    const struct answer answer = model_open(b, op.z & 1, capacity);
    expect(answer, capacity == ROOM ? csigshim_open(&bridges[b], mechanism)
                                    : csigshim_open_sized(&bridges[b], mechanism, capacity));
    const char *const wrong = learn_descriptors(b);
    if (wrong != NULL)
        failed("%s", wrong);
}

static void op_close(struct op op) {
    const int b = bridge_of(op);
    const struct bridge was = m.bridges[b];
    if (!was.open || in_scope())
        return;
    model_close(b);
    if (!goes_ahead(op))
        return;
    expect((struct answer){0, 0}, csigshim_close(bridges[b]));
    forget_descriptors(b, was.lost, was.queued);
}

/* If the descriptor is in use and lost, the contract does not say whether its number or EBADF comes. */
static void op_fd(struct op op) {
    const int b = bridge_of(op);
    const struct bridge was = m.bridges[b];
    if (!was.open || (was.fd_in_use && was.lost != 0))
        return;
    const struct answer answer = model_fd(b);
    const int fd = csigshim_fd(bridges[b]);
    expect(answer, fd < 0 ? fd : 0);
    if (fd >= 0 && !is_polled_descriptor(b, fd))
        failed("csigshim_fd returns %d, which is not the bridge's descriptor", fd);
}

/* The flags of csigshim_add, in the model's terms. */
static unsigned flags_of(unsigned bits) {
    return (bits & 1 ? CHAIN : 0) | ((bits & 6) == 2 ? KEEP_IGNORED : 0) | ((bits & 24) == 8 ? INTERRUPT : 0) |
           ((bits & 96) == 32 ? UNBLOCK : 0);
}

static unsigned library_flags(unsigned flags) {
    return (flags & CHAIN ? CSIGSHIM_CHAIN : 0u) | (flags & KEEP_IGNORED ? CSIGSHIM_KEEP_IGNORED : 0u) |
           (flags & INTERRUPT ? CSIGSHIM_INTERRUPT : 0u) | (flags & UNBLOCK ? CSIGSHIM_UNBLOCK : 0u);
}

static void say_flags(unsigned flags, char *text, size_t size) {
    snprintf(text, size, "%s%s%s%s", flags & CHAIN ? ", chain" : "", flags & KEEP_IGNORED ? ", keep ignored" : "",
             flags & INTERRUPT ? ", interrupt" : "", flags & UNBLOCK ? ", unblock" : "");
}

static void say_add(struct op op, char *text, size_t size) {
    char flags[64];
    say_flags(flags_of(op.z), flags, sizeof flags);
    snprintf(text, size, " bridge %d, %s%s", bridge_of(op), signal_name(signal_in(op)), flags);
}

static void op_add(struct op op) {
    const int b = bridge_of(op), s = signal_in(op);
    if (!m.bridges[b].open || in_scope())
        return;
    const struct answer answer = model_add(b, s, flags_of(op.z));
    if (goes_ahead(op))
        expect(answer, csigshim_add(bridges[b], signo_of(s), library_flags(flags_of(op.z))));
}

/* One to three signals, and with `with_kill` also SIGKILL, which is refused. */
static unsigned set_of(struct op op, unsigned *flags, bool *with_kill) {
    *flags = flags_of(op.x >> 2);
    *with_kill = op.z % 16 == 15;
    return 1u << signal_in(op) | 1u << op.z % SIGNALS | 1u << op.z / SIGNALS % SIGNALS;
}

static void say_add_set(struct op op, char *text, size_t size) {
    char names[100] = "", words[64];
    unsigned flags;
    bool with_kill;
    const unsigned signals = set_of(op, &flags, &with_kill);
    for (int s = 0; s < SIGNALS; s++)
        if (signals & 1u << s)
            strcat(strcat(names, " "), signal_name(s));
    say_flags(flags, words, sizeof words);
    snprintf(text, size, " bridge %d,%s%s%s", bridge_of(op), names, with_kill ? " KILL" : "", words);
}

static void op_add_set(struct op op) {
    const int b = bridge_of(op);
    unsigned flags;
    bool with_kill;
    sigset_t set;
    const unsigned signals = set_of(op, &flags, &with_kill);
    if (!m.bridges[b].open || in_scope())
        return;
    sigemptyset(&set);
    for (int s = 0; s < SIGNALS; s++)
        if (signals & 1u << s)
            sigaddset(&set, signo_of(s));
    if (with_kill)
        sigaddset(&set, SIGKILL);
    const struct answer answer = model_add_set(b, signals, flags, with_kill);
    if (goes_ahead(op))
        expect(answer, csigshim_add_set(bridges[b], &set, library_flags(flags)));
}

static void say_both(struct op op, char *text, size_t size) {
    snprintf(text, size, " bridge %d, %s", bridge_of(op), signal_name(signal_in(op)));
}

static void op_remove(struct op op) {
    const int b = bridge_of(op), s = signal_in(op);
    if (!m.bridges[b].open || in_scope())
        return;
    const struct answer answer = model_remove(b, s);
    if (goes_ahead(op))
        expect(answer, csigshim_remove(bridges[b], signo_of(s)));
}

static void say_chain(struct op op, char *text, size_t size) {
    snprintf(text, size, " bridge %d, %s, %s", bridge_of(op), signal_name(signal_in(op)), op.z & 1 ? "on" : "off");
}

static void op_set_chain(struct op op) {
    const int b = bridge_of(op), s = signal_in(op);
    if (!m.bridges[b].open || in_scope())
        return;
    const struct answer answer = model_set_chain(b, s, op.z & 1);
    expect(answer, csigshim_set_chain(bridges[b], signo_of(s), op.z & 1));
}

static unsigned limit_of(struct op op) {
    const unsigned limits[] = {0, 1, 2, 3, 5, 50, 1000, 100000};
    return limits[op.z % 8];
}

static void say_escalate(struct op op, char *text, size_t size) {
    snprintf(text, size, " bridge %d, %s, unread %u", bridge_of(op), signal_name(signal_in(op)), limit_of(op));
}

static void op_escalate(struct op op) {
    const int b = bridge_of(op), s = signal_in(op);
    if (!m.bridges[b].open)
        return;
    const struct answer answer = model_escalate(b, s, limit_of(op));
    expect(answer, csigshim_escalate_after(bridges[b], signo_of(s), limit_of(op)));
}

static const char *wrong_event(const csigshim_event *event, const struct record *record) {
    static const int codes[] = {[BY_KILL] = SI_USER, [BY_SIGQUEUE] = SI_QUEUE, [BY_PTHREAD_KILL] = SI_TKILL};
    if (event->code != codes[record->how] || event->value != record->value)
        return "code or value of the event are not those of the next one of its signal";
    if (event->pid != getpid() || event->uid != getuid())
        return "the event's sender is not this process";
    if (event->count != 1 || event->flags != 0 || event->status != 0 || event->overrun != 0 || event->fd != -1)
        return "the event has members that its kind does not have";
    return NULL;
}

static unsigned events_of(struct op op) {
    const unsigned capacities[] = {0, 1, 1, 2, 3, 8, 64, MOST_EVENTS};
    return capacities[op.z % 8];
}

static void say_read(struct op op, char *text, size_t size) {
    snprintf(text, size, " bridge %d, capacity %u", bridge_of(op), events_of(op));
}

static long read_some(int b, unsigned capacity) {
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

static void op_read(struct op op) {
    if (m.bridges[bridge_of(op)].open)
        (void)read_some(bridge_of(op), events_of(op));
}

static void check_wait(int b) {
    int also = 0;
    const struct answer answer = model_wait(b, &also);
    expect_or(answer, also, csigshim_wait(bridges[b], 0));
}

static void op_wait(struct op op) {
    if (m.bridges[bridge_of(op)].open)
        check_wait(bridge_of(op));
}

void drain(void) {
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

static void op_wake(struct op op) {
    if (!m.bridges[bridge_of(op)].open)
        return;
    const struct answer answer = model_wake(bridge_of(op));
    expect(answer, csigshim_wake(bridges[bridge_of(op)]));
}

static void op_ask(struct op op) {
    const int b = bridge_of(op), s = signal_in(op);
    expect(model_disposition(s), csigshim_disposition(signo_of(s)));
    if (op.z & 1)
        expect(model_state(s), csigshim_state(signo_of(s)));
    if (op.z & 2)
        expect(model_mechanism(s), csigshim_mechanism(signo_of(s)));
    if (m.bridges[b].open && !m.bridges[b].queued)
        expect((struct answer){(int)m.bridges[b].capacity, 0}, csigshim_capacity(bridges[b]));
    expect((struct answer){CSIGSHIM_VERSION, 0}, csigshim_version());
    expect_or((struct answer){getpid(), 0}, 0, csigshim_owner()); /* 0: there was no bridge yet */
}

static void op_rearm(struct op op) {
    const int s = signal_in(op);
    if (in_scope())
        return;
    const struct answer answer = model_rearm(s);
    expect(answer, csigshim_rearm(signo_of(s)));
}

static void op_after_fork(struct op op) {
    const int b = bridge_of(op);
    if (!m.bridges[b].open || in_scope())
        return;
    const struct bridge was = m.bridges[b];
    const struct answer answer = model_after_fork(b);
    expect(answer, csigshim_after_fork(bridges[b]));
    const char *const wrong = was.inherited && answer.refusals == 0 ? learn_renewed(b, was.lost) : NULL;
    if (wrong != NULL)
        failed("%s", wrong);
}

const struct operation bridge_operations[] = {
    {"open", 10, op_open, say_open},
    {"close", 4, op_close, say_bridge},
    {"fd", 5, op_fd, say_bridge},
    {"add", 22, op_add, say_add},
    {"add_set", 7, op_add_set, say_add_set},
    {"remove", 10, op_remove, say_both},
    {"set_chain", 5, op_set_chain, say_chain},
    {"escalate_after", 4, op_escalate, say_escalate},
    {"read", 16, op_read, say_read},
    {"wait", 6, op_wait, say_bridge},
    {"wake", 4, op_wake, say_bridge},
    {"disposition, state, mechanism", 6, op_ask, say_signal},
    {"rearm", 8, op_rearm, say_signal},
    {"after_fork", 10, op_after_fork, say_bridge},
    {NULL, 0, NULL, NULL},
};
