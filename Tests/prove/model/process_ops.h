/* Operations with fork, exec and spawn, and calls that must be refused. */
#ifndef PROCESS_OPS_H
#define PROCESS_OPS_H

#include "interpret.h"

void op_fork(struct op op);
void say_fork(struct op op, char *text, size_t size);
void op_reset_for_exec(struct op op);
void say_reset_for_exec(struct op op, char *text, size_t size);
void op_spawn_begin(struct op op);
void say_spawn_begin(struct op op, char *text, size_t size);
void op_spawn_end(struct op op);
void say_nothing(struct op op, char *text, size_t size);
void op_bad_argument(struct op op);
void say_bad_argument(struct op op, char *text, size_t size);

#endif
