/* Another author's: it counts SIGHUP and SIGUSR1, in a small bridge of its own. */
#include "plugin.h"
#include <CSignalShim.h>
#include <signal.h>
#include <stdio.h>

static csigshim_bridge *bridge;
static unsigned deliveries;

static int start(int *descriptor) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    if (csigshim_open_sized(&bridge, CSIGSHIM_HANDLER, 64) != 0)
        return -1;
    if (csigshim_add_set(bridge, &signals, 0) == 0 && (*descriptor = csigshim_fd(bridge)) >= 0)
        return 0;
    csigshim_close(bridge);
    return -1;
}

static void ready(void) {
    csigshim_event events[16];
    ssize_t count;
    while ((count = csigshim_read(bridge, events, 16)) > 0)
        for (ssize_t i = 0; i < count; i++)
            printf("b: %u deliveries\n", deliveries += events[i].count);
}

static void stop(void) {
    csigshim_close(bridge);
}

const struct plugin plugin = {start, ready, stop};
