/* A daemon opens a bridge early. Then it goes into the background, loads a plugin that installs a handler of its own,
 * and closes its open descriptors.
 *
 *     cc -std=gnu11 -ISources/CSignalShim/include Examples/c/background.c Sources/CSignalShim/[a-z]*.c \
 *         -pthread -ldl -o daemon
 */
#define _GNU_SOURCE /* daemon, close_range */
#include <CSignalShim.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static csigshim_bridge *bridge;
static volatile sig_atomic_t plugin_heard;

static void plugin_handler(int signo) {
    plugin_heard += signo == SIGHUP;
}

static void check(int result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void subscribe(int mechanism) {
    check(csigshim_open(&bridge, mechanism), "csigshim_open");
    check(csigshim_add(bridge, SIGTERM, 0), "csigshim_add");
    check(csigshim_add(bridge, SIGHUP, 0), "csigshim_add");
}

int main(int argc, char **argv) {
    const int mechanism = argc > 1 && strcmp(argv[1], "signalfd") == 0 ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER;
    setvbuf(stdout, NULL, _IOLBF, 0);
    subscribe(mechanism);

    /* daemon(3) forks, and the parent exits. This is another process now: its bridge is idle until csigshim_after_fork,
     * which gives it new descriptors. A loop is given csigshim_fd after that. */
    check(daemon(1, 1), "daemon");
    check(csigshim_after_fork(bridge), "csigshim_after_fork");

    /* A handler that is installed after csigshim_add takes the signal away. csigshim_rearm takes it back, and the
     * plugin's handler does not run any more. Over signalfd a blocked signal runs no handler at all. */
    signal(SIGHUP, plugin_handler);
    if (mechanism == CSIGSHIM_HANDLER && csigshim_state(SIGHUP) == CSIGSHIM_DISPLACED)
        check(csigshim_rearm(SIGHUP), "csigshim_rearm");
    printf("in the background: pid %d\n", (int)getpid());

    for (int closed = 0;;) {
        csigshim_event event;
        ssize_t count = csigshim_wait(bridge, -1);
        while (count >= 0 && (count = csigshim_read(bridge, &event, 1)) > 0) {
            printf("%s from pid %d\n", strsignal(event.signo), (int)event.pid);
            if (event.signo == SIGTERM) {
                printf("ended; the plugin heard %d\n", (int)plugin_heard);
                return csigshim_close(bridge);
            }
            if (event.signo == SIGHUP && !closed++)
                close_range(3, ~0U, 0); /* closes the bridge's descriptors too; better before csigshim_open */
        }
        if (count < 0 && errno == EBADF) { /* csigshim_close closes only what is still the bridge's */
            csigshim_close(bridge);
            subscribe(mechanism);
            printf("open again\n");
        }
    }
}
