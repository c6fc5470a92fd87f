/* A daemon in C with its own loop, which polls one more descriptor. It contains no Swift. */
#include <CSignalShim.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

static const char *name(int signo) {
    return signo == SIGHUP ? "SIGHUP" : signo == SIGUSR1 ? "SIGUSR1" : signo == SIGTERM ? "SIGTERM" : "SIGRTMIN+3";
}

static void report(const csigshim_event *event) {
    printf("%s x%" PRIu32 " from %d/%u ", name(event->signo), event->count, event->pid, event->uid);
    if (event->code == SI_QUEUE)
        printf("queue %" PRIdPTR "\n", (intptr_t)event->value);
    else
        printf("%s -\n", event->code == SI_USER ? "kill" : "?");
}

int main(void) {
    const int signals[] = {SIGHUP, SIGUSR1, SIGTERM, SIGRTMIN + 3};
    csigshim_bridge *bridge;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0)
        return 2;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (csigshim_add(bridge, signals[i], 0) != 0)
            return 3;
    puts("ready");
    for (;;) {
        struct pollfd descriptor = {.fd = csigshim_fd(bridge), .events = POLLIN};
        if (poll(&descriptor, 1, -1) < 0 && errno != EINTR)
            return 4;
        csigshim_event event;
        while (csigshim_read(bridge, &event, 1) == 1) {
            report(&event);
            if (event.signo == SIGTERM)
                return csigshim_close(bridge) == 0 ? 0 : 5;
        }
    }
}
