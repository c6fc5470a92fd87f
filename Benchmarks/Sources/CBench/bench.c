#define _GNU_SOURCE
#include "CBench.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

static uint64_t now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void bench_one_core(int on) {
#if defined(__linux__)
    static cpu_set_t all;
    static int known;
    cpu_set_t one;
    if (!known)
        known = sched_getaffinity(0, sizeof all, &all) == 0;
    int last = CPU_SETSIZE - 1;
    while (last > 0 && !CPU_ISSET(last, &all))
        last--;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    if (known)
        sched_setaffinity(0, sizeof one, on ? &one : &all);
#else
    (void)on;
#endif
}

pid_t bench_start(char *const argv[], int *output) {
    int ends[2];
    const pid_t parent = getpid();
    if (pipe(ends) != 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    const pid_t child = fork();
    if (child == 0) {
#if defined(__linux__)
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* no orphan, whatever becomes of the harness */
#endif
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        dup2(ends[1], 1);
        close(ends[1]);
        if (getppid() == parent)
            execv(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    if (child < 0)
        close(ends[0]);
    else
        *output = ends[0];
    return child;
}

int bench_byte(int fd, int timeout_ms) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    unsigned char byte;
    if (poll(&polled, 1, timeout_ms) != 1)
        return -1;
    return read(fd, &byte, 1) == 1 ? byte : -2;
}

size_t bench_ping(pid_t pid, int fd, int signo, uint64_t *nanoseconds, size_t count, unsigned pause_us) {
    char byte;
    for (size_t i = 0; i < count; i++) {
        if (pause_us >= 1000)
            usleep(pause_us);
        else
            for (const uint64_t end = now() + pause_us * 1000ull; now() < end;)
                sched_yield(); /* to the receiver on the same core, which does not become idle */
        const uint64_t start = now();
        if (kill(pid, signo) != 0 || read(fd, &byte, 1) != 1)
            return i;
        nanoseconds[i] = now() - start;
    }
    return count;
}

long bench_flood(pid_t pid, int signo, unsigned sender, unsigned count) {
    long waits = 0;
    for (unsigned n = 0; n < count; n++) {
        const union sigval value = {.sival_ptr = (void *)(uintptr_t)(sender << 24 | n)};
        while (sigqueue(pid, signo, value) != 0) {
            if (errno != EAGAIN)
                return -1;
            waits++;
            usleep(200);
        }
    }
    return waits;
}

static void say(char byte) {
    while (write(1, &byte, 1) < 0 && errno == EINTR)
        ;
}

void bench_ready(void) {
    say('R');
}

void bench_got(void) {
    say('s');
}

int bench_avoids_dispatch_main(void) {
    return getenv("BENCH_PAUSE") != NULL;
}

_Noreturn void bench_pause(void) {
    for (;;)
        pause();
}

static sigset_t ping(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return set;
}

void bench_block(void) {
    const sigset_t set = ping();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void bench_take(void) {
    const sigset_t set = ping();
    int signo;
    while (sigwait(&set, &signo) != 0)
        ;
}

enum { SENDERS = 4, VALUES = 1 << 24 };
static struct {
    uint64_t received, merged, disorder, duplicates;
    unsigned expected[SENDERS];
    unsigned char seen[SENDERS][VALUES / 8 / 8]; /* for two million values of each */
} accounts;

void bench_account(uint64_t value) {
    const unsigned sender = (unsigned)(value >> 24) % SENDERS, n = (unsigned)value % VALUES;
    unsigned char *byte = &accounts.seen[sender][n / 8 % sizeof accounts.seen[0]];
    const unsigned char bit = (unsigned char)(1u << n % 8);
    accounts.received++;
    if (*byte & bit)
        accounts.duplicates++;
    else if (n < accounts.expected[sender])
        accounts.disorder++;
    *byte |= bit;
    if (n >= accounts.expected[sender])
        accounts.expected[sender] = n + 1;
}

void bench_account_merged(uint64_t count) {
    accounts.received += count;
    accounts.merged += count;
}

_Noreturn void bench_report(void) {
    if (accounts.merged == accounts.received) /* of an API without values */
        printf("received=%llu disorder=- duplicates=-\n", (unsigned long long)accounts.received);
    else
        printf("received=%llu disorder=%llu duplicates=%llu merged=%llu\n", (unsigned long long)accounts.received,
               (unsigned long long)accounts.disorder, (unsigned long long)accounts.duplicates,
               (unsigned long long)accounts.merged);
    fflush(stdout);
    _exit(0);
}
