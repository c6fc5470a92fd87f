#include "contestant.h"
#include <uv.h>

static void on_signal(uv_signal_t *handle, int signo) {
    if (signo == PING)
        say('s');
    else if (signo == COUNTED)
        received++;
    else
        uv_stop(handle->loop);
}

int main(int argc, char **argv) {
    static uv_signal_t handles[2];
    const int *signals = start(argc, argv, "libuv");
    uv_loop_t *loop = uv_default_loop();
    for (int i = 0; signals[i] != 0; i++) {
        uv_signal_t *handle = &handles[i];
        if (uv_signal_init(loop, handle) != 0 || uv_signal_start(handle, on_signal, signals[i]) != 0)
            fail("uv_signal_start");
    }
    ready();
    uv_run(loop, UV_RUN_DEFAULT);
    unsigned long before;
    do {
        before = received;
        uv_run(loop, UV_RUN_NOWAIT);
    } while (received != before);
    report(NO_VALUES);
}
