/* The wrappers. A call that is to fail has no effect, with two exceptions that real failures have. A close(2) that
 * fails closes the descriptor, unless a sandbox refuses it. A write(2) that returns EAGAIN leaves a full pipe. EPERM
 * and ENOSYS stand for a sandbox.
 *
 * Results that are answers and not failures are left out. EAGAIN of read(2) or sigtimedwait(2) means that nothing is
 * there. EBADF of fstat(2) and ENOENT of epoll_ctl(2) mean that the host closed the descriptor, as scenarios do.
 *
 * A wrapper sends signals only to its own process and thread. A library that tries another one fails the test. */
#define _GNU_SOURCE 1
#include "faults.h"
#include <linux/futex.h>
#include <stdarg.h>

struct faults *faults;
atomic_bool fault_hold, fault_overtake, fault_comes;
bool fault_no_proc, fault_no_vdso, fault_no_wipe;
static atomic_int sleeps;
static __thread bool counting;
static pid_t beginner;

extern struct place *__start_fault_places[], *__stop_fault_places[];

static const struct {
    const char *name, *system_call;
    int errnos[ERRNOS];
} possible[] = {
    {"clock_gettime", "clock_gettime", {EPERM, ENOSYS}},
    {"fstat", "fstat", {ENOMEM, EACCES, EPERM, ENOSYS}},
    {"futex_wait", "futex", {EINTR, EAGAIN, EPERM, ENOSYS}},
    {"futex_wake", "futex", {EPERM, ENOSYS}},
    {"getpid", "getpid", {EPERM, ENOSYS}},
    {"gettid", "gettid", {EPERM, ENOSYS}},
    {"kcmp", "kcmp", {EPERM, ENOSYS}},
    {"kill", "kill", {EPERM, ENOSYS}},
    {"read", "read", {EINTR, EPERM, ENOSYS}},
    {"rt_sigaction_get", "rt_sigaction", {EPERM, ENOSYS}},
    {"rt_sigaction_set", "rt_sigaction", {EPERM, ENOSYS}},
    {"rt_sigprocmask", "rt_sigprocmask", {EPERM, ENOSYS}},
    {"tgkill", "tgkill", {EAGAIN, EPERM, ENOSYS}},
    {"tkill", "tkill", {EAGAIN, EPERM, ENOSYS}},
    {"write", "write", {ENOMEM, EAGAIN, EINTR, EPERM, ENOSYS}},
    {"sigaction", "rt_sigaction", {EINVAL, EPERM, ENOSYS}},
    {"pthread_sigmask", "rt_sigprocmask", {EPERM, ENOSYS}},
    {"pipe2", "pipe2", {EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS}},
    {"open", "openat", {ENOENT, EMFILE, ENFILE, ENOMEM, EACCES, EPERM, ENOSYS}},
    {"fcntl", "fcntl", {EMFILE, EINVAL, EPERM, ENOSYS}},
    {"ioctl", "ioctl", {ENOTTY, EPERM, ENOSYS}},
    {"close", "close", {EINTR, EIO, EPERM, ENOSYS}},
    {"epoll_create1", "epoll_create1", {EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS}},
    {"epoll_ctl_ADD", "epoll_ctl", {ENOMEM, ENOSPC, EPERM, ENOSYS}},
    {"epoll_ctl_MOD", "epoll_ctl", {ENOMEM, EPERM, ENOSYS}},
    {"signalfd", "signalfd4", {EMFILE, ENFILE, ENOMEM, ENODEV, EPERM, ENOSYS}},
    {"signalfd_change", "signalfd4", {EBADF, EINVAL, EPERM, ENOSYS}},
    {"mmap", "mmap", {ENOMEM, EAGAIN, ENFILE, EPERM, ENOSYS}},
    {"munmap", "munmap", {ENOMEM, EPERM, ENOSYS}},
    {"madvise", "madvise", {EINVAL, ENOMEM, EAGAIN, EPERM, ENOSYS}},
    {"pthread_atfork", "", {ENOMEM}},
    {"poll", "poll", {EINTR, ENOMEM, EPERM, ENOSYS}},
    {"rt_sigtimedwait", "rt_sigtimedwait", {EINTR, EPERM, ENOSYS}},
    {"getrlimit", "prlimit64", {EPERM, ENOSYS}},
    {"opendir", "openat", {EMFILE, ENFILE, ENOMEM, EACCES, ENOENT, EPERM, ENOSYS}},
    {"readdir", "getdents64", {ENOMEM, EINTR, EPERM, ENOSYS}},
    {"closedir", "", {EINTR}},
    {"fopen", "openat", {EMFILE, ENFILE, ENOMEM, EINTR, EACCES, EPERM, ENOSYS}},
    {"fgets", "read", {ENOMEM, EINTR, EPERM, ENOSYS}},
    {"fclose", "", {EINTR}},
    {"dladdr", "", {EINVAL}},
    {"dlopen", "", {ENOMEM}},
    {"dlsym", "", {EINVAL}},
    {"nanosleep", "clock_nanosleep", {EINTR, EPERM, ENOSYS}},
};

static size_t index_of(const char *name) {
    for (size_t i = 0; i < sizeof possible / sizeof *possible; i++)
        if (strcmp(possible[i].name, name) == 0)
            return i;
    add_failure("no errno is listed for %s", name);
    _exit(1);
}

const int *fault_errnos(const char *name) {
    return possible[index_of(name)].errnos;
}

const char *fault_system_call_of(const char *name) {
    return possible[index_of(name)].system_call;
}

int fault_places(struct place ***places) {
    *places = __start_fault_places;
    const int count = (int)(__stop_fault_places - __start_fault_places);
    for (int i = 0; i < count; i++)
        __start_fault_places[i]->index = i;
    return count;
}

void add_failure(const char *format, ...) {
    va_list list;
    const size_t used = strlen(faults->message);
    va_start(list, format);
    vsnprintf(faults->message + used, sizeof faults->message - used, format, list);
    va_end(list);
}

void fault_begin(void) {
    faults->count = faults->fired = 0;
    beginner = getpid();
    fault_resume();
}

void fault_resume(void) {
    counting = true;
}

void fault_end(void) {
    counting = false;
}

/* 0, or the errno with which this call is to fail. */
static int fails(struct place *place, const char *name) {
    place->reached_before_main |= faults == NULL;
    if (!counting || (getpid() != beginner) != faults->in_child || faults->count == CALLS)
        return 0;
    const int number = ++faults->count;
    faults->calls[number - 1] = (struct called){place, name};
    faults->reached[place->index] = true;
    bool now = faults->refused != NULL && strcmp(faults->refused, fault_system_call_of(name)) == 0;
    int code = faults->code[0];
    for (int i = 0; i < 2 && !now; i++)
        if (faults->number[i] == number) {
            now = true;
            code = faults->code[i];
        }
    if (!now)
        return 0;
    faults->failed[place->index] = true;
    faults->fired++;
    return code;
}

static bool is_refusal(int code) {
    return code == EPERM || code == ENOSYS;
}

/* Wrappers of system calls, which report a failure by a negative result. */

static long system_call(long number, long a, long b, long c, long d) {
    const int saved_errno = errno;
    const long result = syscall(number, a, b, c, d), code = errno;
    errno = saved_errno;
    return result == -1 ? -code : result;
}

static long write_wakeup(struct place *place, long fd, long bytes, long size) {
    while (atomic_load(&fault_hold))
        ;
    const int code = fails(place, "write");
    while (code == EAGAIN && system_call(SYS_write, fd, bytes, size, 0) > 0)
        ;
    return code == 0 ? system_call(SYS_write, fd, bytes, size, 0) : -code;
}

static long futex(struct place *place, long word, long operation, long value, long timeout) {
    const bool waits = operation == FUTEX_WAIT_PRIVATE;
    const int code = fails(place, waits ? "futex_wait" : "futex_wake");
    if (code != 0)
        return -code;
    if (waits && atomic_exchange(&fault_comes, false) && syscall(SYS_clone, 0, 0, 0, 0, 0) == 0) {
        nanosleep(&(struct timespec){0, 10000000}, NULL); /* in a child that has run no atfork handlers */
        const pid_t parent = getppid();
        if (parent == beginner)
            kill(parent, signo);
        _exit(0);
    }
    return system_call(SYS_futex, word, operation, value, timeout);
}

/* Sends a signal only to this thread or process; any other one fails the test. */
static long send_signal(struct place *place, long number, long a, long b, long c) {
    const char *name = number == SYS_tgkill ? "tgkill" : number == SYS_tkill ? "tkill" : "kill";
    const long thread = number == SYS_tgkill ? b : number == SYS_tkill ? a : 0;
    const int code = fails(place, name);
    if ((number != SYS_tkill && (a != getpid() || a <= 0)) || (thread != 0 && thread != syscall(SYS_gettid))) {
        if (!faults->wrong_signal)
            add_failure("%s is sent to %ld, which is not this process or thread; ", name, a);
        faults->wrong_signal = true;
        return -ESRCH;
    }
    return code == 0 ? system_call(number, a, b, c, 0) : -code;
}

long fault_system_call(struct place *place, long number, long a, long b, long c, long d) {
    const char *name;
    switch (number) {
    case SYS_write:
        return write_wakeup(place, a, b, c);
    case SYS_futex:
        return futex(place, a, b, c, d);
    case SYS_tgkill:
    case SYS_tkill:
    case SYS_kill:
        return send_signal(place, number, a, b, c);
    case SYS_exit_group:
        if (faults != NULL)
            faults->reached[place->index] = true;
        _exit((int)a);
    case SYS_rt_sigaction:
        name = b != 0 ? "rt_sigaction_set" : "rt_sigaction_get";
        break;
    case SYS_clock_gettime:
    case SYS_fstat:
    case SYS_getpid:
    case SYS_gettid:
    case SYS_kcmp:
    case SYS_read:
    case SYS_rt_sigprocmask:
        name = place->call + strlen("SYS_");
        break;
    default:
        add_failure("system call %ld has no wrapper", number);
        _exit(1);
    }
    const int code = fails(place, name);
    return code == 0 ? system_call(number, a, b, c, d) : -code;
}

/* Wrappers of functions of the C library, which report a failure by errno. */

#define FAIL_AS(name, value)                                                                                           \
    do {                                                                                                               \
        const int code = fails(place, name);                                                                           \
        if (code != 0) {                                                                                               \
            errno = code;                                                                                              \
            return value;                                                                                              \
        }                                                                                                              \
    } while (0)

int fault_sigaction(struct place *place, int number, const struct sigaction *action, struct sigaction *old) {
    FAIL_AS("sigaction", -1);
    if (action != NULL && atomic_exchange(&fault_overtake, false)) {
        struct sigaction quicker;
        sigaction(number, NULL, &quicker);
        quicker.sa_flags ^= SA_NODEFER;
        sigaction(number, &quicker, NULL);
    }
    return sigaction(number, action, old);
}

int fault_pthread_sigmask(struct place *place, int how, const sigset_t *set, sigset_t *old) {
    const int saved_errno = errno, code = fails(place, "pthread_sigmask");
    errno = saved_errno;
    return code != 0 ? code : pthread_sigmask(how, set, old);
}

int fault_pipe2(struct place *place, int *ends, int flags) {
    FAIL_AS("pipe2", -1);
    return pipe2(ends, flags);
}

int fault_open(struct place *place, const char *path, int flags) {
    if (fault_no_proc && strncmp(path, "/proc/", 6) == 0) {
        (void)fails(place, "open"); /* for the count */
        errno = ENOENT;
        return -1;
    }
    FAIL_AS("open", -1);
    return open(path, flags);
}

int fault_fcntl(struct place *place, int fd, int command, long argument) {
    FAIL_AS("fcntl", -1);
    return fcntl(fd, command, argument);
}

int fault_ioctl(struct place *place, int fd, unsigned long request, int *result) {
    FAIL_AS("ioctl", -1);
    return ioctl(fd, request, result);
}

int fault_close(struct place *place, int fd) {
    const int code = fails(place, "close");
    if (is_refusal(code) && faults->kept_count < (int)(sizeof faults->kept / sizeof *faults->kept))
        faults->kept[faults->kept_count++] = fd;
    const int result = is_refusal(code) ? -1 : close(fd);
    if (code == 0)
        return result;
    errno = code;
    return -1;
}

int fault_epoll_create1(struct place *place, int flags) {
    FAIL_AS("epoll_create1", -1);
    return epoll_create1(flags);
}

int fault_epoll_ctl(struct place *place, int epoll, int what, int fd, struct epoll_event *event) {
    FAIL_AS(what == EPOLL_CTL_MOD ? "epoll_ctl_MOD" : "epoll_ctl_ADD", -1);
    return epoll_ctl(epoll, what, fd, event);
}

int fault_signalfd(struct place *place, int fd, const sigset_t *set, int flags) {
    FAIL_AS(fd < 0 ? "signalfd" : "signalfd_change", -1);
    return signalfd(fd, set, flags);
}

void *fault_mmap(struct place *place, void *at, size_t size, int access, int flags, int fd, off_t offset) {
    FAIL_AS("mmap", MAP_FAILED);
    faults->maps++;
    return mmap(at, size, access, flags, fd, offset);
}

int fault_munmap(struct place *place, void *at, size_t size) {
    const int code = fails(place, "munmap");
    faults->lost_maps += code != 0;
    if (code != 0) {
        errno = code;
        return -1;
    }
    faults->maps--;
    return munmap(at, size);
}

int fault_madvise(struct place *place, void *at, size_t size, int advice) {
    if (fault_no_wipe) {
        errno = EINVAL;
        return -1;
    }
    FAIL_AS("madvise", -1);
    return madvise(at, size, advice);
}

/* In the constructor it always fails, so that csigshim_open has to do it. */
int fault_pthread_atfork(struct place *place, void (*before)(void), void (*parent)(void), void (*child)(void)) {
    const int code = fails(place, "pthread_atfork");
    if (faults == NULL || code != 0)
        return ENOMEM;
    return pthread_atfork(before, parent, child);
}

int fault_poll(struct place *place, struct pollfd *fds, nfds_t count, int timeout) {
    FAIL_AS("poll", -1);
    return poll(fds, count, timeout);
}

/* The only system call that the library makes by syscall(2). */
long fault_syscall(struct place *place, long number, ...) {
    va_list list;
    long a[4];
    if (number != SYS_rt_sigtimedwait) {
        add_failure("system call %ld has no wrapper", number);
        _exit(1);
    }
    va_start(list, number);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    FAIL_AS("rt_sigtimedwait", -1);
    return syscall(number, a[0], a[1], a[2], a[3]);
}

int fault_getrlimit(struct place *place, int which, struct rlimit *limit) {
    FAIL_AS("getrlimit", -1);
    return getrlimit(which, limit);
}

DIR *fault_opendir(struct place *place, const char *path) {
    FAIL_AS("opendir", NULL);
    DIR *directory = opendir(path);
    faults->files += directory != NULL;
    return directory;
}

struct dirent *fault_readdir(struct place *place, DIR *directory) {
    FAIL_AS("readdir", NULL);
    return readdir(directory);
}

int fault_closedir(struct place *place, DIR *directory) {
    const int code = fails(place, "closedir");
    faults->files--;
    const int result = closedir(directory);
    errno = code != 0 ? code : errno;
    return code != 0 ? -1 : result;
}

FILE *fault_fopen(struct place *place, const char *path, const char *mode) {
    FAIL_AS("fopen", NULL);
    FILE *file = fopen(path, mode);
    faults->files += file != NULL;
    return file;
}

char *fault_fgets(struct place *place, char *line, int size, FILE *file) {
    FAIL_AS("fgets", NULL);
    return fgets(line, size, file);
}

int fault_fclose(struct place *place, FILE *file) {
    const int code = fails(place, "fclose");
    faults->files--;
    const int result = fclose(file);
    errno = code != 0 ? code : errno;
    return code != 0 ? -1 : result;
}

int fault_dladdr(struct place *place, const void *address, Dl_info *info) {
    FAIL_AS("dladdr", 0);
    return dladdr(address, info);
}

void *fault_dlopen(struct place *place, const char *path, int flags) {
    FAIL_AS("dlopen", NULL);
    return dlopen(path, flags);
}

void *fault_dlsym(struct place *place, void *library, const char *name) {
    FAIL_AS("dlsym", NULL);
    return fault_no_vdso ? NULL : dlsym(library, name);
}

int fault_nanosleep(struct place *place, const struct timespec *time, struct timespec *left) {
    const int before = atomic_fetch_add(&sleeps, 1);
    if (before == 2)
        atomic_store(&fault_hold, false);
    if (before < 2) /* how many follow depends on the other thread */
        FAIL_AS("nanosleep", -1);
    return nanosleep(time, left);
}
