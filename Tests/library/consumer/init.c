/* A program that uses the installed library, and that may be PID 1 of a container. The test does not run it as that. */
#include <CSignalInit.h>
#include <unistd.h>

int main(void) {
    return csigshim_run_init_if_needed() == 0 && getpid() != 1 ? 0 : 1;
}
