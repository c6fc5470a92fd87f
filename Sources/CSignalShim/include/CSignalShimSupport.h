/* CSignalShimSupport: signals without bridges.  SPDX-License-Identifier: Apache-2.0
 * For the Swift target and diagnostics. CSignalShim.h describes errors and threads. Not for signal handlers. */
#ifndef CSIGNALSHIM_SUPPORT_H
#define CSIGNALSHIM_SUPPORT_H

#include "CSignalShim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Classifies a number as signal(7) does; never fails. */
enum { CSIGSHIM_CATCHABLE, CSIGSHIM_OUT_OF_RANGE, CSIGSHIM_RESERVED, CSIGSHIM_UNCATCHABLE, CSIGSHIM_FAULT };
int csigshim_classify(int signo);

/* Returns the default action of signo. */
enum { CSIGSHIM_ACTION_TERMINATE, CSIGSHIM_ACTION_IGNORE, CSIGSHIM_ACTION_STOP, CSIGSHIM_ACTION_CONTINUE };
int csigshim_default_of(int signo);

/* Returns the present disposition of signo, as the kernel has it. */
enum { CSIGSHIM_DISPOSITION_DEFAULT, CSIGSHIM_DISPOSITION_IGNORED, CSIGSHIM_DISPOSITION_HANDLED };
int csigshim_disposition(int signo);

/* Installs SIG_DFL (CSIGSHIM_DISPOSITION_DEFAULT) or SIG_IGN (CSIGSHIM_DISPOSITION_IGNORED). EBUSY: a bridge has it. */
int csigshim_set_disposition(int signo, int disposition);

/* Takes the default action of signo, whatever is installed: the process dies, stops, or goes on. No signal kills the
 * init of a PID namespace, which exits with status 128 + signo instead. */
int csigshim_take_default_action(int signo);

/* Returns the mechanism of the bridges that have signo; ENOENT if none has it. */
int csigshim_mechanism(int signo);

/* Returns the pid of the process that owns the bridges, without a system call. A child of fork(2) gets its own pid, a
 * child of vfork(2) its parent's. 0 before the first bridge, and in a child of clone(2) or _Fork(3). */
pid_t csigshim_owner(void);

/* Counts the threads of this process that do not block signo, or that block it (Linux, from /proc; else ENOTSUP), and
 * writes the first `capacity` of their ids to tids. */
ssize_t csigshim_unblocked_threads(int signo, pid_t *tids, size_t capacity);
ssize_t csigshim_blocked_threads(int signo, pid_t *tids, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
