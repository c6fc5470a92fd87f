/* The C example of the README: receives SIGTERM, prints the sender, and ends. The header says how to build it. */
#include <CSignalShim.h>
#include <signal.h>
#include <stdio.h>

int main(void) {
    csigshim_bridge *b;
    csigshim_event e;
    if (csigshim_open(&b, CSIGSHIM_HANDLER) != 0)
        return 1;
    if (csigshim_add(b, SIGTERM, 0) != 0)
        return 1;
    /* or poll csigshim_fd(b) in your own loop */
    while (csigshim_wait(b, -1) == 1)
        while (csigshim_read(b, &e, 1) == 1) {
            printf("sent by pid %d\n", e.pid);
            if (e.signo == SIGTERM)
                return csigshim_close(b);
        }
    return 1;
}
