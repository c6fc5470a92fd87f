/* System calls that fail once, half-way: nothing leaks, nothing is lost, and it can be tried again. */
#include "check.h"
#include <dirent.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char *refused; /* the call that fails once, */
static int refused_code;    /* with this, */
static int permitted;       /* after so many that do not */
static bool for_good;       /* and so do all that follow */

static atomic_int hosts_calls;

static void host(int signo)
{
    (void)signo;
    atomic_fetch_add(&hosts_calls, 1);
}

static void refuse(const char *call, int after, int code)
{
    refused = call;
    permitted = after;
    refused_code = code;
}

#if defined(__GLIBC__) && !defined(SANITIZED)
#define CAN_REFUSE() ((void)0)
static bool refuses(const char *call)
{
    if (refused == NULL || strcmp(refused, call) != 0 || permitted-- > 0)
        return false;
    refused = for_good ? refused : NULL;
    errno = refused_code;
    return true;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (what == EPOLL_CTL_ADD && refuses("epoll_ctl"))
        return -1;
    return REAL(epoll_ctl)(epoll, what, fd, event);
}

int dup3(int fd, int number, int flags)
{
    return refuses("dup3") ? -1 : REAL(dup3)(fd, number, flags);
}

int signalfd(int fd, const sigset_t *signals, int flags)
{
    return fd >= 0 && refuses("signalfd") ? -1 : REAL(signalfd)(fd, signals, flags);
}

int fstat64(int fd, struct stat64 *status)
{
    return refuses("fstat") ? -1 : REAL(fstat64)(fd, status);
}

long syscall(long number, ...)
{
    va_list list;
    long a[4];
    va_start(list, number);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if ((number == SYS_write && refuses("write")) || (number == SYS_read && refuses("read")) ||
        (number == SYS_rt_sigtimedwait && refuses("sigtimedwait")))
        return -1;
    return REAL(syscall)(number, a[0], a[1], a[2], a[3]);
}

FILE *fopen64(const char *path, const char *mode)
{
    return refuses("fopen") ? NULL : REAL(fopen64)(path, mode);
}

char *fgets(char *line, int size, FILE *file)
{
    return refuses("fgets") ? NULL : REAL(fgets)(line, size, file);
}

struct dirent64 *readdir64(DIR *directory)
{
    return refuses("readdir") ? NULL : REAL(readdir64)(directory);
}

int sigaction(int signo, const struct sigaction *action, struct sigaction *old)
{
    return refuses("sigaction") ? -1 : REAL(sigaction)(signo, action, old);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return refuses("pthread_sigmask") ? refused_code : REAL(pthread_sigmask)(how, set, old);
}
#else
#define CAN_REFUSE() SKIP("calls cannot be made to fail here")
#endif

static int descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void works(csigshim_bridge *bridge)
{
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

/* In a forked child: csigshim_after_fork meets the refusal, and works when it is called again. */
static void after_fork_refused(const char *call, int after, int code, bool lost)
{
    CAN_REFUSE();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const int with_bridge = descriptors();
    const pid_t child = fork();
    if (child == 0) {
        for (int fd = 3; lost && fd < 100; fd++)
            close(fd);
        refuse(call, after, code);
        const int result = csigshim_after_fork(bridge);
        CHECK((lost || refused == NULL) && (result >= 0 || errno == code));
        refused = NULL;
        if (result == -1)
            CHECK(csigshim_after_fork(bridge) >= lost);
        works(bridge);
        /* an old pipe that fstat does not show to be one is left alone */
        const int left = strcmp(call, "fstat") == 0 ? 2 : 0;
        CHECK(lost || (descriptors() >= with_bridge && descriptors() <= with_bridge + left));
        const int mine = test_is_handler() ? 2 : 4, now = descriptors();
        CHECK(csigshim_close(bridge) == 0 && descriptors() == now - mine);
        _exit(0);
    }
    CHECK(exited(child, 0) && csigshim_close(bridge) == 0);
}

TEST(after_fork_with_an_epoll_that_takes_no_doorbell)
{
    SIGNALFD_ONLY("an epoll");
    after_fork_refused("epoll_ctl", 0, ENOMEM, false);
}

TEST(after_fork_with_an_epoll_that_takes_no_signalfd)
{
    SIGNALFD_ONLY("an epoll");
    after_fork_refused("epoll_ctl", 1, ENOSPC, false);
}

TEST(after_fork_with_a_number_that_cannot_be_had)
{
    for (int call = 0; call < (test_is_handler() ? 2 : 4); call++)
        after_fork_refused("dup3", call, EBUSY, false);
}

/* The first end of the new pipe had replaced the old one already. */
TEST(after_fork_with_half_a_pipe)
{
    for (int call = 0; call < 4; call++)
        after_fork_refused("fstat", call, ENOMEM, false);
}

/* The call that works says that the numbers are new, though it is the second. */
TEST(after_fork_says_of_new_numbers_again)
{
    SIGNALFD_ONLY("what can fail late");
    after_fork_refused("signalfd", 0, ENOMEM, true);
}

/* A pipe has no page of its own until it is written to. */
TEST(doorbell_without_memory)
{
    CAN_REFUSE();
    HANDLER_ONLY("no handler writes");
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    refuse("write", 0, ENOMEM);
    CHECK(kill(getpid(), SIGUSR1) == 0 && refused == NULL);
    CHECK(csigshim_wait(bridge, 0) == 1);
    CHECK(drained(bridge, SIGUSR1) == 1);
}

TEST(wake_without_memory)
{
    CAN_REFUSE();
    csigshim_bridge *bridge = polled(opened());
    refuse("write", 0, ENOMEM);
    CHECK(csigshim_wake(bridge) == 0 && refused == NULL);
    CHECK(csigshim_wait(bridge, 0) == 1);
}

/* An edge-triggered poller would not come again. */
TEST(interrupted_read_of_the_queue)
{
    CAN_REFUSE();
    SIGNALFD_ONLY("the kernel's queue");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    refuse("read", 0, EINTR);
    CHECK(drained(bridge, SIGUSR1) == 1 && refused == NULL);
}

/* What is pending is moved before the default action could take it. */
TEST(interrupted_removal)
{
    CAN_REFUSE();
    SIGNALFD_ONLY("the kernel's queue");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    refuse("sigtimedwait", 0, EINTR);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && refused == NULL);
    CHECK(drained(bridge, SIGUSR1) == 1);
}

/* A number that is too small would say that all is well. */
TEST(threads_that_cannot_be_looked_at)
{
    CAN_REFUSE();
    pid_t tid;
    const char *calls[] = {"fopen", "fgets", "readdir"};
    for (int i = 0; i < 3; i++)
        for (int after = 0; after < 3; after++) {
            refuse(calls[i], i == 0 ? 0 : after, EMFILE);
            FAILS(csigshim_unblocked_threads(SIGHUP, &tid, 1), EMFILE);
            CHECK(csigshim_unblocked_threads(SIGHUP, &tid, 1) == 1);
        }
    refuse("fopen", 0, ENOENT); /* a thread that has ended since is none */
    CHECK(csigshim_unblocked_threads(SIGHUP, &tid, 1) == 0);
}

/* The mask that the thread gets back was never taken. */
TEST(mask_refused)
{
    CAN_REFUSE();
    csigshim_bridge *bridge = opened();
    change_mask(SIG_BLOCK, SIGHUP);
    refuse("pthread_sigmask", 0, EPERM);
    FAILS(csigshim_add(bridge, SIGUSR1, 0), EPERM);
    CHECK(is_blocked(SIGHUP) && !is_blocked(SIGTERM) && csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
    refuse("pthread_sigmask", 0, EPERM);
    const pid_t child = fork();
    CHECK(is_blocked(SIGHUP) && !is_blocked(SIGTERM));
    if (child == 0)
        _exit(0);
    CHECK(exited(child, 0));
}

/* Not knowing is an error, not an answer. */
TEST(looks_refused)
{
    CAN_REFUSE();
    csigshim_bridge *bridge = opened();
    install(SIGUSR1, SIG_IGN, 0);
    refuse("sigaction", 0, EPERM);
    FAILS(csigshim_add(bridge, SIGUSR1, CSIGSHIM_KEEP_IGNORED), EPERM);
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    refuse("sigaction", 0, EPERM);
    FAILS(csigshim_state(SIGUSR1), EPERM);
    refuse("sigaction", 0, EPERM);
    FAILS(csigshim_reset_for_exec(), EPERM);
    refuse("pthread_sigmask", 0, EPERM);
    FAILS(csigshim_reset_for_exec(), EPERM);
}

TEST(stop_refused)
{
    CAN_REFUSE();
    csigshim_bridge *bridge = opened_on(SIGTSTP, 0);
    refuse("sigaction", 0, EPERM);
    FAILS(csigshim_take_default_action(SIGTSTP), EPERM);
    CHECK(csigshim_state(SIGTSTP) == CSIGSHIM_ARMED && csigshim_wait(bridge, 0) == 0);
}

/* What could not be lent or taken back is where it was, and can be tried again. */
TEST(lending_refused)
{
    CAN_REFUSE();
    csigshim_spawn spawn;
    install(SIGUSR1, SIG_IGN, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    for (int after = 0; after < 2; after++) {
        refuse("sigaction", after, EPERM);
        FAILS(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED), EPERM);
        works(bridge);
    }
    for (int after = 0; after < 2; after++) {
        CHECK(csigshim_spawn_begin(&spawn, CSIGSHIM_SPAWN_IGNORED) == 0);
        CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_IGNORED);
        refuse("sigaction", after, EPERM);
        FAILS(csigshim_spawn_end(&spawn), EPERM);
        CHECK(csigshim_spawn_end(&spawn) == 0);
        works(bridge);
    }
}

/* A handler that may not look at its own disposition runs what is chained, or underneath, all the same. */
TEST(handler_that_may_not_look)
{
    CAN_REFUSE();
    HANDLER_ONLY("no handler runs");
    install(SIGUSR1, host, SA_RESTART);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    refuse("sigaction", 0, EPERM);
    CHECK(kill(getpid(), SIGUSR1) == 0 && refused == NULL);
    CHECK(atomic_load(&hosts_calls) == 1 && drained(bridge, SIGUSR1) == 1);
    CHECK(close(csigshim_fd(bridge)) == 0);
    refuse("sigaction", 0, EPERM);
    CHECK(kill(getpid(), SIGUSR1) == 0 && refused == NULL);
    CHECK(atomic_load(&hosts_calls) == 2);
}

/* Where there is nothing underneath, it ends, and does not call itself until its stack is full. */
TEST(handler_that_may_not_put_back)
{
    CAN_REFUSE();
    HANDLER_ONLY("no handler runs");
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
        CHECK(close(csigshim_fd(bridge)) == 0);
        refuse("sigaction", 1, EPERM);
        for_good = true;
        kill(getpid(), SIGUSR1);
        _exit(0);
    }
    CHECK(exited(child, 128 + SIGUSR1));
}

/* The new pipe has the numbers of the old one, which the host had closed: it is not closed for that. */
TEST(after_fork_does_not_take_its_new_pipe_for_the_old)
{
    for (int call = 2; call < 6; call++)
        after_fork_refused("fstat", call, ENOMEM, true);
}
