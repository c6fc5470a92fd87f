/* The reference model: what the contract says of one process with one thread, as plain values. It calls no function of
 * the library, and none of the system. So it can be copied, asked what an operation would do, and put back. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { BRIDGES = 4, SIGNALS = 8, PENDING = 16, SCOPES = 2, ROOM = 16384, LOG = 2 * ROOM };
enum signal_index { USR1, USR2, TERM, HUP, WINCH, TSTP, RT1, RT2 };
static inline bool is_realtime(int s) {
    return s >= RT1;
}

/* What a disposition may be. TOP0 and TOP1 are handlers of the host that call what they replaced; PLAIN and DETAILED
 * call nothing. */
enum handler { BY_DEFAULT, IGNORED, PLAIN, DETAILED, TOP0, TOP1, LIBRARY };
enum { RESTART = 1, RESETHAND = 2, NODEFER = 4, SIGINFO = 8 /* of BY_DEFAULT and IGNORED only */ };
struct action {
    uint8_t handler, flags, masked; /* masked: sa_mask, a bit for each signal of the model */
};

enum how { BY_KILL, BY_SIGQUEUE, BY_PTHREAD_KILL };
struct record {
    uint8_t signal, how;
    bool taken;
    uint32_t value;
};

/* The possible reasons of a refusal, as a set: where several apply, the contract does not say which one is told. */
enum refusal { R_EINVAL = 1, R_ENOTSUP = 2, R_EEXIST = 4, R_ENOENT = 8, R_EBUSY = 16, R_EBADF = 32, R_EPERM = 64 };
struct answer {
    int result;
    unsigned refusals; /* if there are any, the result is -1 with one of these */
};

enum { CHAIN = 1, KEEP_IGNORED = 2, INTERRUPT = 4, UNBLOCK = 8 }; /* what csigshim_add is asked */
enum end { PIPE_END, QUEUE, POLLED, ENDS };                       /* descriptors; only a signalfd bridge has three */
struct bridge {
    bool open, queued, inherited; /* queued: over signalfd */
    bool fd_in_use, woken;
    bool stale;    /* a read filled its buffer, so wait may return 1 although nothing is left */
    unsigned lost; /* ends that the host has closed, as bits */
    bool added[SIGNALS], chain[SIGNALS], interrupt[SIGNALS];
    unsigned unread[SIGNALS], limit[SIGNALS], overflow[SIGNALS];
    unsigned capacity, head, tail; /* of its log of records */
    unsigned kept;                 /* records in the log that were not taken */
};

struct model {
    unsigned mask;         /* of the thread, a bit for each signal */
    unsigned original;     /* the mask at the start */
    unsigned blocked;      /* by a csigshim_add over signalfd, and not unblocked by the library since */
    unsigned ever_blocked; /* by a csigshim_add over signalfd */
    struct bridge bridges[BRIDGES];
    struct action kernel[SIGNALS];
    struct action saved[SIGNALS];    /* what the library's handler replaced */
    bool spent[SIGNALS];             /* the saved handler has SA_RESETHAND, and had its one call */
    bool left[SIGNALS];              /* at the last removal another handler was installed, and stayed */
    struct action found[2][SIGNALS]; /* what TOP0 and TOP1 replaced, and call */
    bool has_found[2][SIGNALS];
    struct queue {
        int count;
        struct record records[PENDING];
    } pending[2][SIGNALS]; /* of the thread, and of the process */
    struct scope {
        unsigned mask;
        bool inherited;
    } scopes[SCOPES]; /* of csigshim_spawn_begin */
    int scope_count;
    unsigned calls[LIBRARY][SIGNALS]; /* how often each handler of the host has run */
    unsigned stops;                   /* how often this process has stopped */
    /* what the present step did */
    unsigned deadly; /* signals whose default action ended the process */
    int deliveries;
    bool first_seen;     /* a handler of the host ran, */
    unsigned first_mask; /* under this mask, */
    bool clobbered;      /* called by the kernel, so errno is as that handler left it */
};

extern struct model m;

void model_begin_step(void);
bool model_wanted(int s); /* some bridge has the signal */
void model_send(int s, enum how how, uint32_t value);
bool model_room_for(int s);
void model_set_mask(unsigned mask);
void model_sigaction(int s, struct action action);
bool model_would_loop(int s, int top);
void model_default_action(int s);

struct answer model_open(int b, bool queued, unsigned capacity);
void model_close(int b);
struct answer model_fd(int b);
struct answer model_add(int b, int s, unsigned flags);
struct answer model_add_set(int b, unsigned signals, unsigned flags, bool with_kill);
struct answer model_remove(int b, int s);
struct answer model_set_chain(int b, int s, bool on);
struct answer model_escalate(int b, int s, unsigned limit);
struct answer model_wait(int b, int *also);
struct answer model_wake(int b);
struct answer model_state(int s);
struct answer model_mechanism(int s);
struct answer model_disposition(int s);
struct answer model_rearm(int s);
struct answer model_set_disposition(int s, bool ignore);
void model_spawn_begin(bool original);
void model_spawn_end(void);
void model_fork_child(void);
struct answer model_after_fork(int b);
struct action model_without_bridges(int s); /* the action and the mask that a child starts with */
unsigned model_mask_without_bridges(void);

/* How many events a read must give, and which one may come: null, or what is wrong with it. */
struct answer model_read_count(int b, unsigned capacity);
const char *model_read_event(int b, int s, bool dropped, uint32_t count, struct record *expected);
void model_read_done(int b, unsigned capacity, unsigned count);

#endif
