/* ptrace(2): a fresh process for each point, brought to its instruction, and the second thread to its place.
 *
 * Single-stepping to instruction N for each N is quadratic, and counting the passes of a breakpoint is slow in a loop.
 * So this does both: record_points finds, for each point, an earlier one that comes by seldom, and go_to steps from
 * there. Breakpoints are the debug registers. They change no code, and can watch data. So the second thread stops when
 * it writes the variable that the library's handler writes at that place, however the compiler has arranged the code.
 * The library's system calls are `syscall` instructions of its own code: each is one step.
 */
#include "tracer.h"
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

struct point points[MOST_POINTS];

enum kind { EXECUTE = 0, WRITE_4 = 0xd, WRITE_8 = 9, ACCESS_4 = 0xf };

static bool watch(pid_t thread, const volatile void *address, enum kind kind) {
    const size_t registers = offsetof(struct user, u_debugreg);
    return ptrace(PTRACE_POKEUSER, thread, registers + 7 * sizeof(long), 0) == 0 &&
           ptrace(PTRACE_POKEUSER, thread, registers, address) == 0 &&
           ptrace(PTRACE_POKEUSER, thread, registers + 7 * sizeof(long), 1ul | (unsigned long)kind << 16) == 0;
}

static void unwatch(pid_t thread) {
    ptrace(PTRACE_POKEUSER, thread, offsetof(struct user, u_debugreg) + 7 * sizeof(long), 0);
}

static uintptr_t user_register(pid_t thread, size_t offset) {
    return (uintptr_t)ptrace(PTRACE_PEEKUSER, thread, offset, 0);
}

static uintptr_t instruction(pid_t thread) {
    return user_register(thread, offsetof(struct user_regs_struct, rip));
}

static size_t word(pid_t thread, const volatile void *address) {
    return (size_t)ptrace(PTRACE_PEEKDATA, thread, address, 0);
}

/* A traced process does not stop, because no process would continue it. */
static bool is_stop(int signo) {
    return signo == SIGSTOP || signo == SIGTSTP;
}

/* Lets the thread go on until its next trap or system call; delivers other signals to it. False: it has ended, or the
 * alarm came. */
static bool advance(pid_t thread, enum __ptrace_request how, int signo) {
    for (int status;;) {
        if (ptrace(how, thread, 0, signo) != 0 || waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status))
            return false;
        signo = WSTOPSIG(status);
        if (status >> 16 != 0)
            signo = 0; /* an event: it has made a child */
        else if (signo == SIGTRAP || signo == (SIGTRAP | 0x80))
            return true;
        else if (is_stop(signo))
            signo = 0;
    }
}

/* Lets all threads go on until one comes to `mark`, or the process ends. Returns that thread's id, or the process's. */
static pid_t all_until(const struct traced *traced, const char *mark, int *status) {
    for (;;) {
        const pid_t thread = waitpid(-1, status, __WALL);
        if (thread < 0)
            return RUNNING_LATE;
        if (!WIFSTOPPED(*status)) {
            if (thread == traced->root)
                return thread;
            continue;
        }
        int signo = WSTOPSIG(*status);
        if (*status >> 16 != 0 || is_stop(signo)) {
            signo = 0;
        } else if (signo == SIGTRAP) {
            if (instruction(thread) == (uintptr_t)mark)
                return thread;
            const uintptr_t at = instruction(thread);
            if (at == (uintptr_t)mark_begin || at == (uintptr_t)mark_end || at == (uintptr_t)mark_other)
                signo = 0;
        }
        ptrace(PTRACE_CONT, thread, 0, signo);
    }
}

static pid_t fork_traced(const struct scenario *scenario) {
    const pid_t tracer = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != tracer || ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
        _exit(1);
    signal(SIGALRM, SIG_DFL);
    raise(SIGSTOP);
    run_traced(scenario);
}

bool start_traced(struct traced *traced, const struct scenario *scenario) {
    int status;
    const long options =
        PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD;
    page->message[0] = 0;
    page->returns = page->returns_expected = page->host = page->foreign = 0;
    page->other = 0;
    *traced = (struct traced){0};
    traced->caller = traced->root = fork_traced(scenario);
    if (traced->root < 0 || waitpid(traced->root, &status, __WALL) != traced->root || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, traced->root, 0, options) != 0 || ptrace(PTRACE_CONT, traced->root, 0, 0) != 0)
        return false;
    traced->caller = all_until(traced, mark_begin, &status);
    traced->other = page->other;
    if (traced->caller > 0 && WIFSTOPPED(status))
        return true;
    traced->caller = traced->root;
    return false;
}

static uintptr_t some_code(void) {
    return 0;
}

bool can_trace(void) {
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
            raise(SIGSTOP);
        _exit(1);
    }
    const bool can = pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
                     watch(pid, (const void *)some_code, EXECUTE);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return can;
}

/* Counts how often each address has come by, in a hash table. */
static unsigned passes(uintptr_t address, bool forget) {
    enum { ENTRIES = MOST_POINTS * 2 };
    static struct {
        uintptr_t address;
        unsigned count;
    } known[ENTRIES];
    if (forget)
        memset(known, 0, sizeof known);
    size_t i = address * 0x9e3779b97f4a7c15 >> 32 & (ENTRIES - 1);
    while (known[i].address != 0 && known[i].address != address)
        i = (i + 1) & (ENTRIES - 1);
    known[i].address = address;
    return ++known[i].count;
}

int record_points(const struct traced *traced) {
    unsigned count = 0;
    for (uintptr_t at; (at = instruction(traced->caller)) != (uintptr_t)mark_end; count++) {
        if (count == MOST_POINTS)
            return -1;
        const unsigned times = passes(at, count == 0);
        points[count] = (struct point){at, times, count, times, times};
        if (count == 0)
            points[count].times = points[count].cost = 0; /* it is here already */
        else if (points[count - 1].cost < times)
            points[count] =
                (struct point){at, times, points[count - 1].from, points[count - 1].times, points[count - 1].cost + 1};
        if (!advance(traced->caller, PTRACE_SINGLESTEP, 0))
            return -1;
    }
    return (int)count - 1; /* the last one belongs to the mark */
}

bool go_to(const struct traced *traced, unsigned point, bool by_steps) {
    const unsigned from = by_steps ? points[point].from : point;
    const unsigned times = by_steps ? points[point].times : points[point].passes;
    const pid_t caller = traced->caller;
    if (times > 0 && !watch(caller, (const void *)points[from].address, EXECUTE))
        return false;
    for (unsigned i = 0; i < times; i++)
        if (!advance(caller, PTRACE_CONT, 0) || instruction(caller) != points[from].address)
            return false;
    unwatch(caller);
    for (unsigned i = from; i < point; i++)
        if (instruction(caller) != points[i].address || !advance(caller, PTRACE_SINGLESTEP, 0))
            return false;
    return instruction(caller) == points[point].address;
}

void send_to(const struct traced *traced, pid_t thread, int signo) {
    (void)syscall(SYS_tgkill, traced->caller, thread, signo);
}

int finish(const struct traced *traced) {
    int status;
    ptrace(PTRACE_CONT, traced->caller, 0, 0);
    if (traced->other != 0)
        ptrace(PTRACE_CONT, traced->other, 0, 0); /* if it is stopped somewhere */
    return all_until(traced, NULL, &status) == traced->root ? status : RUNNING_LATE;
}

void kill_traced(const struct traced *traced) {
    if (traced->root <= 0)
        return;
    kill(traced->root, SIGKILL);
    if (traced->caller > 0 && traced->caller != traced->root)
        kill(traced->caller, SIGKILL);
    for (int status, pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;)
        if (pid > 0 && WIFSTOPPED(status))
            kill(pid, SIGKILL);
}

static bool is_entry(pid_t thread) {
    return (long)user_register(thread, offsetof(struct user_regs_struct, rax)) == -ENOSYS;
}

static long system_call(pid_t thread) {
    return (long)user_register(thread, offsetof(struct user_regs_struct, orig_rax));
}

/* Runs until the debug register traps; false: the thread has left the handler before. */
static bool other_stops(pid_t other, int signo) {
    return advance(other, PTRACE_CONT, signo) && instruction(other) != (uintptr_t)mark_other;
}

bool other_goes_to(const struct traced *traced, const struct scenario *scenario, enum place place) {
    int status;
    const pid_t other = traced->other;
    const int signo = scenario->signo ? scenario->signo : SENT;
    struct csigshim_bridge *bridge = &csigshim__bridges[scenario->watched];
    struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
    page->returns_expected = 1;
    send_to(traced, other, signo);
    if (waitpid(other, &status, __WALL) != other || !WIFSTOPPED(status) || WSTOPSIG(status) != signo)
        return false;
    const size_t tail = word(other, &bridge->tail), capacity = word(other, &bridge->has.capacity);
    const struct csigshim__slot *slots = (const struct csigshim__slot *)word(other, &bridge->has.slots);
    bool there = true;
    switch (place) {
    case ENTRY:
        there = watch(other, (const void *)csigshim__handler, EXECUTE) && other_stops(other, signo);
        break;
    case LOOKED:
        there = watch(other, &subscription->flags, ACCESS_4) && other_stops(other, signo);
        break;
    case LOOKED_AGAIN:
        there = watch(other, &subscription->flags, ACCESS_4) && other_stops(other, signo) && other_stops(other, 0);
        break;
    case INSIDE:
        there = watch(other, &subscription->active_handlers, WRITE_4) && other_stops(other, signo);
        break;
    case LEFT:
        there =
            watch(other, &subscription->active_handlers, WRITE_4) && other_stops(other, signo) && other_stops(other, 0);
        break;
    case CLAIMED:
        there = watch(other, &bridge->tail, WRITE_8) && other_stops(other, signo);
        break;
    case PUBLISHED: /* a closed bridge has no slots, and the thread does not come here */
        there = watch(other, capacity == 0 ? &slots->sequence : &slots[tail % capacity].sequence, WRITE_8) &&
                other_stops(other, signo);
        break;
    case NOTIFIED:
        there = watch(other, &bridge->notified, ACCESS_4) && other_stops(other, signo);
        break;
    case WRITTEN:
        there = watch(other, &bridge->notified, WRITE_4) && other_stops(other, signo);
        unwatch(other);
        if (there) /* if it was 0, a write(2) comes next */
            there = advance(other, PTRACE_SYSCALL, 0) && system_call(other) == SYS_write &&
                    advance(other, PTRACE_SYSCALL, 0);
        break;
    default:
        there = watch(other, (const void *)host_handler, EXECUTE) && other_stops(other, signo);
    }
    unwatch(other);
    return there;
}

bool caller_returns(const struct traced *traced, bool *waited) {
    const pid_t caller = traced->caller;
    *waited = false;
    while (advance(caller, PTRACE_SYSCALL, 0)) {
        if (instruction(caller) == (uintptr_t)mark_end)
            return true;
        const long call = system_call(caller);
        const bool waits = call == SYS_sched_yield || call == SYS_nanosleep || call == SYS_clock_nanosleep;
        if (waits && is_entry(caller) && !*waited) {
            *waited = true;
            ptrace(PTRACE_CONT, traced->other, 0, 0);
        }
    }
    return false;
}
