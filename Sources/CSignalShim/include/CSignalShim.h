/* CSignalShim: Unix signals as events on a pollable descriptor.  SPDX-License-Identifier: Apache-2.0
 *
 *     csigshim_bridge *bridge;
 *     csigshim_event event;
 *     csigshim_open(&bridge, CSIGSHIM_HANDLER);
 *     csigshim_add(bridge, SIGTERM, 0);
 *     while (csigshim_wait(bridge, -1) == 1) // or poll csigshim_fd(bridge) in a loop of your own
 *         while (csigshim_read(bridge, &event, 1) == 1)
 *             handle(&event);
 *
 * Build: cc -std=gnu11 -I Sources/CSignalShim/include program.c Sources/CSignalShim/[a-z]*.c -pthread -ldl
 *
 * Functions return 0 or more, or -1 with errno:
 *   EINVAL   a number that is no signal, a bad argument, or a bridge that is not open
 *   ENOTSUP  KILL, STOP, a synchronous fault (ILL, TRAP, BUS, FPE, SEGV, SYS), or what this mechanism or system lacks
 *   EEXIST   the bridge has the signal already           ENOENT  the bridge does not have it
 *   EBUSY    a signalfd bridge shares a signal with no other bridge
 *   ENOSPC   more than 64 bridges
 *   EBADF    the host closed the bridge's descriptor: open another bridge
 *   EPERM    a forked child that has not called csigshim_after_fork; there csigshim_read gives 0, and csigshim_wake,
 *            csigshim_remove and csigshim_close return 0 and leave the parent alone
 *   others   what a system call behind the function reported, for example in a sandbox
 * A call that fails changes nothing, except that csigshim_reset_for_exec restores all that it can.
 *
 * Threads: every function may be called from any thread. Only csigshim_wake and csigshim_reset_for_exec may be called
 * in a signal handler. Only csigshim_wait is a cancellation point. Unsupported: asynchronous cancellation of a thread
 * inside these functions; siglongjmp or fork in a handler that interrupted one of them; csigshim_close while another
 * thread uses the bridge, and any use of a closed bridge. */
#ifndef CSIGNALSHIM_H
#define CSIGNALSHIM_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h> /* sigset_t and pid_t, also where the compiler is told to be strict */
#include <sys/types.h>

#define CSIGSHIM_VERSION_MAJOR 0
#define CSIGSHIM_VERSION_MINOR 1
#define CSIGSHIM_VERSION_PATCH 0
#define CSIGSHIM_VERSION       (CSIGSHIM_VERSION_MAJOR * 10000 + CSIGSHIM_VERSION_MINOR * 100 + CSIGSHIM_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

typedef struct csigshim_bridge csigshim_bridge; /* a queue of events, and a descriptor to poll */

enum { CSIGSHIM_HANDLER = 0, CSIGSHIM_SIGNALFD = 1 }; /* mechanism */
/* Flags of csigshim_add. */
enum {
    CSIGSHIM_CHAIN = 1,        /* the previous handler runs as well, after the capture */
    CSIGSHIM_KEEP_IGNORED = 2, /* a signal that is ignored now stays ignored; the result is 1 */
    CSIGSHIM_INTERRUPT = 4,    /* system calls that the signal interrupts fail with EINTR: no SA_RESTART */
    CSIGSHIM_UNBLOCK = 64,     /* unblocks the signal in the calling thread; the result is 2 if it was blocked */
};

enum { CSIGSHIM_ABSENT, CSIGSHIM_ARMED, CSIGSHIM_DISPLACED }; /* results of csigshim_state */
enum { CSIGSHIM_DETAILS_DROPPED = 1 };                        /* csigshim_event.flags */

typedef struct csigshim_event {
    int32_t signo, code;  /* si_signo, si_code */
    int32_t pid;          /* si_pid: the sender; 0 for the kernel, or a sender outside the PID namespace */
    uint32_t uid;         /* si_uid: the sender's real user; set, like pid, where si_code gives it a meaning */
    int32_t status;       /* SIGCHLD: si_status, an exit code or a signal, as code tells */
    uint32_t count;       /* deliveries that this event stands for, at least 1 */
    uint64_t value;       /* the value of sigqueue(3) or of a timer, as a pointer-sized integer */
    uint64_t time_ns;     /* CLOCK_MONOTONIC at the capture; over signalfd, at the read */
    uint32_t flags;       /* CSIGSHIM_DETAILS_DROPPED: the queue was full, so only the count is known */
    int32_t overrun, fd;  /* timers: si_overrun, otherwise 0; SIGIO: si_fd, otherwise -1 */
    uint32_t reserved[3]; /* 0 */
} csigshim_event;         /* 64 bytes, and stays so within a major version */

/* Opens a bridge that keeps the details of 16,384 unread deliveries (1.2 MiB, touched as used) and counts the rest.
 * CSIGSHIM_HANDLER: a handler captures the signal, on whichever thread the kernel chooses; works in every program.
 * CSIGSHIM_SIGNALFD (Linux, else ENOTSUP): csigshim_add blocks the signal in the calling thread. Add first thing in
 * main, so that all threads inherit the block. Signals then wait in the kernel's queue until csigshim_read takes them:
 * no system call is interrupted, and a full queue (RLIMIT_SIGPENDING) is reported to the sender. A thread that does
 * not block the signal takes it by a handler, into the same bridge. A signal directed at one thread (pthread_kill(3),
 * SIGPIPE) and blocked there is for that thread's csigshim_read alone. */
int csigshim_open(csigshim_bridge **bridge, int mechanism);

/* The same with room for `capacity` deliveries, a power of two from 16 to 16,384; 72 bytes each. */
int csigshim_open_sized(csigshim_bridge **bridge, int mechanism, size_t capacity);

/* Removes what was added, discards what was not read, and closes the descriptors that are still the bridge's. */
int csigshim_close(csigshim_bridge *bridge);

/* Returns the descriptor to poll for reading. It is close-on-exec and 3 or higher. Never read(2) or close it; give
 * edge-triggered pollers csigshim_read until that returns 0. Call this in each process that polls: before the first
 * call no handler writes to the descriptor, and csigshim_wait uses a futex instead, which is faster. */
int csigshim_fd(csigshim_bridge *bridge);

/* Returns how many unread deliveries keep their details: over signalfd, what the kernel's queue takes. */
int csigshim_capacity(const csigshim_bridge *bridge);

/* Subscribes the bridge to signo; returns 0, or what the flags above say. Details of the flags:
 * CSIGSHIM_CHAIN runs the previous handler as its own sa_flags ask, once for each delivery; SIG_DFL and SIG_IGN run
 * nothing (ENOTSUP over signalfd). CSIGSHIM_INTERRUPT: ENOTSUP over signalfd, where no call is interrupted.
 * CSIGSHIM_UNBLOCK: a signal that every thread blocks, for instance because the parent did, never reaches a handler. It
 * stays unblocked after csigshim_remove, and in children; it does nothing over signalfd.
 * SIGCHLD: while it is added, children become zombies until waitpid(2), also where it was ignored before. To let the
 * kernel reap them, install {SIG_DFL, SA_NOCLDWAIT} before adding. The kernel coalesces pending standard signals, so on
 * each SIGCHLD call waitpid(-1, …, WNOHANG) until it has no more. */
int csigshim_add(csigshim_bridge *bridge, int signo, unsigned flags);

/* Adds every signal of the set, or none. The result is 1 if CSIGSHIM_KEEP_IGNORED left one out. */
int csigshim_add_set(csigshim_bridge *bridge, const sigset_t *set, unsigned flags);

/* Unsubscribes; what was captured stays readable. The last removal of a signal restores the exact saved sigaction(2),
 * unless another handler replaced this library's. The thread that added it over signalfd unblocks it again. */
int csigshim_remove(csigshim_bridge *bridge, int signo);

/* Turns CSIGSHIM_CHAIN on or off without a gap. */
int csigshim_set_chain(csigshim_bridge *bridge, int signo, int on);

/* Takes up to `capacity` events; returns how many, or 0 if there are none. Never blocks. EBADF and errors of a sandbox
 * come once nothing is left to take. */
ssize_t csigshim_read(csigshim_bridge *bridge, csigshim_event *events, size_t capacity);

/* Waits up to timeout_ms milliseconds (negative: for ever) for something to read, across EINTR; returns 1, or 0 after
 * the timeout. After a read that filled its buffer exactly, it may return 1 although nothing is left. */
int csigshim_wait(csigshim_bridge *bridge, int timeout_ms);

/* Makes csigshim_wait return 1, and the descriptor readable, until the next csigshim_read, which may then give 0. */
int csigshim_wake(csigshim_bridge *bridge);

/* Takes the default action of signo at once when a delivery makes `unread` deliveries that csigshim_read has not taken
 * (0: never). The handler decides, so this works when every thread is stuck. EINVAL unless the default action
 * terminates; ENOTSUP over signalfd. */
int csigshim_escalate_after(csigshim_bridge *bridge, int signo, unsigned unread);

/* CSIGSHIM_ABSENT: no bridge has the signal. CSIGSHIM_ARMED: this library's handler is installed.
 * CSIGSHIM_DISPLACED: the host, or a library such as libuv or GLib that was stopped, has replaced it. */
int csigshim_state(int signo);

/* Installs this library's handler again, over the action that was saved first. The handler that had replaced it does
 * not run any more, and the last removal restores what was saved first. ENOENT if no bridge has the signal. */
int csigshim_rearm(int signo);

/* Gives a bridge that a forked child inherited back to the child: empty, with new descriptors, so add csigshim_fd to a
 * new epoll(7). Before this call the child has the dispositions and the mask as if there had never been a bridge. */
int csigshim_after_fork(csigshim_bridge *bridge);

/* Restores the dispositions for execve(2), without a lock. In a child of vfork(2), clone(2) or _Fork(3) it also
 * unblocks what bridges blocked; a child of fork(2) needs no such call. In the process itself the mask stays as it is,
 * so that a daemon may re-execute itself and lose nothing (csignalshim(7)); to run another program, close the bridges
 * first. */
int csigshim_reset_for_exec(void);

/* Around posix_spawn(3), popen(3) or system(3), on one thread, with no csigshim_add or csigshim_remove in between:
 * gives the thread the mask that it would have without bridges; csigshim_spawn_end returns to the present one. Signals
 * are captured meanwhile. Pairs nest. A forked child need not call csigshim_spawn_end.
 * CSIGSHIM_SPAWN_ORIGINAL: instead, the mask with which the process started, for threads that block signals for reasons
 * of their own, as libdispatch's do. A pending signal that the host blocks on purpose is then delivered. */
enum { CSIGSHIM_SPAWN_ORIGINAL = 1 };
typedef struct csigshim_spawn {
    sigset_t mask; /* of the thread before csigshim_spawn_begin */
    pid_t process;
} csigshim_spawn;
int csigshim_spawn_begin(csigshim_spawn *spawn, unsigned flags);
int csigshim_spawn_end(csigshim_spawn *spawn);

int csigshim_version(void); /* the CSIGSHIM_VERSION that the library was built with */

#ifdef __cplusplus
}
#endif
#endif
