/* Each public function in its interesting states, a delivery in each that the handler knows, and fork. A host's handler
 * lies under the bridges, so that what they do not take is seen to arrive there. */
#define _GNU_SOURCE 1
#include "faults.h"
#include <sched.h>

int mechanism, signo = SIGUSR1;
csigshim_bridge *bridge, *second;
atomic_int host_calls;
static csigshim_spawn spawn;

static void host(int number)
{
    (void)number;
    atomic_fetch_add(&host_calls, 1);
}

static void host_above(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    atomic_fetch_add(&host_calls, 1);
}

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    say("the test's own preparation failed: %s (errno %d)", what, errno);
    _exit(1);
}
#define MUST(condition) must(condition, #condition)

static int events_of(csigshim_bridge *from)
{
    csigshim_event event;
    int count = 0;
    while (csigshim_read(from, &event, 1) == 1)
        count += (int)event.count * (event.signo == signo ? 1 : 1000);
    return count;
}

bool reaches(enum after who, bool or_host)
{
    if (who == NOTHING)
        return true;
    if (bridge != NULL)
        (void)events_of(bridge);
    atomic_store(&host_calls, 0);
    MUST(kill(getpid(), signo) == 0);
    const bool wakes = bridge != NULL && csigshim_wait(bridge, 0) == 1;
    const int events = bridge == NULL ? 0 : events_of(bridge), calls = atomic_load(&host_calls);
    if (or_host && events == 0 && calls == 1)
        return true;
    const bool event = who != HOST, called = who != EVENT;
    const bool fine = events == event && calls == called && (!event || wakes);
    if (!fine)
        say("a signal afterwards: %d events, %d calls of the host's handler%s", events, calls,
            event && !wakes ? ", and csigshim_wait says nothing" : "");
    return fine;
}

void finish(void)
{
    if (bridge != NULL && csigshim_close(bridge) != 0)
        say("csigshim_close fails: errno %d", errno);
    if (second != NULL)
        csigshim_close(second);
    bridge = second = NULL;
}

static void have(void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    MUST(sigaction(signo, &action, NULL) == 0);
}

static void nothing(void)
{
    have(host, SA_RESTART);
}

static void opened_unpolled(void)
{
    nothing();
    MUST(csigshim_open(&bridge, mechanism) == 0);
    world_asks_library = true;
}

/* As most of the others: with a pipe that is rung. */
static void opened(void)
{
    opened_unpolled();
    MUST(csigshim_fd(bridge) >= 3);
}

static void subscribed(unsigned flags)
{
    opened();
    MUST(csigshim_add(bridge, signo, flags) == 0);
}

static void added(void)
{
    subscribed(0);
}

static void added_unpolled(void)
{
    opened_unpolled();
    MUST(csigshim_add(bridge, signo, 0) == 0);
}

static void chained_unpolled(void)
{
    opened_unpolled();
    MUST(csigshim_add(bridge, signo, CSIGSHIM_CHAIN) == 0);
}

static void chained(void)
{
    subscribed(CSIGSHIM_CHAIN);
}

static void added_with_unread(void)
{
    added();
    MUST(kill(getpid(), signo) == 0);
}

static void unpolled_with_unread(void)
{
    added_unpolled();
    MUST(kill(getpid(), signo) == 0);
}

static void many_unread(int count)
{
    signo = SIGRTMIN + 4;
    added();
    for (int i = 0; i < count; i++)
        while (sigqueue(getpid(), signo, (union sigval){.sival_int = i}) != 0) {
            MUST(errno == EAGAIN); /* other processes' signals fill the user's queue */
            sched_yield();
        }
}

static void three_unread(void)
{
    many_unread(3);
}

static void fifty_unread(void)
{
    many_unread(50);
}

static void comes_while_it_sleeps(void)
{
    added_unpolled();
    atomic_store(&fault_comes, true);
}

static void two_unread(void)
{
    opened();
    MUST(csigshim_add(bridge, SIGRTMIN + 3, 0) == 0 && csigshim_add(bridge, signo, 0) == 0);
    MUST(kill(getpid(), signo) == 0 && kill(getpid(), SIGRTMIN + 3) == 0);
}

static void two_bridges(void)
{
    have(host, 0);
    MUST(csigshim_open(&bridge, mechanism) == 0 && csigshim_open(&second, mechanism) == 0);
    MUST(csigshim_fd(bridge) >= 3 && csigshim_fd(second) >= 3);
    world_asks_library = true;
    MUST(csigshim_add(bridge, signo, 0) == 0 && csigshim_add(second, signo, CSIGSHIM_CHAIN) == 0);
}

static void beside_another(void)
{
    have(host, 0);
    MUST(csigshim_open(&bridge, mechanism) == 0 && csigshim_open(&second, mechanism) == 0);
    MUST(csigshim_fd(bridge) >= 3 && csigshim_fd(second) >= 3);
    world_asks_library = true;
    MUST(csigshim_add(second, signo, 0) == 0);
}

static void closed_again(void)
{
    opened();
    MUST(csigshim_close(bridge) == 0);
    bridge = NULL;
    world_asks_library = false;
}

static void standard_closed(void)
{
    nothing();
    MUST(close(0) == 0 && close(1) == 0 && close(2) == 0);
}

static void over_ours(void)
{
    struct sigaction action = {.sa_sigaction = host_above, .sa_flags = SA_SIGINFO};
    MUST(sigaction(signo, &action, NULL) == 0);
}

static void displaced(void)
{
    added();
    over_ours();
}

static void rearmed(void)
{
    chained();
    over_ours();
    MUST(csigshim_rearm(signo) == 0);
}

static void ignored(void)
{
    opened();
    have(SIG_IGN, 0);
}

static void added_over_ignored(void)
{
    ignored();
    MUST(csigshim_add(bridge, signo, 0) == 0);
}

/* The rest of the test is in a forked child, which has not asked for its bridge. */
static void in_fork(void)
{
    world_asks_library = false;
    const pid_t child = fork();
    if (child == 0)
        return;
    int status;
    while (waitpid(child, &status, 0) != child)
        ;
    bridge = second = NULL;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void forked(void)
{
    added();
    in_fork();
}

static void forked_and_closed(void)
{
    added();
    in_fork();
    for (int fd = 3; fd < 12; fd++)
        close(fd);
}

static void in_bare_fork(void)
{
    added();
    world_asks_library = false;
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); /* no atfork handlers */
    if (child == 0)
        return;
    int status;
    while (waitpid(child, &status, 0) != child)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void lost_pipe(void)
{
    added();
    for (int fd = 3; fd < 12; fd++)
        close(fd);
    world_asks_library = true;
}

static void spawning(void)
{
    added();
    MUST(csigshim_spawn_begin(&spawn, 0) == 0);
}

static void spawning_ignored(void)
{
    added_over_ignored();
    MUST(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED) == 0);
}

static void escalating(void)
{
    added_with_unread();
    MUST(csigshim_escalate_after(bridge, signo, 2) == 0);
}

static void unblocked(void)
{
    added();
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signo);
    MUST(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
}

static void tstp_added(void)
{
    signo = SIGTSTP;
    added();
}

static void *victim(void *barrier)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    atomic_store((atomic_bool *)barrier, true);
    while (atomic_load(&host_calls) == 0)
        sched_yield();
    return NULL;
}

static void overtaken(void)
{
    opened();
    atomic_store(&fault_overtake, true);
}

static void closed_unpolled(void)
{
    added_unpolled();
    for (int fd = 3; fd < 12; fd++)
        close(fd);
}

static void forked_unpolled(void)
{
    added_unpolled();
    in_fork();
}

static void lost_pipe_over(int number, void (*handler)(int))
{
    signo = number;
    opened();
    have(handler, SA_RESTART);
    MUST(csigshim_add(bridge, signo, 0) == 0);
    for (int fd = 3; fd < 12; fd++)
        close(fd);
}

static void lost_pipe_stops(void)
{
    lost_pipe_over(SIGTSTP, SIG_DFL);
}

static void lost_pipe_dies(void)
{
    lost_pipe_over(SIGUSR1, SIG_DFL);
}

/* Another thread is in the handler, before the doorbell, until the third nanosleep of who waits for it. */
static void handler_inside(void)
{
    static atomic_bool there;
    pthread_t thread;
    added();
    MUST(pthread_create(&thread, NULL, victim, &there) == 0);
    while (!atomic_load(&there))
        sched_yield();
    atomic_store(&fault_hold, true);
    MUST(pthread_kill(thread, signo) == 0);
    for (int i = 0; i < 20; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void *sleeps(void *unused)
{
    (void)csigshim_wait(bridge, -1);
    return unused;
}

/* Polled, and of one who slept before that, and was cancelled, the count has stayed. */
static void slept_and_polled(void)
{
    pthread_t thread;
    added_unpolled();
    MUST(pthread_create(&thread, NULL, sleeps, NULL) == 0);
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    MUST(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0 && csigshim_fd(bridge) >= 3);
}

static int act_open(void)
{
    return csigshim_open(&bridge, mechanism);
}
static int act_add(void)
{
    return csigshim_add(bridge, signo, 0);
}
static int act_add_chain(void)
{
    return csigshim_add(bridge, signo, CSIGSHIM_CHAIN);
}
static int act_add_unless_ignored(void)
{
    return csigshim_add(bridge, signo, CSIGSHIM_KEEP_IGNORED);
}
static int act_remove(void)
{
    return csigshim_remove(bridge, signo);
}
static int act_close(void)
{
    const int result = csigshim_close(bridge);
    bridge = result == 0 ? NULL : bridge;
    world_asks_library = result != 0;
    return result;
}
static int act_remove_second(void)
{
    return csigshim_remove(second, signo);
}
static int act_chain(void)
{
    return csigshim_set_chain(bridge, signo, 1);
}
static int act_unchain(void)
{
    return csigshim_set_chain(bridge, signo, 0);
}
static int act_escalate(void)
{
    return csigshim_escalate_after(bridge, signo, 9);
}
static int act_read(void)
{
    csigshim_event events[4];
    return (int)csigshim_read(bridge, events, 4);
}
/* How many came in all, also if it took a second call. */
static int act_read_all(void)
{
    static int total;
    csigshim_event events[64];
    ssize_t count;
    while ((count = csigshim_read(bridge, events, 64)) > 0)
        for (ssize_t i = 0; i < count; i++, total++)
            MUST(events[i].signo == signo && events[i].value == (uint64_t)total);
    return count < 0 ? -1 : total;
}
static int act_read_one(void)
{
    csigshim_event event;
    return (int)csigshim_read(bridge, &event, 1);
}
static int act_wait(void)
{
    return csigshim_wait(bridge, 30);
}
static int act_wait_long(void)
{
    return csigshim_wait(bridge, 30000);
}
static int act_wake(void)
{
    return csigshim_wake(bridge);
}
static int act_fd(void)
{
    const int fd = csigshim_fd(bridge);
    return fd < 0 ? fd : fd >= 3 && csigshim_default_of(signo) == CSIGSHIM_ACTION_TERMINATE;
}
static int act_capacity(void)
{
    return csigshim_capacity(bridge) >= 16384 ? 0 : 1;
}
static int act_state(void)
{
    return csigshim_state(signo);
}
static int act_mechanism(void)
{
    return csigshim_mechanism(signo);
}
static int act_rearm(void)
{
    return csigshim_rearm(signo);
}
static int act_after_fork(void)
{
    const int result = csigshim_after_fork(bridge);
    world_asks_library |= result >= 0;
    return result;
}
static int act_reset(void)
{
    return csigshim_reset_for_exec();
}
static int act_spawn(void)
{
    return csigshim_spawn_begin(&spawn, 0);
}
static int act_spawn_begin(void)
{
    return csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED | CSIGSHIM_SPAWN_ORIGINAL);
}
static int act_spawn_end(void)
{
    return csigshim_spawn_end(&spawn);
}
static int act_default(void)
{
    return csigshim_take_default_action(signo);
}
static int act_stop(void)
{
    return csigshim_take_default_action(SIGSTOP);
}
static int act_disposition(void)
{
    return csigshim_disposition(signo);
}
static int act_ignore(void)
{
    return csigshim_set_disposition(SIGHUP, CSIGSHIM_DISPOSITION_IGNORED);
}
static int act_unblocked(void)
{
    pid_t tids[4];
    return (int)csigshim_unblocked_threads(SIGHUP, tids, 4);
}
static int act_blocked(void)
{
    pid_t tids[4];
    return (int)csigshim_blocked_threads(signo, tids, 4);
}
static int act_deliver(void)
{
    atomic_store(&host_calls, 0);
    errno = 77;
    MUST(kill(getpid(), signo) == 0);
    MUST(errno == 77); /* the handler keeps it */
    return 0;
}
static int act_fork(void)
{
    const pid_t child = fork();
    if (child == 0) {
        atomic_store(&host_calls, 0);
        kill(getpid(), signo);
        _exit(atomic_load(&host_calls) == 1 ? 0 : 1);
    }
    int status;
    while (waitpid(child, &status, 0) != child)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 2;
}

static bool one_event(void)
{
    const bool wakes = csigshim_wait(bridge, 0) == 1;
    const int events = events_of(bridge), calls = atomic_load(&host_calls);
    if ((events == 1 && wakes && calls == 0) || (faults->fired > 0 && events == 0 && calls == 1))
        return true;
    say("the signal itself: %d events, %d calls of the host's handler%s", events, calls,
        events > 0 && !wakes ? ", and csigshim_wait says nothing" : "");
    return false;
}

static bool readable_and_one_event(void)
{
    struct pollfd bell = {.fd = csigshim_fd(bridge), .events = POLLIN};
    if (poll(&bell, 1, 0) == 1)
        return one_event();
    say("the descriptor says nothing of what is unread");
    return false;
}

static bool one_event_and_host(void)
{
    const bool wakes = csigshim_wait(bridge, 0) == 1;
    const int events = events_of(bridge), calls = atomic_load(&host_calls);
    if (calls == 1 && ((events == 1 && wakes) || (faults->fired > 0 && events == 0)))
        return true;
    say("the signal itself: %d events, %d calls of the chained handler", events, calls);
    return false;
}

static bool host_once(void)
{
    if (atomic_load(&host_calls) == 1)
        return true;
    say("the signal itself: %d calls of the host's handler", atomic_load(&host_calls));
    return false;
}

/* What was captured before stays readable, or came to the host's handler. */
static bool unread_kept(void)
{
    const int events = events_of(bridge), calls = atomic_load(&host_calls);
    if (events == 1 && calls == 0)
        return true;
    say("what came before: %d events, %d calls of the host's handler", events, calls);
    return false;
}

static bool woken(void)
{
    return csigshim_wait(bridge, 0) == 1;
}

const struct scenario scenarios[] = {
    {"csigshim_open, the first", BOTH, nothing, act_open, NULL, NOTHING, 0, false, false},
    {"csigshim_open, again", BOTH, closed_again, act_open, NULL, NOTHING, 0, false, false},
    {"csigshim_open, 0 to 2 closed", BOTH, standard_closed, act_open, NULL, NOTHING, 0, false, false},
    {"csigshim_add", BOTH, opened, act_add, NULL, EVENT, 0, false, false},
    {"csigshim_add, unpolled", HANDLER_TOO, opened_unpolled, act_add, NULL, EVENT, 0, false, false},
    {"csigshim_add, chained", HANDLER_TOO, opened, act_add_chain, NULL, EVENT_AND_HOST, 0, false, false},
    {"csigshim_add, beside another", HANDLER_TOO, beside_another, act_add_chain, NULL, EVENT_AND_HOST, 0, false, false},
    {"csigshim_add, overtaken", HANDLER_TOO, overtaken, act_add, NULL, EVENT, 0, false, false},
    {"csigshim_add, over SIG_IGN", BOTH, ignored, act_add, NULL, EVENT, 0, false, false},
    {"csigshim_add, keeps SIG_IGN", BOTH, ignored, act_add_unless_ignored, NULL, NOTHING, 0, false, false},
    {"csigshim_remove", BOTH, added, act_remove, NULL, HOST, 0, false, false},
    {"csigshim_remove, one unread", BOTH, added_with_unread, act_remove, unread_kept, HOST, 0, false, false},
    {"csigshim_remove, one of two", HANDLER_TOO, two_bridges, act_remove_second, NULL, EVENT, 0, false, false},
    {"csigshim_remove, displaced", BOTH, displaced, act_remove, NULL, HOST, 0, false, false},
    {"csigshim_remove, handler inside", BOTH, handler_inside, act_remove, NULL, HOST, 0, false, false},
    {"csigshim_close", BOTH, added, act_close, NULL, HOST, 0, false, false},
    {"csigshim_close, of two signals", BOTH, two_unread, act_close, NULL, HOST, 0, false, false},
    {"csigshim_set_chain, on", HANDLER_TOO, added, act_chain, NULL, EVENT_AND_HOST, 0, false, false},
    {"csigshim_set_chain, off", BOTH, added, act_unchain, NULL, EVENT, 0, false, false},
    {"csigshim_set_chain, one of two", HANDLER_TOO, two_bridges, act_chain, NULL, EVENT_AND_HOST, 0, false, false},
    {"csigshim_escalate_after", HANDLER_TOO, added, act_escalate, NULL, EVENT, 0, false, false},
    {"csigshim_read, one", BOTH, added_with_unread, act_read, NULL, EVENT, 0, false, false},
    {"csigshim_read, one of two", BOTH, two_unread, act_read_one, NULL, EVENT, 0, false, false},
    {"csigshim_read, none", BOTH, added, act_read, NULL, EVENT, 0, false, false},
    {"csigshim_read, three, by value", BOTH, three_unread, act_read_all, NULL, EVENT, 0, false, false},
    {"csigshim_read, fifty, by value", BOTH, fifty_unread, act_read_all, NULL, EVENT, 0, false, false},
    {"csigshim_read, one, unpolled", HANDLER_TOO, unpolled_with_unread, act_read, NULL, EVENT, 0, false, false},
    {"csigshim_read, none, unpolled", HANDLER_TOO, added_unpolled, act_read, NULL, EVENT, 0, false, false},
    {"csigshim_wait, ready", BOTH, added_with_unread, act_wait, NULL, EVENT, 0, false, false},
    {"csigshim_wait, until its end", BOTH, added, act_wait, NULL, EVENT, 0, false, false},
    {"csigshim_wait, ready, unpolled", HANDLER_TOO, unpolled_with_unread, act_wait, one_event, EVENT, 0, false, false},
    {"csigshim_wait, its end, unpolled", HANDLER_TOO, added_unpolled, act_wait, NULL, EVENT, 0, false, false},
    {"csigshim_wait, comes, unpolled", HANDLER_TOO, comes_while_it_sleeps, act_wait_long, one_event, EVENT, 0, false,
     false},
    {"csigshim_wake", BOTH, added, act_wake, woken, EVENT, 0, false, false},
    {"csigshim_wake, unpolled", HANDLER_TOO, added_unpolled, act_wake, woken, EVENT, 0, false, false},
    {"csigshim_wake, one slept", HANDLER_TOO, slept_and_polled, act_wake, woken, EVENT, 0, false, false},
    {"csigshim_fd, the first", HANDLER_TOO, added_unpolled, act_fd, NULL, EVENT, 0, false, false},
    {"csigshim_fd, the first, one unread", HANDLER_TOO, unpolled_with_unread, act_fd, readable_and_one_event, EVENT, 0,
     false, false},
    {"csigshim_fd, _default_of", BOTH, added, act_fd, NULL, EVENT, 0, false, false},
    {"csigshim_capacity", BOTH, added, act_capacity, NULL, EVENT, 0, false, false},
    {"csigshim_state", BOTH, added, act_state, NULL, EVENT, 0, false, false},
    {"csigshim_mechanism", BOTH, added, act_mechanism, NULL, EVENT, 0, false, false},
    {"csigshim_rearm", HANDLER_TOO, displaced, act_rearm, NULL, EVENT, 0, false, false},
    {"csigshim_rearm, armed", BOTH, added, act_rearm, NULL, EVENT, 0, false, false},
    {"csigshim_after_fork", BOTH, forked, act_after_fork, NULL, EVENT, 0, false, true},
    {"csigshim_after_fork, unpolled", HANDLER_TOO, forked_unpolled, act_after_fork, NULL, EVENT, 0, false, true},
    {"csigshim_after_fork, lost", BOTH, forked_and_closed, act_after_fork, NULL, EVENT, 0, false, true},
    {"csigshim_reset_for_exec", BOTH, added, act_reset, NULL, NOTHING, 0, false, false},
    {"csigshim_spawn_end", BOTH, spawning, act_spawn_end, NULL, EVENT, 0, false, false},
    {"csigshim_spawn_begin", BOTH, added, act_spawn, NULL, EVENT, 0, false, false},
    {"csigshim_spawn_begin, ignored", BOTH, added_over_ignored, act_spawn_begin, NULL, NOTHING, 0, false, false},
    {"csigshim_spawn_end, ignored", BOTH, spawning_ignored, act_spawn_end, NULL, EVENT, 0, false, false},
    {"csigshim_take_default_action, dies", BOTH, added, act_default, NULL, NOTHING, SIGUSR1, false, false},
    {"csigshim_take_default_action, stops", BOTH, tstp_added, act_default, NULL, EVENT, 0, false, false},
    {"csigshim_take_default_action, STOP", HANDLER_TOO, opened, act_stop, NULL, NOTHING, 0, false, false},
    {"csigshim_disposition", BOTH, added, act_disposition, NULL, EVENT, 0, false, false},
    {"csigshim_set_disposition", HANDLER_TOO, added, act_ignore, NULL, EVENT, 0, false, false},
    {"csigshim_unblocked_threads", BOTH, added, act_unblocked, NULL, EVENT, 0, false, false},
    {"csigshim_blocked_threads", BOTH, added, act_blocked, NULL, EVENT, 0, false, false},
    {"fork, in the parent", BOTH, added, act_fork, NULL, EVENT, 0, false, false},
    {"fork, in the child", BOTH, added, act_fork, NULL, EVENT, 0, true, false},
    {"delivery", HANDLER_TOO, added, act_deliver, one_event, EVENT, 0, false, false},
    {"delivery, unpolled", HANDLER_TOO, added_unpolled, act_deliver, one_event, EVENT, 0, false, false},
    {"delivery, chained, unpolled", HANDLER_TOO, chained_unpolled, act_deliver, one_event_and_host, EVENT_AND_HOST, 0,
     false, false},
    {"delivery, closed, unpolled", HANDLER_TOO, closed_unpolled, act_deliver, one_event, EVENT, 0, false, false},
    {"delivery, chained", HANDLER_TOO, chained, act_deliver, one_event_and_host, EVENT_AND_HOST, 0, false, false},
    {"delivery, chained, re-armed", HANDLER_TOO, rearmed, act_deliver, one_event_and_host, EVENT_AND_HOST, 0, false,
     false},
    {"delivery, thread unblocked", SIGNALFD_TOO, unblocked, act_deliver, one_event, EVENT, 0, false, false},
    {"delivery, escalated", HANDLER_TOO, escalating, act_deliver, NULL, NOTHING, SIGUSR1, false, false},
    {"delivery, descriptors closed", HANDLER_TOO, lost_pipe, act_deliver, host_once, HOST, 0, false, false},
    {"delivery, closed, stops", HANDLER_TOO, lost_pipe_stops, act_deliver, NULL, NOTHING, 0, false, false},
    {"delivery, closed, dies", HANDLER_TOO, lost_pipe_dies, act_deliver, NULL, NOTHING, SIGUSR1, false, false},
    {"delivery, in a bare child", HANDLER_TOO, in_bare_fork, act_deliver, host_once, HOST, 0, false, false},
};
const int scenario_count = sizeof scenarios / sizeof *scenarios;
