#include "contestant.h"
#include <systemd/sd-event.h>

static bool ended;

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *context) {
    (void)source, (void)context;
    if (info->ssi_signo == PING)
        say('s');
    else if (info->ssi_signo == COUNTED)
        account(info->ssi_int);
    else
        ended = true;
    return 0;
}

int main(int argc, char **argv) {
    const int *signals = start(argc, argv, "sdevent");
    sd_event *loop;
    if (sd_event_default(&loop) < 0)
        fail("sd_event_default");
    block(signals);
    for (; *signals != 0; signals++)
        if (sd_event_add_signal(loop, NULL, *signals, on_signal, NULL) < 0)
            fail("sd_event_add_signal");
    ready();
    while (!ended)
        if (sd_event_run(loop, UINT64_MAX) < 0)
            fail("sd_event_run");
    while (sd_event_run(loop, 0) > 0)
        continue;
    report(VALUES);
}
