/* CSignalShim: Unix signals as records on a pollable descriptor.  SPDX-License-Identifier: Apache-2.0
 *
 *     csigshim_bridge *bridge;
 *     csigshim_event event;
 *     csigshim_open(&bridge, CSIGSHIM_HANDLER);
 *     csigshim_add(bridge, SIGTERM, 0);
 *     while (csigshim_wait(bridge, -1) == 1)          // or poll csigshim_fd(bridge) in a loop of your own
 *         while (csigshim_read(bridge, &event, 1) == 1)
 *             handle(&event);
 *
 * Build: cc -std=gnu11 -I Sources/CSignalShim/include program.c Sources/CSignalShim/[a-z]*.c -pthread
 *
 * Functions return 0 or more, or -1 with errno set:
 *   EINVAL   not a signal, one that the C library keeps for itself, a bad argument, or not an open bridge
 *   ENOTSUP  uncatchable (KILL, STOP), a synchronous fault (ILL, TRAP, BUS, FPE, SEGV, SYS), or not on this system;
 *            chaining and escalation over signalfd
 *   EEXIST   already added to this bridge             ENOENT  not added
 *   EBUSY    the signal is in use elsewhere: a signalfd bridge shares it with no other bridge
 *   ENOSPC   more than 64 bridges
 *   EBADF    somebody closed the bridge's descriptor: open another bridge (csigshim_read tells, when nothing is left)
 *   EPERM    a forked child before csigshim_after_fork. There, csigshim_read gives nothing, and csigshim_wake,
 *            csigshim_remove and csigshim_close succeed and do nothing to the parent. Do not poll the parent's
 *            descriptor in a child: it tells of the parent's signals.
 *   else     what a system call behind it said: EMFILE, ENFILE, ENOMEM, or whatever a sandbox refuses with
 * A call that fails changes nothing, but that csigshim_reset_for_exec does all that it can, and a csigshim_after_fork
 * that was refused may have new descriptors for the next one: then that returns 1.
 *
 * Threads: every function may be called from any thread at any time. Only csigshim_wake and csigshim_reset_for_exec may
 * be called from a signal handler. No function is a cancellation point but csigshim_wait, which holds nothing while it
 * waits. Misuse: csigshim_close while another thread is inside a call on the same bridge, and any use of a bridge after
 * it was closed, for the next csigshim_open may return the same pointer.
 *
 * Your system calls: a thread that takes a signal goes on with what it was in, if that can be restarted (SA_RESTART;
 * not for TTIN and TTOU, nor where a chained handler does not want it). poll, select, epoll_wait and nanosleep cannot:
 * they return EINTR, as signal(7) says. A thread that blocks its signals, for a signalfd bridge, is never interrupted.
 */
#ifndef CSIGNALSHIM_H
#define CSIGNALSHIM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct csigshim_bridge csigshim_bridge; /* opaque: a buffer of events, and a descriptor to poll */

enum { CSIGSHIM_HANDLER = 0, CSIGSHIM_SIGNALFD = 1 };         /* mechanism; signalfd: Linux, elsewhere ENOTSUP */
enum { CSIGSHIM_CHAIN = 1, CSIGSHIM_KEEP_IGNORED = 2 };       /* flags of csigshim_add */
enum { CSIGSHIM_ABSENT, CSIGSHIM_ARMED, CSIGSHIM_DISPLACED }; /* csigshim_state */
enum { CSIGSHIM_DETAILS_DROPPED = 1 };                        /* flags of an event */

typedef struct csigshim_event {
    int32_t signo, code, pid; /* si_signo, si_code, si_pid (0: the kernel, or a sender outside the PID namespace) */
    uint32_t uid;         /* si_uid, the sender's real user; like pid set where si_code says that it has a meaning */
    int32_t status;       /* SIGCHLD: si_status, an exit code or a signal, as code says */
    uint32_t count;       /* deliveries that this event stands for, >= 1 */
    uint64_t value;       /* sigqueue(3)'s value, as a pointer-sized integer */
    uint64_t time_ns;     /* CLOCK_MONOTONIC when it was captured; over signalfd, when it was read */
    uint32_t flags;       /* CSIGSHIM_DETAILS_DROPPED: stands for deliveries whose details found no room */
    int32_t overrun, fd;  /* timers: si_overrun; SIGIO: si_fd; else 0 and -1 */
    uint32_t reserved[3]; /* 0 */
} csigshim_event;         /* 64 bytes, and stays so within a major version */

/* Bridges. A bridge keeps 16,384 unread deliveries with their details in 1.2 MiB of private memory, and counts what
 * comes on top. Its pollable descriptor is a doorbell: poll it for reading, and never read(2) or close it yourself.
 * It is close-on-exec and numbered 3 or higher. Edge-triggered pollers call csigshim_read until it returns 0. Ask for
 * it with csigshim_fd in each process that polls it: on Linux, a handler does not ring the pipe before that, and who
 * only calls csigshim_wait is woken with no descriptor, and faster. (EPOLLEXCLUSIVE is refused by the kernel for that
 * of a signalfd bridge, which is an epoll itself.)
 *
 * CSIGSHIM_HANDLER: a handler records the signal, on whichever thread the kernel chooses. Works in every program.
 * CSIGSHIM_SIGNALFD, for a program that has its threads' masks in hand: csigshim_add blocks the signal in the calling
 * thread, so do it first thing in main, and every thread inherits that. Signals then wait in the kernel's queue until
 * csigshim_read takes them: no handler runs, no system call is interrupted, and when the queue is full (see
 * getrlimit(2), RLIMIT_SIGPENDING) a sender of realtime signals is told so, by EAGAIN, and none is lost. A signal that
 * reaches a thread which does not block it (csigshim_unblocked_threads says which ones could) is recorded by the
 * handler, which is there as well, and read like any other. One that is directed at a single thread, by
 * pthread_kill(3) or raise(3), and blocked there, is for that thread's csigshim_read alone, and is lost when the thread
 * ends; SIGPIPE is always such a one. If the host closes the descriptors, what was added stays blocked and ends nothing
 * any more, unless a thread does not block it; an epoll(7) says nothing of that, csigshim_read says EBADF when it has
 * given what is pending. A read takes two signals by sigtimedwait(2), and asks epoll_ctl(2) whose the descriptors are
 * where there are more, or none: a sandbox must permit both. */
int csigshim_open(csigshim_bridge **bridge, int mechanism);
int csigshim_close(csigshim_bridge *bridge); /* removes what is added, and discards what was not read */
int csigshim_fd(const csigshim_bridge *bridge);
int csigshim_capacity(const csigshim_bridge *bridge); /* unread deliveries that keep their details: 16,384, or what the
                                                         kernel's queue takes, for all processes of the user */

/* Subscribing. CSIGSHIM_CHAIN: the previous handler runs as well, after the capture, as its own flags ask and once for
 * each delivery (but on the alternate signal stack, if its thread has one); SIG_DFL and SIG_IGN run nothing.
 * CSIGSHIM_KEEP_IGNORED: where the signal is ignored at this moment, nothing is added and the result is 1. After
 * csigshim_remove, what was captured stays readable. The last removal of a signal puts back the exact saved
 * sigaction(2), unless somebody installed theirs on top of ours; in the thread that added it, a signal that a signalfd
 * bridge blocked is unblocked. */
int csigshim_add(csigshim_bridge *bridge, int signo, unsigned flags);
int csigshim_remove(csigshim_bridge *bridge, int signo);
int csigshim_set_chain(csigshim_bridge *bridge, int signo, int on); /* changes CSIGSHIM_CHAIN without a gap */

/* Receiving. csigshim_read never blocks: it returns the number of events written, 0 if there are none. csigshim_wait
 * returns 1 when there is something to read, 0 after timeout_ms milliseconds (negative: never), and goes on after
 * EINTR. After a read that filled its buffer exactly, it may return 1 although nothing is left. csigshim_wake makes it
 * return 1 once; the next read takes the wake-up away and may give 0. The kernel merges standard signals that are
 * pending: on SIGCHLD, call waitpid(-1, …, WNOHANG) until it has no more, whatever number of events came. */
ssize_t csigshim_read(csigshim_bridge *bridge, csigshim_event *events, size_t capacity);
int csigshim_wait(csigshim_bridge *bridge, int timeout_ms);
int csigshim_wake(csigshim_bridge *bridge);

/* Escalation: when a delivery of signo makes the number of those that csigshim_read has not handed out `unread` or
 * more, it takes the default action at once. That is decided inside the handler, so it works when every thread is
 * stuck. 0: off. Only for a signal that is added; EINVAL unless its default action terminates. */
int csigshim_escalate_after(csigshim_bridge *bridge, int signo, unsigned unread);

/* Coexistence. A handler that somebody installed over ours makes the state CSIGSHIM_DISPLACED (over signalfd that
 * concerns threads alone which do not block the signal); csigshim_rearm installs ours over theirs, and the last removal
 * then restores theirs. */
int csigshim_state(int signo);
int csigshim_rearm(int signo);

/* Children. A forked child starts with the dispositions and the mask that it would have if no bridge had ever been
 * installed, whichever thread forks, so fork and exec need nothing else; its bridges are idle until it calls
 * csigshim_after_fork (0: the bridge works, with the descriptor numbers that it had; 1: with new ones. Either way
 * they are new files: an epoll(7) must be given csigshim_fd again, and be a new one, for the old one is the parent's
 * too).
 *
 * vfork(2), posix_spawn(3), system(3) and popen(3) run no pthread_atfork(3) handlers. After vfork(2), clone(2) or
 * _Fork(3), csigshim_reset_for_exec puts back dispositions and mask (without all that a bridge ever blocked, also what
 * the host has blocked itself since); it writes no memory. Around the others, on one thread, and with no csigshim_add
 * or csigshim_remove in between: csigshim_spawn_begin gives the calling thread its mask without what bridges blocked,
 * and csigshim_spawn_end the one that it had. What comes to it meanwhile is recorded as ever. Pairs nest; a thread that
 * may be cancelled in between (system(3) is a cancellation point) has the end in a cleanup handler.
 *   CSIGSHIM_SPAWN_ORIGINAL: the mask with which the process started (or the thread that loaded this library), instead:
 *     for threads that block what is none of theirs, such as libdispatch's. A signal that the host blocks for a purpose
 *     of its own then meets its disposition: not for a thread of such a host.
 *   CSIGSHIM_SPAWN_IGNORED: what was ignored when a bridge got it is ignored meanwhile, because no spawned child could
 *     inherit that otherwise. If it comes just then, it is lost. */
typedef struct csigshim_spawn {
    uint64_t reserved[18];
} csigshim_spawn;
enum { CSIGSHIM_SPAWN_ORIGINAL = 1, CSIGSHIM_SPAWN_IGNORED = 2 };
int csigshim_after_fork(csigshim_bridge *bridge);
int csigshim_reset_for_exec(void);
int csigshim_spawn_begin(csigshim_spawn *spawn, unsigned flags);
int csigshim_spawn_end(csigshim_spawn *spawn);

#ifdef __cplusplus
}
#endif
#endif
