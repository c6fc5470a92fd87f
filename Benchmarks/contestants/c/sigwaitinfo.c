/* The lower limit for a thread that only takes signals: no descriptor, no loop. */
#include "contestant.h"

static void receive(const siginfo_t *info) {
    if (info->si_signo == PING)
        say('s');
    else if (info->si_signo == COUNTED)
        account(info->si_value.sival_int);
}

int main(int argc, char **argv) {
    const sigset_t set = block(start(argc, argv, "sigwaitinfo"));
    const struct timespec now = {0};
    siginfo_t info = {0};
    ready();
    do {
        if (sigwaitinfo(&set, &info) > 0)
            receive(&info);
    } while (info.si_signo != END);
    while (sigtimedwait(&set, &info, &now) > 0)
        receive(&info);
    report(VALUES);
}
