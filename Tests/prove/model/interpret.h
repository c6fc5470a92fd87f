/* Bytes as a sequence of operations, each checked against the model. Four bytes are one operation, so a sequence can be
 * cut anywhere. An operation that is not possible at its place does nothing. */
#ifndef INTERPRET_H
#define INTERPRET_H

#include "world.h"
#include <stddef.h>
#include <stdint.h>

enum { MAY_DIE = 224 }; /* z of an operation by which the process may die */
enum { OP_SIZE = 4, MOST_OPS = 64, DEPTH = 3, SECONDS = 60 };
struct op {
    uint8_t code, x, y, z;
};

/* In memory that the processes of a sequence share with the process that started it. */
struct outcome {
    bool failed;
    int step;               /* index of the operation that failed, in the sequence */
    unsigned deadly[DEPTH]; /* by which signals this process, its child, ... is about to die, as it must */
    unsigned stops[DEPTH];  /* how often it has stopped; counted by the process that waits for it */
    unsigned long operations;
    char text[400];
};
extern struct outcome *outcome;

/* Runs a sequence in a child, and waits for the child. True: everything was as the model says. */
bool run_sequence(const uint8_t *bytes, size_t size);
void print_sequence(const uint8_t *bytes, size_t size, int marked);
uint8_t code_of(const char *name); /* one of the codes of this operation */
struct op op_at(const uint8_t *bytes, size_t index);
extern void (*before_end)(void); /* called before a process of a sequence ends, if it is set */

/* For the operations. */
struct operation {
    const char *name;
    int weight;
    void (*run)(struct op op);
    void (*describe)(struct op op, char *text, size_t size);
};
extern const struct operation bridge_operations[], host_operations[]; /* the last one has no name */

static inline int bridge_of(struct op op) {
    return op.x % BRIDGES;
}

static inline int signal_in(struct op op) {
    return op.y % SIGNALS;
}

_Noreturn void failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool goes_ahead(struct op op); /* false: the process would die, and `op` does not dare to; the model is as before */
void expect(struct answer answer, long result);
void expect_or(struct answer answer, int also, long result);
void check_everything(void);
bool in_scope(void);
void run_rest(int first, int count);         /* operations of the present sequence */
void drain(void);                            /* reads every bridge until it has no more */
int wait_for_process(int pid, int of_depth); /* its wait status; continues it when it stops */
extern int present_step, depth;
_Noreturn void end_process(void);

#endif
