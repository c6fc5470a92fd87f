/* CSignalInit: PID 1 of a container, in the program's own image.  SPDX-License-Identifier: Apache-2.0
 *
 *     int main(void) {
 *         if (csigshim_run_init_if_needed() != 0)
 *             perror("no init");
 *         … // the program, which is not PID 1
 *     }
 *
 * Build: cc -std=gnu11 -I Sources/CSignalInit/include program.c Sources/CSignalInit/init.c
 *
 * The first process of a PID namespace is the parent of every orphan, and must wait for them all; and the kernel drops
 * each signal for which it has no handler. Few programs are written for that. tini, dumb-init and `docker run --init`
 * put a small process in front of such a program; this call makes that process out of the program itself. */
#ifndef CSIGNALINIT_H
#define CSIGNALINIT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Call this first in main, before anything starts a thread.
 *
 * In PID 1 it forks. The child returns 0, with the mask and the dispositions of before, and goes on as the program: it
 * leads a process group, which is the foreground one of the terminal if PID 1's was. LISTEN_PID and WATCHDOG_PID name
 * it where they named PID 1. PID 1 itself never returns. It closes its descriptors, goes to /, forwards signals, waits
 * for orphans, and exits with the program's status, or with 128 + N if signal N ended it. It allocates nothing.
 *
 * Each signal goes to the whole process group of the program, except that one with a value (sigqueue(3)) goes to the
 * program alone, with value and sender. SIGCHLD is not forwarded; SIGKILL and SIGSTOP cannot be.
 *
 * In every other process, and on systems other than Linux, it does nothing and returns 0.
 *
 * Returns -1 with errno if PID 1 cannot be an init; the program then goes on in it, as without this call.
 *   EBUSY   the process has more than one thread, and fork(2) would lose the others
 *   others  what fork(2) reported, or what a sandbox says to one of the calls that an init lives by */
int csigshim_run_init_if_needed(void);

#ifdef __cplusplus
}
#endif
#endif
