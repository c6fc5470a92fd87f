/* The daemon on sd-event (libsystemd).
 *
 *     cc -std=gnu11 -ISources/CSignalShim/include Examples/c/sdevent.c Examples/c/host.c \
 *         Sources/CSignalShim/[a-z]*.c -pthread -ldl $(pkg-config --cflags --libs libsystemd) -o daemon
 *
 * sd-event needs SIGCHLD blocked before it watches children. So a daemon on it blocks signals from its first line, and
 * gives each child the mask that it had itself at the start. signalfd suits that, and is the default here. SIGCHLD is
 * sd-event's.
 */
#include "host.h"
#include <systemd/sd-event.h>

static sd_event *loop;
static sigset_t mask_at_start;

static int stop_when_done(void) {
    return ending && jobs == 0 ? sd_event_exit(loop, 0) : 0;
}

static int on_child(sd_event_source *source, const siginfo_t *child, void *context) {
    (void)context;
    job_ended(child->si_pid, child->si_status, child->si_code == CLD_EXITED ? 0 : child->si_status);
    sd_event_source_unref(source);
    return stop_when_done();
}

static pid_t start_job(int value) {
    const pid_t pid = fork_job(value);
    sd_event_source *source;
    if (pid > 0 && sd_event_add_child(loop, &source, pid, WEXITED, on_child, NULL) < 0)
        fail("sd_event_add_child");
    return pid;
}

static int on_signals(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)source, (void)fd, (void)events;
    receive(context, start_job);
    return stop_when_done();
}

int main(int argc, char **argv) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &mask_at_start);
    job_mask = &mask_at_start;

    csigshim_bridge *bridge = subscribe(start_daemon(argc, argv, CSIGSHIM_SIGNALFD));
    sd_event_source *signals;
    if (sd_event_default(&loop) < 0 ||
        sd_event_add_io(loop, &signals, csigshim_fd(bridge), EPOLLIN, on_signals, bridge) < 0)
        fail("sd-event");

    const int result = sd_event_loop(loop);

    sd_event_source_unref(signals); /* before the descriptor that it watches is closed */
    sd_event_unref(loop);
    return end_daemon(bridge) == 0 ? result : 1;
}
