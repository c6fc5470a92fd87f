/* Bad arguments and errors: each call reports the documented error, and a call that fails changes nothing (G11). */
#include "check.h"
#include <limits.h>

static const int invalid[] = {INT_MIN, -1, 0, 65, 100, 128, 1000, INT_MAX, 32, 33};
static const int unsupported[] = {SIGKILL, SIGSTOP, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};

static void every_call_reports(csigshim_bridge *bridge, int signo, int code) {
    pid_t tid;
    FAILS(csigshim_add(bridge, signo, 0), code);
    FAILS(csigshim_add(bridge, signo, chain_if_possible() | CSIGSHIM_KEEP_IGNORED), code);
    FAILS(csigshim_remove(bridge, signo), code);
    if (test_is_handler()) {
        FAILS(csigshim_set_chain(bridge, signo, 1), code);
        FAILS(csigshim_escalate_after(bridge, signo, 1), code);
    }
    FAILS(csigshim_state(signo), code);
    FAILS(csigshim_rearm(signo), code);
    FAILS(csigshim_set_disposition(signo, CSIGSHIM_DISPOSITION_IGNORED), code);
    FAILS(csigshim_unblocked_threads(signo, &tid, 1), code);
    FAILS(csigshim_blocked_threads(signo, &tid, 1), code);
}

TEST(bad_signal_numbers_are_refused) {
    csigshim_bridge *bridge = opened();
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        every_call_reports(bridge, invalid[i], EINVAL);
        FAILS(csigshim_disposition(invalid[i]), EINVAL);
        FAILS(csigshim_take_default_action(invalid[i]), EINVAL);
    }
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        every_call_reports(bridge, unsupported[i], ENOTSUP);
        if (unsupported[i] != SIGSEGV || !UNDER_TSAN)
            CHECK(csigshim_disposition(unsupported[i]) >= 0);
    }
    CHECK(csigshim_wait(bridge, 0) == 0);
}

/* The thread sanitizer has a thread of its own, which does not block SIGABRT and SIGPIPE and must not take them. */
static void send_to_this_thread(int signo) {
    CHECK((UNDER_TSAN ? raise(signo) : kill(getpid(), signo)) == 0);
}

TEST(every_catchable_signal_is_accepted) {
    csigshim_bridge *bridge = opened();
    int accepted = 0;
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        if (csigshim_classify(signo) != CSIGSHIM_CATCHABLE)
            continue;
        CHECK(csigshim_state(signo) == CSIGSHIM_ABSENT);
        CHECK(csigshim_add(bridge, signo, 0) == 0);
        CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
        send_to_this_thread(signo);
        collect(bridge, signo, 1);
        CHECK(csigshim_remove(bridge, signo) == 0);
        CHECK(csigshim_state(signo) == CSIGSHIM_ABSENT);
        CHECK(csigshim_disposition(signo) == CSIGSHIM_DISPOSITION_DEFAULT);
        accepted++;
    }
    CHECK(accepted == 31 - 8 + SIGRTMAX - SIGRTMIN + 1);
}

TEST(open_refuses_bad_arguments) {
    csigshim_bridge *bridge = NULL;
    FAILS(csigshim_open(NULL, test_mechanism()), EINVAL);
    const int unknown[] = {-1, 2, 7, 1 << 8, 1 << 30, INT_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        FAILS(csigshim_open(&bridge, unknown[i]), EINVAL);
        CHECK(bridge == NULL);
    }
}

TEST(add_refuses_unknown_flags) {
    csigshim_bridge *bridge = opened();
    const unsigned unknown[] = {16, 32, 0x100, 0x200, 0x80000000u, CSIGSHIM_KEEP_IGNORED | 16};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        FAILS(csigshim_add(bridge, SIGTERM, unknown[i]), EINVAL);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ABSENT);
    FAILS(csigshim_remove(bridge, SIGTERM), ENOENT);
}

static volatile sig_atomic_t host_calls;

static void host(int signo) {
    (void)signo;
    host_calls++;
}

TEST(second_add_changes_nothing) {
    install(SIGUSR1, host, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    FAILS(csigshim_add(bridge, SIGUSR1, chain_if_possible()), EEXIST);
    FAILS(csigshim_add(bridge, SIGUSR1, CSIGSHIM_KEEP_IGNORED), EEXIST);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, unread(SIGUSR1, 2));
    CHECK(host_calls == 0);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    FAILS(csigshim_remove(bridge, SIGUSR1), ENOENT);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(host_calls == 1);
}

TEST(calls_without_add_report_enoent) {
    csigshim_bridge *bridge = opened(), *other = opened_on(SIGTERM, 0);
    FAILS(csigshim_remove(bridge, SIGTERM), ENOENT);
    if (test_is_handler()) {
        FAILS(csigshim_set_chain(bridge, SIGTERM, 1), ENOENT);
        FAILS(csigshim_escalate_after(bridge, SIGTERM, 1), ENOENT);
    }
    FAILS(csigshim_rearm(SIGHUP), ENOENT);
    CHECK(csigshim_state(SIGTERM) == CSIGSHIM_ARMED);
    CHECK(csigshim_remove(other, SIGTERM) == 0);
}

static void every_call_reports_einval(csigshim_bridge *bridge) {
    csigshim_event event;
    FAILS(csigshim_close(bridge), EINVAL);
    FAILS(csigshim_fd(bridge), EINVAL);
    FAILS(csigshim_capacity(bridge), EINVAL);
    FAILS(csigshim_add(bridge, SIGTERM, 0), EINVAL);
    FAILS(csigshim_remove(bridge, SIGTERM), EINVAL);
    FAILS(csigshim_set_chain(bridge, SIGTERM, 1), EINVAL);
    FAILS(csigshim_escalate_after(bridge, SIGTERM, 1), EINVAL);
    FAILS(csigshim_read(bridge, &event, 1), EINVAL);
    FAILS(csigshim_wait(bridge, 0), EINVAL);
    FAILS(csigshim_wake(bridge), EINVAL);
    FAILS(csigshim_after_fork(bridge), EINVAL);
    CHECK(csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_DEFAULT);
}

TEST(null_and_closed_bridges_are_refused) {
    every_call_reports_einval(NULL);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_close(bridge) == 0);
    every_call_reports_einval(bridge);
    every_call_reports_einval(NULL);
}

TEST(sixty_fifth_bridge_is_refused) {
    csigshim_bridge *bridges[64], *extra = NULL;
    int signals[64];
    for (int i = 0; i < 64; i++) { /* over signalfd, each bridge has its own signal, as far as there are enough */
        signals[i] = test_is_handler() ? SIGUSR1 : i + 1;
        bridges[i] = opened();
        if (csigshim_classify(signals[i]) != CSIGSHIM_CATCHABLE)
            signals[i] = 0;
        else
            CHECK(csigshim_add(bridges[i], signals[i], 0) == 0);
    }
    FAILS(csigshim_open(&extra, test_mechanism()), ENOSPC);
    CHECK(extra == NULL);
    for (int i = 0; i < 64; i++) {
        if (signals[i] == 0)
            continue;
        if (i == 0 || !test_is_handler())
            send_to_this_thread(signals[i]);
        collect(bridges[i], signals[i], 1);
    }
    CHECK(csigshim_close(bridges[20]) == 0);
    CHECK(csigshim_open(&extra, test_mechanism()) == 0);
    FAILS(csigshim_open(&bridges[20], test_mechanism()), ENOSPC);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    bridges[20] = extra;
    for (int i = 0; i < 64; i++)
        CHECK(csigshim_close(bridges[i]) == 0);
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
}

TEST(open_without_descriptors_reports_emfile) {
    csigshim_bridge *first = opened(), *bridge = NULL;
    const int before = dup(0);
    CHECK(before >= 0 && close(before) == 0);
    struct rlimit limit, low;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    low = limit;
    rlim_t room = 0; /* numbers that are free */
    for (; bridge == NULL; room++) {
        low.rlim_cur = (rlim_t)before + room;
        CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
        if (csigshim_open(&bridge, test_mechanism()) == 0)
            break;
        CHECK(errno == EMFILE && bridge == NULL && room < 8);
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        const int after = dup(0);
        CHECK(after == before && close(after) == 0);
    }
    CHECK(bridge != first && room >= (test_is_handler() ? 1 : 3));
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

TEST(read_without_a_buffer_takes_nothing) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    csigshim_event event;
    CHECK(csigshim_capacity(bridge) == 16384 || !test_is_handler());
    CHECK(csigshim_read(bridge, &event, 1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(csigshim_read(bridge, &event, 0) == 0);
    FAILS(csigshim_read(bridge, NULL, 1), EINVAL);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(csigshim_read(bridge, &event, 1) == 1);
    CHECK(event.signo == SIGUSR1 && event.count == 1 && event.flags == 0 && event.fd == -1 && event.overrun == 0);
    CHECK(event.reserved[0] == 0 && event.reserved[1] == 0 && event.reserved[2] == 0);
    CHECK(sizeof event == 64);
    CHECK(csigshim_read(bridge, &event, 1) == 0);
}

TEST(classify_and_default_of_match_signal_7) {
    const int ignores[] = {SIGCHLD, SIGURG, SIGWINCH}, stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (int signo = 1; signo <= 64; signo++) {
        int expected = CSIGSHIM_ACTION_TERMINATE, class = CSIGSHIM_CATCHABLE;
        for (size_t i = 0; i < sizeof ignores / sizeof *ignores; i++)
            expected = signo == ignores[i] ? CSIGSHIM_ACTION_IGNORE : expected;
        for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
            expected = signo == stops[i] ? CSIGSHIM_ACTION_STOP : expected;
        expected = signo == SIGCONT ? CSIGSHIM_ACTION_CONTINUE : expected;
        for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
            class = signo == unsupported[i] ? (i < 2 ? CSIGSHIM_UNCATCHABLE : CSIGSHIM_FAULT) : class;
        if (signo > 31 && signo < SIGRTMIN)
            class = CSIGSHIM_RESERVED;
        CHECK(csigshim_classify(signo) == class);
        if (class != CSIGSHIM_RESERVED)
            CHECK(csigshim_default_of(signo) == expected);
    }
    const int outside[] = {INT_MIN, -1, 0, 65, 100, INT_MAX};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        CHECK(csigshim_classify(outside[i]) == CSIGSHIM_OUT_OF_RANGE);
}

TEST(set_disposition_is_refused_while_subscribed) {
    csigshim_bridge *bridge = opened();
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT);
    FAILS(csigshim_set_disposition(SIGHUP, CSIGSHIM_DISPOSITION_HANDLED), EINVAL);
    FAILS(csigshim_set_disposition(SIGHUP, 9), EINVAL);
    CHECK(csigshim_set_disposition(SIGHUP, CSIGSHIM_DISPOSITION_IGNORED) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    CHECK(kill(getpid(), SIGHUP) == 0);
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0);
    FAILS(csigshim_set_disposition(SIGHUP, CSIGSHIM_DISPOSITION_DEFAULT), EBUSY);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    CHECK(csigshim_set_disposition(SIGHUP, CSIGSHIM_DISPOSITION_DEFAULT) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT);
    install(SIGHUP, host, 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_HANDLED);
}

TEST(two_bridges_both_get_the_signal) {
    HANDLER_ONLY("two bridges for one signal");
    csigshim_bridge *one = opened_on(SIGUSR1, 0), *two = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(one, SIGUSR1, 1);
    CHECK(csigshim_remove(one, SIGUSR1) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(two, SIGUSR1, 2);
    CHECK(drained(one, SIGUSR1) == 0);
    CHECK(csigshim_close(two) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
}

TEST(mechanism_is_that_of_the_bridges) {
    FAILS(csigshim_mechanism(SIGTERM), ENOENT);
    FAILS(csigshim_mechanism(SIGKILL), ENOTSUP);
    FAILS(csigshim_mechanism(0), EINVAL);
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_mechanism(SIGTERM) == test_mechanism());
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    FAILS(csigshim_mechanism(SIGTERM), ENOENT);
}
