/* Shared by the files of this harness: the table of scenarios, and a page that the tracer and the traced process both
 * map.
 *
 * The traced process is forked from the tracer, so each address is the same in both. An address that one run recorded
 * is found again in the next run, and the tracer reads the library's variables by their own names.
 */
#ifndef STEP_H
#define STEP_H

#include "shim.h"
#include <stdint.h>

enum { SENT = 40, BESIDE = 41, IGNORED = 42 }; /* realtime signals: the kernel coalesces none of them */

/* The process that makes the call. A child of clone(2) runs no atfork handlers. */
enum where { HERE, FORKED, CLONED, VFORKED };
enum { ANY = -100 };
enum { BOTH = -1 };

struct scenario {
    const char *name;
    int mechanism; /* or BOTH */
    void (*prepare)(void);
    int (*call)(void);
    int result; /* or ANY */
    /* How often bridge 1, bridge 2, the host's handler and the foreign handler may get the signal that is sent during
     * the call. "1000 0010" allows either. */
    const char *during;
    const char *after; /* the same for the next signal, sent after the call */
    enum where where;
    int watched; /* the bridge inside which the other thread stops */
    int signo;   /* 0: SENT */
    bool waits;  /* the call waits for handlers that are inside the watched bridge */
    bool dies;   /* the next signal ends the process, if the signal during the call has not */
};
extern const struct scenario scenarios[];
extern const int scenario_count;

/* The state that scenarios prepare in the traced process. */
extern csigshim_bridge *bridges[2];
extern unsigned long expected[2];       /* deliveries that the bridge has before the signal, or by the call itself */
extern unsigned long taken[2];          /* deliveries that the call has read */
extern int host_expected;               /* calls of the host's handler that the call itself makes */
extern int mechanism;                   /* of the present scenario */
extern bool spawning;                   /* csigshim_spawn_begin was called */
extern bool pipe_is_lost;               /* so csigshim_read fails at the end */
extern void (*from_host_handler)(void); /* called by the host's handler, if set */
struct guarded {
    unsigned char before[64];
    csigshim_event events[16];
    csigshim_spawn spawn;
    unsigned char after[64];
};
extern struct guarded guarded;
void count_events(int bridge, ssize_t count, const csigshim_event *events);
void send_here(int signo);
void install_foreign_handler(bool calls_replaced);
void host_handler(int signo, siginfo_t *info, void *context);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As the kernel has it: the C library's structure has bytes that are never set. */
struct kernel_action {
    uintptr_t handler, flags, restorer;
    uint64_t mask;
};

/* The state that must be the same with a signal as without. */
struct snapshot {
    struct kernel_action actions[CSIGSHIM__NSIG];
    uint64_t mask;
    unsigned files[32];
    unsigned subscriptions[2][3][3];
    uintptr_t dispositions[3][4];
    size_t heap;
};

struct page {
    bool recording;            /* this run makes the snapshots with which the others are compared */
    bool with_other;           /* there is a second thread */
    int returns_expected;      /* of the second thread, from its handler */
    _Atomic int returns;       /* so many there were */
    _Atomic int host, foreign; /* calls of these handlers */
    _Atomic pid_t other;
    int result, code;
    struct snapshot at_end, at_exit;
    char message[300];
};
extern struct page *page;

_Noreturn void run_traced(const struct scenario *scenario);
extern char mark_begin[], mark_end[], mark_other[]; /* each follows an int3 */

#endif
