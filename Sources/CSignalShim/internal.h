/* What the files of CSignalShim share. Names with two underscores are for them alone.
 *
 * Everything that a signal handler may look at is static, or mapped once and never freed, and is atomic or immutable.
 * The rest, marked "locked", belongs to whoever holds csigshim__enter's lock.
 */
#ifndef CSIGSHIM__INTERNAL_H
#define CSIGSHIM__INTERNAL_H

#include "platform.h" /* first: it asks for the GNU names */

#include "include/CSignalShimSupport.h"
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#pragma GCC visibility push(hidden) /* names of this copy alone, in whatever it is linked into */

enum {
    CSIGSHIM__BRIDGES = 64,
    CSIGSHIM__SLOTS = 16384,  /* a power of two */
    CSIGSHIM__ACTIVE = 0x100, /* beside CSIGSHIM_CHAIN in the flags of a subscription */
    CSIGSHIM__DORMANT = 0x200 /* in a forked child: was active in the parent */
};

static_assert(sizeof(csigshim_event) == 64, "the event's layout is a promise");

/* A place in the ring. For the position p that comes to it, it is empty at turn p - (p % SLOTS) and filled at one more:
 * so fresh zero pages are a valid empty ring, and all of it wraps around together. */
struct csigshim__slot {
    _Atomic size_t turn;
    csigshim_event event;
};

/* What one bridge wants of one signal. */
struct csigshim__subscription {
    _Atomic unsigned flags;       /* CSIGSHIM__ACTIVE or _DORMANT, and CSIGSHIM_CHAIN; 0: not added */
    _Atomic unsigned inside;      /* handlers that saw it active and have not left */
    _Atomic size_t overflow;      /* deliveries that found the ring full */
    _Atomic unsigned unread;      /* deliveries since `add` that nobody has read */
    _Atomic unsigned escalate_at; /* unread deliveries that are one too many; 0: none */
    _Atomic unsigned epoch;       /* which `add` a record belongs to */
};

/* One end of the doorbell, and what makes a descriptor provably it. */
struct csigshim__end {
    int fd;
    dev_t device;
    ino_t inode;
    mode_t mode;
    long birth;
};

/* What the signalfd mechanism adds to a bridge; all locked but `poll_fd`, which changes only as the bell does. */
struct csigshim__queue {
    int fd;           /* the signalfd */
    int poll_fd;      /* an epoll of that and the doorbell: what the host polls */
    sigset_t signals; /* what the signalfd takes */
};

struct csigshim_bridge {
    int mechanism;                          /* changes only while it is not open */
    _Atomic(struct csigshim__slot *) slots; /* mapped at the first open, and kept for the next bridge that lives here */
    _Atomic size_t tail;                    /* next position to claim, any handler */
    size_t head;                            /* next position to read; locked */
    _Atomic bool overflowed;                /* some subscription has an overflow to collect */
    _Atomic uint32_t rung;     /* there is something to read, or a wake-up; if polled, a byte is in the pipe */
    _Atomic bool woken;        /* csigshim_wake has put a byte into the pipe, or is about to */
    _Atomic unsigned sleepers; /* in csigshim_wait, on `rung`; or there before they left by siglongjmp */
    _Atomic bool polled;       /* somebody has the descriptor, so the pipe is to be rung */
    struct csigshim__end read_end, write_end; /* change only while no handler can be inside and the bridge is ours */
    struct csigshim__queue queue;
    _Atomic bool open;
    _Atomic bool inherited; /* the parent's, until csigshim_after_fork */
    struct csigshim__subscription subscriptions[CSIGSHIM__NSIG];
};

/* A saved action. Never freed, and immutable but for `spent`, so that a handler may hold on to one at leisure; equal
 * ones are one, so that adding and removing for ever takes no more memory than the host has different handlers, in the
 * different orders in which they were re-armed over.
 * `below` is what ours had saved when this one was found installed over it: it is what a call of ours from there means.
 */
struct csigshim__action {
    struct sigaction saved;
    struct csigshim__action *below;
    struct csigshim__action *next; /* in the list of all that this signal ever had */
    _Atomic bool spent;            /* SA_RESETHAND: it has had its one call */
};

struct csigshim__disposition {
    _Atomic(struct csigshim__action *) previous; /* what is under ours; null: ours was never installed */
    _Atomic(struct csigshim__action *) known;    /* every action of this signal, newest first */
    _Atomic bool blocked;                        /* by an `add` of a signalfd bridge, ever */
    bool installed;                              /* locked: put into the kernel, and not taken out again */
    bool lent;                                   /* locked: SIG_IGN is back, for those who spawn */
    bool linked;                                 /* locked: somebody may have saved ours, and call it */
};

static inline struct csigshim__slot *csigshim__slot_of(struct csigshim__slot *slots, size_t position)
{
    return &slots[position % CSIGSHIM__SLOTS];
}

static inline bool csigshim__is_queued(const struct csigshim_bridge *bridge)
{
    return bridge->mechanism == CSIGSHIM_SIGNALFD;
}

static inline size_t csigshim__empty_turn(size_t position)
{
    return position - position % CSIGSHIM__SLOTS;
}

extern struct csigshim_bridge csigshim__bridges[CSIGSHIM__BRIDGES];
extern _Atomic unsigned csigshim__bridges_used; /* high-water mark */
extern struct csigshim__disposition csigshim__dispositions[CSIGSHIM__NSIG];

extern _Atomic(_Atomic pid_t *) csigshim__owner; /* the pid whose memory this is, on a page that fork wipes to 0 */
extern _Atomic unsigned csigshim__additions;     /* subscriptions that ever became active */

/* handler.c: all that may run in signal context */
enum csigshim__whose { CSIGSHIM__OURS, CSIGSHIM__FORKED, CSIGSHIM__BORROWED };
enum csigshim__whose csigshim__whose(void); /* BORROWED: a vforked child, which shares the parent's memory */
void csigshim__handler(int signo, siginfo_t *info, void *context);
bool csigshim__is_end(const struct csigshim__end *end, const struct stat *status);
bool csigshim__end_intact(const struct csigshim__end *end);       /* also where fstat(2) is refused */
bool csigshim__bell_intact(const struct csigshim_bridge *bridge); /* or nobody polls it */
bool csigshim__pull(const struct csigshim_bridge *bridge); /* the pipe is readable now; else errno says why not */
void csigshim__ring(struct csigshim_bridge *bridge, bool proven); /* proven: polled, and seen to be intact just now */
uint64_t csigshim__now(void);                                     /* CLOCK_MONOTONIC, in nanoseconds */
void csigshim__describe(csigshim_event *event, int signo, const siginfo_t *info);
void csigshim__keep(struct csigshim_bridge *bridge, const csigshim_event *event); /* in the ring, or counted */
void csigshim__our_mask(sigset_t *mask);        /* what the kernel adds to the thread's while ours runs */
int csigshim__put_back(int signo);              /* what is underneath, if ours is installed: 1 if it was */
void csigshim__unblock_blocked(sigset_t *mask); /* what the bridges blocked */
struct sigaction csigshim__underneath(struct csigshim__action *previous); /* what the kernel would have for ours */
int csigshim__default_of(int signo);
bool csigshim__wanted(int signo); /* by some bridge */
void csigshim__strike(int signo);
void csigshim__bind_symbols(void);
void csigshim__die(int signo);

static inline bool csigshim__is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == csigshim__handler;
}

/* process.c: the lock, and children */
typedef struct {
    sigset_t mask;
    bool masked;
    int cancellation;
} csigshim__guard;
int csigshim__enter(csigshim__guard *guard); /* locks, all signals blocked, and makes a forked child's copy its own */
void csigshim__leave(const csigshim__guard *guard);
sigset_t *csigshim__mask(csigshim__guard *guard); /* that the thread gets back when it leaves */
void csigshim__make_dormant(struct csigshim_bridge *bridge);

/* disposition.c; all locked */
int csigshim__install(int signo);
bool csigshim__restore(int signo);   /* false: somebody is on top of ours */
void csigshim__step_down(int signo); /* after ours was taken out: he whom it put back may call it for what was below */
int csigshim__lend(int signo);       /* puts SIG_IGN back, if that is underneath */
int csigshim__take_back(int signo);
void csigshim__review_installed(void); /* in a forked child: nobody there has asked for ours yet */

/* doorbell.c */
int csigshim__open_bell(struct csigshim_bridge *bridge);
void csigshim__close_bell(struct csigshim_bridge *bridge);
int csigshim__renew_bell(struct csigshim_bridge *bridge); /* 1: with new numbers */
int csigshim__above_standard(int fd);                     /* the same file by a number of 3 or higher */

/* signalfd.c: the bridge's part of the kernel's queue, if it has one; all locked */
int csigshim__open_queue(struct csigshim_bridge *bridge); /* after the bell */
void csigshim__close_queue(struct csigshim_bridge *bridge);
int csigshim__renew_queue(struct csigshim_bridge *bridge); /* and the bell; 1: with new numbers */
bool csigshim__queue_intact(const struct csigshim_bridge *bridge);
int csigshim__queue_add(struct csigshim_bridge *bridge, int signo);
void csigshim__queue_remove(struct csigshim_bridge *bridge, int signo); /* keeps what is pending */
void csigshim__queue_empty(struct csigshim_bridge *bridge, int signo);  /* keeps what is pending */
int csigshim__queue_capacity(void);
size_t csigshim__queue_read(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity, bool *intact);

/* masks.c; all locked */
void csigshim__block(int signo, sigset_t *mask);
void csigshim__unblock(int signo, sigset_t *mask);
void csigshim__unblock_for_children(sigset_t *mask); /* the calling thread's: what bridges blocked, not the host */
void csigshim__forget_masks(void);                   /* in a forked child */

/* bridge.c */
bool csigshim__is_taken(const struct csigshim_bridge *bridge, int signo); /* by one that cannot share it; locked */
void csigshim__keep_pending(int signo); /* what the kernel has for a signalfd bridge, to its ring; locked */
bool csigshim__is_open(const struct csigshim_bridge *bridge); /* else errno is EINVAL */

/* reader.c */
void csigshim__discard(struct csigshim_bridge *bridge); /* locked, and no handler inside */

int csigshim__check(int signo); /* signals.c: 0, or -1 with errno for what a bridge cannot have */

#pragma GCC visibility pop

#endif
