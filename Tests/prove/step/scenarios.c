/* The states in which each public function is called, and where a signal may go in each. step.h explains the columns.
 */
#include "step.h"
#include <sched.h>
#include <sys/wait.h>

enum { ROOM = 16 }; /* of the ring, where a scenario fills it */

static void check(bool fine, const char *what) {
    if (!fine)
        fail("while preparing: %s: errno %d", what, errno);
}

static void nothing(void) {
}

static bool unpolled; /* no call of csigshim_fd */
static size_t room = 16384;

static void open_one(int i) {
    check(csigshim_open_sized(&bridges[i], mechanism, room) == 0, "open");
    if (!unpolled)
        check(csigshim_fd(bridges[i]) > 2, "fd");
}

static void opened(void) {
    open_one(0);
}

static void added(void) {
    opened();
    check(csigshim_add(bridges[0], SENT, 0) == 0, "add");
}

static void added_and_two_open(void) {
    added();
    open_one(1);
}

static void added_chained(void) {
    opened();
    check(csigshim_add(bridges[0], SENT, CSIGSHIM_CHAIN) == 0, "add");
}

static void added_twice(void) {
    added_and_two_open();
    check(csigshim_add(bridges[1], SENT, 0) == 0, "add");
}

static void chained_and_plain(void) {
    added_chained();
    open_one(1);
    check(csigshim_add(bridges[1], SENT, 0) == 0, "add");
}

static void interrupting_and_plain(void) {
    opened();
    check(csigshim_add(bridges[0], SENT, CSIGSHIM_INTERRUPT) == 0, "add");
    open_one(1);
    check(csigshim_add(bridges[1], SENT, 0) == 0, "add");
}

static void change_mask(int how) {
    const uint64_t sent = UINT64_C(1) << (SENT - 1);
    check(syscall(SYS_rt_sigprocmask, how, &sent, NULL, 8) == 0, "mask");
}

static void opened_and_blocked(void) {
    opened();
    change_mask(SIG_BLOCK);
}

static void pending_and_blocked(void) {
    opened_and_blocked();
    send_here(SENT);
    expected[0] = 1;
}

static void added_and_unblocked_by_flag(void) {
    opened_and_blocked();
    check(csigshim_add(bridges[0], SENT, CSIGSHIM_UNBLOCK) == 2, "add");
}

static void added_and_unblocked_by_host(void) {
    added();
    change_mask(SIG_UNBLOCK);
}

static void three_unread(void) {
    added();
    for (int i = 0; i < 3; i++)
        send_here(SENT);
    expected[0] = 3;
}

static void chained_three_unread(void) {
    added_chained();
    for (int i = 0; i < 3; i++)
        send_here(SENT);
    expected[0] = 3;
}

static void one_unread(void) {
    added();
    send_here(SENT);
    expected[0] = 1;
}

static void two_signals(void) {
    added();
    check(csigshim_add(bridges[0], BESIDE, 0) == 0, "add");
    send_here(BESIDE);
    send_here(SENT);
    expected[0] = 2;
}

static void beside_unread(void) {
    opened();
    check(csigshim_add(bridges[0], BESIDE, 0) == 0, "add");
    send_here(BESIDE);
    send_here(BESIDE);
    expected[0] = 2;
}

static void full(void) {
    room = ROOM;
    added();
    for (int i = 0; i < ROOM; i++)
        send_here(SENT);
    expected[0] = ROOM;
}

/* The ring has gone round, and has room again; some deliveries had found it full. */
static void overflowing(void) {
    csigshim_event events[ROOM - 3];
    full();
    for (int i = 0; i < 5; i++)
        send_here(SENT);
    check(csigshim_read(bridges[0], events, ROOM - 3) == ROOM - 3, "read");
    expected[0] = 3 + 5;
}

/* write(2) fails in the handler, because the pipe is full. */
static void full_pipe(void) {
    added();
    const int fd = bridges[0]->has.pipe.write_end.fd;
    while (write(fd, guarded.events, sizeof guarded.events) > 0 || errno != EAGAIN)
        ;
    while (write(fd, "", 1) > 0)
        ;
}

/* Another file is at the pipe's number: the bridge records nothing any more. */
static void pipe_lost(void) {
    added();
    const int fd = bridges[0]->has.pipe.read_end.fd;
    check(dup2(STDERR_FILENO, fd) == fd, "dup2");
    pipe_is_lost = true;
}

static void displaced(void) {
    added();
    install_foreign_handler(false);
}

static void displaced_by_a_caller(void) {
    added();
    install_foreign_handler(true);
}

static void chained_under_a_caller(void) {
    added_chained();
    install_foreign_handler(true);
}

/* The foreign handler stays, and may still call the library's. */
static void removed_under_a_caller(void) {
    displaced_by_a_caller();
    check(csigshim_remove(bridges[0], SENT) == 0, "remove");
}

static void spawning_now(void) {
    added();
    check(csigshim_spawn_begin(&guarded.spawn, CSIGSHIM_SPAWN_ORIGINAL) == 0, "spawn_begin");
}

static void unpolled_added(void) {
    unpolled = true;
    added();
}

static void unpolled_one_unread(void) {
    unpolled = true;
    one_unread();
}

static void unpolled_three_unread(void) {
    unpolled = true;
    three_unread();
}

static void unpolled_overflowing(void) {
    unpolled = true;
    overflowing();
}

static int call_open(void) {
    return csigshim_open(&bridges[bridges[0] != NULL], mechanism);
}

static int call_open_sized(void) {
    return csigshim_open_sized(&bridges[bridges[0] != NULL], mechanism, ROOM);
}

static int call_add(void) {
    return csigshim_add(bridges[0], SENT, 0);
}

static int call_add_second(void) {
    return csigshim_add(bridges[1], SENT, 0);
}

static int call_add_chained(void) {
    return csigshim_add(bridges[0], SENT, CSIGSHIM_CHAIN);
}

static int call_add_interrupting(void) {
    return csigshim_add(bridges[0], SENT, CSIGSHIM_INTERRUPT);
}

static int call_add_unblocking(void) {
    return csigshim_add(bridges[0], SENT, CSIGSHIM_UNBLOCK);
}

static int call_add_set(void) {
    const sigset_t both = {{UINT64_C(3) << (SENT - 1)}};
    return csigshim_add_set(bridges[0], &both, 0);
}

static int call_chain(void) {
    return csigshim_set_chain(bridges[0], SENT, 1);
}

static int call_unchain(void) {
    return csigshim_set_chain(bridges[0], SENT, 0);
}

static int call_remove(void) {
    return csigshim_remove(bridges[0], SENT);
}

static int call_close(void) {
    return csigshim_close(bridges[0]);
}

static int call_read(void) {
    const ssize_t count = csigshim_read(bridges[0], guarded.events, 16);
    count_events(0, count, guarded.events);
    return (int)count;
}

static int call_read_two(void) {
    const ssize_t count = csigshim_read(bridges[0], guarded.events, 2);
    count_events(0, count, guarded.events);
    return (int)count;
}

static int call_wait(void) {
    return csigshim_wait(bridges[0], 0);
}

static int call_wait_a_moment(void) {
    return csigshim_wait(bridges[0], 1);
}

static int call_fd(void) {
    return csigshim_fd(bridges[0]) > 2;
}

static int call_wake(void) {
    return csigshim_wake(bridges[0]);
}

static int call_escalate(void) {
    return csigshim_escalate_after(bridges[0], SENT, 10);
}

static int call_escalate_at_two(void) {
    return csigshim_escalate_after(bridges[0], SENT, 2);
}

static int call_state(void) {
    return csigshim_state(SENT);
}

static int call_mechanism(void) {
    return csigshim_mechanism(SENT) == mechanism;
}

static int call_disposition(void) {
    return csigshim_disposition(SENT);
}

static int call_capacity(void) {
    return csigshim_capacity(bridges[0]) > 0;
}

static int call_owner(void) {
    return csigshim_owner() > 0;
}

static int call_rearm(void) {
    return csigshim_rearm(SENT);
}

static int call_set_disposition(void) {
    return csigshim_set_disposition(IGNORED, CSIGSHIM_DISPOSITION_IGNORED);
}

static int call_default_action(void) {
    return csigshim_take_default_action(SIGWINCH);
}

static int call_stop(void) /* the tracer does not let the process stop */
{
    return csigshim_take_default_action(SIGTSTP);
}

static int call_after_fork(void) {
    return csigshim_after_fork(bridges[0]);
}

static int call_spawn_begin(void) {
    spawning = true;
    return csigshim_spawn_begin(&guarded.spawn, 0);
}

static int call_spawn_begin_original(void) {
    spawning = true;
    return csigshim_spawn_begin(&guarded.spawn, CSIGSHIM_SPAWN_ORIGINAL);
}

static int call_spawn_end(void) {
    return csigshim_spawn_end(&guarded.spawn);
}

static int call_fork(void) {
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child > 0 ? 0 : -1;
}

/* Calls that send a signal of their own: the instructions of the handler are stepped through as well. */

static int deliver_to_host(void) {
    host_expected++;
    send_here(SENT);
    return 0;
}

static int deliver(void) {
    expected[0]++;
    send_here(SENT);
    return 0;
}

static int deliver_chained(void) {
    expected[0]++;
    return deliver_to_host();
}

static int deliver_to_two(void) {
    expected[1]++;
    return deliver();
}

static void wake_from_handler(void) {
    if (csigshim_wake(bridges[0]) != 0)
        fail("csigshim_wake in a handler: errno %d", errno);
}

static void reset_from_handler(void) {
    if (csigshim_reset_for_exec() != 0)
        fail("csigshim_reset_for_exec in a handler: errno %d", errno);
}

static void chained_waking(void) {
    from_host_handler = wake_from_handler;
    added_chained();
}

static void chained_waking_three_unread(void) {
    from_host_handler = wake_from_handler;
    chained_three_unread();
}

static void chained_resetting(void) {
    from_host_handler = reset_from_handler;
    added_chained();
}

enum { HANDLER = CSIGSHIM_HANDLER, SIGNALFD = CSIGSHIM_SIGNALFD };

/* Bridge 1, bridge 2, host, foreign. A signal that comes while something changes meets the state before or after. */
const struct scenario scenarios[] = {
    {"open, the first", BOTH, nothing, call_open, 0, "0010", "0010"},
    {"open, another", BOTH, added, call_open, 0, "1000", "1000"},
    {"open_sized, another", BOTH, added, call_open_sized, 0, "1000", "1000"},
    {"add, the first", BOTH, opened, call_add, 0, "0010 1000", "1000"},
    {"add, a second bridge", HANDLER, added_and_two_open, call_add_second, 0, "1000 1100", "1100", .watched = 1},
    {"add, refused", SIGNALFD, added_and_two_open, call_add_second, -1, "1000", "1000"},
    {"add, chained over the host's", HANDLER, opened, call_add_chained, 0, "0010 1010", "1010"},
    {"add, where another signal is there", BOTH, beside_unread, call_add, 0, "1000", "1000", .signo = BESIDE},
    {"add, interrupting", HANDLER, opened, call_add_interrupting, 0, "0010 1000", "1000"},
    {"add, unblocking", HANDLER, opened_and_blocked, call_add_unblocking, 2, "0010 1000", "1000"},
    {"add, unblocking a pending signal", HANDLER, pending_and_blocked, call_add_unblocking, 2, "0010 1000", "1000"},
    {"add, unblocking, to no effect", SIGNALFD, opened_and_blocked, call_add_unblocking, 0, "0010 1000", "1000"},
    {"add, over a foreign caller", HANDLER, removed_under_a_caller, call_add, 0, "0011 1001", "1001"},
    {"add_set", BOTH, opened, call_add_set, 0, "0010 1000", "1000"},
    {"add_set, the other of the two", BOTH, opened, call_add_set, 0, "0010 1000", "1000", .signo = BESIDE},
    {"add_set, refused", BOTH, beside_unread, call_add_set, -1, "0010 1000", "0010", .waits = true},
    {"set_chain, on", HANDLER, added, call_chain, 0, "1000 1010", "1010"},
    {"set_chain, off", HANDLER, added_chained, call_unchain, 0, "1010 1000", "1000"},
    {"set_chain, refused", SIGNALFD, added, call_chain, -1, "1000", "1000"},
    {"remove, the last", BOTH, added, call_remove, 0, "1000 0010", "0010", .waits = true},
    {"remove, with three unread", BOTH, three_unread, call_remove, 0, "1000 0010", "0010", .waits = true},
    {"remove, one of two", HANDLER, added_twice, call_remove, 0, "1100 0100", "0100", .waits = true},
    {"remove, chained over the host's", HANDLER, added_chained, call_remove, 0, "1010 0010", "0010", .waits = true},
    {"remove, the chained one of two", HANDLER, chained_and_plain, call_remove, 0, "1110 0100", "0100", .waits = true},
    {"remove, interrupting, one of two", HANDLER, interrupting_and_plain, call_remove, 0, "1100 0100", "0100",
     .waits = true},
    {"remove, unblocked by its add", HANDLER, added_and_unblocked_by_flag, call_remove, 0, "1000 0010", "0010",
     .waits = true},
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
    {"read, chained over the host's", HANDLER, chained_three_unread, call_read, ANY, "1010", "1010"},
    {"read, and the host's handler wakes", HANDLER, chained_waking_three_unread, call_read, ANY, "1010", "1010"},
    {"read, signal not blocked", SIGNALFD, added_and_unblocked_by_host, call_read, ANY, "1000", "1000"},
    {"wait, empty", BOTH, added, call_wait, ANY, "1000", "1000"},
    {"wait, three", BOTH, three_unread, call_wait, 1, "1000", "1000"},
    {"wait, chained over the host's", HANDLER, added_chained, call_wait, ANY, "1010", "1010"},
    {"wake", BOTH, added, call_wake, 0, "1000", "1000"},
    {"wake, full pipe", BOTH, full_pipe, call_wake, 0, "1000", "1000"},
    {"wake, chained over the host's", HANDLER, added_chained, call_wake, 0, "1010", "1010"},
    {"wake, and the host's handler wakes", HANDLER, chained_waking, call_wake, 0, "1010", "1010"},
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
    {"delivery", HANDLER, added, deliver, 0, "1000", "1000"},
    {"delivery, signal not blocked", SIGNALFD, added_and_unblocked_by_host, deliver, 0, "1000", "1000"},
    {"delivery, unpolled", HANDLER, unpolled_added, deliver, 0, "1000", "1000"},
    {"delivery, full ring", HANDLER, full, deliver, 0, "1000", "1000"},
    {"delivery, full pipe", HANDLER, full_pipe, deliver, 0, "1000", "1000"},
    {"delivery, two bridges", HANDLER, added_twice, deliver_to_two, 0, "1100", "1100"},
    {"delivery, chained", HANDLER, added_chained, deliver_chained, 0, "1010", "1010"},
    {"delivery, and the handler wakes", HANDLER, chained_waking, deliver_chained, 0, "1010", "1010"},
    {"delivery, pipe lost", HANDLER, pipe_lost, deliver_to_host, 0, "0010", "0010"},
    {"delivery, cloned", HANDLER, added, deliver_to_host, 0, "0010", "0010", CLONED},
    {"delivery, vforked", HANDLER, added, deliver_to_host, 0, "0010", "0010", VFORKED},
    {"escalate_after", HANDLER, one_unread, call_escalate, 0, "1000", "1000"},
    {"escalate_after, at the next", HANDLER, one_unread, call_escalate_at_two, 0, "1000", "1000", .dies = true},
    {"escalate_after, refused", SIGNALFD, one_unread, call_escalate, -1, "1000", "1000"},
    {"state", BOTH, added, call_state, CSIGSHIM_ARMED, "1000", "1000"},
    {"mechanism", BOTH, added, call_mechanism, 1, "1000", "1000"},
    {"disposition", BOTH, added, call_disposition, CSIGSHIM_DISPOSITION_HANDLED, "1000", "1000"},
    {"capacity", BOTH, added, call_capacity, 1, "1000", "1000"},
    {"owner", BOTH, added, call_owner, 1, "1000", "1000"},
    {"version", BOTH, added, csigshim_version, CSIGSHIM_VERSION, "1000", "1000"},
    {"rearm", BOTH, displaced, call_rearm, 0, "0001 1000", "1000"},
    {"rearm, over one who calls this", HANDLER, displaced_by_a_caller, call_rearm, 0, "1001 1000", "1000"},
    {"rearm, chained", HANDLER, chained_under_a_caller, call_rearm, 0, "1011 1010", "1010"},
    {"set_disposition of another signal", BOTH, added, call_set_disposition, 0, "1000", "1000"},
    {"default_action of an ignored one", BOTH, added, call_default_action, 0, "1000", "1000"},
    {"default_action, a stop", BOTH, added, call_stop, 0, "1000", "1000"},
    {"spawn_begin", BOTH, added, call_spawn_begin, 0, "1000", "1000"},
    {"spawn_begin, the original mask", BOTH, added, call_spawn_begin_original, 0, "1000", "1000"},
    {"spawn_end", BOTH, spawning_now, call_spawn_end, 0, "1000", "1000"},
    {"fork", BOTH, added, call_fork, 0, "1000", "1000"},
    {"after_fork", BOTH, three_unread, call_after_fork, 0, "0010 1000", "1000", FORKED},
    {"after_fork, chained", HANDLER, added_chained, call_after_fork, 0, "0010 1010", "1010", FORKED},
    {"after_fork, unpolled", HANDLER, unpolled_added, call_after_fork, 0, "0010 1000", "1000", FORKED},
    {"read, in a forked child", BOTH, three_unread, call_read, 0, "0010", "0010", FORKED},
    {"fd, in a forked child", BOTH, three_unread, call_fd, 0, "0010", "0010", FORKED},
    {"wait, in a forked child", BOTH, three_unread, call_wait, -1, "0010", "0010", FORKED},
    {"wake, in a forked child", BOTH, three_unread, call_wake, 0, "0010", "0010", FORKED},
    {"remove, in a forked child", BOTH, three_unread, call_remove, 0, "0010", "0010", FORKED},
    {"close, in a forked child", BOTH, three_unread, call_close, 0, "0010", "0010", FORKED},
    {"reset_for_exec", HANDLER, added, csigshim_reset_for_exec, 0, "1000 0010", "0010"},
    {"reset_for_exec, signal blocked", SIGNALFD, added, csigshim_reset_for_exec, 0, "1000 0010", "1000"},
    {"reset_for_exec, in a handler", HANDLER, chained_resetting, deliver_chained, 0, "1010 0010", "0010"},
    {"reset_for_exec, forked", BOTH, added, csigshim_reset_for_exec, 0, "0010", "0010", FORKED},
    {"reset_for_exec, cloned", BOTH, added, csigshim_reset_for_exec, 0, "0010", "0010", CLONED},
    {"reset_for_exec, vforked", BOTH, added, csigshim_reset_for_exec, 0, "0010", "0010", VFORKED},
};
const int scenario_count = sizeof scenarios / sizeof *scenarios;
