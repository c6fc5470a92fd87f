/* A plugin as somebody might write it. Built twice: with the static library inside, and with the shared one beneath. */
#include "plugin.h"
#include <CSignalShim.h>
#include <stddef.h>

extern const struct plugin plugin;

static csigshim_bridge *bridge;

static int subscribe(int signo, unsigned flags)
{
    if (bridge == NULL && csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0)
        return -1;
    return csigshim_add(bridge, signo, flags);
}

static int unsubscribe(int signo)
{
    return csigshim_remove(bridge, signo);
}

static int wait_for(int timeout_ms)
{
    return csigshim_wait(bridge, timeout_ms);
}

static long read_all(void)
{
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

static int close_bridge(void)
{
    csigshim_bridge *old = bridge;
    bridge = NULL;
    return csigshim_close(old);
}

const struct plugin plugin = {subscribe, unsubscribe, csigshim_rearm, wait_for, read_all, close_bridge};
