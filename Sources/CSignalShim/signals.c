/* What signal(7) says of a number; the default actions, which the handler needs too, are in handler.c. */
#include "internal.h"

static int last_signal(void)
{
#ifdef SIGRTMAX
    return SIGRTMAX;
#else
    return CSIGSHIM__NSIG - 1;
#endif
}

/* The C library keeps some numbers for thread cancellation and the like: below SIGRTMIN on Linux, by name elsewhere. */
static bool reserved(int signo)
{
#if defined(__linux__)
    return signo >= 32 && signo < SIGRTMIN;
#elif defined(SIGTHR) && defined(SIGLIBRT)
    return signo == SIGTHR || signo == SIGLIBRT;
#elif defined(SIGTHR)
    return signo == SIGTHR;
#else
    (void)signo;
    return false;
#endif
}

int csigshim_classify(int signo)
{
    if (signo < 1 || signo > last_signal() || signo >= CSIGSHIM__NSIG)
        return CSIGSHIM_OUT_OF_RANGE;
    if (reserved(signo))
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

int csigshim_default_of(int signo)
{
    const int class = csigshim_classify(signo);
    if (class != CSIGSHIM_OUT_OF_RANGE && class != CSIGSHIM_RESERVED)
        return csigshim__default_of(signo);
    errno = EINVAL;
    return -1;
}

int csigshim__check(int signo)
{
    switch (csigshim_classify(signo)) {
    case CSIGSHIM_CATCHABLE:
        return 0;
    case CSIGSHIM_UNCATCHABLE:
    case CSIGSHIM_FAULT:
        errno = ENOTSUP;
        return -1;
    default:
        errno = EINVAL;
        return -1;
    }
}
