/* Dispositions without a bridge: what the kernel has, SIG_DFL and SIG_IGN, and the default action itself. */
#include "internal.h"

int csigshim_disposition(int signo)
{
    struct sigaction now;
    const int class = csigshim_classify(signo);
    if (class == CSIGSHIM_OUT_OF_RANGE || class == CSIGSHIM_RESERVED) {
        errno = EINVAL;
        return -1;
    }
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN)
        return CSIGSHIM_DISPOSITION_IGNORED;
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL ? CSIGSHIM_DISPOSITION_DEFAULT : CSIGSHIM_DISPOSITION_HANDLED;
}

int csigshim_set_disposition(int signo, int disposition)
{
    csigshim__guard guard;
    if (disposition != CSIGSHIM_DISPOSITION_DEFAULT && disposition != CSIGSHIM_DISPOSITION_IGNORED) {
        errno = EINVAL;
        return -1;
    }
    if (csigshim__check(signo) != 0 || csigshim__enter(&guard) != 0)
        return -1;
    int result = -1;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = disposition == CSIGSHIM_DISPOSITION_IGNORED ? SIG_IGN : SIG_DFL;
    if (csigshim__wanted(signo))
        errno = EBUSY;
    else
        result = sigaction(signo, &action, NULL);
    csigshim__leave(&guard);
    return result;
}

/* Dying takes no lock: it must work whatever the other threads are doing. */
int csigshim_take_default_action(int signo)
{
    csigshim__guard guard;
    const int class = csigshim_classify(signo);
    if (class == CSIGSHIM_OUT_OF_RANGE || class == CSIGSHIM_RESERVED) {
        errno = EINVAL;
        return -1;
    }
    if (signo == SIGSTOP)
        return kill(getpid(), SIGSTOP);
    if (csigshim_default_of(signo) == CSIGSHIM_ACTION_TERMINATE)
        csigshim__die(signo);
    if (csigshim_default_of(signo) == CSIGSHIM_ACTION_STOP) {
        if (csigshim__enter(&guard) != 0)
            return -1;
        struct sigaction stop, before;
        memset(&stop, 0, sizeof stop);
        stop.sa_handler = SIG_DFL;
        int result = sigaction(signo, &stop, &before);
        if (result == 0) {
            csigshim__strike(signo); /* returns when somebody sends CONT */
            result = sigaction(signo, &before, NULL);
        }
        csigshim__leave(&guard);
        return result;
    }
    return 0;
}
