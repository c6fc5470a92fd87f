/* Each public function in its interesting states, a delivery in each state that the handler knows, and fork. A handler
 * of the host lies under the bridges, so a signal that no bridge takes is seen to arrive there. */
#define _GNU_SOURCE 1
#include "faults.h"
#include <sched.h>

int mechanism, signo = SIGUSR1;
csigshim_bridge *bridge, *second;
atomic_int host_calls;
static bool is_polled; /* csigshim_fd was called in the preparation */
static csigshim_spawn spawn;
static int others[2]; /* a pipe of the host */

static void host(int number) {
    (void)number;
    atomic_fetch_add(&host_calls, 1);
}

static void displacing(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
    atomic_fetch_add(&host_calls, 1);
}

static void check_setup(bool condition, const char *what) {
    if (condition)
        return;
    add_failure("the test's own preparation failed: %s (errno %d)", what, errno);
    _exit(1);
}
#define SETUP(condition) check_setup(condition, #condition)

static void send_to_self(int number) {
    const pid_t self = getpid();
    SETUP(self > 0 && kill(self, number) == 0);
}

/* Fails if the event's time lies in the future. Where there is no clock, the time is 0. */
static void check_time(const csigshim_event *event) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (event->time_ns > (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec)
        add_failure("an event comes from the future; ");
}

static int events_of(csigshim_bridge *from) {
    csigshim_event event;
    int count = 0;
    while (csigshim_read(from, &event, 1) == 1) {
        check_time(&event);
        count += (int)event.count * (event.signo == signo ? 1 : 1000);
    }
    return count;
}

bool reaches(enum receiver receiver, bool or_host) {
    if (receiver == NOBODY)
        return true;
    if (bridge != NULL)
        (void)events_of(bridge);
    atomic_store(&host_calls, 0);
    send_to_self(signo);
    const bool wakes = bridge != NULL && csigshim_wait(bridge, 0) == 1;
    const int events = bridge == NULL ? 0 : events_of(bridge), calls = atomic_load(&host_calls);
    if (or_host && events == 0 && calls == 1)
        return true;
    const bool event = receiver != HOST, called = receiver != BRIDGE;
    const bool fine = events == event && calls == called && (!event || wakes);
    if (!fine)
        add_failure("a signal afterwards: %d events, %d calls of the host's handler%s", events, calls,
                    event && !wakes ? ", and csigshim_wait returns 0" : "");
    return fine;
}

/* By a handler that the library restored, perhaps without what the kernel needs to return from it. */
bool reaches_restored_host(void) {
    struct sigaction now;
    sigset_t mask;
    SETUP(sigaction(signo, NULL, &now) == 0 && pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    if (now.sa_handler != host || sigismember(&mask, signo))
        return true;
    atomic_store(&host_calls, 0);
    send_to_self(signo);
    if (atomic_load(&host_calls) == 1)
        return true;
    add_failure("closed, a signal makes %d calls of the host's handler", atomic_load(&host_calls));
    return false;
}

bool spins(void) {
    csigshim_event event;
    const int fd = bridge != NULL && is_polled ? csigshim_fd(bridge) : -1;
    if (bridge == NULL)
        return false;
    for (int i = 0; i < 5; i++) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        const bool readable = is_polled ? fd >= 0 && poll(&one, 1, 0) == 1 : csigshim_wait(bridge, 0) == 1;
        const ssize_t count = csigshim_read(bridge, &event, 1);
        if (!readable || count < 0)
            return false;
        if (count == 1)
            i = -1;
    }
    return true;
}

void finish(void) {
    if (bridge != NULL && csigshim_close(bridge) != 0)
        add_failure("csigshim_close fails: errno %d", errno);
    if (second != NULL)
        csigshim_close(second);
    bridge = second = NULL;
}

/* Preparations. */

static void install(void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    SETUP(sigaction(signo, &action, NULL) == 0);
}

static void change_mask(int how, int number) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    SETUP(pthread_sigmask(how, &one, NULL) == 0);
}

static void close_descriptors(void) {
    for (int fd = 3; fd < 16; fd++)
        close(fd);
}

/* The host closes the descriptors, and opens other files at the same numbers. */
static void replace_descriptors(void) {
    int ends[2];
    SETUP(pipe(ends) == 0);
    for (int i = 0; i < 2; i++) {
        others[i] = fcntl(ends[i], F_DUPFD, 32);
        SETUP(others[i] >= 32 && close(ends[i]) == 0);
    }
    for (int fd = 3; fd < 16; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            SETUP(dup2(others[1], fd) == fd);
}

static void host_alone(void) {
    install(host, SA_RESTART);
}

static void opened_unpolled(void) {
    host_alone();
    SETUP(csigshim_open(&bridge, mechanism) == 0);
    world_asks_library = true;
}

/* As in most of the other scenarios, the host polls the descriptor. */
static void opened(void) {
    opened_unpolled();
    is_polled = true;
    SETUP(csigshim_fd(bridge) >= 3);
}

static void subscribed(unsigned flags) {
    opened();
    SETUP(csigshim_add(bridge, signo, flags) == 0);
}

static void added(void) {
    subscribed(0);
}

static void added_without_vdso(void) {
    fault_no_vdso = true;
    added();
}

static void added_unpolled(void) {
    opened_unpolled();
    SETUP(csigshim_add(bridge, signo, 0) == 0);
}

static void chained_unpolled(void) {
    opened_unpolled();
    SETUP(csigshim_add(bridge, signo, CSIGSHIM_CHAIN) == 0);
}

static void chained(void) {
    subscribed(CSIGSHIM_CHAIN);
}

static void opened_and_blocked(void) {
    opened();
    change_mask(SIG_BLOCK, signo);
}

static void added_with_unread(void) {
    added();
    send_to_self(signo);
}

static void unpolled_with_unread(void) {
    added_unpolled();
    send_to_self(signo);
}

static void many_unread(int count) {
    signo = SIGRTMIN + 4;
    added();
    for (int i = 0; i < count; i++)
        while (sigqueue(getpid(), signo, (union sigval){.sival_int = i}) != 0) {
            SETUP(errno == EAGAIN); /* other processes' signals fill the user's queue */
            sched_yield();
        }
}

static void three_unread(void) {
    many_unread(3);
}

static void fifty_unread(void) {
    many_unread(50);
}

static void small_and_overfull(void) {
    signo = SIGRTMIN + 4;
    host_alone();
    SETUP(csigshim_open_sized(&bridge, mechanism, 16) == 0 && csigshim_fd(bridge) >= 3);
    is_polled = world_asks_library = true;
    SETUP(csigshim_add(bridge, signo, 0) == 0);
    for (int i = 0; i < 20; i++)
        send_to_self(signo);
}

static void small_and_overfull_without_vdso(void) {
    fault_no_vdso = true;
    small_and_overfull();
}

static void comes_while_it_sleeps(void) {
    added_unpolled();
    atomic_store(&fault_comes, true);
}

static void two_added(void) {
    const struct sigaction action = {.sa_handler = host};
    opened();
    SETUP(sigaction(SIGRTMIN + 3, &action, NULL) == 0);
    SETUP(csigshim_add(bridge, SIGRTMIN + 3, 0) == 0 && csigshim_add(bridge, signo, 0) == 0);
}

static void two_unread(void) {
    two_added();
    send_to_self(signo);
    send_to_self(SIGRTMIN + 3);
}

static void two_open(void) {
    install(host, 0);
    SETUP(csigshim_open(&bridge, mechanism) == 0 && csigshim_open(&second, mechanism) == 0);
    SETUP(csigshim_fd(bridge) >= 3 && csigshim_fd(second) >= 3);
    is_polled = world_asks_library = true;
}

static void two_bridges(void) {
    two_open();
    SETUP(csigshim_add(bridge, signo, 0) == 0 && csigshim_add(second, signo, CSIGSHIM_CHAIN) == 0);
}

static void beside_another(void) {
    two_open();
    SETUP(csigshim_add(second, signo, 0) == 0);
}

static void closed_again(void) {
    opened();
    SETUP(csigshim_close(bridge) == 0);
    bridge = NULL;
    world_asks_library = false;
}

static void standard_closed(void) {
    host_alone();
    SETUP(close(0) == 0 && close(1) == 0 && close(2) == 0);
}

static void displace(void) {
    struct sigaction action = {.sa_sigaction = displacing, .sa_flags = SA_SIGINFO};
    SETUP(sigaction(signo, &action, NULL) == 0);
}

static void displaced(void) {
    added();
    displace();
}

static void displaced_beside(void) {
    beside_another();
    displace();
}

static void removed_while_displaced(void) {
    displaced();
    SETUP(csigshim_remove(bridge, signo) == 0);
}

static void rearmed(void) {
    chained();
    displace();
    SETUP(csigshim_rearm(signo) == 0);
}

static void ignored(void) {
    opened();
    install(SIG_IGN, 0);
}

/* From here on the test runs in a child, which has not called csigshim_after_fork. */
static void go_on_in(pid_t child) {
    SETUP(child >= 0);
    world_asks_library = false;
    if (child == 0)
        return;
    int status;
    while (waitpid(child, &status, 0) != child)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void forked(void) {
    added();
    go_on_in(fork());
}

static void forked_with_two(void) {
    two_added();
    go_on_in(fork());
}

static void forked_and_closed(void) {
    forked();
    close_descriptors();
}

static void forked_unpolled(void) {
    added_unpolled();
    go_on_in(fork());
}

static void cloned(void) {
    added();
    go_on_in((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); /* runs no atfork handlers */
}

static void cloned_without_wipe(void) {
    fault_no_wipe = true;
    cloned();
}

static void lost_pipe(void) {
    added();
    close_descriptors();
}

static void replaced_pipe(void) {
    added();
    replace_descriptors();
}

static void forked_and_replaced(void) {
    forked();
    replace_descriptors();
}

static void lost_read_end(void) {
    added();
    SETUP(close(csigshim_fd(bridge)) == 0);
}

static void spawning(void) {
    added();
    SETUP(csigshim_spawn_begin(&spawn, 0) == 0);
}

static void escalating(void) {
    added_with_unread();
    SETUP(csigshim_escalate_after(bridge, signo, 2) == 0);
}

static void unblocked(void) {
    added();
    change_mask(SIG_UNBLOCK, signo);
}

static void tstp_added(void) {
    signo = SIGTSTP;
    added();
}

static void *victim(void *barrier) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    atomic_store((atomic_bool *)barrier, true);
    while (atomic_load(&host_calls) == 0)
        sched_yield();
    return NULL;
}

static void unpolled_and_closed(void) {
    added_unpolled();
    close_descriptors();
}

static void added_over(int number, void (*handler)(int)) {
    signo = number;
    opened();
    install(handler, SA_RESTART);
    SETUP(csigshim_add(bridge, signo, 0) == 0);
}

static void added_over_default(void) {
    added_over(SIGUSR1, SIG_DFL);
}

static void lost_pipe_stops(void) {
    added_over(SIGTSTP, SIG_DFL);
    close_descriptors();
}

static void lost_pipe_dies(void) {
    added_over(SIGUSR1, SIG_DFL);
    close_descriptors();
}

static void lost_pipe_ignored(void) {
    added_over(SIGUSR1, SIG_IGN);
    close_descriptors();
}

/* Another thread is in the handler, before it writes the byte. It goes on after two nanosleeps of the thread that waits
 * for it. */
static void handler_inside(void) {
    static atomic_bool there;
    pthread_t thread;
    added();
    SETUP(pthread_create(&thread, NULL, victim, &there) == 0);
    while (!atomic_load(&there))
        sched_yield();
    atomic_store(&fault_hold, true);
    SETUP(pthread_kill(thread, signo) == 0);
    for (int i = 0; i < 20; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void *waits(void *unused) {
    (void)csigshim_wait(bridge, -1);
    return unused;
}

/* A waiter was cancelled, and stays counted. */
static void slept_and_polled(void) {
    pthread_t thread;
    added_unpolled();
    SETUP(pthread_create(&thread, NULL, waits, NULL) == 0);
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    is_polled = true;
    SETUP(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0 && csigshim_fd(bridge) >= 3);
}

/* Acts. */

static int act_open(void) {
    return csigshim_open(&bridge, mechanism);
}

static int act_open_sized(void) {
    const int result = csigshim_open_sized(&bridge, mechanism, 16);
    SETUP(result != 0 || mechanism == CSIGSHIM_SIGNALFD || csigshim_capacity(bridge) == 16);
    return result;
}

static int act_add(void) {
    return csigshim_add(bridge, signo, 0);
}

static int act_add_overtaken(void) {
    atomic_store(&fault_overtake, true);
    const int result = csigshim_add(bridge, signo, 0), code = errno;
    atomic_store(&fault_overtake, false);
    errno = code;
    return result;
}

static int act_add_chain(void) {
    return csigshim_add(bridge, signo, CSIGSHIM_CHAIN);
}

static int act_add_unless_ignored(void) {
    return csigshim_add(bridge, signo, CSIGSHIM_KEEP_IGNORED);
}

static int act_add_interrupting(void) {
    return csigshim_add(bridge, signo, CSIGSHIM_INTERRUPT);
}

static int act_add_unblocking(void) {
    return csigshim_add(bridge, signo, CSIGSHIM_UNBLOCK);
}

static int add_set(unsigned flags) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, signo);
    sigaddset(&set, SIGRTMIN + 3);
    return csigshim_add_set(bridge, &set, flags);
}

static int act_add_set(void) {
    return add_set(0);
}

static int act_add_set_unblocking(void) {
    return add_set(CSIGSHIM_UNBLOCK);
}

static int act_remove(void) {
    return csigshim_remove(bridge, signo);
}

static int act_close(void) {
    const int result = csigshim_close(bridge);
    bridge = result == 0 ? NULL : bridge;
    world_asks_library &= result != 0;
    return result;
}

static int act_remove_second(void) {
    return csigshim_remove(second, signo);
}

static int act_chain(void) {
    return csigshim_set_chain(bridge, signo, 1);
}

static int act_unchain(void) {
    return csigshim_set_chain(bridge, signo, 0);
}

static int act_escalate(void) {
    return csigshim_escalate_after(bridge, signo, 9);
}

static int act_read(void) {
    csigshim_event events[4];
    return (int)csigshim_read(bridge, events, 4);
}

/* Returns how many came in all, also if that took more than one call. */
static int act_read_all(void) {
    static int total;
    csigshim_event events[64];
    ssize_t count;
    while ((count = csigshim_read(bridge, events, 64)) > 0)
        for (ssize_t i = 0; i < count; i++, total++)
            SETUP(events[i].signo == signo && events[i].value == (uint64_t)total);
    return count < 0 ? -1 : total;
}

static int act_read_overfull(void) {
    static int total;
    csigshim_event events[64];
    ssize_t count;
    while ((count = csigshim_read(bridge, events, 64)) > 0)
        for (ssize_t i = 0; i < count; i++) {
            check_time(&events[i]);
            total += (int)events[i].count;
        }
    return count < 0 ? -1 : total;
}

static int act_read_one(void) {
    csigshim_event event;
    return (int)csigshim_read(bridge, &event, 1);
}

static int act_wait(void) {
    return csigshim_wait(bridge, 30);
}

static int act_wait_long(void) {
    return csigshim_wait(bridge, 30000);
}

static int act_wake(void) {
    return csigshim_wake(bridge);
}

static int act_fd(void) {
    const int fd = csigshim_fd(bridge);
    is_polled |= fd >= 0;
    return fd < 0 ? fd : fd >= 3;
}

static int act_capacity(void) {
    return csigshim_capacity(bridge) >= 16384 ? 0 : 1;
}

static int act_state(void) {
    return csigshim_state(signo);
}

static int act_mechanism(void) {
    return csigshim_mechanism(signo);
}

static int act_rearm(void) {
    return csigshim_rearm(signo);
}

/* A bridge for which this fails is still the parent's. */
static int act_after_fork(void) {
    const int result = csigshim_after_fork(bridge), code = errno;
    if (result < 0 && faults->refused == NULL)
        SETUP(csigshim_add(bridge, SIGWINCH, 0) == -1 && errno == EPERM);
    world_asks_library |= result >= 0;
    errno = code;
    return result;
}

static int act_reset(void) {
    return csigshim_reset_for_exec();
}

static int act_spawn_begin(void) {
    return csigshim_spawn_begin(&spawn, 0);
}

static int act_spawn_begin_original(void) {
    return csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_ORIGINAL);
}

static int act_spawn_end(void) {
    return csigshim_spawn_end(&spawn);
}

static int act_spawn_scope(void) {
    csigshim_spawn outer, inner;
    if (csigshim_spawn_begin(&outer, 0) != 0)
        return -1;
    int result = csigshim_spawn_begin(&inner, CSIGSHIM_SPAWN_ORIGINAL), code = errno;
    for (int tries = 0; result == 0 && tries < 2 && csigshim_spawn_end(&inner) != 0; tries++)
        result = -1, code = errno;
    for (int tries = 0; tries < 2 && csigshim_spawn_end(&outer) != 0; tries++)
        result = -1, code = errno;
    errno = code;
    return result;
}

static int act_default(void) {
    return csigshim_take_default_action(signo);
}

static int act_stop(void) {
    return csigshim_take_default_action(SIGSTOP);
}

static int act_disposition(void) {
    return csigshim_disposition(signo);
}

static int act_ignore(void) {
    return csigshim_set_disposition(SIGHUP, CSIGSHIM_DISPOSITION_IGNORED);
}

static int act_unblocked(void) {
    pid_t tids[4];
    return (int)csigshim_unblocked_threads(SIGHUP, tids, 4);
}

static int act_blocked(void) {
    pid_t tids[4];
    return (int)csigshim_blocked_threads(signo, tids, 4);
}

static int act_deliver(void) {
    atomic_store(&host_calls, 0);
    errno = 77;
    send_to_self(signo);
    SETUP(errno == 77); /* the handler keeps it */
    return 0;
}

/* Returns 0 if the child exits with 0, a signal that it dies of, or what it exits with. */
static int result_of(pid_t child) {
    int status;
    SETUP(child > 0);
    while (waitpid(child, &status, 0) != child)
        ;
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) & 127;
}

static int act_fork(void) {
    const pid_t child = fork();
    if (child == 0) {
        atomic_store(&host_calls, 0);
        send_to_self(signo);
        _exit(atomic_load(&host_calls) == 1 ? 0 : 2);
    }
    return result_of(child);
}

/* A child as vfork(2) makes it: this thread waits until it ends. */
static int in_vforked_child(int (*body)(void *), int flags) {
    static _Alignas(64) char stack[256 * 1024];
    atomic_store(&host_calls, 0);
    return result_of(clone(body, stack + sizeof stack, flags | CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
}

static int kills_itself(void *unused) {
    (void)unused;
    send_to_self(signo);
    _exit(0);
}

static int act_deliver_in_vforked(void) {
    return in_vforked_child(kills_itself, 0);
}

static int act_deliver_in_sharing(void) {
    return in_vforked_child(kills_itself, CLONE_SIGHAND);
}

static struct {
    int result, code;
    bool clean;
} reset;

static int resets(void *unused) {
    struct sigaction now;
    sigset_t mask;
    (void)unused;
    reset.result = csigshim_reset_for_exec();
    reset.code = errno;
    reset.clean = sigaction(signo, NULL, &now) == 0 && now.sa_handler == host &&
                  pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && !sigismember(&mask, signo);
    _exit(0);
}

static int act_reset_in_vforked(void) {
    SETUP(in_vforked_child(resets, 0) == 0);
    errno = reset.code;
    return reset.result == 0 && !reset.clean ? 2 : reset.result;
}

/* Checks of the act's effects, seen from outside. */

/* A reader is not woken if a sandbox refuses the write of the byte. */
static bool wakes_reader(void) {
    return csigshim_wait(bridge, 0) == 1 || (faults->refused != NULL && strcmp(faults->refused, "write") == 0);
}

static bool one_event(void) {
    const bool wakes = wakes_reader();
    const int events = events_of(bridge), calls = atomic_load(&host_calls);
    if ((events == 1 && wakes && calls == 0) || (faults->fired > 0 && events == 0 && calls == 1))
        return true;
    add_failure("the signal itself: %d events, %d calls of the host's handler%s", events, calls,
                events > 0 && !wakes ? ", and csigshim_wait returns 0" : "");
    return false;
}

static bool one_event_for_sure(void) {
    const bool wakes = wakes_reader();
    const int events = events_of(bridge);
    if (events == 1 && wakes)
        return true;
    add_failure("the signal itself: %d events, csigshim_wait returns %d", events, wakes);
    return false;
}

static bool readable_and_one_event(void) {
    struct pollfd one = {.fd = csigshim_fd(bridge), .events = POLLIN};
    if (poll(&one, 1, 0) == 1)
        return one_event_for_sure();
    add_failure("the descriptor is not readable, and an event is unread");
    return false;
}

static bool one_event_and_host(void) {
    const bool wakes = wakes_reader();
    const int events = events_of(bridge), calls = atomic_load(&host_calls);
    if (calls == 1 && ((events == 1 && wakes) || (faults->fired > 0 && events == 0)))
        return true;
    add_failure("the signal itself: %d events, %d calls of the chained handler", events, calls);
    return false;
}

static bool host_once(void) {
    if (atomic_load(&host_calls) == 1)
        return true;
    add_failure("the signal itself: %d calls of the host's handler", atomic_load(&host_calls));
    return false;
}

static bool host_once_and_nothing_written(void) {
    int bytes = -1;
    SETUP(ioctl(others[0], FIONREAD, &bytes) == 0);
    if (bytes != 0)
        add_failure("%d bytes are written to another file; ", bytes);
    return host_once() && bytes == 0;
}

/* Signals that were captured before stay readable, or have reached the host's handler. */
static bool unread_kept(void) {
    const int events = events_of(bridge), calls = atomic_load(&host_calls);
    if (events + calls == 1 && (events == 1 || faults->fired > 0))
        return true;
    add_failure("what came before: %d events, %d calls of the host's handler", events, calls);
    return false;
}

/* A signal that the host blocks afterwards does not make the descriptor readable. */
static bool quiet_when_blocked(void) {
    change_mask(SIG_BLOCK, signo);
    send_to_self(signo);
    const bool readable = csigshim_wait(bridge, 0) == 1;
    change_mask(SIG_UNBLOCK, signo);
    if (readable)
        add_failure("a signal that was removed makes the descriptor readable");
    return !readable;
}

static bool woken(void) {
    return csigshim_wait(bridge, 0) == 1;
}

static bool stopped_once(void) {
    if (faults->stops == 1)
        return true;
    add_failure("the process stopped %d times", faults->stops);
    return false;
}

static bool all_three_added(void) {
    const int numbers[] = {SIGHUP, signo, SIGRTMIN + 3};
    for (int i = 0; i < 3; i++)
        if (csigshim_state(numbers[i]) != CSIGSHIM_ARMED) {
            add_failure("signal %d is not added", numbers[i]);
            return false;
        }
    return true;
}

const struct scenario scenarios[] = {
    {"csigshim_open, the first", BOTH, host_alone, act_open, .after = NOBODY},
    {"csigshim_open, again", BOTH, closed_again, act_open, .after = NOBODY},
    {"csigshim_open, 0 to 2 closed", BOTH, standard_closed, act_open, .after = NOBODY},
    {"csigshim_open_sized", BOTH, host_alone, act_open_sized, .after = NOBODY},
    {"csigshim_add", BOTH, opened, act_add, .after = BRIDGE},
    {"csigshim_add, unpolled", HANDLER_ONLY, opened_unpolled, act_add, .after = BRIDGE},
    {"csigshim_add, chained", HANDLER_ONLY, opened, act_add_chain, .after = BRIDGE_AND_HOST},
    {"csigshim_add, beside another", HANDLER_ONLY, beside_another, act_add_chain, .after = BRIDGE_AND_HOST},
    {"csigshim_add, overtaken", HANDLER_ONLY, opened, act_add_overtaken, .after = BRIDGE},
    {"csigshim_add, over SIG_IGN", BOTH, ignored, act_add, .after = BRIDGE},
    {"csigshim_add, keeps SIG_IGN", BOTH, ignored, act_add_unless_ignored, .after = NOBODY},
    {"csigshim_add, interrupts", HANDLER_ONLY, opened, act_add_interrupting, .after = BRIDGE},
    {"csigshim_add, unblocks", HANDLER_ONLY, opened_and_blocked, act_add_unblocking, .after = BRIDGE},
    {"csigshim_add, host has blocked it", SIGNALFD_ONLY, opened_and_blocked, act_add, .after = BRIDGE},
    {"csigshim_add, displaced", HANDLER_ONLY, displaced_beside, act_add, .after = HOST},
    {"csigshim_add, removed while displaced", BOTH, removed_while_displaced, act_add, .after = NOBODY},
    {"csigshim_add_set", BOTH, opened, act_add_set, all_three_added, .after = BRIDGE},
    {"csigshim_add_set, unblocks", HANDLER_ONLY, opened_and_blocked, act_add_set_unblocking, all_three_added,
     .after = BRIDGE},
    {"csigshim_remove", BOTH, added, act_remove, .after = HOST},
    {"csigshim_remove, one unread", BOTH, added_with_unread, act_remove, unread_kept, .after = HOST},
    {"csigshim_remove, blocked afterwards", BOTH, added, act_remove, quiet_when_blocked, .after = HOST},
    {"csigshim_remove, one of two", HANDLER_ONLY, two_bridges, act_remove_second, .after = BRIDGE},
    {"csigshim_remove, displaced", BOTH, displaced, act_remove, .after = HOST},
    {"csigshim_remove, handler inside", BOTH, handler_inside, act_remove, .after = HOST},
    {"csigshim_remove, inherited", BOTH, forked, act_remove, .after = HOST},
    {"csigshim_close", BOTH, added, act_close, .after = HOST},
    {"csigshim_close, of two signals", BOTH, two_unread, act_close, .after = HOST},
    {"csigshim_close, closed", BOTH, lost_pipe, act_close, .after = HOST},
    {"csigshim_close, closed, other files there", BOTH, replaced_pipe, act_close, .after = HOST},
    {"csigshim_close, inherited", BOTH, forked, act_close, .after = HOST},
    {"csigshim_set_chain, on", HANDLER_ONLY, added, act_chain, .after = BRIDGE_AND_HOST},
    {"csigshim_set_chain, off", BOTH, added, act_unchain, .after = BRIDGE},
    {"csigshim_set_chain, one of two", HANDLER_ONLY, two_bridges, act_chain, .after = BRIDGE_AND_HOST},
    {"csigshim_escalate_after", HANDLER_ONLY, added, act_escalate, .after = BRIDGE},
    {"csigshim_read, one", BOTH, added_with_unread, act_read, .after = BRIDGE},
    {"csigshim_read, one of two", BOTH, two_unread, act_read_one, .after = BRIDGE},
    {"csigshim_read, none", BOTH, added, act_read, .after = BRIDGE},
    {"csigshim_read, three, by value", BOTH, three_unread, act_read_all, .after = BRIDGE},
    {"csigshim_read, fifty, by value", BOTH, fifty_unread, act_read_all, .after = BRIDGE},
    {"csigshim_read, more than fit", BOTH, small_and_overfull, act_read_overfull, .after = BRIDGE},
    {"csigshim_read, more than fit, no vdso", HANDLER_ONLY, small_and_overfull_without_vdso, act_read_overfull,
     .after = BRIDGE},
    {"csigshim_read, one, unpolled", HANDLER_ONLY, unpolled_with_unread, act_read, .after = BRIDGE},
    {"csigshim_read, none, unpolled", HANDLER_ONLY, added_unpolled, act_read, .after = BRIDGE},
    {"csigshim_wait, ready", BOTH, added_with_unread, act_wait, .after = BRIDGE},
    {"csigshim_wait, until its end", BOTH, added, act_wait, .after = BRIDGE},
    {"csigshim_wait, until its end, no vdso", BOTH, added_without_vdso, act_wait, .after = BRIDGE},
    {"csigshim_wait, ready, unpolled", HANDLER_ONLY, unpolled_with_unread, act_wait, one_event_for_sure,
     .after = BRIDGE},
    {"csigshim_wait, its end, unpolled", HANDLER_ONLY, added_unpolled, act_wait, .after = BRIDGE},
    {"csigshim_wait, comes, unpolled", HANDLER_ONLY, comes_while_it_sleeps, act_wait_long, one_event_for_sure,
     .after = BRIDGE},
    {"csigshim_wake", BOTH, added, act_wake, woken, .after = BRIDGE},
    {"csigshim_wake, unpolled", HANDLER_ONLY, added_unpolled, act_wake, woken, .after = BRIDGE},
    {"csigshim_wake, a waiter was cancelled", HANDLER_ONLY, slept_and_polled, act_wake, woken, .after = BRIDGE},
    {"csigshim_wake, inherited", BOTH, forked, act_wake, .after = HOST},
    {"csigshim_fd, the first", HANDLER_ONLY, added_unpolled, act_fd, .after = BRIDGE},
    {"csigshim_fd, the first, one unread", HANDLER_ONLY, unpolled_with_unread, act_fd, readable_and_one_event,
     .after = BRIDGE},
    {"csigshim_fd, again", BOTH, added, act_fd, .after = BRIDGE},
    {"csigshim_capacity", BOTH, added, act_capacity, .after = BRIDGE},
    {"csigshim_state", BOTH, added, act_state, .after = BRIDGE},
    {"csigshim_mechanism", BOTH, added, act_mechanism, .after = BRIDGE},
    {"csigshim_rearm", HANDLER_ONLY, displaced, act_rearm, .after = BRIDGE},
    {"csigshim_rearm, armed", BOTH, added, act_rearm, .after = BRIDGE},
    {"csigshim_after_fork", BOTH, forked, act_after_fork, .after = BRIDGE},
    {"csigshim_after_fork, two signals", BOTH, forked_with_two, act_after_fork, .after = BRIDGE},
    {"csigshim_after_fork, unpolled", HANDLER_ONLY, forked_unpolled, act_after_fork, .after = BRIDGE},
    {"csigshim_after_fork, closed", BOTH, forked_and_closed, act_after_fork, .after = BRIDGE},
    {"csigshim_after_fork, closed, other files there", BOTH, forked_and_replaced, act_after_fork, .after = BRIDGE},
    {"csigshim_reset_for_exec", BOTH, two_added, act_reset, .after = NOBODY},
    {"csigshim_reset_for_exec, in a vforked child", BOTH, added, act_reset_in_vforked, .after = BRIDGE,
     .in_child = true},
    {"csigshim_spawn_begin", BOTH, added, act_spawn_begin, .after = BRIDGE},
    {"csigshim_spawn_begin, original mask", BOTH, added, act_spawn_begin_original, .after = BRIDGE},
    {"csigshim_spawn_end", BOTH, spawning, act_spawn_end, .after = BRIDGE},
    {"csigshim_spawn_begin and _end, nested", BOTH, added, act_spawn_scope, .after = BRIDGE},
    {"csigshim_take_default_action, dies", BOTH, added, act_default, .after = NOBODY, .dies = SIGUSR1},
    {"csigshim_take_default_action, stops", BOTH, tstp_added, act_default, stopped_once, .after = BRIDGE},
    {"csigshim_take_default_action, STOP", HANDLER_ONLY, opened, act_stop, stopped_once, .after = NOBODY},
    {"csigshim_disposition", BOTH, added, act_disposition, .after = BRIDGE},
    {"csigshim_set_disposition", HANDLER_ONLY, added, act_ignore, .after = BRIDGE},
    {"csigshim_unblocked_threads", BOTH, added, act_unblocked, .after = BRIDGE},
    {"csigshim_blocked_threads", BOTH, added, act_blocked, .after = BRIDGE},
    {"fork, in the parent", BOTH, added, act_fork, .after = BRIDGE},
    {"fork, in the child", BOTH, added, act_fork, .after = BRIDGE, .in_child = true},
    {"delivery", HANDLER_ONLY, added, act_deliver, one_event, .after = BRIDGE},
    {"delivery, no vdso", HANDLER_ONLY, added_without_vdso, act_deliver, one_event_for_sure, .after = BRIDGE},
    {"delivery, unpolled", HANDLER_ONLY, added_unpolled, act_deliver, one_event, .after = BRIDGE},
    {"delivery, chained, unpolled", HANDLER_ONLY, chained_unpolled, act_deliver, one_event_and_host,
     .after = BRIDGE_AND_HOST},
    {"delivery, unpolled, closed", HANDLER_ONLY, unpolled_and_closed, act_deliver, one_event, .after = BRIDGE},
    {"delivery, chained", HANDLER_ONLY, chained, act_deliver, one_event_and_host, .after = BRIDGE_AND_HOST},
    {"delivery, chained, re-armed", HANDLER_ONLY, rearmed, act_deliver, one_event_and_host, .after = BRIDGE_AND_HOST},
    {"delivery, thread unblocked", SIGNALFD_ONLY, unblocked, act_deliver, one_event, .after = BRIDGE},
    {"delivery, escalated", HANDLER_ONLY, escalating, act_deliver, .after = NOBODY, .dies = SIGUSR1},
    {"delivery, closed", HANDLER_ONLY, lost_pipe, act_deliver, host_once, .after = HOST},
    {"delivery, closed, the read end", HANDLER_ONLY, lost_read_end, act_deliver, host_once, .after = HOST},
    {"delivery, closed, other files there", HANDLER_ONLY, replaced_pipe, act_deliver, host_once_and_nothing_written,
     .after = HOST},
    {"delivery, closed, stops", HANDLER_ONLY, lost_pipe_stops, act_deliver, stopped_once, .after = NOBODY},
    {"delivery, closed, dies", HANDLER_ONLY, lost_pipe_dies, act_deliver, .after = NOBODY, .dies = SIGUSR1},
    {"delivery, closed, ignored", HANDLER_ONLY, lost_pipe_ignored, act_deliver, .after = NOBODY},
    {"delivery, in a cloned child", HANDLER_ONLY, cloned, act_deliver, host_once, .after = HOST},
    {"delivery, in a cloned child, not wiped", HANDLER_ONLY, cloned_without_wipe, act_deliver, host_once,
     .after = HOST},
    {"delivery, in a vforked child", HANDLER_ONLY, added, act_deliver_in_vforked, host_once, .after = BRIDGE,
     .in_child = true},
    {"delivery, in a vforked child, dies", HANDLER_ONLY, added_over_default, act_deliver_in_vforked, .after = BRIDGE,
     .in_child = true},
    {"delivery, in a vforked child, shares handlers", HANDLER_ONLY, added, act_deliver_in_sharing, host_once,
     .after = BRIDGE, .in_child = true},
    {"delivery, in a vforked child, shares handlers, dies", HANDLER_ONLY, added_over_default, act_deliver_in_sharing,
     .after = BRIDGE, .in_child = true},
    {"delivery, in a vforked child, closed, dies", HANDLER_ONLY, lost_pipe_dies, act_deliver_in_vforked,
     .after = NOBODY, .in_child = true},
};
const int scenario_count = sizeof scenarios / sizeof *scenarios;
