/* The host's real state in a sequence: its handlers, its files, its mask, and the kernel's view of them. */
#ifndef WORLD_H
#define WORLD_H

#include "CSignalShimSupport.h"
#include "model.h"
#include <signal.h>

struct seen { /* by the first handler of the host that ran in this step */
    volatile sig_atomic_t any, error, mask;
};
extern struct seen seen;
extern volatile unsigned calls[LIBRARY][SIGNALS];
extern csigshim_bridge *bridges[BRIDGES];

enum { ERRNO_BEFORE = 4711, ERRNO_OF_A_HANDLER = 777, OTHER_SIGNALS = 1 << SIGNALS };

void world_start(void); /* as a process that nothing has happened to */
int signo_of(int s);
int signal_of(int signo); /* -1: none of the model's */
const char *signal_name(int s);
void host_sigaction(int s, struct action action);
void host_restores_found(int s, int top);
void host_child_action(int kind, struct sigaction *action); /* 0: SIG_DFL, 1: SIG_IGN, 2: a handler */
struct action action_now(int s);
unsigned mask_now(void); /* with OTHER_SIGNALS if the bit of another signal changed */
void host_set_mask(unsigned mask);

/* Descriptors. Those that return text return null, or what is wrong. */
const char *learn_descriptors(int b); /* of a bridge that was opened just now */
const char *learn_renewed(int b, unsigned lost);
bool is_polled_descriptor(int b, int fd);
void forget_descriptors(int b, unsigned lost, bool queued);
void host_closes(int b, int end);
bool host_opens(int kind); /* a file of the host, at the lowest number; false: enough of them */
const char *wrong_descriptors(void);

#endif
