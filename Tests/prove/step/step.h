/* What the files of this harness share: the table of scenarios, and a page that tracer and tracee both see.
 *
 * The tracee is forked from the tracer, so that every address is the same in all of them: what was recorded in one run
 * is found again in the next, and the tracer looks at the library's variables by their own names.
 */
#ifndef STEP_H
#define STEP_H

#include "internal.h"
#include <stdint.h>

enum { SENT = 40, BESIDE = 41, IGNORED = 42 }; /* realtime: none merges with another */
enum where {
    HERE,
    FORKED,
    CLONED,
    VFORKED
}; /* the process in which the call is made; CLONED: without atfork handlers */
enum { ANY = -100 };
enum { BOTH = -1 };

struct scenario {
    const char *name;
    int mechanism; /* or BOTH */
    void (*prepare)(void);
    int (*call)(void);
    int result;         /* or ANY */
    const char *during; /* what may become of a signal: bridge 1, bridge 2, host, foreign; "1000 0010" is either */
    const char *after;  /* what becomes of the next one */
    enum where where;
    int watched; /* the bridge in which the other thread stands */
    int signo;   /* 0: SENT */
    bool waits;  /* for handlers that are inside the watched bridge */
    bool dies;   /* of the next signal, if not of this one */
};
extern const struct scenario scenarios[];
extern const int scenario_count;

/* What scenarios prepare, in the tracee. */
extern csigshim_bridge *bridges[2];
extern unsigned long left[2];  /* deliveries that were there before */
extern unsigned long taken[2]; /* deliveries that the call itself has read */
extern int mechanism;
extern bool spawning;
struct guarded {
    unsigned char before[64];
    csigshim_event events[16];
    csigshim_spawn spawn;
    unsigned char after[64];
};
extern struct guarded guarded;
void count_events(int bridge, ssize_t count, const csigshim_event *events);
void send_here(int signo);
void put_foreign_on_top(bool calls_ours);
void host_handler(int signo, siginfo_t *info, void *context);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The kernel's own: the C library's structure has bytes that nobody sets. */
struct kernel_action {
    uintptr_t handler, flags, restorer;
    uint64_t mask;
};

/* What must be the same with a signal as without. */
struct snapshot {
    struct kernel_action actions[CSIGSHIM__NSIG];
    uint64_t mask;
    unsigned files[32];
    unsigned subscriptions[2][3][4];
    uintptr_t dispositions[3][5];
    size_t heap;
};

struct page {
    bool recording;            /* the run whose snapshots the others are compared with */
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

_Noreturn void tracee(const struct scenario *scenario);
extern char mark_begin[], mark_end[], mark_other[]; /* behind their int3 */

#endif
