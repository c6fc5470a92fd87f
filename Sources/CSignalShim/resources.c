/* The resources of an open bridge: the memory of its ring, its wake-up pipe and, over signalfd, the kernel's queue.
 *
 * A host may close any descriptor, and its number may be used again for another file. So device, inode and file type
 * are remembered, and a descriptor that does not match is not written to, read from, or closed (D1). */
#include "shim.h"
#include <stdio.h>

static int remember(struct csigshim__file *file, int fd) {
    struct stat status;
    const long result = csigshim__fstat(fd, &status);
    if (result != 0)
        return csigshim__fail((int)-result);
    *file =
        (struct csigshim__file){fd, status.st_dev, status.st_ino, status.st_mode & S_IFMT, CSIGSHIM__CREATED(&status)};
    return 0;
}

/* One descriptor for both ends needs one fstat(2) for each record, and cannot raise SIGPIPE. -1: there is no /proc. */
static int open_both_ways(int fd) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return csigshim__move_above_standard(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

static int open_pipe(struct csigshim__pipe *pipe) {
    int ends[2];
    if (csigshim__pipe(ends) != 0)
        return -1;
    ends[0] = csigshim__move_above_standard(ends[0]);
    ends[1] = csigshim__move_above_standard(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0) {
        const int both = open_both_ways(ends[0]);
        if (both >= 0) {
            close(ends[0]);
            close(ends[1]);
            ends[0] = ends[1] = both;
        }
        if (remember(&pipe->read_end, ends[0]) == 0 && remember(&pipe->write_end, ends[1]) == 0)
            return 0;
    }
    const int saved_errno = errno;
    if (ends[0] >= 0)
        close(ends[0]);
    if (ends[1] >= 0 && ends[1] != ends[0])
        close(ends[1]);
    errno = saved_errno;
    return -1;
}

static void close_pipe(const struct csigshim__pipe *pipe) {
    const int saved_errno = errno;
    if (pipe->write_end.fd != pipe->read_end.fd && csigshim__compare_file(&pipe->write_end) > 0)
        close(pipe->write_end.fd);
    if (csigshim__compare_file(&pipe->read_end) > 0)
        close(pipe->read_end.fd);
    errno = saved_errno;
}

int csigshim__open_resources(struct csigshim__resources *resources, int mechanism, size_t capacity) {
    const size_t size = capacity * sizeof(struct csigshim__slot);
    void *const slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (slots == MAP_FAILED)
        return -1;
    resources->slots = slots;
    resources->capacity = capacity;
    if (open_pipe(&resources->pipe) == 0) {
        if (!csigshim__is_signalfd(mechanism) || csigshim__open_queue(&resources->queue, &resources->pipe) == 0)
            return 0;
        close_pipe(&resources->pipe);
    }
    const int saved_errno = errno;
    munmap(slots, size);
    errno = saved_errno;
    return -1;
}

void csigshim__close_resources(const struct csigshim__resources *resources, int mechanism) {
    if (csigshim__is_signalfd(mechanism))
        csigshim__close_queue(&resources->queue, &resources->pipe);
    close_pipe(&resources->pipe);
    munmap(resources->slots, resources->capacity * sizeof(struct csigshim__slot));
}

/* Resets the bridge. Its ring is new memory, and no handler is inside. */
void csigshim__forget_events(struct csigshim_bridge *bridge) {
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        atomic_store(&bridge->subscriptions[signo].overflow, 0);
        atomic_store(&bridge->subscriptions[signo].unread, 0);
    }
    atomic_store(&bridge->tail, 0);
    bridge->head = 0;
    atomic_store(&bridge->overflowed, false);
    atomic_store(&bridge->notified, 0);
    atomic_store(&bridge->futex_waiters, 0);
    atomic_store(&bridge->pipe_bytes, 0);
    atomic_store(&bridge->fd_in_use, csigshim__uses_signalfd(bridge) || !CSIGSHIM__HAS_FUTEX);
}
