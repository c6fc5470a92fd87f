/* PID 1 of a container, in the program's own image: see CSignalInit.h. Two processes come out of one: "the init", which
 * stays PID 1, and "the program", which is its child.
 *
 * I1  No signal is lost, and none comes early. All signals are blocked before the fork, and the init takes them by
 *     sigwaitinfo(2) alone. So what comes while it starts stays pending until there is a program to forward it to, and
 *     no handler of the program's image ever runs in the init.
 * I2  No status is lost. SIGCHLD has its default action before the fork: where the parent ignored it, the kernel would
 *     discard the statuses. The kernel coalesces SIGCHLD, so the init takes every status that there is, after each
 *     signal, and before the first. It takes none of a child that belongs to the program.
 * I3  The program starts as main would have without the init: the same mask, the same action for SIGCHLD. It takes the
 *     terminal only where the init's group has it: where both numbers are 0, the groups are of an outer namespace, and
 *     nobody knows.
 * I4  A signal reaches the program once. The terminal signals the program's group and not the init's, as soon as the
 *     program has made it. Before that, and after the program left it, the init signals the program by its id. A value
 *     goes to the program alone, since no call queues one for a group.
 * I5  The init ends as the program did. PID 1 cannot kill itself, so death by a signal is 128 + its number. It leaves
 *     by _exit(2): functions of atexit(3), and what stdio has buffered, belong to the program.
 * I6  The init keeps no descriptor and no directory. Otherwise a listening socket that the program closes would go on
 *     to take connections, a pipe that it closes would have no end, and a volume that it leaves would stay busy.
 * I7  What a sandbox refuses is found before the fork, while the error still has somebody to tell.
 * I8  Whoever looks for the program by its name does not find the init, too: a signal to both would come twice.
 */
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

/* /proc/self/task has two links, and one for each thread, those of an emulator (qemu-user) included. Without a /proc,
 * nothing tells. */
static bool has_other_threads(void) {
    struct stat tasks;
    if (&__libc_single_threaded != NULL && __libc_single_threaded)
        return false;
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3;
}

/* I7: the calls by which the init lives. None of them waits, and none takes a signal. */
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

/* True if the program has ended. Takes the status of every child of the init that has (I2). */
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
#else /* elsewhere nothing but the system's own init is PID 1 */
int csigshim_run_init_if_needed(void) {
    return 0;
}
#endif
