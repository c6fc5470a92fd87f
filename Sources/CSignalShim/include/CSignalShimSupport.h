/* CSignalShimSupport: what the Swift target needs besides CSignalShim.h.  SPDX-License-Identifier: Apache-2.0 */
#ifndef CSIGNALSHIMSUPPORT_H
#define CSIGNALSHIMSUPPORT_H

#include "CSignalShim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Dispositions. csigshim_take_default_action dies, stops or ignores, as the default action of signo would, whatever is
 * installed; where no signal kills (the init of a PID namespace), it ends with _exit(128 + signo).
 * csigshim_disposition tells what the kernel has now; csigshim_set_disposition: EBUSY while a bridge has the signal. */
enum { CSIGSHIM_DISPOSITION_DEFAULT, CSIGSHIM_DISPOSITION_IGNORED, CSIGSHIM_DISPOSITION_HANDLED };
int csigshim_take_default_action(int signo);
int csigshim_disposition(int signo);
int csigshim_set_disposition(int signo, int disposition); /* CSIGSHIM_DISPOSITION_DEFAULT or CSIGSHIM_DISPOSITION_IGNORED */

/* Knowledge. What signal(7) says of a number, and which threads of this process (Linux, from /proc) could take the
 * signal or block it: the number of such threads, the first `capacity` of which are written to tids. */
enum { CSIGSHIM_CATCHABLE, CSIGSHIM_OUT_OF_RANGE, CSIGSHIM_RESERVED, CSIGSHIM_UNCATCHABLE, CSIGSHIM_FAULT };
enum { CSIGSHIM_ACTION_TERMINATE, CSIGSHIM_ACTION_IGNORE, CSIGSHIM_ACTION_STOP, CSIGSHIM_ACTION_CONTINUE };
int csigshim_classify(int signo);
int csigshim_default_of(int signo);
pid_t csigshim_owner(void); /* whose bridges these are: this process, with no system call; 0 in a forked child that has
                               not called csigshim_after_fork, or made a bridge. A vforked child is told its parent. */
ssize_t csigshim_unblocked_threads(int signo, pid_t *tids, size_t capacity);
ssize_t csigshim_blocked_threads(int signo, pid_t *tids, size_t capacity);

/* csigshim_mechanism: that of the bridges which have the signal; ENOENT if none has. */
int csigshim_mechanism(int signo);

#ifdef __cplusplus
}
#endif
#endif
