/* The signalfd mechanism: signals that every thread blocks wait in the kernel's own queue, until csigshim_read takes
 * them from there. No handler runs, no system call of the host's is interrupted, and who sends too many realtime
 * signals is told so (EAGAIN), so none is lost.
 *
 * A signal that some thread does not block reaches that thread instead, and would kill the process: so there is a
 * handler under it all, the same as ever. It records in the bridge's ring, and rings its doorbell. An epoll descriptor
 * over signalfd and doorbell is what the host polls. Either is taken from wherever it is: the kernel hands each signal
 * to the queue or to a thread, never to both.
 *
 * Whose descriptor. signalfd and epoll have no inode of their own that fstat could tell. But an epoll knows its members
 * by number and file: one that has our pipe by its number is ours, since nobody else knows the pipe; and a number that
 * it then has as the signalfd's is the signalfd. A descriptor that fails this is left alone.
 *
 * Removing. What is pending is moved to the ring first, so it stays readable, also where the descriptors are gone. What
 * comes between that and the moment when the thread unblocks the signal meets the action that was put back.
 *
 * Fork. A signalfd that is inherited takes the child's signals, but an epoll goes on telling of the parent's, and
 * both files are shared: so a child makes its own, and changes nothing of the old ones before it does.
 */
#include "internal.h"

#if defined(__linux__)
#include <limits.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

static bool has(const struct csigshim_bridge *bridge, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(bridge->queue.poll_fd, EPOLL_CTL_MOD, fd, &event) == 0;
}

bool csigshim__queue_intact(const struct csigshim_bridge *bridge)
{
    return !csigshim__is_queued(bridge) || (csigshim__end_intact(&bridge->read_end) &&
                                            has(bridge, bridge->read_end.fd) && has(bridge, bridge->queue.fd));
}

static void close_both(const struct csigshim__queue *queue)
{
    const int saved_errno = errno;
    if (queue->fd >= 0)
        close(queue->fd);
    if (queue->poll_fd >= 0)
        close(queue->poll_fd);
    errno = saved_errno;
}

static int make(struct csigshim__queue *queue)
{
    sigemptyset(&queue->signals);
    queue->fd = csigshim__above_standard(signalfd(-1, &queue->signals, SFD_NONBLOCK | SFD_CLOEXEC));
    queue->poll_fd = queue->fd < 0 ? -1 : csigshim__above_standard(epoll_create1(EPOLL_CLOEXEC));
    if (queue->poll_fd >= 0)
        return 0;
    close_both(queue);
    return -1;
}

static int watch(const struct csigshim_bridge *bridge)
{
    struct epoll_event event = {.events = EPOLLIN};
    const int epoll = bridge->queue.poll_fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, bridge->read_end.fd, &event) != 0)
        return -1;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, bridge->queue.fd, &event);
}

int csigshim__open_queue(struct csigshim_bridge *bridge)
{
    if (make(&bridge->queue) != 0)
        return -1;
    if (watch(bridge) == 0)
        return 0;
    close_both(&bridge->queue);
    return -1;
}

void csigshim__close_queue(struct csigshim_bridge *bridge)
{
    if (csigshim__is_queued(bridge) && csigshim__queue_intact(bridge))
        close_both(&bridge->queue);
}

int csigshim__renew_queue(struct csigshim_bridge *bridge)
{
    if (!csigshim__is_queued(bridge))
        return csigshim__renew_bell(bridge);
    const struct csigshim__queue old = bridge->queue;
    const bool intact = csigshim__queue_intact(bridge);
    struct csigshim__queue fresh;
    if (make(&fresh) != 0)
        return -1;
    int result = csigshim__renew_bell(bridge);
    if (result < 0) {
        close_both(&fresh);
        return -1;
    }
    bridge->queue = fresh;
    if (intact && csigshim__dup_onto(fresh.fd, old.fd) == 0 && csigshim__dup_onto(fresh.poll_fd, old.poll_fd) == 0) {
        bridge->queue.fd = old.fd;
        bridge->queue.poll_fd = old.poll_fd;
        close_both(&fresh);
    } else {
        result = 1;
        if (intact)
            close_both(&old);
    }
    if (watch(bridge) == 0)
        return result;
    close_both(&bridge->queue); /* now, while they are ours beyond doubt: no epoll will ever show it */
    csigshim__close_bell(bridge);
    return -1;
}

static int take(struct csigshim_bridge *bridge, const sigset_t *signals)
{
    return signalfd(bridge->queue.fd, signals, SFD_NONBLOCK | SFD_CLOEXEC) < 0 ? -1 : 0;
}

int csigshim__queue_add(struct csigshim_bridge *bridge, int signo)
{
    if (!csigshim__is_queued(bridge))
        return 0;
    sigaddset(&bridge->queue.signals, signo);
    if (take(bridge, &bridge->queue.signals) == 0)
        return 0;
    sigdelset(&bridge->queue.signals, signo);
    return -1;
}

static void describe_queued(csigshim_event *event, const struct signalfd_siginfo *info, uint64_t now)
{
    memset(event, 0, sizeof *event);
    event->signo = (int32_t)info->ssi_signo;
    event->code = info->ssi_code;
    event->count = 1;
    event->time_ns = now;
    event->fd = -1;
    csigshim__choose(event, (int32_t)info->ssi_pid, info->ssi_uid, info->ssi_status, (int32_t)info->ssi_overrun,
                     info->ssi_fd, info->ssi_ptr);
}

/* What the queue has, as much of it as one read gives. */
enum { AT_ONCE = 32 };
static size_t take_some(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity)
{
    struct signalfd_siginfo infos[AT_ONCE];
    const size_t room = capacity < AT_ONCE ? capacity : AT_ONCE;
    ssize_t size;
    do
        size = csigshim__read_bytes(bridge->queue.fd, infos, room * sizeof *infos);
    while (size < 0 && errno == EINTR);
    const size_t count = size > 0 ? (size_t)size / sizeof *infos : 0;
    const uint64_t now = count > 0 ? csigshim__now() : 0;
    for (size_t i = 0; i < count; i++)
        describe_queued(&events[i], &infos[i], now);
    return count;
}

int csigshim__queue_capacity(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_SIGPENDING, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    return (int)limit.rlim_cur;
}

/* One of them that is pending; 0: none is. glibc's sigtimedwait would say SI_USER for SI_TKILL. */
static int take_pending(const sigset_t *signals, siginfo_t *info)
{
    const long long at_once[2] = {0, 0}; /* a timespec, of whichever kind */
    long taken;
    do
        taken = syscall(SYS_rt_sigtimedwait, signals, info, at_once, (size_t)(CSIGSHIM__NSIG + 6) / 8);
    while (taken < 0 && errno == EINTR);
    return taken > 0 ? (int)taken : 0;
}

/* The first few by sigtimedwait(2), which needs no descriptor, and so no proof of whose it is; every signal is blocked
 * here. More of them by as many in one read of the signalfd. */
size_t csigshim__queue_read(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity, bool *intact)
{
    enum { FEW = 2 };
    size_t count = 0, more;
    siginfo_t info;
    if (!csigshim__is_queued(bridge))
        return 0;
    for (; count < capacity && count < FEW; count++) {
        const int signo = take_pending(&bridge->queue.signals, &info);
        if (signo == 0)
            return count;
        csigshim__describe(&events[count], signo, &info);
    }
    if (count == capacity || !(*intact = csigshim__queue_intact(bridge)))
        return count;
    do {
        more = take_some(bridge, events + count, capacity - count);
        count += more;
    } while (more == AT_ONCE && count < capacity);
    return count;
}

/* By sigtimedwait(2), so also where the host has closed the descriptors. Every signal is blocked here. */
void csigshim__queue_empty(struct csigshim_bridge *bridge, int signo)
{
    sigset_t only;
    siginfo_t info;
    csigshim_event event;
    if (!csigshim__is_queued(bridge))
        return;
    sigemptyset(&only);
    sigaddset(&only, signo);
    const bool intact = csigshim__bell_intact(bridge);
    size_t left = (size_t)csigshim__queue_capacity() + CSIGSHIM__NSIG; /* what it holds; not a whole flood */
    for (; left > 0 && take_pending(&only, &info) != 0; left--) {
        csigshim__describe(&event, signo, &info);
        csigshim__keep(bridge, &event);
        if (intact)
            csigshim__ring(bridge, true);
    }
}

void csigshim__queue_remove(struct csigshim_bridge *bridge, int signo)
{
    if (!csigshim__is_queued(bridge))
        return;
    sigdelset(&bridge->queue.signals, signo);
    if (atomic_load(&bridge->inherited)) /* it is the parent's */
        return;
    csigshim__queue_empty(bridge, signo);
    if (csigshim__queue_intact(bridge))
        (void)take(bridge, &bridge->queue.signals);
}
#else
bool csigshim__queue_intact(const struct csigshim_bridge *bridge)
{
    (void)bridge;
    return true;
}

int csigshim__open_queue(struct csigshim_bridge *bridge)
{
    (void)bridge;
    errno = ENOTSUP;
    return -1;
}

/* No bridge of this kind is on this system. */
void csigshim__close_queue(struct csigshim_bridge *bridge)
{
    (void)bridge;
}

int csigshim__renew_queue(struct csigshim_bridge *bridge)
{
    return csigshim__renew_bell(bridge);
}

int csigshim__queue_add(struct csigshim_bridge *bridge, int signo)
{
    (void)bridge, (void)signo;
    return 0;
}

void csigshim__queue_remove(struct csigshim_bridge *bridge, int signo)
{
    (void)bridge, (void)signo;
}

void csigshim__queue_empty(struct csigshim_bridge *bridge, int signo)
{
    (void)bridge, (void)signo;
}

int csigshim__queue_capacity(void)
{
    return 0;
}

size_t csigshim__queue_read(struct csigshim_bridge *bridge, csigshim_event *events, size_t capacity, bool *intact)
{
    (void)bridge, (void)events, (void)capacity, (void)intact;
    return 0;
}
#endif
