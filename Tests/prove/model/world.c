/* Handlers, actions and masks of the host. A handler that calls what it found keeps that as sigaction(2) gave it, and
 * leaves errno changed, as careless ones do. */
#define _GNU_SOURCE
#include "world.h"
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct seen seen;
volatile unsigned calls[OURS][SIGNALS];
csigshim_bridge *bridges[BRIDGES];
static struct sigaction found[2][SIGNALS];
static sigset_t start;

static int numbers[SIGNALS], indices[128];

__attribute__((constructor)) static void number_signals(void) /* SIGRTMIN is a call */
{
    const int all[SIGNALS] = {SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGWINCH, SIGRTMIN + 1, SIGRTMIN + 2};
    for (int s = 0; s < SIGNALS; s++) {
        numbers[s] = all[s];
        indices[all[s]] = s + 1;
    }
}

int signo_of(int s)
{
    return numbers[s];
}

int signal_of(int signo)
{
    return signo < 0 || signo >= 128 ? -1 : indices[signo] - 1;
}

const char *signal_name(int s)
{
    static const char *const names[SIGNALS] = {"USR1", "USR2", "TERM", "HUP", "WINCH", "RTMIN+1", "RTMIN+2"};
    return names[s];
}

/* As the kernel has them: a bit for each signal. */
static uint64_t words_of(const sigset_t *set)
{
    uint64_t words;
    memcpy(&words, set, sizeof words);
    return words;
}

static unsigned bits_of(const sigset_t *set)
{
    const uint64_t words = words_of(set);
    unsigned bits = 0;
    for (int s = 0; s < SIGNALS; s++)
        bits |= words >> (numbers[s] - 1) & 1 ? 1u << s : 0;
    return bits;
}

unsigned mask_now(void)
{
    sigset_t now;
    uint64_t others = words_of(&start);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    others ^= words_of(&now);
    for (int s = 0; s < SIGNALS; s++)
        others &= ~(1ull << (numbers[s] - 1));
    return bits_of(&now) | (others != 0 ? OTHER_SIGNALS : 0);
}

void host_set_mask(unsigned mask)
{
    sigset_t set = start;
    for (int s = 0; s < SIGNALS; s++)
        if (mask & 1u << s)
            sigaddset(&set, signo_of(s));
        else
            sigdelset(&set, signo_of(s));
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static int enter_handler(int signo, enum who who)
{
    const int s = signal_of(signo);
    if (!seen.any) {
        sigset_t now;
        seen.error = errno;
        pthread_sigmask(SIG_SETMASK, NULL, &now);
        seen.mask = (sig_atomic_t)bits_of(&now);
        seen.any = 1;
    }
    calls[who][s]++;
    errno = ERRNO_OF_A_HANDLER;
    return s;
}

static void plain(int signo)
{
    (void)enter_handler(signo, PLAIN);
}

static void detailed(int signo, siginfo_t *info, void *context)
{
    if (info->si_signo == signo && context != NULL)
        (void)enter_handler(signo, DETAILED);
}

static void call_found(const struct sigaction *action, int signo, siginfo_t *info, void *context)
{
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signo, info, context);
    else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)
        action->sa_handler(signo);
}

static void top0(int signo, siginfo_t *info, void *context)
{
    call_found(&found[0][enter_handler(signo, TOP0)], signo, info, context);
}

static void top1(int signo, siginfo_t *info, void *context)
{
    call_found(&found[1][enter_handler(signo, TOP1)], signo, info, context);
}

static const struct {
    int flag, system;
} flags[] = {{RESTART, SA_RESTART}, {RESETHAND, (int)SA_RESETHAND}, {NODEFER, SA_NODEFER}};

void host_sigaction(int s, struct action wanted)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        action.sa_flags |= wanted.flags & flags[i].flag ? flags[i].system : 0;
    for (int i = 0; i < SIGNALS; i++)
        if (wanted.masked & 1u << i)
            sigaddset(&action.sa_mask, signo_of(i));
    if (wanted.who >= DETAILED)
        action.sa_flags |= SA_SIGINFO;
    if (wanted.who == TOP0 || wanted.who == TOP1)
        action.sa_sigaction = wanted.who == TOP0 ? top0 : top1;
    else if (wanted.who == DETAILED)
        action.sa_sigaction = detailed;
    else
        action.sa_handler = wanted.who == PLAIN ? plain : wanted.who == IGNORED ? SIG_IGN : SIG_DFL;
    const bool top = wanted.who == TOP0 || wanted.who == TOP1;
    sigaction(signo_of(s), &action, top ? &found[wanted.who - TOP0][s] : NULL);
}

void host_takes_away(int s, int top)
{
    sigaction(signo_of(s), &found[top][s], NULL);
}

/* The kernel's, in the model's terms. Ours is whatever is nobody's here, with the flags and the mask of ours. */
struct action action_now(int s)
{
    struct sigaction now;
    struct action action = {OURS, 0, 0};
    sigaction(signo_of(s), NULL, &now);
    const bool detailed_one = now.sa_flags & SA_SIGINFO;
    if (!detailed_one)
        action.who = now.sa_handler == SIG_DFL   ? BY_DEFAULT
                     : now.sa_handler == SIG_IGN ? IGNORED
                     : now.sa_handler == plain   ? PLAIN
                                                 : OURS;
    else if (now.sa_sigaction == detailed)
        action.who = DETAILED;
    else if (now.sa_sigaction == top0 || now.sa_sigaction == top1)
        action.who = now.sa_sigaction == top0 ? TOP0 : TOP1;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        action.flags |= now.sa_flags & flags[i].system ? (uint8_t)flags[i].flag : 0;
    action.masked = (uint8_t)bits_of(&now.sa_mask);
    if (action.who == OURS && detailed_one && (now.sa_flags & SA_ONSTACK) && action.masked == (1 << SIGNALS) - 1)
        action.masked = 0;
    return action;
}

void world_start(void)
{
    for (int s = 0; s < SIGNALS; s++)
        host_sigaction(s, (struct action){BY_DEFAULT, 0, 0});
    pthread_sigmask(SIG_SETMASK, NULL, &start);
    m.original = bits_of(&start);
    for (int s = 0; s < SIGNALS; s++)
        sigdelset(&start, signo_of(s));
    pthread_sigmask(SIG_SETMASK, &start, NULL);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
}
