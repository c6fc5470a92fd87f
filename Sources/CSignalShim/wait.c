/* Returns the descriptor to poll, and waits. Before the first csigshim_fd, threads wait for a bridge by a futex. */
#include "shim.h"
#include <poll.h>

/* Returns 0 if this process may use the bridge's descriptors. */
static int check_usable(const struct csigshim_bridge *bridge) {
    if (csigshim__is_inherited(bridge))
        return csigshim__fail(EPERM);
    return csigshim__can_record(bridge) && csigshim__can_poll(bridge) ? 0 : csigshim__fail(EBADF);
}

static int poll_fd(const struct csigshim_bridge *bridge) {
    return csigshim__uses_signalfd(bridge) ? bridge->has.queue.poll_fd : bridge->has.pipe.read_end.fd;
}

static int wait_by_poll(const struct csigshim_bridge *bridge, int timeout_ms) {
    struct pollfd poll_one = {.fd = poll_fd(bridge), .events = POLLIN};
    const int ready = poll(&poll_one, 1, timeout_ms);
    if (ready <= 0 || (poll_one.revents & POLLIN))
        return ready;
    return csigshim__fail(EBADF);
}

int csigshim_wait(csigshim_bridge *bridge, int timeout_ms) {
    const int saved_errno = errno;
    if (!csigshim__is_open(bridge))
        return -1;
    const uint64_t deadline = csigshim__now() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
    for (int left = timeout_ms < 0 ? -1 : timeout_ms;;) {
        const bool polls = atomic_load(&bridge->fd_in_use);
        if (check_usable(bridge) != 0)
            return -1;
        const int ready = polls ? wait_by_poll(bridge, left) : csigshim__futex_wait(bridge, left);
        if (ready > 0 || (ready == 0 && timeout_ms >= 0)) {
            errno = saved_errno;
            return ready;
        }
        if (ready < 0 && errno != EINTR)
            return -1;
        if (timeout_ms >= 0) {
            const int64_t remaining = (int64_t)(deadline - csigshim__now());
            left = remaining > 0 ? (int)((remaining + 999999) / 1000000) : 0;
        }
    }
}

/* From here on handlers write to the pipe. An earlier notification gets its byte now (notify.c). */
static int use_fd(struct csigshim_bridge *bridge) {
    struct csigshim__lock_state state;
    int result = 0;
    if (csigshim__lock(&state) != 0)
        return -1;
    if (!csigshim__is_pipe_usable(bridge)) {
        result = csigshim__fail(EBADF);
    } else if (!atomic_exchange(&bridge->fd_in_use, true) && atomic_load(&bridge->notified) != 0 &&
               !csigshim__write_wakeup(bridge)) {
        atomic_store(&bridge->notified, 0); /* so that the next delivery tries again */
        result = -1;
    }
    csigshim__unlock(&state);
    return result;
}

int csigshim_fd(csigshim_bridge *bridge) {
    if (!csigshim__is_open(bridge))
        return -1;
    if (csigshim__is_inherited(bridge))
        return csigshim__fail(EPERM);
    if (!atomic_load(&bridge->fd_in_use) && use_fd(bridge) != 0)
        return -1;
    return poll_fd(bridge);
}

int csigshim_capacity(const csigshim_bridge *bridge) {
    if (!csigshim__is_open(bridge))
        return -1;
    return csigshim__uses_signalfd(bridge) ? csigshim__queue_capacity() : (int)bridge->has.capacity;
}
