/* The states in which each public function is taken, and where a signal may go there. See step.h for the columns. */
#include "step.h"
#include <sched.h>
#include <sys/wait.h>

static void check(bool fine, const char *what)
{
    if (!fine)
        fail("while preparing: %s: errno %d", what, errno);
}

static void nothing(void)
{
}

static bool unpolled; /* nobody has asked for the descriptor */

static void open_one(int i)
{
    check(csigshim_open(&bridges[i], mechanism) == 0, "open");
    if (!unpolled)
        check(csigshim_fd(bridges[i]) > 2, "fd");
}

static void opened(void)
{
    open_one(0);
}

static void added(void)
{
    opened();
    check(csigshim_add(bridges[0], SENT, 0) == 0, "add");
}

static void added_and_two_open(void)
{
    added();
    open_one(1);
}

static void added_chained(void)
{
    opened();
    check(csigshim_add(bridges[0], SENT, CSIGSHIM_CHAIN) == 0, "add");
}

static void added_twice(void)
{
    added_and_two_open();
    check(csigshim_add(bridges[1], SENT, 0) == 0, "add");
}

static void chained_and_plain(void)
{
    added_chained();
    open_one(1);
    check(csigshim_add(bridges[1], SENT, 0) == 0, "add");
}

static void three_unread(void)
{
    added();
    for (int i = 0; i < 3; i++)
        send_here(SENT);
    left[0] = 3;
}

static void one_unread(void)
{
    added();
    send_here(SENT);
    left[0] = 1;
}

static void two_signals(void)
{
    added();
    check(csigshim_add(bridges[0], BESIDE, 0) == 0, "add");
    send_here(BESIDE);
    send_here(SENT);
    left[0] = 2;
}

static void beside_unread(void)
{
    opened();
    check(csigshim_add(bridges[0], BESIDE, 0) == 0, "add");
    send_here(BESIDE);
    send_here(BESIDE);
    left[0] = 2;
}

/* By the handler's own function: 16,384 signals for each point would take minutes. */
static void record_many(int count)
{
    struct csigshim__subscription *subscription = &bridges[0]->subscriptions[SENT];
    csigshim_event event = {.signo = SENT, .code = SI_TKILL, .count = 1, .fd = -1};
    event.reserved[0] = atomic_load(&subscription->epoch);
    for (int i = 0; i < count; i++)
        csigshim__keep(bridges[0], &event);
    atomic_fetch_add(&subscription->unread, (unsigned)count);
    csigshim__ring(bridges[0], false);
    left[0] += (unsigned)count;
}

static void full(void)
{
    added();
    record_many(CSIGSHIM__SLOTS);
}

static void overflowing(void)
{
    static csigshim_event events[CSIGSHIM__SLOTS - 3];
    added();
    record_many(CSIGSHIM__SLOTS + 5);
    check(csigshim_read(bridges[0], events, CSIGSHIM__SLOTS - 3) == CSIGSHIM__SLOTS - 3, "read");
    left[0] = 3 + 5;
}

/* A bell that cannot be rung any louder: write(2) fails in the handler, and changes errno. */
static void full_pipe(void)
{
    added();
    while (write(bridges[0]->write_end.fd, guarded.events, sizeof guarded.events) > 0 || errno != EAGAIN)
        ;
    while (write(bridges[0]->write_end.fd, "", 1) > 0)
        ;
}

static void displaced(void)
{
    added();
    put_foreign_on_top(false);
}

static void displaced_by_a_caller(void)
{
    added();
    put_foreign_on_top(true);
}

static void chained_under_a_caller(void)
{
    added_chained();
    put_foreign_on_top(true);
}

static void with_an_ignored_one(void)
{
    added();
    signal(IGNORED, SIG_IGN);
    check(csigshim_add(bridges[0], IGNORED, 0) == 0, "add");
}

static void spawning_now(void)
{
    with_an_ignored_one();
    check(csigshim_spawn_begin(&guarded.spawn, CSIGSHIM_SPAWN_IGNORED) == 0, "spawn_begin");
}

static void unpolled_added(void)
{
    unpolled = true;
    added();
}

static void unpolled_one_unread(void)
{
    unpolled = true;
    one_unread();
}

static void unpolled_three_unread(void)
{
    unpolled = true;
    three_unread();
}

static void unpolled_overflowing(void)
{
    unpolled = true;
    overflowing();
}

static int call_open(void)
{
    return csigshim_open(&bridges[bridges[0] != NULL], mechanism);
}

static int call_add(void)
{
    return csigshim_add(bridges[0], SENT, 0);
}

static int call_add_second(void)
{
    return csigshim_add(bridges[1], SENT, 0);
}

static int call_add_chained(void)
{
    return csigshim_add(bridges[0], SENT, CSIGSHIM_CHAIN);
}

static int call_chain(void)
{
    return csigshim_set_chain(bridges[0], SENT, 1);
}

static int call_unchain(void)
{
    return csigshim_set_chain(bridges[0], SENT, 0);
}

static int call_remove(void)
{
    return csigshim_remove(bridges[0], SENT);
}

static int call_close(void)
{
    return csigshim_close(bridges[0]);
}

static int call_read(void)
{
    const ssize_t count = csigshim_read(bridges[0], guarded.events, 16);
    count_events(0, count, guarded.events);
    return (int)count;
}

static int call_read_two(void)
{
    const ssize_t count = csigshim_read(bridges[0], guarded.events, 2);
    count_events(0, count, guarded.events);
    return (int)count;
}

static int call_wait(void)
{
    return csigshim_wait(bridges[0], 0);
}

static int call_wait_a_moment(void)
{
    return csigshim_wait(bridges[0], 1);
}

static int call_fd(void)
{
    return csigshim_fd(bridges[0]) > 2;
}

static int call_wake(void)
{
    return csigshim_wake(bridges[0]);
}

static int call_escalate(void)
{
    return csigshim_escalate_after(bridges[0], SENT, 10);
}

static int call_escalate_at_two(void)
{
    return csigshim_escalate_after(bridges[0], SENT, 2);
}

static int call_state(void)
{
    return csigshim_state(SENT);
}

static int call_mechanism(void)
{
    return csigshim_mechanism(SENT) == mechanism;
}

static int call_disposition(void)
{
    return csigshim_disposition(SENT);
}

static int call_rearm(void)
{
    return csigshim_rearm(SENT);
}

static int call_set_disposition(void)
{
    return csigshim_set_disposition(IGNORED, CSIGSHIM_DISPOSITION_IGNORED);
}

static int call_default_action(void)
{
    return csigshim_take_default_action(SIGWINCH);
}

static int call_after_fork(void)
{
    return csigshim_after_fork(bridges[0]);
}

static int call_spawn_begin(void)
{
    spawning = true;
    return csigshim_spawn_begin(&guarded.spawn, 0);
}

static int call_spawn_begin_all(void)
{
    spawning = true;
    return csigshim_spawn_begin(&guarded.spawn, CSIGSHIM_SPAWN_ORIGINAL | CSIGSHIM_SPAWN_IGNORED);
}

static int call_spawn_end(void)
{
    return csigshim_spawn_end(&guarded.spawn);
}

static int call_fork(void)
{
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child > 0 ? 0 : -1;
}

enum { HANDLER = CSIGSHIM_HANDLER, SIGNALFD = CSIGSHIM_SIGNALFD };

/* Bridge 1, bridge 2, host, foreign. A signal that comes while something changes goes the old way or the new one. */
const struct scenario scenarios[] = {
    {"open, the first", BOTH, nothing, call_open, 0, "0010", "0010"},
    {"open, another", BOTH, added, call_open, 0, "1000", "1000"},
    {"add, the first", BOTH, opened, call_add, 0, "0010 1000", "1000"},
    {"add, a second bridge", HANDLER, added_and_two_open, call_add_second, 0, "1000 1100", "1100", .watched = 1},
    {"add, refused", SIGNALFD, added_and_two_open, call_add_second, -1, "1000", "1000"},
    {"add, chained over the host's", HANDLER, opened, call_add_chained, 0, "0010 1010", "1010"},
    {"add, where another signal is there", BOTH, beside_unread, call_add, 0, "1000", "1000", .signo = BESIDE},
    {"set_chain, on", HANDLER, added, call_chain, 0, "1000 1010", "1010"},
    {"set_chain, off", HANDLER, added_chained, call_unchain, 0, "1010 1000", "1000"},
    {"set_chain, refused", SIGNALFD, added, call_chain, -1, "1000", "1000"},
    {"remove, the last", BOTH, added, call_remove, 0, "1000 0010", "0010", .waits = true},
    {"remove, with three unread", BOTH, three_unread, call_remove, 0, "1000 0010", "0010", .waits = true},
    {"remove, one of two", HANDLER, added_twice, call_remove, 0, "1100 0100", "0100", .waits = true},
    {"remove, chained over the host's", HANDLER, added_chained, call_remove, 0, "1010 0010", "0010", .waits = true},
    {"remove, the chained one of two", HANDLER, chained_and_plain, call_remove, 0, "1110 0100", "0100", .waits = true},
    {"remove, displaced", HANDLER, displaced_by_a_caller, call_remove, 0, "1001 0011", "0011", .waits = true},
    {"close", BOTH, added, call_close, 0, "1000 0010", "0010", .waits = true},
    {"close, two signals and unread ones", BOTH, two_signals, call_close, 0, "1000 0010", "0010", .waits = true},
    {"close, one of two", HANDLER, added_twice, call_close, 0, "1100 0100", "0100", .waits = true},
    {"close, overflowing", HANDLER, overflowing, call_close, 0, "1000 0010", "0010", .waits = true},
    {"read, empty", BOTH, added, call_read, ANY, "1000", "1000"},
    {"read, three", BOTH, three_unread, call_read, ANY, "1000", "1000"},
    {"read, two of three", BOTH, three_unread, call_read_two, 2, "1000", "1000"},
    {"read, full", HANDLER, full, call_read_two, 2, "1000", "1000"},
    {"read, the overflow", HANDLER, overflowing, call_read, ANY, "1000", "1000"},
    {"wait, empty", BOTH, added, call_wait, ANY, "1000", "1000"},
    {"wait, three", BOTH, three_unread, call_wait, 1, "1000", "1000"},
    {"wait, chained over the host's", HANDLER, added_chained, call_wait, ANY, "1010", "1010"},
    {"wake", BOTH, added, call_wake, 0, "1000", "1000"},
    {"wake, full pipe", BOTH, full_pipe, call_wake, 0, "1000", "1000"},
    {"wake, chained over the host's", HANDLER, added_chained, call_wake, 0, "1010", "1010"},
    {"remove, unpolled", HANDLER, unpolled_three_unread, call_remove, 0, "1000 0010", "0010", .waits = true},
    {"close, unpolled", HANDLER, unpolled_three_unread, call_close, 0, "1000 0010", "0010", .waits = true},
    {"read, unpolled, empty", HANDLER, unpolled_added, call_read, ANY, "1000", "1000"},
    {"read, unpolled, two of three", HANDLER, unpolled_three_unread, call_read_two, 2, "1000", "1000"},
    {"read, unpolled, the overflow", HANDLER, unpolled_overflowing, call_read, ANY, "1000", "1000"},
    {"wait, unpolled, empty", HANDLER, unpolled_added, call_wait, ANY, "1000", "1000"},
    {"wait, unpolled, a moment", HANDLER, unpolled_added, call_wait_a_moment, ANY, "1000", "1000"},
    {"wait, unpolled, three", HANDLER, unpolled_three_unread, call_wait, 1, "1000", "1000"},
    {"wake, unpolled", HANDLER, unpolled_added, call_wake, 0, "1000", "1000"},
    {"fd, the first", HANDLER, unpolled_one_unread, call_fd, 1, "1000", "1000"},
    {"escalate_after", HANDLER, one_unread, call_escalate, 0, "1000", "1000"},
    {"escalate_after, at the next", HANDLER, one_unread, call_escalate_at_two, 0, "1000", "1000", .dies = true},
    {"escalate_after, refused", SIGNALFD, one_unread, call_escalate, -1, "1000", "1000"},
    {"state", BOTH, added, call_state, CSIGSHIM_ARMED, "1000", "1000"},
    {"mechanism", BOTH, added, call_mechanism, 1, "1000", "1000"},
    {"disposition", BOTH, added, call_disposition, CSIGSHIM_DISPOSITION_HANDLED, "1000", "1000"},
    {"rearm", BOTH, displaced, call_rearm, 0, "0001 1000", "1000"},
    {"rearm, over one who calls ours", HANDLER, displaced_by_a_caller, call_rearm, 0, "1001 1000", "1000"},
    {"rearm, chained", HANDLER, chained_under_a_caller, call_rearm, 0, "1011", "1011"},
    {"set_disposition of another signal", BOTH, added, call_set_disposition, 0, "1000", "1000"},
    {"default_action of an ignored one", BOTH, added, call_default_action, 0, "1000", "1000"},
    {"spawn_begin", BOTH, added, call_spawn_begin, 0, "1000", "1000"},
    {"spawn_begin, original and ignored", BOTH, with_an_ignored_one, call_spawn_begin_all, 0, "1000", "1000"},
    {"spawn_end", BOTH, spawning_now, call_spawn_end, 0, "1000", "1000"},
    {"fork", BOTH, added, call_fork, 0, "1000", "1000"},
    {"after_fork", BOTH, three_unread, call_after_fork, 0, "0010 1000", "1000", FORKED},
    {"after_fork, chained", HANDLER, added_chained, call_after_fork, 0, "0010 1010", "1010", FORKED},
    {"read, in a forked child", BOTH, three_unread, call_read, 0, "0010", "0010", FORKED},
    {"remove, in a forked child", BOTH, three_unread, call_remove, 0, "0010", "0010", FORKED},
    {"close, in a forked child", BOTH, three_unread, call_close, 0, "0010", "0010", FORKED},
    {"reset_for_exec, forked", BOTH, added, csigshim_reset_for_exec, 0, "0010", "0010", FORKED},
    {"reset_for_exec, cloned", BOTH, added, csigshim_reset_for_exec, 0, "0010", "0010", CLONED},
    {"reset_for_exec, vforked", BOTH, added, csigshim_reset_for_exec, 0, "0010", "0010", VFORKED},
};
const int scenario_count = sizeof scenarios / sizeof *scenarios;
