/* What interpose.c, world.c, scenarios.c and faults.c share. */
#ifndef FAULTS_H
#define FAULTS_H

#include "interpose.h"

#include "CSignalShimSupport.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

enum { CALLS = 1024, PLACES = 256, ERRNOS = 8, DESCRIPTORS = 64 };

/* interpose.c: one call or two fail, by their number from fault_begin on. */
struct called {
    const struct place *place;
    const char *name; /* the call's, or what it is asked for: epoll_ctl_MOD */
};
struct faults {                 /* in memory that all processes of the run share */
    int number[2], code[2];     /* which calls fail, from 1 on, and with what; 0: none */
    bool in_child;              /* counts a forked child's calls, not the parent's */
    int count, fired;           /* calls made; failures given */
    struct called calls[CALLS]; /* in their order */
    int maps, memory, files;    /* the library's: mapped and not unmapped, ... */
    bool reached[PLACES], failed[PLACES], listed[64];
    char message[512]; /* what is wrong, of a process that may have no standard output */
};
extern struct faults *faults;
extern atomic_bool fault_hold;     /* who writes to the doorbell waits meanwhile */
extern atomic_bool fault_overtake; /* before ours is installed, somebody is quicker */
extern atomic_bool fault_comes;    /* who goes to sleep gets a signal soon */
void fault_begin(void);            /* counts this thread's calls, and those of the child that it forks */
void fault_end(void);
int fault_places(struct place ***places);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
const int *fault_errnos(const char *name); /* ends with 0 */

/* world.c: what a call must leave as it was */
struct world {
    struct sigaction actions[65];
    sigset_t mask;
    int cancellation, cancellation_type, state, mechanism;
    int descriptors;
    struct {
        int number;
        char kind[24];
    } descriptor[DESCRIPTORS];
};
extern bool world_asks_library; /* not before there is a bridge, nor in a child that has not asked for its own */
void world_look(struct world *world, int signo);
const char *world_differs(const struct world *a, const struct world *b, bool numbers); /* NULL: it does not */

/* scenarios.c */
enum { HANDLER_TOO = 1, SIGNALFD_TOO = 2, BOTH = 3 };
enum after { NOTHING, EVENT, EVENT_AND_HOST, HOST }; /* whom a signal reaches afterwards */
struct scenario {
    const char *name;
    int mechanisms;
    void (*prepare)(void);
    int (*act)(void);    /* what the fault is in: a public function, a delivery, a fork */
    bool (*check)(void); /* what the call was to do, if that is not to be seen in the world; NULL: all of it is */
    enum after after;
    int dies;      /* of this signal */
    bool in_child; /* the fault is in the forked child's atfork handler */
    bool may_be_1; /* where it was 0: csigshim_after_fork, with new numbers */
};
extern const struct scenario scenarios[];
extern const int scenario_count;
extern int mechanism, signo;
extern csigshim_bridge *bridge, *second;
extern atomic_int host_calls;
bool reaches(enum after who, bool or_host); /* sends signo, and sees where it comes out, once */
void finish(void);                          /* closes what is open */

#endif
