/* The structures of CSignalShim, and the functions of its files. Each file uses only those that are listed before it.
 *
 * Data that a signal handler may read is atomic, or does not change while a handler may read it. It is static, or is
 * unmapped only after R1 (handler.c) shows that no handler can reach it. Fields marked "locked" are accessed only under
 * the lock of lock.c. */
#ifndef CSIGSHIM__SHIM_H
#define CSIGSHIM__SHIM_H

#include "platform.h"

#pragma GCC visibility push(hidden) /* in a plugin, these names must not bind to those of another copy */

enum { CSIGSHIM__BRIDGES = 64, CSIGSHIM__MAX_CAPACITY = 16384, CSIGSHIM__MIN_CAPACITY = 16 };

/* Flags of a subscription, beside those of csigshim_add. DORMANT: in a child, active in its parent. */
enum { CSIGSHIM__ACTIVE = 0x100, CSIGSHIM__DORMANT = 0x200, CSIGSHIM__QUEUED = 0x400 /* over signalfd */ };

static_assert(sizeof(csigshim_event) == 64, "the layout of an event is a promise");

/* A slot of the queue. `sequence` tells whether it is free or holds a record (ring.c). */
struct csigshim__slot {
    _Atomic size_t sequence;
    csigshim_event event;
};

/* One bridge's subscription to one signal. */
struct csigshim__subscription {
    _Atomic unsigned flags;           /* 0: not added */
    _Atomic unsigned active_handlers; /* handlers that are recording for it (R1) */
    _Atomic size_t overflow;          /* deliveries that found the queue full */
    _Atomic unsigned unread;          /* deliveries that no read has taken */
    _Atomic unsigned escalate_at;     /* the number of unread deliveries that escalates; 0: none */
};

/* A descriptor, and the facts by which it is recognized as still the same file. */
struct csigshim__file {
    int fd;
    dev_t device;
    ino_t inode;
    mode_t type;
    long created;
};

/* The wake-up pipe. Where /proc exists, both ends are one descriptor, opened for reading and writing. */
struct csigshim__pipe {
    struct csigshim__file read_end, write_end;
};

/* The kernel's queue, which the signalfd mechanism adds. Under the lock and the reader's mutex. */
struct csigshim__queue {
    int fd;           /* the signalfd: makes poll_fd readable, and is never read */
    int poll_fd;      /* an epoll of the signalfd and the wake-up pipe; the host polls it */
    sigset_t signals; /* the signals of the signalfd */
};

/* The resources of an open bridge. They change only while no handler can be inside the bridge (R1). */
struct csigshim__resources {
    struct csigshim__slot *slots; /* the ring: a bounded queue with many writers and one reader at a time */
    size_t capacity;              /* slots of the ring, a power of two */
    struct csigshim__pipe pipe;
    struct csigshim__queue queue; /* unused by the handler mechanism */
};

struct csigshim_bridge {
    _Atomic bool open;
    _Atomic bool inherited; /* the parent's, until csigshim_after_fork */
    int mechanism;          /* changes only while the bridge is not open */
    struct csigshim__resources has;
    _Atomic size_t tail;            /* of the ring: the next position that a writer claims */
    size_t head;                    /* the next position to read; under the reader's mutex */
    _Atomic bool overflowed;        /* some subscription has deliveries that found the ring full */
    _Atomic uint32_t notified;      /* there is something to read, or a wake-up; a futex */
    _Atomic unsigned futex_waiters; /* threads in csigshim_wait that sleep on `notified` */
    _Atomic bool fd_in_use;         /* csigshim_fd was called: notify by the pipe as well */
    _Atomic long pipe_bytes;        /* bytes that are known to be in the pipe (W3) */
    pthread_mutex_t reader;         /* one reader at a time; not held across fork */
    struct csigshim__subscription subscriptions[CSIGSHIM__NSIG];
};

/* A saved action. It is never freed and, except for `reset`, immutable, so a handler may keep a pointer to it. Equal
 * actions share one, so a host that installs the same few handlers repeatedly does not use more memory. */
struct csigshim__action {
    struct sigaction saved;
    struct csigshim__action *next; /* in the list of this signal's actions */
    _Atomic bool reset;            /* SA_RESETHAND: it has had its one call */
};

struct csigshim__disposition {
    _Atomic(struct csigshim__action *) old_action; /* what this library's handler replaced; null: never installed */
    struct csigshim__action *known;                /* locked: every action of this signal, newest first */
    bool installed;                                /* locked: by this library, perhaps beneath another handler */
    bool reachable;            /* locked: another handler was left over this library's, and may call it */
    _Atomic bool ever_blocked; /* by a signalfd bridge, in some thread (thread_mask.c) */
};

static inline struct csigshim__slot *csigshim__slot_at(const struct csigshim_bridge *bridge, size_t position) {
    return &bridge->has.slots[position & (bridge->has.capacity - 1)];
}

static inline size_t csigshim__free_sequence(const struct csigshim_bridge *bridge, size_t position) {
    return position & ~(bridge->has.capacity - 1);
}

#if defined(__linux__)
#define csigshim__is_signalfd(mechanism) ((mechanism) == CSIGSHIM_SIGNALFD)
#else
#define csigshim__is_signalfd(mechanism) ((void)(mechanism), false)
#endif
#define csigshim__uses_signalfd(bridge) csigshim__is_signalfd((bridge)->mechanism)

/* table.c: the bridges, the dispositions, and the process that owns them */
enum csigshim__role { CSIGSHIM__SELF, CSIGSHIM__FORK_CHILD, CSIGSHIM__VFORK_CHILD };
extern struct csigshim_bridge csigshim__bridges[CSIGSHIM__BRIDGES];
extern _Atomic unsigned csigshim__bridge_count; /* a high-water mark */
extern struct csigshim__disposition csigshim__dispositions[CSIGSHIM__NSIG];
extern _Atomic unsigned csigshim__add_count;                  /* subscriptions that ever became active (R2) */
extern _Atomic(_Atomic pid_t *) csigshim__owner_page;         /* holds the owner's pid; fork wipes it to 0 */
bool csigshim__is_open(const struct csigshim_bridge *bridge); /* else errno is EINVAL */
bool csigshim__other_bridge_has(const struct csigshim_bridge *except, int signo, unsigned flags); /* all of these */
enum csigshim__role csigshim__process_role(void);
static inline bool csigshim__is_wanted(int signo) {
    return csigshim__other_bridge_has(NULL, signo, 0);
}
static inline bool csigshim__is_inherited(const struct csigshim_bridge *bridge) {
    return csigshim_owner() == 0 || atomic_load(&bridge->inherited);
}

/* ring.c: the queue of events. `store` queues a record, or counts it if the queue is full. */
void csigshim__describe(csigshim_event *event, int signo, const siginfo_t *info, uint64_t now);
void csigshim__store(struct csigshim_bridge *bridge, int signo, const siginfo_t *info, uint64_t now);

/* notify.c: waking the reader */
int csigshim__compare_file(const struct csigshim__file *file); /* 1: the same; 0: another; -1: a sandbox refuses */
bool csigshim__is_pipe_usable(const struct csigshim_bridge *bridge); /* both ends are still the bridge's */
bool csigshim__can_record(const struct csigshim_bridge *bridge);     /* its pipe is usable, or not in use */
bool csigshim__write_wakeup(struct csigshim_bridge *bridge);         /* false: no byte could be written; see errno */
void csigshim__notify(struct csigshim_bridge *bridge);

/* futex_wait.c: sleeping without a descriptor. 1: notified; 0: time is up; -1: errno */
int csigshim__futex_wait(struct csigshim_bridge *bridge, int timeout_ms);

/* old_action.c: the actions that this library's handler replaced */
struct csigshim__delivery {
    siginfo_t *info;
    void *context;
    int signo, interrupted_errno;
    long is_owner; /* of the bridges; a long leaves no padding, for which some compilers call memset */
};
void csigshim__handler(int signo, siginfo_t *info, void *context); /* of handler.c; here only its address is used */
static inline bool csigshim__is_shim_action(const struct sigaction *action) {
    return action->sa_sigaction == csigshim__handler;
}
static inline bool csigshim__is_function(const struct sigaction *action) { /* O2 */
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}
bool csigshim__is_installed(int signo);     /* this library's handler; true if a sandbox refuses */
bool csigshim__is_reentry(siginfo_t *info); /* this delivery has entered this library already */
bool csigshim__call_old_handler(struct csigshim__delivery *delivery, bool kernel_called); /* false: there is none */
void csigshim__run_old_action(struct csigshim__delivery *delivery);
void csigshim__pass_on_in_child(struct csigshim__delivery *delivery, enum csigshim__role role);
int csigshim__default_action(int signo);   /* what signal(7) says */
long csigshim__raise_unblocked(int signo); /* 0, or a negative errno code */
void csigshim__terminate(int signo);

/* lock.c: the one lock, with all signals blocked */
struct csigshim__lock_state {
    sigset_t mask; /* of the thread before the lock */
    bool masked;
    int cancel_state;
};
int csigshim__lock(struct csigshim__lock_state *state); /* 1, EPERM: a child, see P1; -1: errno */
void csigshim__unlock(const struct csigshim__lock_state *state);
void csigshim__lock_for_fork(struct csigshim__lock_state *state);

/* signal_info.c: signals without a bridge */
int csigshim__check_signal(int signo);    /* 0, or -1 with EINVAL */
int csigshim__check_catchable(int signo); /* 0, or -1 with EINVAL or ENOTSUP */

/* thread_mask.c: what signalfd bridges block in threads; locked */
void csigshim__block(int signo, sigset_t *mask);
void csigshim__unblock(int signo, sigset_t *mask); /* unless the host had blocked it */
void csigshim__unblock_for_child(sigset_t *mask);  /* of this thread */
void csigshim__forget_masks(void);                 /* in a forked child */

/* signalfd.c: the kernel's queue; locked. Only for bridges that use it; it does not exist on other systems. */
int csigshim__open_queue(struct csigshim__queue *queue, const struct csigshim__pipe *pipe);
void csigshim__close_queue(const struct csigshim__queue *queue, const struct csigshim__pipe *pipe);
bool csigshim__is_queue_usable(const struct csigshim__queue *queue, const struct csigshim__pipe *pipe);
int csigshim__queue_add(struct csigshim_bridge *bridge, int signo);
int csigshim__queue_remove(struct csigshim_bridge *bridge, int signo); /* moves what is pending to the ring */
int csigshim__queue_capacity(void);
ssize_t csigshim__queue_take(const struct csigshim__queue *queue, csigshim_event *events, size_t capacity);
#define csigshim__can_poll(bridge)                                                                                     \
    (!csigshim__uses_signalfd(bridge) || csigshim__is_queue_usable(&(bridge)->has.queue, &(bridge)->has.pipe))

/* resources.c: what an open bridge has; locked */
int csigshim__open_resources(struct csigshim__resources *resources, int mechanism, size_t capacity);
void csigshim__close_resources(const struct csigshim__resources *resources, int mechanism);
void csigshim__forget_events(struct csigshim_bridge *bridge);

/* disposition.c: installing this library's handler, and restoring the old action; locked, except restore_action */
int csigshim__restore_action(int signo); /* 1: restored; 0: another handler is installed; -1: errno */
int csigshim__install(int signo);
void csigshim__uninstall(int signo);
int csigshim__reinstall(int signo);

/* subscription.c: subscribing a bridge to a signal; locked. `mask` is that of the calling thread after the lock. */
bool csigshim__is_taken(const struct csigshim_bridge *bridge, int signo); /* by a bridge that cannot share it */
int csigshim__subscribe(struct csigshim_bridge *bridge, int signo, unsigned flags, sigset_t *mask);
int csigshim__activate(struct csigshim_bridge *bridge, int signo, unsigned flags, sigset_t *mask);
int csigshim__unsubscribe(struct csigshim_bridge *bridge, int signo, sigset_t *mask); /* -1: nothing changed */
void csigshim__deactivate(struct csigshim_bridge *bridge, int signo); /* what is pending stays pending */

/* fork.c */
int csigshim__prepare_process(void); /* called before the lock, because it takes locks of the loader (L2) */
int csigshim__claim_process(void);   /* locked, before the first bridge */

#pragma GCC visibility pop

#endif
