/* The reference model: what the contract says of one process with one thread, as plain values. It calls nothing of the
 * library's and nothing of the system's, so that it can be copied, asked what would happen, and put back. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { BRIDGES = 4, SIGNALS = 7, BELOW = 32, PENDING = 16, SCOPES = 2, ROOM = 16384, LOG = 2 * ROOM };
enum signal_index { USR1, USR2, TERM, HUP, WINCH, RT1, RT2 }; /* in the order in which the kernel hands them out */
static inline bool is_realtime(int s)
{
    return s >= RT1;
}

/* Who a disposition may be. TOP0 and TOP1 are handlers of the host's that call what they found, the others do not. */
enum who { BY_DEFAULT, IGNORED, PLAIN, DETAILED, TOP0, TOP1, OURS };
enum { RESTART = 1, RESETHAND = 2, NODEFER = 4 };
struct action {
    uint8_t who, flags, masked; /* masked: sa_mask, a bit for each signal of the model */
};

enum how { BY_KILL, BY_SIGQUEUE, BY_PTHREAD_KILL };
struct record {
    uint8_t signal, how;
    bool taken;
    unsigned addition; /* which add it belongs to */
    uint32_t value;
};

/* What may be refused, as a set: where more than one reason applies, the contract does not say which is told. */
enum refusal { R_EINVAL = 1, R_ENOTSUP = 2, R_EEXIST = 4, R_ENOENT = 8, R_EBUSY = 16, R_EBADF = 32, R_EPERM = 64 };
struct answer {
    int result;
    unsigned refusals; /* if there are any, the result is -1 with one of these */
};

enum end { READ_END, WRITE_END, QUEUE, POLLED, ENDS };
struct bridge {
    bool open, queued, inherited, woken, stale; /* stale: a read filled its buffer, so wait may say 1 for nothing */
    unsigned lost;                              /* ends that the host has closed, as bits */
    bool added[SIGNALS], chain[SIGNALS];
    unsigned unread[SIGNALS], limit[SIGNALS], addition[SIGNALS], overflow[SIGNALS];
    unsigned head, tail; /* of its log of records */
    unsigned kept;       /* records in the log that were not taken */
};

struct model {
    bool forked;       /* a child's, and it has not yet said a word to the library */
    unsigned mask;     /* of the thread, a bit for each signal */
    unsigned original; /* that of the start */
    unsigned borrowed; /* blocked by an add, and not unblocked again by the library */
    unsigned once;     /* ever blocked by an add */
    struct bridge bridges[BRIDGES];
    struct action kernel[SIGNALS];
    /* What is under ours, the newest first: a call of ours from one of them means the next. */
    struct action under[SIGNALS][BELOW];
    bool spent[SIGNALS][BELOW];
    int depth[SIGNALS];
    bool shared[SIGNALS];            /* somebody may have saved ours, and call it */
    struct action found[2][SIGNALS]; /* by TOP0 and TOP1 */
    bool calls_found[2][SIGNALS];
    struct queue {
        int count;
        struct record records[PENDING];
    } pending[2][SIGNALS]; /* the thread's, the process's */
    struct scope {
        unsigned mask, flags;
        bool inherited;
    } scopes[SCOPES];
    int scope_count;
    bool lent[SIGNALS];
    unsigned calls[OURS][SIGNALS]; /* how often each of the host's handlers has run */
    /* what the present step did */
    unsigned deadly; /* signals whose default action ended the process */
    int deliveries;
    bool first_seen, clobbered; /* a host's handler ran; it was the kernel who called it, so errno is as it left it */
    unsigned first_mask;        /* under which the first one ran */
};

extern struct model m;

void model_begin_step(void);
bool model_intact(int b);
bool model_wanted(int s);
void model_send(int s, enum how how, uint32_t value);
bool model_room_for(int s);
void model_set_mask(unsigned mask);
void model_sigaction(int s, struct action action);
bool model_would_loop(int s, int top);
void model_restore(int s);

struct answer model_open(int b, bool queued);
void model_close(int b);
struct answer model_add(int b, int s, unsigned flags);
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
void model_spawn_begin(unsigned flags);
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
