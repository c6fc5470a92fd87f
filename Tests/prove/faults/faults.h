/* Shared by interpose.c, world.c, scenarios.c and faults.c. */
#ifndef FAULTS_H
#define FAULTS_H

#include "interpose.h"

#include "CSignalShimSupport.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

enum { CALLS = 1024, PLACES = 512, ERRNOS = 9, DESCRIPTORS = 64 };

/* For interpose.c: one or two calls fail, given by their numbers since fault_begin, or every call that a sandbox
 * refuses.
 */
struct called {
    const struct place *place;
    const char *name; /* of the call, or of what it does: epoll_ctl_MOD */
};
struct faults {                 /* in memory that all processes of the run share */
    int number[2], code[2];     /* which calls fail, the first being 1, and with what; 0: none */
    const char *refused;        /* a system call that always fails, with code[0]; null: none */
    bool in_child;              /* counts the calls of a child, not those of the parent */
    int count, fired;           /* calls made; failures given */
    struct called calls[CALLS]; /* in their order */
    int maps, files;            /* of the library: mapped and not unmapped, opened and not closed */
    int lost_maps;              /* munmap failed for them */
    int kept[8], kept_count;    /* descriptors that a refused close left open */
    int stops;                  /* how often the scenario's process stopped */
    bool wrong_signal;          /* the library tried to signal another process */
    bool reached[PLACES], failed[PLACES], listed[64];
    char message[1024]; /* what is wrong, from a process that may have no standard output */
};
extern struct faults *faults;
extern atomic_bool fault_hold;     /* a write of a wake-up byte waits for this to be false */
extern atomic_bool fault_overtake; /* another thread calls sigaction just before the library does */
extern atomic_bool fault_comes;    /* a thread that goes to sleep on a futex gets a signal soon */
extern bool fault_no_proc;         /* /proc is not mounted, so the pipe has two ends */
extern bool fault_no_vdso;         /* the clock needs a system call */
extern bool fault_no_wipe;         /* the kernel does not know MADV_WIPEONFORK */
void fault_begin(void);            /* counts the calls of this thread, and those of the child that it makes */
void fault_resume(void);           /* goes on counting */
void fault_end(void);
int fault_places(struct place ***places);
void add_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
const int *fault_errnos(const char *name);          /* ends with 0 */
const char *fault_system_call_of(const char *name); /* "": none that a sandbox could refuse alone */

/* world.c: what a call must leave as it was */
struct world {
    struct sigaction actions[65];
    sigset_t mask;
    int cancellation, cancellation_type, state, mechanism;
    int descriptors;
    struct {
        int number;
        char link[48];
    } descriptor[DESCRIPTORS];
};
enum comparison { SAME_PROCESS, SAME_NUMBERS, SAME_KINDS }; /* of descriptors: the same files, numbers, or kinds */
extern bool world_asks_library; /* false before the first bridge, and in a child that has not asked for its own */
void world_look(struct world *world, int signo);
const char *world_differs(const struct world *a, const struct world *b, enum comparison descriptors); /* null: no */

/* scenarios.c */
enum { HANDLER_ONLY = 1, SIGNALFD_ONLY = 2, BOTH = 3 };
enum receiver { NOBODY, BRIDGE, BRIDGE_AND_HOST, HOST };
struct scenario {
    const char *name;
    int mechanisms;
    void (*prepare)(void);
    int (*act)(void);    /* where the fault is: a public function, a delivery, a fork */
    bool (*check)(void); /* checks effects of the act that the world does not show; null: there are none */
    enum receiver after; /* of a signal that is sent afterwards */
    int dies;            /* of this signal */
    bool in_child;       /* the fault is in a child of the act */
};
extern const struct scenario scenarios[];
extern const int scenario_count;
extern int mechanism, signo;
extern csigshim_bridge *bridge, *second;
extern atomic_int host_calls;
bool reaches(enum receiver receiver, bool or_host); /* sends signo, and sees where it arrives, once */
bool reaches_restored_host(void);                   /* the same after everything is closed */
bool spins(void);                                   /* there is something to read, and reading does not end that */
void finish(void);                                  /* closes what is open */

#endif
