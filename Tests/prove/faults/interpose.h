/* Compiled in front of every file of the library (-include) for these tests. Each call that can fail becomes a call of
 * a wrapper, with a note of its place. The library's source is unchanged: the C library's functions are replaced by
 * macros, and platform.h takes CSIGSHIM__SYSTEM_CALL from here. The linker collects pointers to all places in a
 * section, so a place that no test reaches is known too. An inline function of a header has a place in each file that
 * uses it. run.sh compares what else the objects refer to with `cannot-fail`. */
#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct place {
    const char *unit; /* the file that is compiled */
    const char *file, *function, *call;
    int line, index;
    bool reached_before_main; /* by a constructor */
};

long fault_system_call(struct place *, long number, long, long, long, long); /* a negative errno code if it fails */
int fault_sigaction(struct place *, int, const struct sigaction *, struct sigaction *);
int fault_pthread_sigmask(struct place *, int, const sigset_t *, sigset_t *);
int fault_pipe2(struct place *, int *, int);
int fault_open(struct place *, const char *, int);
int fault_fcntl(struct place *, int, int, long);
int fault_ioctl(struct place *, int, unsigned long, int *);
int fault_close(struct place *, int);
int fault_epoll_create1(struct place *, int);
int fault_epoll_ctl(struct place *, int, int, int, struct epoll_event *);
int fault_signalfd(struct place *, int, const sigset_t *, int);
void *fault_mmap(struct place *, void *, size_t, int, int, int, off_t);
int fault_munmap(struct place *, void *, size_t);
int fault_madvise(struct place *, void *, size_t, int);
int fault_pthread_atfork(struct place *, void (*)(void), void (*)(void), void (*)(void));
int fault_poll(struct place *, struct pollfd *, nfds_t, int);
long fault_syscall(struct place *, long, ...);
int fault_getrlimit(struct place *, int, struct rlimit *);
DIR *fault_opendir(struct place *, const char *);
struct dirent *fault_readdir(struct place *, DIR *);
int fault_closedir(struct place *, DIR *);
FILE *fault_fopen(struct place *, const char *, const char *);
char *fault_fgets(struct place *, char *, int, FILE *);
int fault_fclose(struct place *, FILE *);
int fault_dladdr(struct place *, const void *, Dl_info *);
void *fault_dlopen(struct place *, const char *, int);
void *fault_dlsym(struct place *, void *, const char *);
int fault_nanosleep(struct place *, const struct timespec *, struct timespec *);

#ifdef INTERPOSE
#define HERE(name)                                                                                                     \
    ({                                                                                                                 \
        static struct place here = {__BASE_FILE__, __FILE__, __func__, name, __LINE__, 0, false};                      \
        static struct place *known __attribute__((section("fault_places"), used)) = &here;                             \
        &here;                                                                                                         \
    })
#define CSIGSHIM__SYSTEM_CALL(number, ...) fault_system_call(HERE(#number), number, __VA_ARGS__)
#define sigaction(...)                     fault_sigaction(HERE("sigaction"), __VA_ARGS__)
#define pthread_sigmask(...)               fault_pthread_sigmask(HERE("pthread_sigmask"), __VA_ARGS__)
#define pipe2(...)                         fault_pipe2(HERE("pipe2"), __VA_ARGS__)
#define open(...)                          fault_open(HERE("open"), __VA_ARGS__)
#define fcntl(...)                         fault_fcntl(HERE("fcntl"), __VA_ARGS__)
#define ioctl(...)                         fault_ioctl(HERE("ioctl"), __VA_ARGS__)
#define close(...)                         fault_close(HERE("close"), __VA_ARGS__)
#define epoll_create1(...)                 fault_epoll_create1(HERE("epoll_create1"), __VA_ARGS__)
#define epoll_ctl(...)                     fault_epoll_ctl(HERE("epoll_ctl"), __VA_ARGS__)
#define signalfd(...)                      fault_signalfd(HERE("signalfd"), __VA_ARGS__)
#define mmap(...)                          fault_mmap(HERE("mmap"), __VA_ARGS__)
#define munmap(...)                        fault_munmap(HERE("munmap"), __VA_ARGS__)
#define madvise(...)                       fault_madvise(HERE("madvise"), __VA_ARGS__)
#define pthread_atfork(...)                fault_pthread_atfork(HERE("pthread_atfork"), __VA_ARGS__)
#define poll(...)                          fault_poll(HERE("poll"), __VA_ARGS__)
#define syscall(number, ...)               fault_syscall(HERE(#number), number, __VA_ARGS__)
#define getrlimit(...)                     fault_getrlimit(HERE("getrlimit"), __VA_ARGS__)
#define opendir(...)                       fault_opendir(HERE("opendir"), __VA_ARGS__)
#define readdir(...)                       fault_readdir(HERE("readdir"), __VA_ARGS__)
#define closedir(...)                      fault_closedir(HERE("closedir"), __VA_ARGS__)
#define fopen(...)                         fault_fopen(HERE("fopen"), __VA_ARGS__)
#define fgets(...)                         fault_fgets(HERE("fgets"), __VA_ARGS__)
#define fclose(...)                        fault_fclose(HERE("fclose"), __VA_ARGS__)
#define dladdr(...)                        fault_dladdr(HERE("dladdr"), __VA_ARGS__)
#define dlopen(...)                        fault_dlopen(HERE("dlopen"), __VA_ARGS__)
#define dlsym(...)                         fault_dlsym(HERE("dlsym"), __VA_ARGS__)
#define nanosleep(...)                     fault_nanosleep(HERE("nanosleep"), __VA_ARGS__)
#endif
#endif
