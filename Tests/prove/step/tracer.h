/* One traced process, brought to an instruction. */
#ifndef TRACER_H
#define TRACER_H

#include "step.h"

enum { MOST_POINTS = 1 << 14 };
/* Where the second thread stops in the library's handler. */
enum place { ENTRY, LOOKED, INSIDE, LOOKED_AGAIN, CLAIMED, PUBLISHED, NOTIFIED, WRITTEN, LEFT, HOST, PLACES };

/* The instructions of one call, in order, with two ways to reach each. The slow way is to run until its address has
 * come by `passes` times. The quick way is to run to point `from`, until its address has come by `times` times, and to
 * step from there. */
struct point {
    uintptr_t address;
    unsigned passes, from, times, cost;
};
extern struct point points[];

struct traced {
    pid_t root, caller, other; /* the process; the thread that makes the call; the second thread, or 0 */
};

enum { RUNNING_LATE = -2 }; /* the alarm came first */

bool can_trace(void);
bool start_traced(struct traced *traced, const struct scenario *scenario); /* up to the first mark */
int record_points(const struct traced *traced);                            /* steps through the call */
bool go_to(const struct traced *traced, unsigned point, bool by_steps);
int finish(const struct traced *traced); /* the wait status of the process */
void kill_traced(const struct traced *traced);
void send_to(const struct traced *traced, pid_t thread, int signo);
bool other_goes_to(const struct traced *traced, const struct scenario *scenario, enum place place);
bool caller_returns(const struct traced *traced, bool *waited); /* waited: until the other thread went on */

#endif
