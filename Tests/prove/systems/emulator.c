/* Finds the features that an emulator lacks, without the library, and prints a word for each on a line. run.sh leaves
 * out the tests that need such a feature, only where it is missing. On a kernel this prints nothing. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t got, got_fd;

static void handler(int signo, siginfo_t *info, void *context) {
    (void)context;
    got_fd = info->si_fd;
    got = signo;
}

static void install(int signo, void (*with)(int, siginfo_t *, void *), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = with;
    action.sa_flags = SA_SIGINFO | flags;
    sigaction(signo, &action, NULL);
}

/* The highest of the realtime signals cannot be sent, for the emulator keeps one for itself, and shifts the rest. */
static int realtime(void) {
    install(SIGRTMAX, handler, 0);
    return kill(getpid(), SIGRTMAX) != 0 || got != SIGRTMAX;
}

/* SA_NOCLDWAIT is not handed on: the child is a zombie. */
static int children(void) {
    install(SIGCHLD, handler, SA_NOCLDWAIT);
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    return waitpid(child, NULL, 0) == child;
}

/* si_fd is lost. */
static int sigio(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return 1;
    install(SIGIO, handler, 0);
    fcntl(pair[0], F_SETSIG, SIGIO);
    fcntl(pair[0], F_SETOWN, getpid());
    fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK);
    (void)!write(pair[1], "x", 1);
    for (int i = 0; i < 200 && got == 0; i++)
        usleep(10000);
    return got_fd != pair[0];
}

/* /proc/self/task shows a thread of the emulator's. */
static int threads(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.';
    return count != 1;
}

/* madvise says that it will be wiped, and it is not. */
static int wipe(void) {
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 1;
    if (madvise(page, 4096, MADV_WIPEONFORK) != 0)
        return 1;
    const pid_t child = fork();
    if (child == 0)
        _exit(*page);
    int status;
    waitpid(child, &status, 0);
    return status != 0;
}

/* A program for the other processor cannot be executed. */
static int exec(void) {
    char self[4096] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) > 0)
        execl(self, self, "exec", (char *)NULL);
    return 1;
}

static void default_from_within(int signo, siginfo_t *info, void *context) {
    (void)info, (void)context;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signo);
    signal(signo, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(signo);
    _exit(0);
}

/* The init of a PID namespace is not killed by its own signal, and the emulator waits for that for ever. */
static int init(void) {
    if (unshare(CLONE_NEWPID) != 0)
        return 0; /* nor can the test */
    const pid_t child = fork();
    if (child == 0) {
        install(SIGTERM, default_from_within, 0);
        kill(getpid(), SIGTERM);
        _exit(1);
    }
    int status = 0;
    for (int i = 0; i < 500; i++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return status != 0;
        usleep(10000);
    }
    kill(child, SIGKILL);
    return 1;
}

static volatile sig_atomic_t dirty;

static void look_at_padding(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    const unsigned char *end = (unsigned char *)info + sizeof *info;
    for (int i = 1; i <= 48; i++)
        dirty |= end[-i] != 0;
}

__attribute__((noinline)) static void fill_stack(void) {
    volatile unsigned char bytes[16384];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0xff;
}

/* The end of siginfo_t, which no signal uses, is what the stack had there; a kernel writes zeros. */
static int padding(void) {
    install(SIGUSR1, look_at_padding, 0);
    fill_stack();
    kill(getpid(), SIGUSR1);
    return dirty;
}

static void *busy(void *unused) {
    for (;;)
        pause();
    return unused;
}

static void wrong_address(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    _exit(info->si_addr <= (void *)1); /* SIG_DFL or SIG_IGN, called as a function */
}

/* The action is looked up twice for one delivery; where it changes in between, SIG_IGN or SIG_DFL are called. */
static int races(void) {
    pthread_t thread;
    const pid_t target = getpid();
    install(SIGSEGV, wrong_address, 0);
    install(SIGUSR1, handler, SA_RESTART);
    const pid_t sender = fork();
    if (sender == 0) {
        alarm(60);
        while (getppid() == target)
            kill(target, SIGUSR1);
        _exit(0);
    }
    for (int i = 0; i < 3; i++)
        pthread_create(&thread, NULL, busy, NULL);
    for (int i = 0; i < 300000; i++) {
        install(SIGUSR1, handler, SA_RESTART);
        signal(SIGUSR1, SIG_IGN);
    }
    kill(sender, SIGKILL);
    return 0;
}

/* A child of vfork(2) does not share the memory of its parent. */
static int shares_nothing(void) {
    static volatile int shared;
    const pid_t child = vfork();
    if (child == 0) {
        shared = 1;
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return shared != 1;
}

static void look_at_mask(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    got = sigismember(&blocked, SIGUSR2);
}

/* sa_mask is read from a wrong place. */
static int mask(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = look_at_mask;
    action.sa_flags = SA_SIGINFO;
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, NULL);
    kill(getpid(), SIGUSR1);
    return got != 1;
}

static long pages(void) {
    long total = -1;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL && fscanf(file, "%ld", &total) == 1)
        fclose(file);
    return total;
}

/* /proc/self/statm shows the memory of the emulator, which grows while the program maps and unmaps, and takes signals.
 */
static int memory(void) {
    long before = 0;
    for (int round = 0; round < 200; round++) {
        void *block = mmap(NULL, 1200000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        install(SIGUSR1, handler, 0);
        for (int i = 0; i < (round == 199 ? 40000 : 50); i++)
            kill(getpid(), SIGUSR1);
        munmap(block, 1200000);
        if (round == 3)
            before = pages();
    }
    return pages() - before > 64;
}

static void look(const char *name, int (*missing)(void)) {
    const pid_t child = fork(); /* each in a process of its own */
    if (child == 0) {
        alarm(100);
        _exit(missing());
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0) {
        puts(name);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "exec") == 0)
        return 0;
    look("realtime", realtime);
    look("children", children);
    look("sigio", sigio);
    look("threads", threads);
    look("wipe", wipe);
    look("exec", exec);
    look("mask", mask);
    look("memory", memory);
    look("init", init);
    look("padding", padding);
    look("vfork", shares_nothing);
    look("races", races);
    return 0;
}
