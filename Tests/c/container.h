/* A container for tests: a PID namespace whose first process calls csigshim_run_init_if_needed(). The test is outside,
 * where the init and the program have other ids. Both write what they see into memory that they share with the test. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include "CSignalInit.h"
#include "bounded.h"

static inline sigset_t present_mask(void) {
    sigset_t mask;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &mask) == 0);
    return mask;
}

static inline bool same_masks(const sigset_t *a, const sigset_t *b) {
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        if (sigismember(a, signo) != sigismember(b, signo))
            return false;
    return true;
}

#if defined(__linux__)
#include "seccomp_filter.h"
#include <dirent.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

enum { PROGRAM, WORKER, OUTSIDER, ROLES }; /* a worker is in the program's group, an outsider is not */
enum { RUNNING = -1, NOT_PERMITTED = -2, VALUES = 1000, LAST_SIGNAL = 64 };

struct container {
    _Atomic pid_t init;  /* its id outside */
    _Atomic int status;  /* of waitpid(2), or RUNNING, or NOT_PERMITTED */
    _Atomic int ready;   /* how many processes in the container are */
    _Atomic int said[8]; /* answers that a test needs */
    _Atomic bool stop;   /* asks counting processes to end */
    _Atomic int counts[ROLES][LAST_SIGNAL + 1];
    _Atomic int received;       /* signals with a value */
    _Atomic int values[VALUES]; /* in their order */
    _Atomic pid_t senders[VALUES];
};
static struct container *container;

/* Returns true when the condition holds, false when ten seconds have passed. */
#define HOLDS_SOON(condition)                                                                                          \
    __extension__({                                                                                                    \
        const int64_t holds_until = milliseconds() + 10000;                                                            \
        bool holds_now;                                                                                                \
        while (!(holds_now = (condition)) && milliseconds() < holds_until)                                             \
            pause_ms(2);                                                                                               \
        holds_now;                                                                                                     \
    })

static inline void no_preparation(void) {
}

/* The work of PID 1 in the test: `before`, then the call, and then, in the program's process, `program`. */
static inline void run_as_init(void (*before)(void), void (*program)(void)) {
    if (geteuid() == 0)
        CHECK(setgroups(0, NULL) == 0 && setgid(12345) == 0 && setuid(12345) == 0);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getpid() == 1);
    before();
    CHECK(csigshim_run_init_if_needed() == 0);
    CHECK(getpid() != 1);
    program();
    fflush(stdout);
    _exit(0);
}

/* Starts a container; with `keep`, in the session and the group of its parent. */
static inline void start_in(bool keep, void (*before)(void), void (*program)(void)) {
    container = shared(sizeof *container);
    container->status = RUNNING;
    fflush(stdout);
    const pid_t keeper = fork();
    CHECK(keeper >= 0);
    if (keeper == 0) {
        if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
            container->status = NOT_PERMITTED;
            _exit(0);
        }
        const pid_t init = fork();
        CHECK(init >= 0);
        if (init == 0) {
            CHECK(keep || setsid() == 1);
            run_as_init(before, program);
        }
        close_all_descriptors(); /* which would keep pipes and terminals open */
        container->init = init;
        container->status = status_of(init);
        _exit(0);
    }
    CHECK(HOLDS_SOON(container->init != 0 || container->status == NOT_PERMITTED));
    if (container->status == NOT_PERMITTED)
        SKIP("no PID namespaces here");
}

static inline void start(void (*before)(void), void (*program)(void)) {
    start_in(false, before, program);
}

static inline bool exits_with(int code) {
    if (!HOLDS_SOON(container->status != RUNNING))
        printf("the container does not end\n");
    else if (!WIFEXITED(container->status) || WEXITSTATUS(container->status) != code)
        printf("the init has the wait status 0x%x\n", (unsigned)container->status);
    return container->status != RUNNING && WIFEXITED(container->status) && WEXITSTATUS(container->status) == code;
}

/* Blocks all signals, says that it is ready, and counts the signals that come until the test says stop. */
static inline void count_signals(int role) {
    const struct timespec moment = {0, 20000000};
    sigset_t all;
    siginfo_t info;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    container->ready++;
    while (!container->stop) {
        if (sigtimedwait(&all, &info, &moment) <= 0)
            continue;
        if (role == PROGRAM && info.si_code == SI_QUEUE && container->received < VALUES) {
            container->senders[container->received] = info.si_pid;
            container->values[container->received++] = info.si_value.sival_int;
        }
        container->counts[role][info.si_signo]++;
    }
}

/* Starts a process beside the program, which counts signals as well. */
static inline pid_t start_counting(int role) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (role == OUTSIDER)
            CHECK(setpgid(0, 0) == 0);
        count_signals(role);
        _exit(0);
    }
    return child;
}

/* The children of a process that are in a state such as 'Z', or in any; the last one's id in *child. */
static inline int children_of(pid_t parent, char wanted, pid_t *child) {
    int count = 0;
    DIR *processes = opendir("/proc");
    CHECK(processes != NULL);
    for (const struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        char path[300], line[400] = "", state = 0;
        int id = 0, its_parent = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "re") : NULL;
        if (file == NULL)
            continue;
        const char *name_end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
        if (name_end != NULL && sscanf(line, "%d", &id) == 1 && sscanf(name_end, ") %c %d", &state, &its_parent) == 2 &&
            its_parent == parent && (wanted == 0 || state == wanted)) {
            count++;
            if (child != NULL)
                *child = id;
        }
        fclose(file);
    }
    closedir(processes);
    return count;
}
#endif

#endif
