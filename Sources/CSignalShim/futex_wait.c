/* Waiting without a descriptor, for bridges that are not polled: futex(2) on `notified`.
 *
 * F1  A waiter counts itself in `futex_waiters` before the kernel compares `notified` with 0 and puts it to sleep. A
 *     notifier sets `notified` before it looks at the count. All of this is seq_cst. So either the notifier sees the
 *     waiter counted, and wakes it after its sleep began, or the waiter does not go to sleep.
 *     Tests/prove/protocol/sleep.pml refutes BREAK_WAITER_COUNTS_LATE. */
#include "shim.h"

#if CSIGSHIM__HAS_FUTEX
int csigshim__futex_wait(struct csigshim_bridge *bridge, int timeout_ms) {
    int type;
    long result = timeout_ms == 0 ? -ETIMEDOUT : -EINTR;
    pthread_testcancel();
    if (atomic_load(&bridge->notified) == 0 && timeout_ms != 0) {
        /* There is always a timeout. Without one the kernel continues the sleep after a handler with SA_RESTART, even
         * in a child that the handler forked. */
        const int ms = timeout_ms < 0 ? INT32_MAX : timeout_ms;
        const struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
        /* A cancellation point. A cancelled thread stays counted, which costs each notification a system call. */
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
        atomic_fetch_add(&bridge->futex_waiters, 1); /* F1 */
        result = csigshim__futex(&bridge->notified, CSIGSHIM__FUTEX_WAIT, 0, &left);
        atomic_fetch_sub(&bridge->futex_waiters, 1);
        pthread_setcanceltype(type, &type);
    }
    if (atomic_load(&bridge->notified) != 0)
        return 1;
    if (result == -ETIMEDOUT)
        return 0;
    errno = result == 0 || result == -EAGAIN ? EINTR : (int)-result; /* another reader took the notification */
    return -1;
}
#else /* every bridge has its descriptor in use from the start */
int csigshim__futex_wait(struct csigshim_bridge *bridge, int timeout_ms) {
    return (void)bridge, timeout_ms < 0 ? -1 : 0;
}
#endif
