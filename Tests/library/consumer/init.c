/* A program of somebody else's that may be PID 1 of a container: it is not, in the end. */
#include <CSignalInit.h>
#include <unistd.h>

int main(void) {
    return csigshim_run_init_if_needed() == 0 && getpid() != 1 ? 0 : 1;
}
