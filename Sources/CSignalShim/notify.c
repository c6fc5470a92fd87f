/* Waking the reader: a flag, a byte in the self-pipe for threads that poll, and a futex for threads that wait.
 *
 * W1  If the ring holds a published record, `notified` is set, or the handler that published it is about to set it, or
 *     a reader is about to look at the ring.
 * W2  If `notified` is set and the descriptor is in use, the pipe holds a byte, or a thread is about to write one.
 * W3  `pipe_bytes` is at most the number of bytes in the pipe. So a reader that reads only while it is positive does
 *     not block, even if the host has cleared O_NONBLOCK.
 *
 * Writer: publish the record; exchange notified = 1 [A]; if it was 0, write a byte [B]; count it in pipe_bytes; wake
 *         futex waiters (F1).
 * Reader: empty the pipe [C]; exchange notified = 0 [D]; take from the ring [E]. (read.c)
 *
 * No wake-up is lost. If [A] found 1, it came before [D] in the single order of these seq_cst operations, so [E] sees
 * the record. [C] must come before [D]. Otherwise [C] could remove a byte that was written after [D]. That would leave
 * notified = 1 over an empty pipe, and no handler would write again. A reader that has taken records and finds notified
 * = 0 skips [C] and [D], because the handlers that published them have yet to notify.
 *
 * A byte may come late, if its writer was preempted between [A] and [B]. A reader that finds no record removes it.
 *
 * csigshim_fd sets `fd_in_use`, then loads `notified`. A writer sets `notified`, then loads `fd_in_use`. So at least
 * one of the two writes the byte. csigshim_wake always writes a byte, because an edge-triggered poller needs an edge.
 *
 * Tests/prove/protocol/delivery.pml refutes BREAK_CLEAR_BEFORE_DRAIN, BREAK_TAKE_BEFORE_CLEAR, BREAK_WRITE_BEFORE_FLAG
 * and BREAK_COUNT_BEFORE_WRITE; sleep.pml refutes BREAK_FD_FLAG_AFTER_LOOK.
 *
 * D1  Nothing is written to a descriptor that is no longer the pipe: fstat(2) verifies it before each record
 *     (lifetime.pml: BREAK_NO_FSTAT). If the pipe is full (EAGAIN), it is readable already. */
#include "shim.h"

int csigshim__compare_file(const struct csigshim__file *file) {
    struct stat status;
    const long result = csigshim__fstat(file->fd, &status);
    if (result != 0)
        return result == -EBADF || result == -EOVERFLOW ? 0 : -1;
    return status.st_ino == file->inode && status.st_dev == file->device && (status.st_mode & S_IFMT) == file->type &&
           CSIGSHIM__CREATED(&status) == file->created;
}

/* Checks both ends if they differ, because writing to a pipe without a reader raises SIGPIPE. */
bool csigshim__is_pipe_usable(const struct csigshim_bridge *bridge) {
    const struct csigshim__pipe *const pipe = &bridge->has.pipe;
    return csigshim__compare_file(&pipe->write_end) != 0 &&
           (pipe->read_end.fd == pipe->write_end.fd || csigshim__compare_file(&pipe->read_end) != 0);
}

bool csigshim__can_record(const struct csigshim_bridge *bridge) {
    return !atomic_load(&bridge->fd_in_use) || csigshim__is_pipe_usable(bridge);
}

/* Writes a byte, and tries again if the write fails for lack of memory. */
bool csigshim__write_wakeup(struct csigshim_bridge *bridge) {
    enum { TRIES = 10, PLENTY = 1024 };
    long result = 0;
    if (atomic_load(&bridge->pipe_bytes) >= PLENTY) /* a host that cleared O_NONBLOCK must not make a write block */
        return true;
    for (int tries = 0; tries < TRIES; tries++) {
        result = csigshim__write_byte(bridge->has.pipe.write_end.fd);
        if (result == 1)
            atomic_fetch_add(&bridge->pipe_bytes, 1); /* W3: after the write */
        if (result == 1 || result == -EAGAIN)
            return true;
    }
    errno = (int)-result;
    return false;
}

static void wake_futex_waiters(struct csigshim_bridge *bridge) {
    if (atomic_load(&bridge->futex_waiters) != 0) /* F1 */
        (void)csigshim__futex(&bridge->notified, CSIGSHIM__FUTEX_WAKE, INT32_MAX, NULL);
}

/* `fd_in_use` may have been set since the caller checked the pipe, but then csigshim_fd has just checked it. */
void csigshim__notify(struct csigshim_bridge *bridge) {
    const bool first = atomic_exchange(&bridge->notified, 1) == 0;                   /* [A] */
    if (first && atomic_load(&bridge->fd_in_use) && !csigshim__write_wakeup(bridge)) /* [B] */
        atomic_store(&bridge->notified, 0); /* so that the next delivery tries again */
    wake_futex_waiters(bridge);
}

int csigshim_wake(csigshim_bridge *bridge) {
    if (!csigshim__is_open(bridge))
        return -1;
    if (csigshim__process_role() != CSIGSHIM__SELF || atomic_load(&bridge->inherited))
        return 0;
    if (!csigshim__can_record(bridge))
        return csigshim__fail(EBADF);
    const bool first = atomic_exchange(&bridge->notified, 1) == 0;
    if (atomic_load(&bridge->fd_in_use) && !csigshim__write_wakeup(bridge)) {
        if (first)
            atomic_store(&bridge->notified, 0);
        return -1;
    }
    wake_futex_waiters(bridge);
    return 0;
}
