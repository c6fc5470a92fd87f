/* CSignalShimSupport: signals without bridges, for the Swift target and for diagnostics.  SPDX-License-Identifier:
 * Apache-2.0 Errors and threads as in CSignalShim.h; none of these may be called in a signal handler. */
#ifndef CSIGNALSHIM_SUPPORT_H
#define CSIGNALSHIM_SUPPORT_H

#include "CSignalShim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What signal(7) says of a number; never fails. */
enum { CSIGSHIM_CATCHABLE, CSIGSHIM_OUT_OF_RANGE, CSIGSHIM_RESERVED, CSIGSHIM_UNCATCHABLE, CSIGSHIM_FAULT };
int csigshim_classify(int signo);

/* The default action of signo. */
enum { CSIGSHIM_ACTION_TERMINATE, CSIGSHIM_ACTION_IGNORE, CSIGSHIM_ACTION_STOP, CSIGSHIM_ACTION_CONTINUE };
int csigshim_default_of(int signo);

/* The disposition that the kernel has now. */
enum { CSIGSHIM_DISPOSITION_DEFAULT, CSIGSHIM_DISPOSITION_IGNORED, CSIGSHIM_DISPOSITION_HANDLED };
int csigshim_disposition(int signo);

/* Installs SIG_DFL (CSIGSHIM_DISPOSITION_DEFAULT) or SIG_IGN (CSIGSHIM_DISPOSITION_IGNORED). EBUSY while a bridge has
 * the signal. */
int csigshim_set_disposition(int signo, int disposition);

/* Dies, stops or does nothing, as the default action of signo would, whatever is installed. Where no signal kills, in
 * the init of a PID namespace, it ends the process with exit status 128 + signo. */
int csigshim_take_default_action(int signo);

/* The mechanism of the bridges that have signo; ENOENT if none has. */
int csigshim_mechanism(int signo);

/* The pid of the process whose bridges these are, without a system call: in a child of fork(2) its own. 0 before the
 * first bridge, and in a child of clone(2) or _Fork(3). A child of vfork(2) gets its parent's pid. */
pid_t csigshim_owner(void);

/* Counts the threads of this process that do not block signo, or that block it (Linux, from /proc; else ENOTSUP), and
 * writes the first `capacity` of their ids to tids. */
ssize_t csigshim_unblocked_threads(int signo, pid_t *tids, size_t capacity);
ssize_t csigshim_blocked_threads(int signo, pid_t *tids, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
