/* The C example of the README: the header says how to build it. */
#include <CSignalShim.h>
#include <signal.h>
#include <stdio.h>

int main(void) {
    csigshim_bridge *bridge;
    csigshim_event event = {0};
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0 || csigshim_add(bridge, SIGTERM, 0) != 0)
        return 1;
    while (event.signo != SIGTERM && csigshim_wait(bridge, -1) == 1) /* or poll csigshim_fd(bridge) */
        while (csigshim_read(bridge, &event, 1) == 1)
            printf("signal %d from pid %d\n", event.signo, event.pid);
    return csigshim_close(bridge);
}
