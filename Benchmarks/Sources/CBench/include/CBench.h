/* What the harness and its contestants need close to the system: a process with a pipe, the timed loop, the senders of
 * a storm, and the accounts of who received what. */
#ifndef CBENCH_H
#define CBENCH_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts argv[0] with its standard output in a pipe, whose reading end is *output. It dies with the calling thread.
 * -1: errno says why not. */
pid_t bench_start(char *const argv[], int *output);

/* Keeps this process, and those that it starts, on one core; or lets them have again what they had. */
void bench_one_core(int on);

/* One byte within timeout_ms; -1: none, -2: the end of the file. */
int bench_byte(int fd, int timeout_ms);

/* Sends signo and waits for a byte, `count` times; nanoseconds from kill to the byte, each. Before each signal it
 * pauses for pause_us microseconds; less than 1000 without sleeping. Returns how many came. */
size_t bench_ping(pid_t pid, int fd, int signo, uint64_t *nanoseconds, size_t count, unsigned pause_us);

/* Queues `count` values (sender << 24 | n) with signo, each as often as it takes. Returns how often it had to wait for
 * room; -1: the receiver is gone. */
long bench_flood(pid_t pid, int signo, unsigned sender, unsigned count);

/* In a contestant: says that it is ready; has got a signal. */
void bench_ready(void);
void bench_got(void);

/* In a contestant whose other threads block every signal, as Swift's and Dispatch's do: blocks the harness's signal in
 * this thread; waits for it. */
void bench_block(void);
void bench_take(void);

/* In a contestant, in place of dispatchMain(), which valgrind does not survive: whether the harness asks for that;
 * waits for ever. */
int bench_avoids_dispatch_main(void);
_Noreturn void bench_pause(void);

/* In a contestant, for a storm: a delivery with its value; `count` deliveries without. */
void bench_account(uint64_t value);
void bench_account_merged(uint64_t count);
/* Writes the line and ends the process. */
_Noreturn void bench_report(void);

#endif
