/* A plugin with a thread of its own, for a host that does not poll for its plugins. */
#include "plugin.h"
#include <CSignalShim.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

static csigshim_bridge *bridge;
static pthread_t thread;
static atomic_bool stopping;

static void *receive(void *unused) {
    csigshim_event event;
    while (!atomic_load(&stopping) && csigshim_wait(bridge, -1) == 1)
        while (csigshim_read(bridge, &event, 1) == 1)
            printf("c: SIGUSR2 from pid %d\n", event.pid);
    return unused;
}

/* The thread blocks all signals, so none interrupts it: a thread of the host takes them. */
static int start_thread(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&thread, NULL, receive, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errno == 0 ? 0 : -1;
}

static int start(int *descriptor) {
    *descriptor = -1; /* nothing to poll */
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0)
        return -1;
    atomic_store(&stopping, false);
    if (csigshim_add(bridge, SIGUSR2, CSIGSHIM_CHAIN | CSIGSHIM_KEEP_IGNORED) >= 0 && start_thread() == 0)
        return 0;
    csigshim_close(bridge);
    return -1;
}

static void ready(void) {
}

static void stop(void) {
    atomic_store(&stopping, true);
    csigshim_wake(bridge); /* csigshim_wait returns */
    pthread_join(thread, NULL);
    csigshim_close(bridge); /* no thread uses the bridge any more */
}

const struct plugin plugin = {start, ready, stop};
