/* The lower limit for an asynchronous sequence or a queue: only three threads and futexes. The main thread takes the
 * signals, a second thread reads them for the library, and a third one handles them. */
#define _GNU_SOURCE
#include "contestant.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static _Atomic unsigned arrived, handed_on;

static void wake(_Atomic unsigned *word) {
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void wait_for(_Atomic unsigned *word, unsigned *seen) {
    while (atomic_load(word) == *seen)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, *seen, NULL, NULL, 0);
    ++*seen;
}

static void on_ping(int signo) {
    (void)signo;
    wake(&arrived);
}

static void *reader(void *unused) {
    for (unsigned seen = 0;;) {
        wait_for(&arrived, &seen);
        wake(&handed_on);
    }
    return unused;
}

static void *user(void *unused) {
    for (unsigned seen = 0;;) {
        wait_for(&handed_on, &seen);
        say('s');
    }
    return unused;
}

int main(int argc, char **argv) {
    const int *signals = start(argc, argv, "threads");
    if (signals[0] != PING)
        cannot("a word has no room for values");
    const sigset_t blocked = block(signals);
    pthread_t thread;
    const struct sigaction action = {.sa_handler = on_ping, .sa_flags = SA_RESTART};
    sigset_t none;
    sigemptyset(&none);
    if (pthread_create(&thread, NULL, reader, NULL) != 0 || pthread_create(&thread, NULL, user, NULL) != 0 ||
        sigaction(PING, &action, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &blocked, NULL) != 0)
        fail("threads");
    ready();
    for (;;)
        sigsuspend(&none);
}
