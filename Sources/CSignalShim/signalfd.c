/* The signalfd mechanism: signals that every thread blocks wait in the kernel's own queue until csigshim_read takes
 * them. No handler runs, and no system call of the host is interrupted. A sender of realtime signals that finds the
 * queue full gets EAGAIN.
 *
 * Signals are taken only by rt_sigtimedwait(2), which needs no descriptor. The signalfd only makes an epoll readable,
 * together with the wake-up pipe; the host polls that epoll. The handler is installed as for the other mechanism. On a
 * thread that does not block the signal, it records the signal in the ring. The kernel gives each signal to the queue
 * or to a thread, never to both.
 *
 * K1  fstat(2) cannot identify a signalfd or an epoll, because they have no inode of their own. But an epoll knows its
 *     members by number and file. So an epoll that has this bridge's pipe is this bridge's, and its other member is the
 *     signalfd. A descriptor that fails this check is not used. Tests/c/fd_reuse.c.
 * K2  Removing moves pending signals to the ring first, so that they stay readable. A signal that comes later, before
 *     the thread unblocks it, meets the restored action. Tests/c/signalfd.c.
 * K3  A forked child makes its own descriptors, and does not change the inherited ones, because the parent shares them.
 *     An inherited epoll would go on reporting the parent's signals. Tests/c/children.c. */
#include "shim.h"

#if defined(__linux__)
#include <limits.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

/* EPOLL_CTL_MOD with unchanged events changes nothing, and fails for a descriptor that is not a member. */
static int change_epoll(int epoll, int operation, int fd) {
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(epoll, operation, fd, &event);
}

bool csigshim__is_queue_usable(const struct csigshim__queue *queue, const struct csigshim__pipe *pipe) {
    return csigshim__compare_file(&pipe->read_end) != 0 &&
           change_epoll(queue->poll_fd, EPOLL_CTL_MOD, pipe->read_end.fd) == 0 &&
           change_epoll(queue->poll_fd, EPOLL_CTL_MOD, queue->fd) == 0; /* K1 */
}

static void close_fds(const struct csigshim__queue *queue) {
    const int saved_errno = errno;
    if (queue->fd >= 0)
        close(queue->fd);
    if (queue->poll_fd >= 0)
        close(queue->poll_fd);
    errno = saved_errno;
}

int csigshim__open_queue(struct csigshim__queue *queue, const struct csigshim__pipe *pipe) {
    sigemptyset(&queue->signals);
    queue->fd = csigshim__move_above_standard(signalfd(-1, &queue->signals, SFD_NONBLOCK | SFD_CLOEXEC));
    queue->poll_fd = queue->fd < 0 ? -1 : csigshim__move_above_standard(epoll_create1(EPOLL_CLOEXEC));
    if (queue->poll_fd >= 0 && change_epoll(queue->poll_fd, EPOLL_CTL_ADD, pipe->read_end.fd) == 0 &&
        change_epoll(queue->poll_fd, EPOLL_CTL_ADD, queue->fd) == 0)
        return 0;
    close_fds(queue);
    return -1;
}

void csigshim__close_queue(const struct csigshim__queue *queue, const struct csigshim__pipe *pipe) {
    if (csigshim__compare_file(&pipe->read_end) > 0 && csigshim__is_queue_usable(queue, pipe))
        close_fds(queue);
}

static int set_signals(const struct csigshim__queue *queue) {
    return signalfd(queue->fd, &queue->signals, SFD_NONBLOCK | SFD_CLOEXEC) < 0 ? -1 : 0;
}

int csigshim__queue_add(struct csigshim_bridge *bridge, int signo) {
    pthread_mutex_lock(&bridge->reader);
    sigaddset(&bridge->has.queue.signals, signo);
    const int result = set_signals(&bridge->has.queue);
    if (result != 0)
        sigdelset(&bridge->has.queue.signals, signo);
    pthread_mutex_unlock(&bridge->reader);
    return result;
}

int csigshim__queue_capacity(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_SIGPENDING, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    return (int)limit.rlim_cur;
}

/* Returns the signal, 0 if none is pending, or -1. The C library's sigtimedwait(3) would report SI_TKILL as SI_USER. */
static int take_pending(const sigset_t *signals, siginfo_t *info) {
    static const long long at_once[2]; /* a struct timespec of either size */
    long taken;
    do
        taken = syscall(SYS_rt_sigtimedwait, signals, info, at_once, (size_t)CSIGSHIM__MASK_SIZE);
    while (taken < 0 && errno == EINTR);
    return taken < 0 && errno == EAGAIN ? 0 : (int)taken;
}

ssize_t csigshim__queue_take(const struct csigshim__queue *queue, csigshim_event *events, size_t capacity) {
    ssize_t count = 0;
    for (; (size_t)count < capacity; count++) {
        siginfo_t info;
        const int signo = take_pending(&queue->signals, &info);
        if (signo <= 0)
            return signo < 0 && count == 0 ? -1 : count;
        csigshim__describe(&events[count], signo, &info, csigshim__now());
    }
    return count;
}

/* Takes as many signals as the queue holds, but a flood does not prolong it. */
static int move_pending_to_ring(struct csigshim_bridge *bridge, int signo) {
    sigset_t only;
    siginfo_t info;
    sigemptyset(&only);
    sigaddset(&only, signo);
    int taken = 1;
    size_t left = (size_t)csigshim__queue_capacity() + CSIGSHIM__NSIG;
    while (left-- > 0 && (taken = take_pending(&only, &info)) > 0) {
        csigshim__store(bridge, signo, &info, csigshim__now());
        if (csigshim__can_record(bridge))
            csigshim__notify(bridge);
    }
    return taken < 0 ? -1 : 0;
}

int csigshim__queue_remove(struct csigshim_bridge *bridge, int signo) {
    pthread_mutex_lock(&bridge->reader);
    const bool inherited = atomic_load(&bridge->inherited);           /* K3 */
    int result = inherited ? 0 : move_pending_to_ring(bridge, signo); /* K2 */
    if (result == 0)
        sigdelset(&bridge->has.queue.signals, signo);
    if (result == 0 && !inherited && csigshim__is_queue_usable(&bridge->has.queue, &bridge->has.pipe))
        result = set_signals(&bridge->has.queue);
    if (result != 0)
        sigaddset(&bridge->has.queue.signals, signo);
    pthread_mutex_unlock(&bridge->reader);
    return result;
}
#endif
