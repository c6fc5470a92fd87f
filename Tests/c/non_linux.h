/* Replacements for what the tests use and other systems lack, so that the tests compile there. macOS and OpenBSD have
 * no realtime signals, no clock_nanosleep and no memfd_create. Only Linux limits the number of pending signals. */
#ifndef NON_LINUX_H
#define NON_LINUX_H

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef RLIMIT_SIGPENDING
enum { RLIMIT_SIGPENDING = -1 }; /* setrlimit fails */
#endif

#ifndef SIGRTMIN
enum { SIGRTMIN = NSIG, SIGRTMAX = NSIG - 1 }; /* none */
static inline int sigqueue(pid_t pid, int signo, union sigval value) {
    (void)pid, (void)signo, (void)value;
    errno = ENOSYS;
    return -1;
}
#endif

#ifndef TIMER_ABSTIME
#define TIMER_ABSTIME 1
#endif
#if defined(__APPLE__) || defined(__OpenBSD__)
static inline int clock_nanosleep(clockid_t clock, int flags, const struct timespec *end, struct timespec *left) {
    struct timespec now;
    (void)flags;
    clock_gettime(clock, &now);
    const long long nanoseconds = (end->tv_sec - now.tv_sec) * 1000000000ll + end->tv_nsec - now.tv_nsec;
    if (nanoseconds <= 0)
        return 0;
    const struct timespec length = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    return nanosleep(&length, left) == 0 ? 0 : errno;
}
enum { MFD_CLOEXEC = 1 };
static inline int memfd_create(const char *name, unsigned flags) {
    char path[] = "/tmp/memory.XXXXXX";
    (void)name, (void)flags;
    const int fd = mkstemp(path);
    unlink(path);
    return fd;
}
#endif

#endif
