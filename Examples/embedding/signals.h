/* What C and Swift share: C calls these functions, Swift implements them, and swiftc compares the two. */
#ifndef SIGNALS_H
#define SIGNALS_H
#include <sys/syscall.h>
#include <unistd.h>

/* minimal.c, Minimal.swift */
int wait_for_shutdown(void); /* until SIGTERM or SIGINT; the pid of who sent it, or -1 */

/* daemon.c, Daemon.swift. The state is C's, and one thread's: the one that calls signals_drain. */
struct state {
    int generation; /* of the configuration */
    int requests, stopping;
};
int signals_start(struct state *state, int use_signalfd); /* the descriptor to poll for reading, or -1 */
void signals_drain(void);                                 /* when it is readable; never blocks */
int signals_heard(void);                                  /* so far; on the thread that drains */
void signals_stop(void);                                  /* dispositions are as they were before */

static inline int current_thread(void) {
    return (int)syscall(SYS_gettid);
}
#endif
