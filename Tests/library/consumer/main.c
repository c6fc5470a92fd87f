/* A program that uses the installed library: it compares the versions of library and header, and gets one signal. */
#include <CSignalShim.h>
#include <signal.h>
#include <stdio.h>

int main(void) {
    csigshim_bridge *bridge;
    csigshim_event event;
    if (csigshim_version() != CSIGSHIM_VERSION)
        return 1;
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0 || csigshim_add(bridge, SIGTERM, 0) != 0)
        return 2;
    if (raise(SIGTERM) != 0 || csigshim_wait(bridge, 5000) != 1 || csigshim_read(bridge, &event, 1) != 1)
        return 3;
    printf("signal %d, version %d\n", event.signo, csigshim_version());
    return event.signo == SIGTERM && csigshim_close(bridge) == 0 ? 0 : 4;
}
