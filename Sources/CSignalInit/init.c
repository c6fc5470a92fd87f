/* PID 1 of a container, in the program's own image: see CSignalInit.h. PID 1 forks. "The init" is the parent, which
 * stays PID 1, and "the program" is the child.
 *
 * I1  No signal is lost, and none comes early. All signals are blocked before the fork, and the init takes them only by
 *     sigwaitinfo(2). So a signal that comes while it starts stays pending until there is a program to forward it to.
 *     No handler of the program's image ever runs in the init.
 * I2  No status is lost. SIGCHLD gets its default action before the fork, because the kernel discards the statuses if
 *     it is ignored. The kernel coalesces SIGCHLD, so the init takes every available status after each signal, and
 *     before the first. It does not wait for children of the program.
 * I3  The program starts as main would have without the init: with the same mask, and the same action for SIGCHLD. It
 *     takes the terminal only if the init's group has it. If both group numbers are 0, the groups belong to an outer
 *     namespace, and this is unknown.
 * I4  A signal reaches the program once. The terminal signals the program's group and not the init's, once the program
 *     has created it. Before that, and after the program left it, the init signals the program by its id. A value
 *     goes only to the program, because no system call queues one for a group.
 * I5  The init ends as the program did. PID 1 cannot kill itself, so death by a signal is 128 + its number. It ends by
 *     _exit(2), because functions of atexit(3) and the buffers of stdio belong to the program.
 * I6  The init keeps no descriptor and no directory. Otherwise a listening socket that the program closes would still
 *     take connections, a pipe that it closes would have no end of file, and a volume that it leaves would stay busy.
 * I7  A call that a sandbox refuses is found before the fork, while the error can still be returned.
 * I8  The init has another name than the program. Otherwise a signal sent by name would reach both, and come twice. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#if defined(__linux__) && !defined(_FILE_OFFSET_BITS)
#define _FILE_OFFSET_BITS 64 /* where ino_t has 32 bits, stat refuses large numbers */
#endif
#include "include/CSignalInit.h"

#if defined(__linux__)
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if !defined(SYS_close_range)
#define SYS_close_range 436 /* on every architecture but alpha */
#endif

/* glibc has this. It may stay 0 when the other threads have ended. */
extern char __libc_single_threaded __attribute__((weak));

/* /proc/self/task has two links, and one for each thread, those of an emulator (qemu-user) included. Without /proc,
 * threads are unknown. */
static bool has_other_threads(void) {
    struct stat tasks;
    if (&__libc_single_threaded != NULL && __libc_single_threaded)
        return false;
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3;
}

/* I7: the calls that the init needs. None of them waits, and none takes a signal. */
static bool may_be_init(void) {
    const struct timespec at_once = {0, 0};
    sigset_t none;
    sigemptyset(&none);
    return (sigtimedwait(&none, NULL, &at_once) >= 0 || errno == EAGAIN) &&
           (waitpid(-1, NULL, WNOHANG) >= 0 || errno == ECHILD) && kill(getpid(), 0) == 0;
}

/* sd_listen_fds(3) and sd_watchdog_enabled(3) compare these with the id of the process. */
static void correct_environment(pid_t program) {
    static char variables[][32] = {"LISTEN_PID=", "WATCHDOG_PID="};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        char *const sign = strchr(variables[i], '=');
        *sign = '\0';
        const char *const value = getenv(variables[i]);
        *sign = '=';
        if (value == NULL || strcmp(value, "1") != 0)
            continue;
        snprintf(sign + 1, 16, "%d", (int)program);
        putenv(variables[i]);
    }
}

/* I3: all signals are still blocked, so that tcsetpgrp(3) does not stop a process of the background. */
static void start_program(pid_t init_group) {
    const pid_t program = getpid();
    setpgid(program, program);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && init_group > 0; fd++)
        if (tcgetpgrp(fd) == init_group) {
            tcsetpgrp(fd, program);
            break;
        }
    correct_environment(program);
}

/* Waits for every ended child of the init (I2). Returns true if the program is one of them. */
static bool reap(pid_t program, int *status) {
    int one;
    for (pid_t child; (child = waitpid(-1, &one, WNOHANG)) > 0;)
        if (child == program) {
            *status = one;
            return true;
        }
    return false;
}

static void forward(pid_t program, const siginfo_t *info) {
    const int signo = info->si_signo;
    if (signo == SIGCHLD)
        return;
    if (info->si_code == SI_QUEUE && syscall(SYS_rt_sigqueueinfo, program, signo, info) == 0) /* I4 */
        return;
    if (kill(-program, signo) != 0 || getpgid(program) != program) /* I4 */
        kill(program, signo);
}

_Noreturn static void run_init(pid_t program) {
    siginfo_t info;
    sigset_t all;
    int status;
    sigfillset(&all);
    prctl(PR_SET_NAME, "init");                   /* I8 */
    if (syscall(SYS_close_range, 0, ~0U, 0) != 0) /* I6 */
        for (int fd = 0; fd < 1024; fd++)         /* Linux before 5.9 */
            close(fd);
    (void)!chdir("/");              /* I6 */
    while (!reap(program, &status)) /* I2 */
        if (sigwaitinfo(&all, &info) > 0)
            forward(program, &info);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)); /* I5 */
}

int csigshim_run_init_if_needed(void) {
    struct sigaction waits, action;
    sigset_t all, mask;
    pid_t program = -1;
    if (getpid() != 1)
        return 0;
    if (has_other_threads()) {
        errno = EBUSY;
        return -1;
    }
    memset(&waits, 0, sizeof waits);
    waits.sa_handler = SIG_DFL;
    sigfillset(&all);
    if (!may_be_init() || sigprocmask(SIG_SETMASK, &all, &mask) != 0) /* I7, I1 */
        return -1;
    const pid_t init_group = getpgrp();
    const bool waits_for_children = sigaction(SIGCHLD, &waits, &action) == 0; /* I2 */
    if (waits_for_children)
        program = fork();
    if (program > 0)
        run_init(program);
    const int code = errno;
    if (program == 0)
        start_program(init_group);
    if (waits_for_children)
        sigaction(SIGCHLD, &action, NULL); /* I3 */
    sigprocmask(SIG_SETMASK, &mask, NULL); /* I3 */
    errno = code;
    return program == 0 ? 0 : -1;
}
#else /* elsewhere only the system's own init is PID 1 */
int csigshim_run_init_if_needed(void) {
    return 0;
}
#endif
