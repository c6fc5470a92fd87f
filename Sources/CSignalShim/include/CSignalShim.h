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
 *   ENOTSUP KILL, STOP, a synchronous fault (ILL, TRAP, BUS, FPE, SEGV, SYS), or unsupported by mechanism or system
 *   EEXIST   the bridge has the signal already           ENOENT  the bridge does not have it
 *   EBUSY    a signalfd bridge cannot share a signal with another bridge
 *   ENOSPC   more than 64 bridges
 *   EBADF    the host closed the bridge's descriptor: open another bridge
 *   EPERM    a forked child that has not called csigshim_after_fork; csigshim_read, csigshim_wake,
 *            csigshim_remove and csigshim_close return 0 there, and do not affect the parent
 *   others   the error of an underlying system call, for example in a sandbox
 * A failed call changes nothing. The exception is csigshim_reset_for_exec, which restores as much as it can.
 *
 * Threads: every function may be called from any thread. Only csigshim_wake and csigshim_reset_for_exec may be called
 * in a signal handler. Only csigshim_wait is a cancellation point. Do not close a bridge while another thread uses it,
 * and do not use it afterwards. Do not cancel a thread asynchronously inside these functions, and do not call
 * siglongjmp or fork in a handler that interrupted one of them. */
#ifndef CSIGNALSHIM_H
#define CSIGNALSHIM_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h> /* sigset_t and pid_t, even in strict modes of the compiler */
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
    CSIGSHIM_UNBLOCK = 64,     /* the signal is unblocked in the calling thread; the result is 2 if it was blocked */
};

enum { CSIGSHIM_ABSENT, CSIGSHIM_ARMED, CSIGSHIM_DISPLACED }; /* results of csigshim_state */
enum { CSIGSHIM_DETAILS_DROPPED = 1 };                        /* csigshim_event.flags */

typedef struct csigshim_event {
    int32_t signo, code;  /* si_signo, si_code */
    int32_t pid;          /* si_pid: the sender; 0 for the kernel, or a sender outside the PID namespace */
    uint32_t uid;         /* si_uid: the sender's real user; pid and uid are set if si_code says so */
    int32_t status;       /* SIGCHLD: si_status, an exit code or a signal, depending on code */
    uint32_t count;       /* deliveries that this event stands for, at least 1 */
    uint64_t value;       /* the value of sigqueue(3) or of a timer, as a pointer-sized integer */
    uint64_t time_ns;     /* CLOCK_MONOTONIC at the capture; over signalfd, at the read */
    uint32_t flags;       /* CSIGSHIM_DETAILS_DROPPED: the queue was full, so only the count is known */
    int32_t overrun, fd;  /* timers: si_overrun, otherwise 0; SIGIO: si_fd, otherwise -1 */
    uint32_t reserved[3]; /* 0 */
} csigshim_event;         /* 64 bytes; the layout is fixed within a major version */

/* Opens a bridge that keeps the details of 16,384 unread deliveries (1.2 MB, used on demand) and counts the rest.
 * CSIGSHIM_HANDLER: a handler captures the signal, on whichever thread the kernel chooses; works in every program.
 * CSIGSHIM_SIGNALFD (Linux, else ENOTSUP): csigshim_add blocks the signal in the calling thread. Add signals at the
 * start of main, so that all threads inherit the block. Signals then wait in the kernel's queue until csigshim_read
 * takes them: no system call is interrupted, and a full queue (RLIMIT_SIGPENDING) is reported to the sender. On a
 * thread that does not block the signal, a handler records it in the same bridge. If a signal is directed at a thread
 * that blocks it (pthread_kill(3), SIGPIPE), only csigshim_read on that thread takes it. */
int csigshim_open(csigshim_bridge **bridge, int mechanism);

/* Opens a bridge that keeps the details of `capacity` deliveries: a power of two from 16 to 16,384, 72 bytes each. */
int csigshim_open_sized(csigshim_bridge **bridge, int mechanism, size_t capacity);

/* Removes the bridge's signals, discards unread events, and closes the descriptors that still belong to the bridge. */
int csigshim_close(csigshim_bridge *bridge);

/* Returns the descriptor to poll for reading. It is close-on-exec and 3 or higher. Never read(2) or close it. With
 * an edge-triggered poller, call csigshim_read until it returns 0. Call csigshim_fd in each process that polls: before
 * the first call no handler writes to the descriptor, and csigshim_wait uses a futex instead, which is faster. */
int csigshim_fd(csigshim_bridge *bridge);

/* Returns how many unread deliveries keep their details: over signalfd, the limit of the kernel's queue. */
int csigshim_capacity(const csigshim_bridge *bridge);

/* Subscribes the bridge to signo. Returns 0, or the result that the flags above name.
 * CSIGSHIM_CHAIN runs the previous handler once for each delivery, by its own sa_flags. SIG_DFL and SIG_IGN run
 * nothing. CSIGSHIM_CHAIN and CSIGSHIM_INTERRUPT fail with ENOTSUP over signalfd.
 * CSIGSHIM_UNBLOCK is for a signal that every thread blocks, for instance because the parent process did: it would
 * never reach a handler. The signal stays unblocked after csigshim_remove, and in children. No effect over signalfd.
 * SIGCHLD: while it is added, children become zombies until waitpid(2), even if it was ignored before. To let the
 * kernel reap them, install {SIG_DFL, SA_NOCLDWAIT} before adding. The kernel coalesces pending standard signals, so on
 * each SIGCHLD call waitpid(-1, …, WNOHANG) until it finds no more children. */
int csigshim_add(csigshim_bridge *bridge, int signo, unsigned flags);

/* Adds every signal of the set, or none. Returns 1 if CSIGSHIM_KEEP_IGNORED left one out, else 0; never 2. */
int csigshim_add_set(csigshim_bridge *bridge, const sigset_t *set, unsigned flags);

/* Unsubscribes the bridge from signo; captured events stay readable. The last removal of a signal restores the exact
 * saved sigaction(2), unless another handler has replaced this library's. Over signalfd, the thread that added the
 * signal unblocks it. */
int csigshim_remove(csigshim_bridge *bridge, int signo);

/* Turns CSIGSHIM_CHAIN on or off without a gap. */
int csigshim_set_chain(csigshim_bridge *bridge, int signo, int on);

/* Takes up to `capacity` events; returns how many, or 0 if there are none. Never blocks. EBADF and the errors of a
 * sandbox are returned only when no event is left. */
ssize_t csigshim_read(csigshim_bridge *bridge, csigshim_event *events, size_t capacity);

/* Waits up to timeout_ms milliseconds (negative: for ever) for an event, and continues after EINTR. Returns 1, or 0
 * after the timeout. After a read that filled its buffer exactly, it may return 1 although nothing is left. */
int csigshim_wait(csigshim_bridge *bridge, int timeout_ms);

/* Makes csigshim_wait return 1, and the descriptor readable, until the next csigshim_read, which may then return 0. */
int csigshim_wake(csigshim_bridge *bridge);

/* Makes the handler take the default action of signo when a delivery brings the bridge to `unread` unread ones (0:
 * never). This works even when every thread is stuck. EINVAL if that does not terminate; ENOTSUP over signalfd. */
int csigshim_escalate_after(csigshim_bridge *bridge, int signo, unsigned unread);

/* CSIGSHIM_ABSENT: no bridge has the signal. CSIGSHIM_ARMED: this library's handler is installed.
 * CSIGSHIM_DISPLACED: the host has replaced it, or a library such as libuv or GLib that has stopped. */
int csigshim_state(int signo);

/* Installs this library's handler again, over the action that was saved first. The handler that had replaced it no
 * longer runs, and the last removal restores the action that was saved first. ENOENT if no bridge has the signal. */
int csigshim_rearm(int signo);

/* Makes an inherited bridge usable in a forked child. It is empty and has new descriptors, so add csigshim_fd to a new
 * epoll(7). Before this call the child has the dispositions and the mask that it would have without bridges. */
int csigshim_after_fork(csigshim_bridge *bridge);

/* Restores the dispositions for execve(2), without a lock. In a child of vfork(2), clone(2) or _Fork(3) it also
 * unblocks what bridges blocked; a child of fork(2) needs no such call. In the process itself the mask stays as it is,
 * so that a daemon can re-execute itself without losing signals (csignalshim(7)). Before you execute another program,
 * close the bridges. */
int csigshim_reset_for_exec(void);

/* Call csigshim_spawn_begin before posix_spawn(3), popen(3) or system(3), and csigshim_spawn_end after it on the same
 * thread, with no csigshim_add or csigshim_remove in between. In between the thread has the mask that it would have
 * without bridges, and signals are still captured. Pairs nest. A forked child need not call csigshim_spawn_end.
 * CSIGSHIM_SPAWN_ORIGINAL: the thread gets the mask with which the process started. It is for threads that block
 * signals themselves, such as libdispatch's. A pending signal that the host blocks on purpose is then delivered. */
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
