/* Sends a signal at every instruction: step [every-kth-point [every-kth-with-another-thread]].
 *
 * Each scenario runs in two ways. Without a second thread, the signal goes to the thread that makes the call, by
 * tgkill(2), so that the kernel's own rules for blocked signals apply. With a second thread, that one gets the signal,
 * and stops at a place inside the handler until the call has returned, or waits for the handler. One line for each
 * scenario says how many points were tried. A point that a run does not reach is tried again, and then counted as not
 * reached.
 */
#include "tracer.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { DEADLINE_SECONDS = 30, WORKERS = 2, SHOWN = 4, TRIES = 20, LATE_ENOUGH = 4 };

struct totals {
    _Atomic int next; /* scenario, for the next worker that is free */
    _Atomic long states, same, other, inside, waited, unreached, failures, late;
};
static struct totals *totals;
static long step_same = 1, step_other = 1;
static const char *only;

static volatile sig_atomic_t is_late;

static void late(int signo) {
    (void)signo;
    is_late = 1;
}

/* The alarm repeats, in case that the first one comes before waitpid(2) waits. */
static void set_deadline(void) {
    const struct itimerval timer = {.it_value.tv_sec = DEADLINE_SECONDS, .it_interval.tv_sec = 1};
    is_late = 0;
    setitimer(ITIMER_REAL, &timer, NULL);
}

struct run {
    const struct scenario *scenario;
    long count;                               /* points */
    long same, other, inside, waited, missed; /* tried; stopped inside the handler; waited for; not reached */
    long failures;
};

/* Prints in a process of its own, so that what the traced processes inherit, such as the heap, stays as it was. */
static void say(struct run *run, long point, const char *how, const char *what) {
    char command[200], where[200] = "?\n";
    if (run->failures++ >= SHOWN)
        return;
    const pid_t child = fork();
    if (child != 0) {
        waitpid(child, NULL, 0);
        return;
    }
    snprintf(command, sizeof command, "addr2line -f -s -e /proc/%d/exe %#lx 2>/dev/null", (int)getpid(),
             point < 0 ? 0ul : (unsigned long)points[point].address);
    FILE *answer = popen(command, "r");
    if (answer != NULL) {
        const size_t size = fread(where, 1, sizeof where - 1, answer);
        where[size] = 0;
        pclose(answer);
    }
    for (char *c = where; *c != 0; c++)
        *c = *c == '\n' ? (c[1] == 0 ? 0 : ' ') : *c;
    printf("FAIL %s%s: at instruction %ld of %ld (%s), %s: %s\n", run->scenario->name,
           mechanism == CSIGSHIM_SIGNALFD ? " (signalfd)" : "", point + 1, run->count, where, how, what);
    fflush(stdout);
    _exit(0);
}

/* Null, or what is wrong according to how the process ended. */
static const char *verdict(const struct run *run, int status) {
    static char text[100];
    if (status == RUNNING_LATE) {
        totals->late++;
        return "no end: a deadlock";
    }
    if (run->scenario->dies && WIFSIGNALED(status) && WTERMSIG(status) == SENT)
        return NULL;
    if (page->message[0] != 0)
        return page->message;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    snprintf(text, sizeof text, "the process ended with status %#x", (unsigned)status);
    return text;
}

/* Runs without a signal, step by step, and keeps the points and snapshots. */
static const char *record_once(struct run *run) {
    struct traced traced;
    set_deadline();
    page->recording = true;
    const bool started = start_traced(&traced, run->scenario);
    run->count = started ? record_points(&traced) : -1;
    const char *what = !started ? page->message : run->count <= 0 ? "cannot be stepped" : verdict(run, finish(&traced));
    kill_traced(&traced);
    page->recording = false;
    return what;
}

/* Records until the shortest run has come three times. The vDSO's clock_gettime begins again when the kernel has
 * updated its clock meanwhile, which is likely only while it is stepped through. */
static bool record(struct run *run) {
    const char *what = NULL;
    long shortest = MOST_POINTS;
    const int wanted = step_same < 20 ? 3 : 1; /* if few points are tried, few are missed */
    for (int tries = 0, times = 0; what == NULL && times < wanted && tries < TRIES; tries++) {
        what = record_once(run);
        times = run->count < shortest ? 1 : times + (run->count == shortest);
        shortest = run->count < shortest ? run->count : shortest;
    }
    if (what != NULL)
        say(run, -1, "without a signal", what);
    return what == NULL;
}

/* False: the run took another way. */
static bool try_same(struct run *run, long point, bool by_steps) {
    struct traced traced;
    set_deadline();
    bool reached = start_traced(&traced, run->scenario) && go_to(&traced, (unsigned)point, by_steps);
    if (reached) {
        send_to(&traced, traced.caller, run->scenario->signo ? run->scenario->signo : SENT);
        const char *what = verdict(run, finish(&traced));
        if (what != NULL)
            say(run, point, "the same thread", what);
        run->same++;
    }
    kill_traced(&traced);
    return reached;
}

static const char *did_not_return(const struct run *run, const struct traced *traced) {
    int status = 0;
    totals->late += is_late && !run->scenario->dies;
    if (page->message[0] != 0)
        return page->message;
    if (waitpid(traced->other, &status, __WALL | WNOHANG) != 0 && !WIFSTOPPED(status)) /* or it has been reaped */
        return "the process ended in the call";
    return "the call does not return: a deadlock";
}

static bool try_other(struct run *run, long point, bool by_steps, enum place place) {
    static const char *const names[PLACES] = {
        [ENTRY] = "another thread at the handler's entry",
        [LOOKED] = "another thread after its first look at the flags",
        [INSIDE] = "another thread after it was counted in active_handlers",
        [LOOKED_AGAIN] = "another thread after its second look at the flags",
        [CLAIMED] = "another thread with a slot claimed",
        [PUBLISHED] = "another thread with a slot filled",
        [NOTIFIED] = "another thread that has set `notified`",
        [WRITTEN] = "another thread after its write",
        [LEFT] = "another thread after active_handlers went down",
        [HOST] = "another thread in the host's handler",
    };
    struct traced traced;
    set_deadline();
    const bool reached = start_traced(&traced, run->scenario) && go_to(&traced, (unsigned)point, by_steps);
    if (reached) {
        bool waited = false;
        const char *what = NULL;
        const bool there = other_goes_to(&traced, run->scenario, place);
        run->inside += there;
        if (is_late) {
            what = "the handler waits for the call: a deadlock";
            totals->late++;
        } else if (!caller_returns(&traced, &waited)) {
            what = did_not_return(run, &traced);
        } else if (there && !waited && run->scenario->waits && place > LOOKED && place < LEFT) {
            what = "the call did not wait for the handler";
        }
        const char *end = verdict(run, what == NULL || run->scenario->dies ? finish(&traced) : 0);
        what = what != NULL && !run->scenario->dies ? what : end;
        if (what != NULL)
            say(run, point, names[place], what);
        run->waited += waited;
        run->other++;
    }
    kill_traced(&traced);
    return reached;
}

static void try_all(struct run *run) {
    page->with_other = false;
    if (!record(run))
        return;
    for (long point = 0, tries; point < run->count && totals->late < LATE_ENOUGH; point += step_same) {
        for (tries = 0; tries < TRIES && !try_same(run, point, tries % 2 == 0); tries++)
            ;
        run->missed += tries == TRIES;
    }
    const long count = run->count;
    page->with_other = true;
    if (run->scenario->where <= FORKED && record(run))
        for (long point = 0, turn = 0, tries; point < run->count && totals->late < LATE_ENOUGH;
             point += step_other, turn++) {
            for (tries = 0; tries < TRIES && !try_other(run, point, tries % 2 == 0, (enum place)(turn % PLACES));
                 tries++)
                ;
            run->missed += tries == TRIES;
        }
    run->count = count;
}

static void work(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = late; /* no SA_RESTART: waitpid(2) is to end */
    sigaction(SIGALRM, &action, NULL);
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        exit(1);
    for (int i; (i = totals->next++) < 2 * scenario_count;) {
        struct run run = {.scenario = &scenarios[i / 2]};
        mechanism = i % 2;
        if ((run.scenario->mechanism != BOTH && run.scenario->mechanism != mechanism) ||
            (only != NULL && strcmp(only, run.scenario->name) != 0))
            continue;
        try_all(&run);
        printf("%-36s %-8s %6ld instructions: %6ld on the same thread, %5ld from another (%ld inside the handler, %ld "
               "waited for)%s",
               run.scenario->name, mechanism == CSIGSHIM_SIGNALFD ? "signalfd" : "handler", run.count, run.same,
               run.other, run.inside, run.waited, run.missed ? "" : "\n");
        if (run.missed)
            printf(", %ld NOT REACHED\n", run.missed);
        fflush(stdout);
        totals->states++;
        totals->same += run.same;
        totals->other += run.other;
        totals->inside += run.inside;
        totals->waited += run.waited;
        totals->unreached += run.missed;
        totals->failures += run.failures;
    }
    exit(0);
}

int main(int argc, char **argv) {
    if (!can_trace()) {
        printf("RESULT signal at each instruction|not run: needs ptrace(2), with debug registers|-\n");
        return 0;
    }
    step_same = argc > 1 ? atol(argv[1]) : 1;
    step_other = argc > 2 ? atol(argv[2]) : 1;
    only = getenv("STEP_ONLY");
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer); /* a line at a time, because two processes write */
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED || step_same < 1 || step_other < 1)
        return 1;
    for (int i = 0; i < WORKERS; i++)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work();
        }
    for (int status; wait(&status) > 0;)
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            totals->failures++;
    char sparsely[100] = "", found[100] = "nothing";
    if (step_same > 1 || step_other > 1)
        snprintf(sparsely, sizeof sparsely, " (each %ldth and each %ldth)", step_same, step_other);
    if (totals->late >= LATE_ENOUGH)
        printf("Given up after %d deadlocks.\n", LATE_ENOUGH);
    if (totals->failures > 0)
        snprintf(found, sizeof found, "%ld failures (see above)", (long)totals->failures);
    printf("RESULT signal at each instruction|%ld states, %ld points on the same thread, %ld from another one, %ld of "
           "them inside the handler%s; %ld not reached|%s\n",
           (long)totals->states, (long)totals->same, (long)totals->other, (long)totals->inside, sparsely,
           (long)totals->unreached, found);
    return totals->failures > 0;
}
