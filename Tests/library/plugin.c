/* A typical plugin. The tests build it with a copy of the library inside, and with the shared library.
 */
#include "plugin.h"
#include <CSignalShim.h>
#include <stddef.h>

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION 1
#endif

__attribute__((visibility("default"))) extern const struct plugin plugin;

static csigshim_bridge *bridge;

static int open_bridge(int mechanism) {
    return csigshim_open(&bridge, mechanism);
}

static int subscribe(int signo, unsigned flags) {
    if (bridge == NULL && open_bridge(CSIGSHIM_HANDLER) != 0)
        return -1;
    return csigshim_add(bridge, signo, flags);
}

static int unsubscribe(int signo) {
    return csigshim_remove(bridge, signo);
}

static int wait_for(int timeout_ms) {
    return csigshim_wait(bridge, timeout_ms);
}

static long read_all(void) {
    csigshim_event events[64];
    long sum = 0;
    for (ssize_t count; (count = csigshim_read(bridge, events, 64)) != 0;) {
        if (count < 0)
            return -1;
        for (ssize_t i = 0; i < count; i++)
            sum += (long)events[i].count;
    }
    return sum;
}

static int close_bridge(void) {
    csigshim_bridge *old = bridge;
    bridge = NULL;
    return csigshim_close(old);
}

const struct plugin plugin = {
    .version = PLUGIN_VERSION,
    .open = open_bridge,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .rearm = csigshim_rearm,
    .state = csigshim_state,
    .wait = wait_for,
    .read = read_all,
    .close = close_bridge,
};
