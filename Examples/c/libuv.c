/* The daemon on libuv.
 *
 *     cc -std=gnu11 -ISources/CSignalShim/include Examples/c/libuv.c Examples/c/host.c \
 *         Sources/CSignalShim/[a-z]*.c -pthread -ldl $(pkg-config --cflags --libs libuv) -o daemon
 *
 * Jobs are libuv's: uv_spawn forks, gives the child a mask and dispositions of its own making, and reaps it by libuv's
 * own handler for SIGCHLD. So that signal is left alone. */
#include "host.h"
#include <uv.h>

static csigshim_bridge *bridge;
static uv_poll_t signals;

static void stop_when_done(void) /* the loop ends with its last handle, which this is */
{
    if (ending && jobs == 0 && !uv_is_closing((uv_handle_t *)&signals))
        uv_close((uv_handle_t *)&signals, NULL);
}

static void free_handle(uv_handle_t *handle) {
    free(handle);
}

static void on_exit_of_job(uv_process_t *process, int64_t code, int signo) {
    job_ended(process->pid, (int)code, signo);
    uv_close((uv_handle_t *)process, free_handle);
    stop_when_done();
}

static pid_t start_job(int value) {
    char number[16], *arguments[] = {"sh", "-c", (char *)job_command, "job", number, NULL};
    snprintf(number, sizeof number, "%d", value);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = 1}, {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {
        .file = "/bin/sh", .args = arguments, .exit_cb = on_exit_of_job, .stdio = stdio, .stdio_count = 3};
    uv_process_t *process = malloc(sizeof *process);
    if (process == NULL)
        fail("malloc");
    if (uv_spawn(signals.loop, process, &options) != 0) {
        uv_close((uv_handle_t *)process, free_handle);
        return -1;
    }
    jobs++;
    return process->pid;
}

static void on_signals(uv_poll_t *handle, int status, int events) {
    (void)handle, (void)status, (void)events; /* on an error, receive says what it is */
    receive(bridge, start_job);
    stop_when_done();
}

int main(int argc, char **argv) {
    bridge = subscribe(start_daemon(argc, argv, CSIGSHIM_HANDLER)); /* before libuv starts threads */
    uv_loop_t *loop = uv_default_loop();
    if (uv_poll_init(loop, &signals, csigshim_fd(bridge)) != 0 || uv_poll_start(&signals, UV_READABLE, on_signals) != 0)
        fail("libuv");

    uv_run(loop, UV_RUN_DEFAULT);

    uv_loop_close(loop);
    return end_daemon(bridge); /* after libuv has stopped polling the descriptor */
}
