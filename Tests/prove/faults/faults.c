/* Every call of the library's fails once, at each place, with each errno that it has.
 *
 * A scenario is run once as it is, and its K calls are noted; then for each k up to K and each errno of that call, in a
 * process of its own, with call k failing. What must be so then: the function says -1 and an errno that says why, and
 * nothing has changed (dispositions, mask, cancellation, descriptors), and the same call works when it is made again;
 * or it succeeds, and all is as without the fault. Then a signal comes through exactly once; and when all is closed,
 * the process is as it was before the first call, with as much memory mapped as without the fault. What cannot be so is
 * listed with its reason, and must be healed by the next use all the same. Places that are reached after a first fault
 * only, such as clean-up, fail as a second one. A place that no scenario reaches is a failure of this test. */
#define _GNU_SOURCE 1
#include "faults.h"
#include <time.h>

/* What a fault may change, and why nothing better can be done. It is healed by the next use, but where it LEAKS. */
enum { NEVER, HEALS, LEAKS };
static const struct {
    const char *scenario, *function, *call; /* the scenario's name begins so */
    int which, kind;                        /* the how manieth such call of the function, 0: any; NEVER: is not tried */
    const char *reason;
} listed[] = {
    {"", "let_go", "pthread_sigmask", 0, NEVER, "what hold_off was permitted is not refused a moment later"},
    {"", "let_go_in_child", "pthread_sigmask", 0, NEVER, "the same"},
    {"fork, in the parent", "hold_off", "pthread_sigmask", 0, NEVER,
     "whose mask is refused has no way to clean a child's"},
    {"", "start", "munmap", 0, NEVER, "of a whole mapping; ENOMEM is for one that would be split"},
    {"", "csigshim__raise", "kill", 0, NEVER, "to itself; it follows tgkill's EAGAIN, and needs no place in the queue"},
    {"", "remember_mask", "pthread_sigmask", 0, NEVER, "only looks, before main; refused, the mask is empty"},
    {"", "put_over", "sigaction", 1, NEVER, "a moment after ours was put in by it"},
    {"csigshim_take_default_action", "csigshim_take_default_action", "sigaction", 2, NEVER, "a moment after the first"},
    {"csigshim_remove", "csigshim__restore", "sigaction", 0, HEALS, "ours stays beneath, and passes on"},
    {"csigshim_close", "csigshim__restore", "sigaction", 0, HEALS, "the same"},
    {"csigshim_remove", "csigshim__install", "sigaction", 0, HEALS, "only SA_RESTART is not as it could be"},
    {"csigshim_reset_for_exec", "csigshim__put_back", "sigaction", 0, HEALS, "does all that it can, and says -1"},
    {"csigshim_reset_for_exec", "csigshim_reset_for_exec", "pthread_sigmask", 0, HEALS, "the same"},
    {"csigshim_wake", "csigshim_wake", "pthread_sigmask", 2, NEVER, "what was permitted is not refused a moment later"},
    {"delivery, in a bare child", "in_child", "sigaction", 0, HEALS, "ours stays, and passes on each time"},
    {"delivery, closed, stops", "come_back", "sigaction", 0, HEALS, "what was put underneath for a moment stays"},
    {"", "has", "epoll_ctl_MOD", 0, LEAKS, "the only proof of a signalfd: without it, nothing is closed"},
    {"csigshim_after_fork", "is_proven", "fstat", 0, LEAKS, "what is not shown to be the old pipe is left alone"},
    {"csigshim_after_fork", "watch", "epoll_ctl_ADD", 0, HEALS, "the parent's are replaced; a later try opens others"},
};

struct reference { /* of the run without a fault */
    struct world world, end;
    int result, maps, memory, count;
    struct called calls[CALLS];
};

enum { PASSED = 10, CLEAN, UNAFFECTED, CHANGED };
static struct reference *reference; /* shared */
static const struct scenario *scenario;
static long verdicts[CHANGED + 1], tried, failures;

/* The how manieth place with this call its function has. */
static int which_of(const struct place *place)
{
    struct place **places;
    int which = 0;
    (void)fault_places(&places);
    for (int i = 0; i <= place->index; i++)
        which += strcmp(places[i]->function, place->function) == 0 && strcmp(places[i]->call, place->call) == 0;
    return which;
}

/* Its entry in the list, or -1. */
static int listing(const struct called *call)
{
    for (size_t k = 0; k < sizeof listed / sizeof *listed; k++)
        if (strncmp(scenario->name, listed[k].scenario, strlen(listed[k].scenario)) == 0 &&
            strcmp(listed[k].function, call->place->function) == 0 && strcmp(listed[k].call, call->name) == 0 &&
            (listed[k].which == 0 || listed[k].which == which_of(call->place))) {
            faults->listed[k] = true;
            return (int)k;
        }
    return -1;
}

static bool is_never(const struct called *call)
{
    const int entry = listing(call);
    return entry >= 0 && listed[entry].kind == NEVER;
}

/* What the faults of this run may do: 0 is nothing. */
static int permitted(void)
{
    int kind = 0;
    for (int i = 0; i < 2 && faults->number[i] != 0; i++) {
        const int entry = listing(&faults->calls[faults->number[i] - 1]);
        kind = entry >= 0 && listed[entry].kind > kind ? listed[entry].kind : kind;
    }
    return kind;
}

static bool clear_errno(int code)
{
    for (int i = 0; i < 2 && faults->number[i] != 0; i++) {
        const char *call = faults->calls[faults->number[i] - 1].name;
        if (code == faults->code[i])
            return true;
        if (code == EBADF && (strcmp(call, "fstat") == 0 || strcmp(call, "epoll_ctl_MOD") == 0))
            return true; /* the bridge's descriptor is not to be recognized */
    }
    return false;
}

static void complain(const char *what, const char *more)
{
    say("%s%s", what, more);
    _exit(1);
}

/* A use, without fault, of what a fault may have left behind. */
static void heal(void)
{
    csigshim_bridge *healer;
    if (csigshim_open(&healer, mechanism) == 0 && csigshim_add(healer, signo, 0) == 0 &&
        csigshim_add(healer, SIGRTMIN + 3, 0) == 0)
        csigshim_close(healer);
}

/* In a process of its own. With no fault, it fills in the reference. */
static void run(void)
{
    static struct world before, after, end;
    const bool first = faults->number[0] == 0;
    const char *what;
    int verdict = UNAFFECTED, allowed = 0;
    scenario->prepare();
    world_look(&before, signo);
    fault_begin();
    errno = 0;
    int result = scenario->act();
    int code = errno;
    fault_end();
    if (!first && faults->fired == 0)
        complain("the call that was to fail was not made", "");
    if (!first)
        allowed = permitted();
    if (result == -1 && !first) {
        verdict = CLEAN;
        if (!clear_errno(code))
            complain("it fails, and errno is ", strerror(code));
        world_look(&after, signo);
        if (!allowed && (what = world_differs(&before, &after, true)) != NULL)
            complain("it fails, and changes ", what);
        result = scenario->act();
        code = errno;
    }
    world_look(&after, signo);
    if (first) {
        if (result < 0)
            complain("it fails without a fault: ", strerror(code));
        reference->world = after;
        reference->result = result;
    } else if (result != reference->result && !(scenario->may_be_1 && result == 1)) {
        say("the result is %d (errno %d), not %d", result, code, reference->result);
        _exit(1);
    }
    what = world_differs(&after, &reference->world, result == reference->result);
    if (what != NULL && !allowed)
        complain("it succeeds, but differs in ", what);
    if (what != NULL)
        verdict = CHANGED;
    if (scenario->check != NULL && !scenario->check())
        _exit(1);
    if (!reaches(scenario->after, what != NULL))
        _exit(1);
    finish();
    if (what != NULL)
        heal();
    world_asks_library = false;
    world_look(&end, signo);
    if (first) {
        reference->end = end;
        reference->maps = faults->maps;
        reference->memory = faults->memory;
    } else if (allowed != LEAKS && (what = world_differs(&end, &reference->end, result == reference->result)) != NULL) {
        complain("closed, it differs in ", what);
    } else if (verdict != CHANGED && (faults->maps != reference->maps || faults->memory > reference->memory)) {
        say("%d maps and %d blocks are left, not %d and %d", faults->maps, faults->memory, reference->maps,
            reference->memory);
        _exit(1);
    }
    if (faults->files != 0)
        complain("a file or directory stays open", "");
    _exit(verdict);
}

/* The verdict of one run, in a group of its own, which is killed with it. */
static int outcome(void)
{
    siginfo_t info;
    int status;
    faults->count = faults->fired = faults->maps = faults->memory = faults->files = 0;
    faults->message[0] = 0;
    faults->in_child = scenario->in_child;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        setpgid(0, 0);
        alarm(60);
        run();
    }
    setpgid(child, child);
    while (waitid(P_PID, (id_t)child, &info, WEXITED | WSTOPPED | WNOWAIT) == 0 && info.si_code == CLD_STOPPED) {
        waitid(P_PID, (id_t)child, &info, WSTOPPED);
        kill(child, SIGCONT);
    }
    kill(-child, SIGKILL);
    while (waitpid(child, &status, 0) != child)
        ;
    if (scenario->dies != 0)
        return (WIFSIGNALED(status) && WTERMSIG(status) == scenario->dies) ? UNAFFECTED : 0;
    if (WIFSIGNALED(status))
        say("the process died of signal %d", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) >= PASSED ? WEXITSTATUS(status) : 0;
}

static void report(void)
{
    printf("FAIL %s%s:", scenario->name, mechanism == CSIGSHIM_SIGNALFD ? " (signalfd)" : "");
    for (int i = 0; i < 2 && faults->number[i] != 0; i++) {
        const struct called *call = &faults->calls[faults->number[i] - 1];
        const char *file = strrchr(call->place->file, '/');
        printf(" %s:%d %s: %s (%s):", file != NULL ? file + 1 : call->place->file, call->place->line,
               call->place->function, call->name, strerror(faults->code[i]));
    }
    printf(" %s\n", faults->message);
}

/* With what is set in `faults`. */
static void attempt(void)
{
    const int verdict = outcome();
    tried++;
    verdicts[verdict]++;
    if (verdict == 0) {
        failures++;
        report();
    }
}

static void fail_second(const bool *usual, int first, bool *done)
{
    static struct called calls[CALLS];
    const int count = faults->count;
    memcpy(calls, faults->calls, sizeof calls);
    for (int k = first + 1; k <= count; k++) {
        const struct called *call = &calls[k - 1];
        if (usual[call->place->index] || done[call->place->index] || is_never(call))
            continue;
        done[call->place->index] = true;
        for (const int *code = fault_errnos(call->name); *code != 0; code++) {
            faults->number[1] = k;
            faults->code[1] = *code;
            attempt();
        }
    }
    faults->number[1] = faults->code[1] = 0;
}

static void fail_each(const bool *usual, bool quick)
{
    bool done[PLACES] = {false};
    const long before = tried;
    for (int k = 1; k <= reference->count; k++)
        for (const int *code = fault_errnos(reference->calls[k - 1].name);
             *code != 0 && !is_never(&reference->calls[k - 1]); code++) {
            faults->number[0] = k;
            faults->code[0] = *code;
            attempt();
            fail_second(usual, k, done);
            if (quick)
                break;
        }
    faults->number[0] = faults->code[0] = 0;
    printf("%s%s: %d calls, %ld faults\n", scenario->name, mechanism == CSIGSHIM_SIGNALFD ? " (signalfd)" : "",
           reference->count, tried - before);
}

static bool applies(int index)
{
    scenario = &scenarios[index];
    return scenario->mechanisms & (mechanism == CSIGSHIM_SIGNALFD ? SIGNALFD_TOO : HANDLER_TOO);
}

int main(int argc, char **argv)
{
    static struct reference *references;
    static bool usual[PLACES];
    struct place **places;
    const int flags = MAP_SHARED | MAP_ANONYMOUS, access = PROT_READ | PROT_WRITE;
    const bool quick = argc > 1 && strcmp(argv[1], "quick") == 0;
    const int count = fault_places(&places);
    faults = mmap(NULL, sizeof *faults, access, flags, -1, 0);
    references = mmap(NULL, 2 * (size_t)scenario_count * sizeof *references, access, flags, -1, 0);
    if (faults == MAP_FAILED || references == MAP_FAILED || count > PLACES)
        return 2;
    for (mechanism = CSIGSHIM_HANDLER; mechanism <= CSIGSHIM_SIGNALFD; mechanism++)
        for (int i = 0; i < scenario_count; i++) {
            reference = &references[2 * i + mechanism];
            if (!applies(i))
                continue;
            if (outcome() == 0) {
                failures++;
                report();
            }
            reference->count = faults->count;
            memcpy(reference->calls, faults->calls, sizeof reference->calls);
        }
    memcpy(usual, faults->reached, sizeof usual);
    for (mechanism = CSIGSHIM_HANDLER; mechanism <= CSIGSHIM_SIGNALFD; mechanism++)
        for (int i = 0; i < scenario_count; i++)
            if (applies(i)) {
                reference = &references[2 * i + mechanism];
                fail_each(usual, quick);
            }
    int failed = 0;
    for (int i = 0; i < count; i++) {
        const char *file = strrchr(places[i]->file, '/');
        const struct called call = {places[i], places[i]->call};
        scenario = &(struct scenario){.name = ""};
        failed += faults->failed[i];
        if (faults->reached[i] || is_never(&call))
            continue;
        failures++;
        printf("FAIL no scenario reaches %s:%d %s: %s\n", file != NULL ? file + 1 : places[i]->file, places[i]->line,
               places[i]->function, places[i]->call);
    }
    for (size_t k = 0; k < sizeof listed / sizeof *listed; k++) {
        printf("listed: %s%s%s: %s (%s)\n", listed[k].scenario, *listed[k].scenario ? ": " : "", listed[k].function,
               listed[k].call, listed[k].reason);
        failures += !faults->listed[k] && printf("FAIL the last one is not needed\n") > 0;
    }
    printf("%ld clean errors, %ld without effect, %ld with one that is listed with its reason\n", verdicts[CLEAN],
           verdicts[UNAFFECTED], verdicts[CHANGED]);
    printf("faults: %ld at %d of %d places in %d scenarios; %ld failures\n", tried, failed, count, scenario_count,
           failures);
    return failures != 0;
}
