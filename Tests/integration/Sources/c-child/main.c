/* A parent that was started with SIGHUP ignored, and subscribes to it. Its child must start with SIGHUP ignored,
 * too. */
#include <CSignalShim.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    csigshim_bridge *bridge;
    csigshim_event event;
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0 || csigshim_add(bridge, SIGHUP, 0) != 0 ||
        csigshim_add(bridge, SIGUSR1, 0) != 0)
        return 2;
    const pid_t child = fork();
    if (child == 0) {
        csigshim_reset_for_exec();
        execl("/bin/cat", "cat", "/proc/self/status", (char *)NULL);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        return 3;
    raise(SIGHUP); /* the parent's own is as it was */
    if (csigshim_wait(bridge, 5000) != 1 || csigshim_read(bridge, &event, 1) != 1 || event.signo != SIGHUP)
        return 4;
    return csigshim_close(bridge);
}
