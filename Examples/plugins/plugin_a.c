/* Reads its configuration again on SIGHUP. */
#include "plugin.h"
#include <CSignalShim.h>
#include <signal.h>
#include <stdio.h>

static csigshim_bridge *bridge;

static int start(int *descriptor) {
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0)
        return -1;
    /* CSIGSHIM_CHAIN: a handler of the host runs too. */
    if (csigshim_add(bridge, SIGHUP, CSIGSHIM_CHAIN | CSIGSHIM_KEEP_IGNORED) >= 0 &&
        (*descriptor = csigshim_fd(bridge)) >= 0)
        return 0;
    csigshim_close(bridge);
    return -1;
}

static void ready(void) {
    csigshim_event event;
    while (csigshim_read(bridge, &event, 1) == 1)
        printf("a: SIGHUP from pid %d\n", event.pid);
}

static void stop(void) {
    csigshim_close(bridge); /* before the code is gone */
}

const struct plugin plugin = {start, ready, stop};
