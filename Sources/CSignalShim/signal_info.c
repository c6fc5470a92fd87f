/* Signals without a bridge: the class of a number, dispositions, and taking the default action. */
#include "shim.h"

#if !defined(SIGRTMAX)
#define SIGRTMAX (CSIGSHIM__NSIG - 1)
#endif

/* The C library reserves some numbers, for instance for thread cancellation. */
#if defined(__linux__)
#define IS_RESERVED(signo) ((signo) >= 32 && (signo) < SIGRTMIN)
#elif defined(SIGTHR) && defined(SIGLIBRT)
#define IS_RESERVED(signo) ((signo) == SIGTHR || (signo) == SIGLIBRT)
#elif defined(SIGTHR)
#define IS_RESERVED(signo) ((signo) == SIGTHR)
#else
#define IS_RESERVED(signo) false
#endif

int csigshim_classify(int signo) {
    if (signo < 1 || signo > SIGRTMAX || signo >= CSIGSHIM__NSIG)
        return CSIGSHIM_OUT_OF_RANGE;
    if (IS_RESERVED(signo))
        return CSIGSHIM_RESERVED;
    switch (signo) {
    case SIGKILL:
    case SIGSTOP:
        return CSIGSHIM_UNCATCHABLE;
    case SIGILL:
    case SIGTRAP:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGSYS:
        return CSIGSHIM_FAULT;
    default:
        return CSIGSHIM_CATCHABLE;
    }
}

int csigshim__check_signal(int signo) {
    const int class = csigshim_classify(signo);
    if (class != CSIGSHIM_OUT_OF_RANGE && class != CSIGSHIM_RESERVED)
        return 0;
    return csigshim__fail(EINVAL);
}

int csigshim__check_catchable(int signo) {
    if (csigshim__check_signal(signo) != 0)
        return -1;
    if (csigshim_classify(signo) == CSIGSHIM_CATCHABLE)
        return 0;
    return csigshim__fail(ENOTSUP);
}

int csigshim_default_of(int signo) {
    return csigshim__check_signal(signo) == 0 ? csigshim__default_action(signo) : -1;
}

int csigshim_disposition(int signo) {
    struct sigaction now;
    if (csigshim__check_signal(signo) != 0 || sigaction(signo, NULL, &now) != 0)
        return -1;
    if (csigshim__is_function(&now))
        return CSIGSHIM_DISPOSITION_HANDLED;
    return now.sa_handler == SIG_IGN ? CSIGSHIM_DISPOSITION_IGNORED : CSIGSHIM_DISPOSITION_DEFAULT;
}

int csigshim_set_disposition(int signo, int disposition) {
    struct csigshim__lock_state state;
    if (disposition != CSIGSHIM_DISPOSITION_DEFAULT && disposition != CSIGSHIM_DISPOSITION_IGNORED)
        return csigshim__fail(EINVAL);
    if (csigshim__check_catchable(signo) != 0 || csigshim__lock(&state) != 0)
        return -1;
    int result = -1;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = disposition == CSIGSHIM_DISPOSITION_IGNORED ? SIG_IGN : SIG_DFL;
    if (csigshim__is_wanted(signo))
        errno = EBUSY;
    else
        result = sigaction(signo, &action, NULL);
    csigshim__unlock(&state);
    return result;
}

static int stop(int signo) {
    struct csigshim__lock_state state;
    struct sigaction action, before;
    if (csigshim__lock(&state) != 0)
        return -1;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    int result = signo == SIGSTOP ? 0 : sigaction(signo, &action, &before);
    if (result == 0) {
        const long raised = csigshim__raise_unblocked(signo); /* returns when another process sends SIGCONT */
        result = signo == SIGSTOP ? 0 : sigaction(signo, &before, NULL);
        result = raised < 0 ? csigshim__fail((int)-raised) : result;
    }
    csigshim__unlock(&state);
    return result;
}

/* Termination takes no lock, because it must work whatever the other threads are doing. */
int csigshim_take_default_action(int signo) {
    if (csigshim__check_signal(signo) != 0)
        return -1;
    switch (csigshim__default_action(signo)) {
    case CSIGSHIM_ACTION_TERMINATE:
        csigshim__terminate(signo);
        return 0;
    case CSIGSHIM_ACTION_STOP:
        return stop(signo);
    default:
        return 0;
    }
}
