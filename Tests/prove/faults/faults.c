/* Every system or library call that the library makes fails once, at each place, with each errno that it may have.
 *
 * A scenario runs once as it is, and its K calls are noted. Then it runs for each k up to K and each errno of that
 * call, in a process of its own, with call k failing. One of two things must happen. The function returns -1 with an
 * errno that says why, nothing has changed (dispositions, mask, cancellation, descriptors), and the same call succeeds
 * when it is made again. Or it succeeds, and all is as without the fault. Then a signal comes through exactly once.
 * When all is closed, the process is as it was before the first call, with as much memory mapped as without the fault,
 * and a signal reaches the host's handler. Exceptions are listed with their reasons, and the next use must repair the
 * state.
 *
 * Places that are reached only after a first fault, such as clean-up, fail as a second one. A place that no scenario
 * makes fail is a failure of this test, and so is an entry of the list that is not needed.
 *
 * Then each system call of a scenario is refused for good, as by a sandbox. The function must still report what
 * happened, no loop may be endless, no reader of the descriptor may spin, and all must work once the sandbox is gone.
 *
 * In all of this the library may send no signal to another process. The wrappers stop such signals, and the test runs
 * without privileges in a PID namespace of its own, where that is permitted.
 *
 * All scenarios run over both mechanisms, with the wake-up pipe as one descriptor, and as two where there is no /proc.
 */
#define _GNU_SOURCE 1
#include "faults.h"
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>

/* The list of exceptions: what a fault may change, and why nothing better can be done. The next use repairs it, except
 * where it LEAKS. EXEMPT: anything but a signal to another process and an endless loop. */
enum kind { NONE, HEALS, LEAKS, EXEMPT };
static const struct {
    const char *scenario, *function, *call; /* the scenario's name contains the first; "": any */
    int which;                              /* the first, second, ... such place of the function; 0: any */
    enum kind kind;
    const char *reason;
} listed[] = {
    {"", "remember_startup_mask", "pthread_sigmask", 0, EXEMPT, "only looks, before main; refused, the mask is empty"},
    {"", "restore_signals", "pthread_sigmask", 0, EXEMPT, "block_signals was permitted a moment earlier"},
    {"fork, in the parent", "block_signals", "pthread_sigmask", 0, EXEMPT, "leaves no way to clean a child's mask"},
    {"csigshim_take_default_action", "stop", "sigaction", 2, EXEMPT, "the first was permitted a moment earlier"},
    {"delivery, closed, stops", "csigshim__send_to_thread", "", 0, EXEMPT, "a handler cannot report it"},
    {"delivery, closed", "csigshim__compare_file", "fstat", 0, EXEMPT, "tells nothing, so recording goes on"},
    {"delivery, closed, stops", "stop_by_default_action", "rt_sigaction_set", 0, EXEMPT,
     "another was permitted a moment earlier"},
    {"delivery, closed, stops", "csigshim__set_plain", "", 0, EXEMPT, "the same"},
    {"delivery, closed, stops", "csigshim__change_mask", "", 0, EXEMPT, "the same"},
    {"in a vforked child", "csigshim__process_role", "getpid", 0, EXEMPT, "counts as the owner, alone in a sandbox"},
    {"not wiped", "csigshim__process_role", "getpid", 0, EXEMPT, "the same"},
    {"csigshim_remove", "csigshim__restore_action", "sigaction", 0, HEALS, "the handler stays, and passes signals on"},
    {"csigshim_close", "csigshim__restore_action", "sigaction", 0, HEALS, "the same"},
    {"csigshim_close", "csigshim_close", "rt_sigaction_set", 0, EXEMPT, "another was permitted a moment earlier"},
    {"csigshim_fd, the first, one unread", "csigshim__write_wakeup", "write", 0, EXEMPT,
     "the first call has reported it"},
    {"csigshim_add_set", "csigshim__change_mask", "rt_sigprocmask", 0, EXEMPT,
     "the same was permitted a moment earlier"},
    {"csigshim_reset_for_exec", "csigshim__restore_action", "sigaction", 0, HEALS, "restores all that it can"},
    {"csigshim_remove, one of two", "csigshim__install", "sigaction", 0, HEALS, "SA_RESTART alone is out of date"},
    {"csigshim_remove, one of two", "install_over_saved", "sigaction", 0, HEALS, "the same"},
    {"csigshim_remove, blocked afterwards", "change_epoll", "", 0, EXEMPT, "what is not proven is not changed"},
    {"", "csigshim__compare_file", "fstat", 0, LEAKS, "what is not proven to be the bridge's is left open"},
    {"", "change_epoll", "epoll_ctl_MOD", 0, LEAKS, "the only proof of a signalfd: without it, nothing is closed"},
};
enum { LISTED = sizeof listed / sizeof *listed };

struct reference { /* of the run without a fault */
    struct world world, end;
    int result, maps, count;
    struct called calls[CALLS];
};

enum { PASSED = 10, CLEAN, UNAFFECTED, CHANGED };
enum { VARIANTS = 4 }; /* both mechanisms; with and without /proc */
static struct reference *references[VARIANTS], *reference;
static const struct scenario *scenario;
static bool quick;
static bool *needed; /* entries of the list */
static long verdicts[CHANGED + 1], tried, refusals, failures;

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void print_place(const struct place *place, const char *call) {
    printf("%s:%d", base_name(place->file), place->line);
    if (strcmp(place->file, place->unit) != 0)
        printf(" in %s", base_name(place->unit));
    printf(" %s: %s", place->function, call);
}

static const char *variant_name(void) {
    static const char *const names[] = {"", " (signalfd)", " (no /proc)", " (signalfd, no /proc)"};
    return names[(mechanism == CSIGSHIM_SIGNALFD) + 2 * fault_no_proc];
}

/* Counts the places with this call that the function has up to this line. */
static int which_of(const struct place *place) {
    struct place **places;
    int which = 0;
    const int count = fault_places(&places);
    for (int i = 0; i < count; i++)
        which += strcmp(places[i]->unit, place->unit) == 0 && strcmp(places[i]->function, place->function) == 0 &&
                 strcmp(places[i]->call, place->call) == 0 && places[i]->line <= place->line;
    return which;
}

/* The entry that names the call, or -1. */
static int listing(const struct called *call) {
    for (int k = 0; k < LISTED; k++)
        if (strstr(scenario->name, listed[k].scenario) != NULL &&
            strcmp(listed[k].function, call->place->function) == 0 &&
            (*listed[k].call == 0 || strcmp(listed[k].call, call->name) == 0) &&
            (listed[k].which == 0 || listed[k].which == which_of(call->place)))
            return k;
    return -1;
}

static bool is_exempt(const struct called *call) {
    const int entry = listing(call);
    return entry >= 0 && listed[entry].kind == EXEMPT;
}

static bool fired(int number) {
    if (faults->refused != NULL)
        return strcmp(faults->refused, fault_system_call_of(faults->calls[number - 1].name)) == 0;
    return faults->number[0] == number || faults->number[1] == number;
}

/* The effects that the faults of this run may have. */
static enum kind permitted(void) {
    enum kind kind = NONE;
    for (int number = 1; number <= faults->count; number++) {
        const int entry = fired(number) ? listing(&faults->calls[number - 1]) : -1;
        if (entry >= 0 && listed[entry].kind > kind)
            kind = listed[entry].kind;
    }
    return kind;
}

/* A difference was found that only the list permits. */
static void excuse(void) {
    for (int number = 1; number <= faults->count; number++) {
        const int entry = fired(number) ? listing(&faults->calls[number - 1]) : -1;
        if (entry >= 0)
            needed[entry] = true;
    }
}

static bool some_fired(const char *name) {
    for (int number = 1; number <= faults->count; number++)
        if (fired(number) && strcmp(faults->calls[number - 1].name, name) == 0)
            return true;
    return false;
}

static bool is_clear(int code) {
    if (code == faults->code[0] || (faults->number[1] != 0 && code == faults->code[1]))
        return true;
    return code == EBADF && some_fired("epoll_ctl_MOD"); /* the only proof that the descriptor is the bridge's */
}

static void complain(const char *what, const char *more) {
    add_failure("%s%s", what, more);
    _exit(1);
}

/* Uses, without a fault, what a fault may have left behind. */
static void heal(void) {
    csigshim_bridge *healer;
    if (csigshim_open(&healer, mechanism) == 0 && csigshim_add(healer, signo, 0) == 0 &&
        csigshim_add(healer, SIGRTMIN + 3, 0) == 0)
        csigshim_close(healer);
}

/* Compares with the run without a fault. Where the pipe could not become one descriptor, there is one more. */
static const char *differs_from(const struct world *expected, const struct world *world, bool two_ends,
                                bool same_numbers) {
    static struct world with_one_less;
    const char *what = world_differs(world, expected, same_numbers ? SAME_NUMBERS : SAME_KINDS);
    if (what == NULL || !two_ends)
        return what;
    with_one_less = *world;
    int *const count = &with_one_less.descriptors;
    for (int i = 0; i < *count; i++)
        if (strncmp(with_one_less.descriptor[i].link, "pipe:", 5) == 0) {
            with_one_less.descriptor[i] = with_one_less.descriptor[--*count];
            break;
        }
    return world_differs(&with_one_less, expected, SAME_KINDS);
}

/* Refuses the same system call again, with a signal to read. */
static void look_for_spinning(void) {
    faults->in_child = false;
    fault_resume();
    if (scenario->after != NOBODY)
        kill(getpid(), signo);
    if (spins())
        complain("the descriptor stays readable, and csigshim_read returns 0", "");
    if (faults->count == CALLS)
        complain("a loop is endless", "");
    fault_end();
}

/* Runs in a process of its own. Without a fault, it records the reference. */
static void run(void) {
    static struct world before, after, end;
    const bool refused = faults->refused != NULL, first = faults->number[0] == 0 && !refused;
    const char *what;
    int verdict = UNAFFECTED;
    enum kind allowed = NONE;
    scenario->prepare();
    world_look(&before, signo);
    fault_begin();
    errno = 0;
    int result = scenario->act();
    int code = errno;
    fault_end();
    if (!first && !refused && faults->fired == 0)
        complain("the call that was to fail was not made", "");
    if (faults->count == CALLS)
        complain("a loop is endless", "");
    if (!first)
        allowed = permitted();
    const bool two_ends = !first && (some_fired("open") || some_fired("fcntl"));
    if (result == -1 && !first) {
        verdict = CLEAN;
        if (!is_clear(code))
            complain("it fails, and errno says ", strerror(code));
        world_look(&after, signo);
        what = world_differs(&before, &after, SAME_PROCESS);
        if (what != NULL && !allowed)
            complain("it fails, and changes ", what);
        if (what != NULL)
            excuse();
        result = scenario->act();
        code = errno;
    }
    world_look(&after, signo);
    const bool same_numbers = faults->kept_count == 0;
    if (first) {
        if (result < 0)
            complain("it fails without a fault: ", strerror(code));
        reference->world = after;
        reference->result = result;
    } else if (result != reference->result) {
        add_failure("the result is %d (errno %d), not %d", result, code, reference->result);
        _exit(1);
    }
    what = differs_from(&reference->world, &after, two_ends, same_numbers);
    if (what != NULL && !allowed)
        complain("it succeeds, but differs in ", what);
    if (what != NULL) {
        verdict = CHANGED;
        excuse();
    }
    if (scenario->check != NULL && !scenario->check())
        _exit(1);
    if (!reaches(scenario->after, what != NULL) || faults->message[0] != 0)
        _exit(1);
    if (refused)
        look_for_spinning();
    finish();
    if (what != NULL)
        heal();
    world_asks_library = false;
    world_look(&end, signo);
    if (first) {
        reference->end = end;
        reference->maps = faults->maps;
    } else if ((what = differs_from(&reference->end, &end, false, same_numbers)) != NULL) {
        if (allowed != LEAKS)
            complain("closed, it differs in ", what);
        excuse();
    } else if (verdict != CHANGED && faults->maps - faults->lost_maps != reference->maps) {
        add_failure("%d maps are left, not %d", faults->maps, reference->maps);
        _exit(1);
    }
    if (!reaches_restored_host())
        _exit(1);
    if (faults->files != 0)
        complain("a file or directory stays open", "");
    _exit(verdict);
}

static bool ended_as_expected(int status) {
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == scenario->dies;
    return faults->fired > 0 && WEXITSTATUS(status) == 128 + scenario->dies;
}

static bool is_inexcusable(void) {
    return faults->wrong_signal || faults->count == CALLS;
}

/* The verdict of one run, in a process group of its own, which is killed with it. */
static int outcome(void) {
    siginfo_t info;
    int status;
    faults->count = faults->fired = faults->maps = faults->files = 0;
    faults->lost_maps = faults->kept_count = faults->stops = 0;
    faults->wrong_signal = false;
    faults->message[0] = 0;
    faults->in_child = scenario->in_child;
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) {
        add_failure("fork: %s", strerror(errno));
        return 0;
    }
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        setpgid(0, 0);
        alarm(30);
        run();
    }
    setpgid(child, child);
    while (waitid(P_PID, (id_t)child, &info, WEXITED | WSTOPPED | WNOWAIT) == 0 && info.si_code == CLD_STOPPED) {
        waitid(P_PID, (id_t)child, &info, WSTOPPED);
        faults->stops++;
        kill(child, SIGCONT);
    }
    kill(-child, SIGKILL);
    while (waitpid(child, &status, 0) != child)
        ;
    if (is_inexcusable())
        return 0;
    if (scenario->dies != 0)
        return ended_as_expected(status) ? UNAFFECTED : 0;
    if (WIFSIGNALED(status))
        add_failure("the process died of signal %d", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) >= PASSED ? WEXITSTATUS(status) : 0;
}

static void report(void) {
    failures++;
    printf("FAIL %s%s:", scenario->name, variant_name());
    if (faults->refused != NULL)
        printf(" %s is always refused (%s):", faults->refused, strerror(faults->code[0]));
    for (int i = 0; i < 2 && faults->number[i] != 0; i++) {
        const struct called *call = &faults->calls[faults->number[i] - 1];
        printf(" ");
        print_place(call->place, call->name);
        printf(" (%s):", strerror(faults->code[i]));
    }
    printf(" %s\n", faults->message);
}

/* With what is set in `faults`. */
static void attempt(void) {
    const int verdict = outcome();
    tried++;
    verdicts[verdict]++;
    if (verdict == 0)
        report();
}

/* Such a fault is tried only until it has done harm once, which shows that its entry is needed. */
static void attempt_exempt(const struct called *call) {
    const int entry = listing(call);
    if (needed[entry])
        return;
    if (outcome() == 0)
        needed[entry] = true;
    if (is_inexcusable())
        report();
}

static bool some_exempt_fired(void) {
    bool found = false;
    for (int number = 1; number <= faults->count; number++)
        if (fired(number) && is_exempt(&faults->calls[number - 1]))
            found = needed[listing(&faults->calls[number - 1])] = true;
    return found;
}

static void fail_call(int i, int number, const struct called *call, void (*then)(const void *), const void *argument) {
    for (const int *code = fault_errnos(call->name); *code != 0; code++) {
        faults->number[i] = number;
        faults->code[i] = *code;
        if (is_exempt(call))
            attempt_exempt(call);
        else
            attempt();
        if (then != NULL && !is_exempt(call))
            then(argument);
        if (quick && i == 0)
            break;
    }
    faults->number[i] = faults->code[i] = 0;
}

/* Places that are not usual were reached because of the first fault. */
static void fail_second(const void *usual) {
    static struct called calls[CALLS];
    static bool done[PLACES];
    const int count = faults->count;
    memset(done, 0, sizeof done);
    memcpy(calls, faults->calls, sizeof calls);
    for (int number = faults->number[0] + 1; number <= count; number++) {
        const struct called *call = &calls[number - 1];
        if (((const bool *)usual)[call->place->index] || done[call->place->index])
            continue;
        done[call->place->index] = true;
        fail_call(1, number, call, NULL, NULL);
    }
}

static void fail_each(const bool *usual) {
    const long before = tried;
    for (int number = 1; number <= reference->count; number++)
        fail_call(0, number, &reference->calls[number - 1], fail_second, usual);
    printf("%s%s: %d calls, %ld faults\n", scenario->name, variant_name(), reference->count, tried - before);
}

static void refuse_each(void) {
    for (int number = 1; number <= reference->count; number++) {
        const char *name = fault_system_call_of(reference->calls[number - 1].name);
        bool done = *name == 0;
        for (int i = 1; i < number; i++)
            done |= strcmp(fault_system_call_of(reference->calls[i - 1].name), name) == 0;
        for (int i = 0; i < 2 && !done; i++) {
            faults->refused = name;
            faults->code[0] = i == 0 ? EPERM : ENOSYS;
            const int verdict = outcome();
            refusals++;
            if (verdict == 0 && (is_inexcusable() || !some_exempt_fired()))
                report();
            if (quick)
                break;
        }
    }
    faults->refused = NULL;
    faults->code[0] = 0;
}

static void for_all(void (*body)(const bool *), const bool *argument) {
    for (int variant = 0; variant < VARIANTS; variant++) {
        mechanism = variant & 1 ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER;
        fault_no_proc = variant & 2;
        for (int i = 0; i < scenario_count; i++) {
            scenario = &scenarios[i];
            reference = &references[variant][i];
            if (scenario->mechanisms & (mechanism == CSIGSHIM_SIGNALFD ? SIGNALFD_ONLY : HANDLER_ONLY))
                body(argument);
        }
    }
}

static void make_reference(const bool *unused) {
    (void)unused;
    if (outcome() == 0)
        report();
    reference->count = faults->count;
    memcpy(reference->calls, faults->calls, sizeof reference->calls);
}

static void make_faults(const bool *usual) {
    fail_each(usual);
    refuse_each();
}

/* Every place was made to fail, or is listed. */
static int check_places(void) {
    struct place **places;
    const int count = fault_places(&places);
    int failed = 0;
    scenario = &(struct scenario){.name = ""};
    for (int i = 0; i < count; i++) {
        const struct called call = {places[i], places[i]->call};
        failed += faults->failed[i];
        if (faults->failed[i])
            continue;
        if (listing(&call) >= 0 && (faults->reached[i] || places[i]->reached_before_main)) {
            needed[listing(&call)] = true;
            continue;
        }
        if (faults->reached[i] && strcmp(call.name, "SYS_exit_group") == 0) /* does not return */
            continue;
        failures++;
        printf("FAIL no scenario makes this fail: ");
        print_place(places[i], places[i]->call);
        printf("\n");
    }
    return failed;
}

static void check_list(void) {
    for (int k = 0; k < LISTED; k++) {
        printf("listed: %s%s%s: %s (%s)\n", listed[k].scenario, *listed[k].scenario ? ": " : "", listed[k].function,
               listed[k].call, listed[k].reason);
        if (!needed[k]) {
            failures++;
            printf("FAIL the last one is not needed\n");
        }
    }
}

static void *shared(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(2);
    return memory;
}

static void exit_like(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            _exit(2);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
}

/* Goes on in a PID namespace of its own, without privileges, and not as its init, which no signal could end. */
static bool confine(void) {
    enum { UNPRIVILEGED = 12345 };
    const bool root = geteuid() == 0;
    const pid_t outside = fork();
    if (outside > 0) {
        int status;
        while (waitpid(outside, &status, 0) != outside)
            if (errno != EINTR)
                _exit(2);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 3)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
        return false;
    }
    if (outside < 0 || unshare(root ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER) != 0)
        _exit(3);
    for (int depth = 0; depth < 2; depth++) {
        const pid_t child = fork();
        if (child != 0)
            exit_like(child);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    if (root && (setgroups(0, NULL) != 0 || setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) != 0 ||
                 setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) != 0))
        _exit(2);
    prctl(PR_SET_DUMPABLE, 1); /* or its /proc/self/fd belongs to root */
    return true;
}

int main(int argc, char **argv) {
    static bool usual[PLACES];
    struct place **places;
    const int count = fault_places(&places);
    quick = argc > 1 && strcmp(argv[1], "quick") == 0;
    if (count > PLACES || LISTED > (int)(sizeof faults->listed))
        return 2;
    if (!confine())
        printf("without a PID namespace, which is not permitted here\n");
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    faults = shared(sizeof *faults);
    needed = faults->listed;
    for (int i = 0; i < VARIANTS; i++)
        references[i] = shared((size_t)scenario_count * sizeof **references);
    for_all(make_reference, NULL);
    memcpy(usual, faults->reached, sizeof usual);
    for_all(make_faults, usual);
    const int failed = check_places();
    check_list();
    printf("%ld clean errors, %ld without effect, %ld with one that is listed with its reason\n", verdicts[CLEAN],
           verdicts[UNAFFECTED], verdicts[CHANGED]);
    printf("faults: %ld at %d of %d places and %ld refusals in %d scenarios; %ld failures\n", tried, failed, count,
           refusals, scenario_count, failures);
    fflush(stdout);
    _exit(failures != 0);
}
