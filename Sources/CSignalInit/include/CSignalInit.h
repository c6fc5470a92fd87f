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
 * The first process of a PID namespace is the parent of every orphan, and must wait for each of them. The kernel drops
 * each signal for which that process has no handler. Few programs are written for that. tini, dumb-init and
 * `docker run --init` put a small process in front of the program; this call needs no other executable for that. */
#ifndef CSIGNALINIT_H
#define CSIGNALINIT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Call this first in main, before anything starts a thread.
 *
 * In PID 1 it forks. It returns 0 in the child, which goes on as the program, with the mask and the dispositions from
 * before the call. The child leads a process group. If PID 1's group was the terminal's foreground group, the child's
 * becomes that. LISTEN_PID and WATCHDOG_PID name the child where they named PID 1. PID 1 never returns: it closes its
 * descriptors, changes to /, forwards signals, waits for orphans, and exits with the program's status, or with 128 + N
 * if signal N ended the program. It allocates nothing.
 *
 * Each signal goes to the whole process group of the program. A signal with a value (sigqueue(3)) goes only to the
 * program, with value and sender. SIGCHLD is not forwarded; SIGKILL and SIGSTOP cannot be.
 *
 * In every other process, and on systems other than Linux, it does nothing and returns 0.
 *
 * Returns -1 with errno if PID 1 cannot be an init; the program is then PID 1, as without this call.
 *   EBUSY   the process has more than one thread, and fork(2) would lose the others
 *   others  the error of fork(2), or of another system call that the init needs */
int csigshim_run_init_if_needed(void);

#ifdef __cplusplus
}
#endif
#endif
