/* A process for the tests of `signals`, in the state that its argument names. Its parent, which is this program too,
 * prints its pid when it is there, and kills it when standard input ends. With `actions` it prints instead what each
 * signal does to a process that has no handler. */
#if defined(__linux__)
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready[2];

static void say_ready(void) {
    if (write(ready[1], "", 1) != 1)
        _exit(1);
}

static void *sleep_for_ever(void *unused) {
    for (;;)
        pause();
    return unused;
}

static void handle(int signo) {
    (void)signo;
}

static sigset_t set_of(int first, int second) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    sigaddset(&set, second);
    return set;
}

static void block(int first, int second) {
    const sigset_t set = set_of(first, second);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0)
        _exit(1);
}

static void *unblock_and_sleep(void *unused) {
    const sigset_t set = set_of(SIGTERM, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    say_ready();
    return sleep_for_ever(unused);
}

static void handles(void) {
    signal(SIGTERM, handle);
    signal(SIGHUP, handle);
    signal(SIGPIPE, SIG_IGN);
}

static void ignores(void) {
    signal(SIGTERM, SIG_IGN);
}

static void blocks_in_all(void) {
    block(SIGTERM, SIGINT);
    start(sleep_for_ever, NULL);
}

static void reads_signalfd(void) {
    struct signalfd_siginfo info;
    block(SIGTERM, SIGINT);
    const sigset_t set = set_of(SIGTERM, SIGINT);
    const int descriptor = signalfd(-1, &set, SFD_CLOEXEC);
    if (descriptor < 0)
        _exit(1);
    say_ready();
    _exit(read(descriptor, &info, sizeof info) == sizeof info ? 0 : 1);
}

static void waits(void) {
    int signo;
    block(SIGTERM, SIGUSR1);
    const sigset_t set = set_of(SIGTERM, SIGUSR1);
    say_ready();
    _exit(sigwait(&set, &signo));
}

static void has_pending(void) {
    block(SIGTERM, SIGUSR1);
    kill(getpid(), SIGTERM);
    pthread_kill(pthread_self(), SIGUSR1);
}

static void stops(void) {
    say_ready();
    raise(SIGSTOP);
}

static void is_traced(void) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    stops();
}

static void waits_for_vfork(void) {
    const pid_t child = vfork(); /* the parent is in the state D until the child ends */
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        say_ready();
        sleep_for_ever(NULL);
    }
}

static void ends_main_thread(void) {
    start(sleep_for_ever, NULL);
    say_ready();
    pthread_exit(NULL);
}

static void unblocks_in_one(void) {
    block(SIGTERM, SIGINT);
    start(unblock_and_sleep, NULL);
    sleep_for_ever(NULL);
}

static void has_hostile_name(void) {
    prctl(PR_SET_NAME, "a\033[31m\033b)) R");
}

static void leads_group(void) {
    setpgid(0, 0);
}

static void leads_session(void) {
    setsid(); /* its group is orphaned: the parent is in another session */
}

static void ends(void) {
    _exit(0);
}

static void does_nothing(void) {
}

static const struct {
    const char *name;
    void (*enter)(void);
} states[] = {
    {"plain", does_nothing},
    {"handles", handles},
    {"ignores", ignores},
    {"blocks-in-all", blocks_in_all},
    {"stopped", stops},
    {"unblocks-in-one", unblocks_in_one},
    {"zombie", ends},
    {"init", does_nothing},
    {"signalfd", reads_signalfd},
    {"sigwait", waits},
    {"pending", has_pending},
    {"traced", is_traced},
    {"vfork", waits_for_vfork},
    {"main-ended", ends_main_thread},
    {"hostile-name", has_hostile_name},
    {"group", leads_group},
    {"session", leads_session},
};

static void reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int signo = 1; signo < NSIG; signo++)
        signal(signo, SIG_DFL);
}

/* Waits until the child has reported that it is ready, and is in the state that only the parent can see. */
static bool is_there(pid_t child, const char *name) {
    siginfo_t info;
    char byte;
    if (strcmp(name, "zombie") == 0)
        return waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0;
    if (read(ready[0], &byte, 1) != 1)
        return false;
    if (strcmp(name, "stopped") == 0)
        return waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT) == 0;
    return strcmp(name, "traced") != 0 || waitpid(child, NULL, 0) == child;
}

static int run(const char *name, void (*enter)(void)) {
    char byte;
    if (pipe(ready) != 0)
        return 1;
    if (strcmp(name, "init") == 0 && unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
        perror("a PID namespace is not permitted");
        return 77;
    }
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        reset_signals();
        enter();
        say_ready();
        sleep_for_ever(NULL);
    }
    close(ready[1]);
    if (child < 0 || !is_there(child, name)) {
        perror(name);
        return 1;
    }
    if (strcmp(name, "hostile-name") == 0)
        prctl(PR_SET_NAME, "b\nSIGTERM c");
    if (strcmp(name, "zombie") != 0)
        signal(SIGCHLD, SIG_IGN); /* whatever ends it, nothing is left of it */
    printf("%d\n", child);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* Prints for each signal its number, and "terminate", "stop" or "none". */
static int print_actions(void) {
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        int status = 0;
        const pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            prctl(PR_SET_DUMPABLE, 0); /* no core */
            setpgid(0, 0);             /* in an orphaned group, a terminal's stops have no effect */
            reset_signals();
            kill(getpid(), signo);
            _exit(0);
        }
        waitpid(child, &status, WUNTRACED);
        printf("%d %s\n", signo, WIFSTOPPED(status) ? "stop" : WIFSIGNALED(status) ? "terminate" : "none");
        if (WIFSTOPPED(status)) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
        }
    }
    return 0;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "actions") == 0)
        return print_actions();
    for (size_t i = 0; count == 2 && i < sizeof states / sizeof states[0]; i++)
        if (strcmp(arguments[1], states[i].name) == 0)
            return run(states[i].name, states[i].enter);
    fprintf(stderr, "usage: %s STATE\n", arguments[0]);
    return 64;
}
#else
int main(void) {
    return 77;
}
#endif
