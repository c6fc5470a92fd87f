/* The wrappers. A call that is to fail does nothing and says so, but where a real failure has an effect: close(2) lets
 * go of the descriptor whatever it returns, and a write(2) that says EAGAIN leaves a full pipe. EPERM stands for a
 * sandbox. What is an answer and no failure is not given: EAGAIN of read(2) or sigtimedwait(2), which says that nothing
 * is there; EBADF of fstat(2), ENOENT of epoll_ctl(2), which say that a number is not ours: scenarios close it. */
#define _GNU_SOURCE 1
#include "faults.h"
#include <linux/futex.h>
#include <stdarg.h>

struct faults *faults;
atomic_bool fault_hold, fault_overtake, fault_comes;
static atomic_int sleeps;
static __thread bool counting;
static pid_t beginner;

extern struct place *__start_fault_places[], *__stop_fault_places[];

static const struct {
    const char *name;
    int errnos[ERRNOS];
} possible[] = {
    {"sigaction", {EPERM, EINVAL}},
    {"pthread_sigmask", {EPERM}},
    {"pipe2", {EMFILE, ENFILE, ENOMEM, EPERM}},
    {"fcntl", {EMFILE, EINVAL, EPERM}},
    {"fstat", {ENOMEM, EACCES, EPERM, ENOSYS}},
    {"close", {EINTR, EIO}},
    {"dup3", {EMFILE, EBUSY, EINTR, EPERM}},
    {"epoll_create1", {EMFILE, ENFILE, ENOMEM, EPERM}},
    {"epoll_ctl_ADD", {ENOMEM, ENOSPC, EPERM}},
    {"epoll_ctl_MOD", {ENOMEM, EPERM}},
    {"signalfd", {EMFILE, ENFILE, ENOMEM, ENODEV, EPERM}},
    {"signalfd_change", {EBADF, EINVAL, EPERM}},
    {"mmap", {ENOMEM, EAGAIN, ENFILE, EPERM}},
    {"munmap", {ENOMEM}},
    {"madvise", {EINVAL, ENOMEM, EAGAIN, EPERM}},
    {"calloc", {ENOMEM}},
    {"pthread_atfork", {ENOMEM}},
    {"poll", {EINTR, ENOMEM, EPERM}},
    {"sigtimedwait", {EINTR}},
    {"futex_wait", {EINTR, EAGAIN, ENOSYS, EPERM}},
    {"futex_wake", {EPERM, ENOSYS}},
    {"write", {EAGAIN, EINTR, ENOMEM, EPERM}},
    {"read", {EINTR}},
    {"tgkill", {EAGAIN, EPERM}},
    {"kill", {EPERM}},
    {"getrlimit", {EPERM}},
    {"opendir", {EMFILE, ENFILE, ENOMEM, EACCES, ENOENT}},
    {"readdir", {ENOMEM, EINTR}},
    {"closedir", {EINTR}},
    {"fopen", {EMFILE, ENFILE, ENOMEM, EINTR, EACCES}},
    {"fgets", {ENOMEM, EINTR}},
    {"fclose", {EINTR}},
    {"dladdr", {EINVAL}},
    {"dlopen", {ENOMEM}},
    {"nanosleep", {EINTR}},
};

const int *fault_errnos(const char *name)
{
    for (size_t i = 0; i < sizeof possible / sizeof *possible; i++)
        if (strcmp(possible[i].name, name) == 0)
            return possible[i].errnos;
    say("no errno is listed for %s", name);
    _exit(1);
}

int fault_places(struct place ***places)
{
    *places = __start_fault_places;
    const int count = (int)(__stop_fault_places - __start_fault_places);
    for (int i = 0; i < count; i++)
        __start_fault_places[i]->index = i;
    return count;
}

void say(const char *format, ...)
{
    va_list list;
    const size_t used = strlen(faults->message);
    va_start(list, format);
    vsnprintf(faults->message + used, sizeof faults->message - used, format, list);
    va_end(list);
}

void fault_begin(void)
{
    faults->count = faults->fired = 0;
    beginner = getpid();
    counting = true;
}

void fault_end(void)
{
    counting = false;
}

/* 0, or the errno with which this call is to fail. */
static int fails(const struct place *place, const char *name)
{
    if (!counting || (getpid() != beginner) != faults->in_child || faults->count == CALLS)
        return 0;
    const int number = ++faults->count;
    faults->calls[number - 1] = (struct called){place, name};
    faults->reached[place->index] = true;
    for (int i = 0; i < 2; i++)
        if (faults->number[i] == number) {
            faults->failed[place->index] = true;
            faults->fired++;
            return faults->code[i];
        }
    return 0;
}

#define FAIL_AS(name, value)                                                                                           \
    do {                                                                                                               \
        const int code = fails(place, name);                                                                           \
        if (code != 0) {                                                                                               \
            errno = code;                                                                                              \
            return value;                                                                                              \
        }                                                                                                              \
    } while (0)

int fault_sigaction(struct place *place, int number, const struct sigaction *action, struct sigaction *old)
{
    FAIL_AS("sigaction", -1);
    if (counting && action != NULL && atomic_exchange(&fault_overtake, false)) {
        struct sigaction quicker;
        sigaction(number, NULL, &quicker);
        quicker.sa_flags ^= SA_NODEFER;
        sigaction(number, &quicker, NULL);
    }
    return sigaction(number, action, old);
}

int fault_pthread_sigmask(struct place *place, int how, const sigset_t *set, sigset_t *old)
{
    const int saved_errno = errno, code = fails(place, "pthread_sigmask");
    errno = saved_errno;
    return code != 0 ? code : pthread_sigmask(how, set, old);
}

int fault_pipe2(struct place *place, int *ends, int flags)
{
    FAIL_AS("pipe2", -1);
    return pipe2(ends, flags);
}

int fault_fcntl(struct place *place, int fd, int command, long argument)
{
    FAIL_AS("fcntl", -1);
    return fcntl(fd, command, argument);
}

int fault_fstat(struct place *place, int fd, struct stat *status)
{
    FAIL_AS("fstat", -1);
    return fstat(fd, status);
}

int fault_close(struct place *place, int fd)
{
    const int code = fails(place, "close"), result = close(fd);
    if (code == 0)
        return result;
    errno = code;
    return -1;
}

int fault_dup3(struct place *place, int fd, int number, int flags)
{
    FAIL_AS("dup3", -1);
    return dup3(fd, number, flags);
}

int fault_epoll_create1(struct place *place, int flags)
{
    FAIL_AS("epoll_create1", -1);
    return epoll_create1(flags);
}

int fault_epoll_ctl(struct place *place, int epoll, int what, int fd, struct epoll_event *event)
{
    FAIL_AS(what == EPOLL_CTL_MOD ? "epoll_ctl_MOD" : "epoll_ctl_ADD", -1);
    return epoll_ctl(epoll, what, fd, event);
}

int fault_signalfd(struct place *place, int fd, const sigset_t *set, int flags)
{
    FAIL_AS(fd < 0 ? "signalfd" : "signalfd_change", -1);
    return signalfd(fd, set, flags);
}

void *fault_mmap(struct place *place, void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    FAIL_AS("mmap", MAP_FAILED);
    faults->maps++;
    return mmap(at, size, access, flags, fd, offset);
}

int fault_munmap(struct place *place, void *at, size_t size)
{
    FAIL_AS("munmap", -1);
    faults->maps--;
    return munmap(at, size);
}

int fault_madvise(struct place *place, void *at, size_t size, int advice)
{
    FAIL_AS("madvise", -1);
    return madvise(at, size, advice);
}

void *fault_calloc(struct place *place, size_t count, size_t size)
{
    FAIL_AS("calloc", NULL);
    faults->memory++;
    return calloc(count, size);
}

int fault_pthread_atfork(struct place *place, void (*before)(void), void (*parent)(void), void (*child)(void))
{
    const int code = fails(place, "pthread_atfork");
    return code != 0 ? code : pthread_atfork(before, parent, child);
}

int fault_poll(struct place *place, struct pollfd *fds, nfds_t count, int timeout)
{
    FAIL_AS("poll", -1);
    return poll(fds, count, timeout);
}

/* Those that the library makes by hand; the rest it does not know. */
long fault_syscall(struct place *place, long number, ...)
{
    va_list list;
    long a[4] = {0};
    const int arguments = number == SYS_gettid                                   ? 0
                          : number == SYS_kill                                   ? 2
                          : number == SYS_rt_sigtimedwait || number == SYS_futex ? 4
                                                                                 : 3;
    va_start(list, number);
    for (int i = 0; i < arguments; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    switch (number) {
    case SYS_write: {
        while (atomic_load(&fault_hold))
            ;
        const int code = fails(place, "write");
        while (code == EAGAIN && syscall(number, (int)a[0], a[1], a[2]) > 0)
            ;
        if (code == 0)
            break;
        errno = code;
        return -1;
    }
    case SYS_read:
        FAIL_AS("read", -1);
        break;
    case SYS_tgkill:
        FAIL_AS("tgkill", -1);
        return syscall(number, (pid_t)a[0], (pid_t)a[1], (int)a[2]);
    case SYS_kill:
        FAIL_AS("kill", -1);
        return syscall(number, (pid_t)a[0], (int)a[1]);
    case SYS_rt_sigtimedwait:
        FAIL_AS("sigtimedwait", -1);
        return syscall(number, a[0], a[1], a[2], a[3]);
    case SYS_futex: /* of the kind that the library uses, with the arguments that those have */
        if ((int)a[1] == FUTEX_WAIT_PRIVATE) {
            FAIL_AS("futex_wait", -1);
            if (atomic_exchange(&fault_comes, false) &&
                syscall(SYS_clone, 0, 0, 0, 0, 0) == 0) { /* no atfork handlers */
                nanosleep(&(struct timespec){0, 10000000}, NULL);
                kill(getppid(), signo);
                _exit(0);
            }
        } else {
            FAIL_AS("futex_wake", -1);
        }
        return syscall(number, a[0], (int)a[1], (int)a[2], a[3], NULL, 0);
    case SYS_gettid: /* always succeeds */
        faults->reached[place->index] = true;
        return syscall(number);
    default:
        say("system call %ld has no wrapper", number);
        _exit(1);
    }
    return syscall(number, (int)a[0], a[1], a[2]);
}

int fault_kill(struct place *place, pid_t pid, int number)
{
    FAIL_AS("kill", -1);
    return kill(pid, number);
}

int fault_getrlimit(struct place *place, int which, struct rlimit *limit)
{
    FAIL_AS("getrlimit", -1);
    return getrlimit(which, limit);
}

DIR *fault_opendir(struct place *place, const char *path)
{
    FAIL_AS("opendir", NULL);
    DIR *directory = opendir(path);
    faults->files += directory != NULL;
    return directory;
}

struct dirent *fault_readdir(struct place *place, DIR *directory)
{
    FAIL_AS("readdir", NULL);
    return readdir(directory);
}

int fault_closedir(struct place *place, DIR *directory)
{
    const int code = fails(place, "closedir");
    faults->files--;
    const int result = closedir(directory);
    errno = code != 0 ? code : errno;
    return code != 0 ? -1 : result;
}

FILE *fault_fopen(struct place *place, const char *path, const char *mode)
{
    FAIL_AS("fopen", NULL);
    FILE *file = fopen(path, mode);
    faults->files += file != NULL;
    return file;
}

char *fault_fgets(struct place *place, char *line, int size, FILE *file)
{
    FAIL_AS("fgets", NULL);
    return fgets(line, size, file);
}

int fault_fclose(struct place *place, FILE *file)
{
    const int code = fails(place, "fclose");
    faults->files--;
    const int result = fclose(file);
    errno = code != 0 ? code : errno;
    return code != 0 ? -1 : result;
}

int fault_dladdr(struct place *place, const void *address, Dl_info *info)
{
    FAIL_AS("dladdr", 0);
    return dladdr(address, info);
}

void *fault_dlopen(struct place *place, const char *path, int flags)
{
    FAIL_AS("dlopen", NULL);
    return dlopen(path, flags);
}

int fault_nanosleep(struct place *place, const struct timespec *time, struct timespec *left)
{
    const int before = atomic_fetch_add(&sleeps, 1);
    if (before == 2)
        atomic_store(&fault_hold, false);
    if (before < 2) /* how many follow is the other thread's affair */
        FAIL_AS("nanosleep", -1);
    return nanosleep(time, left);
}
