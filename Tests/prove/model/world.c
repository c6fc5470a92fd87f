/* Handlers, actions and masks of the host. A handler that calls what it replaced keeps that as sigaction(2) gave it,
 * and leaves errno changed, as careless ones do. */
#define _GNU_SOURCE
#include "world.h"
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

struct seen seen;
volatile unsigned calls[LIBRARY][SIGNALS];
csigshim_bridge *bridges[BRIDGES];
static struct sigaction found[2][SIGNALS];
static sigset_t start;

static int numbers[SIGNALS], indices[128];

__attribute__((constructor)) static void number_signals(void) /* SIGRTMIN is a call */
{
    const int all[SIGNALS] = {SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGRTMIN + 1, SIGRTMIN + 2};
    for (int s = 0; s < SIGNALS; s++) {
        numbers[s] = all[s];
        indices[all[s]] = s + 1;
    }
}

int signo_of(int s) {
    return numbers[s];
}

int signal_of(int signo) {
    return signo < 0 || signo >= 128 ? -1 : indices[signo] - 1;
}

const char *signal_name(int s) {
    static const char *const names[SIGNALS] = {"USR1", "USR2", "TERM", "HUP", "WINCH", "TSTP", "RTMIN+1", "RTMIN+2"};
    return names[s];
}

/* As the kernel has it: a bit for each signal. */
static uint64_t words_of(const sigset_t *set) {
    uint64_t words;
    memcpy(&words, set, sizeof words);
    return words;
}

static unsigned bits_of(const sigset_t *set) {
    const uint64_t words = words_of(set);
    unsigned bits = 0;
    for (int s = 0; s < SIGNALS; s++)
        bits |= words >> (numbers[s] - 1) & 1 ? 1u << s : 0;
    return bits;
}

unsigned mask_now(void) {
    sigset_t now;
    uint64_t others = words_of(&start);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    others ^= words_of(&now);
    for (int s = 0; s < SIGNALS; s++)
        others &= ~(1ull << (numbers[s] - 1));
    return bits_of(&now) | (others != 0 ? OTHER_SIGNALS : 0);
}

void host_set_mask(unsigned mask) {
    sigset_t set = start;
    for (int s = 0; s < SIGNALS; s++)
        if (mask & 1u << s)
            sigaddset(&set, signo_of(s));
        else
            sigdelset(&set, signo_of(s));
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

static int enter_handler(int signo, enum handler handler) {
    const int s = signal_of(signo);
    if (!seen.any) {
        sigset_t now;
        seen.error = errno;
        pthread_sigmask(SIG_SETMASK, NULL, &now);
        seen.mask = (sig_atomic_t)bits_of(&now);
        seen.any = 1;
    }
    calls[handler][s]++;
    errno = ERRNO_OF_A_HANDLER;
    return s;
}

static void plain(int signo) {
    (void)enter_handler(signo, PLAIN);
}

static void detailed(int signo, siginfo_t *info, void *context) {
    if (info->si_signo == signo && context != NULL)
        (void)enter_handler(signo, DETAILED);
}

static void call_found(const struct sigaction *action, int signo, siginfo_t *info, void *context) {
    if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN)
        return;
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signo, info, context);
    else
        action->sa_handler(signo);
}

static void top0(int signo, siginfo_t *info, void *context) {
    call_found(&found[0][enter_handler(signo, TOP0)], signo, info, context);
}

static void top1(int signo, siginfo_t *info, void *context) {
    call_found(&found[1][enter_handler(signo, TOP1)], signo, info, context);
}

static const struct {
    int flag, system;
} flags[] = {{RESTART, SA_RESTART}, {RESETHAND, (int)SA_RESETHAND}, {NODEFER, SA_NODEFER}};

void host_sigaction(int s, struct action wanted) {
    struct sigaction action;
    const bool is_top = wanted.handler == TOP0 || wanted.handler == TOP1;
    memset(&action, 0, sizeof action);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        action.sa_flags |= wanted.flags & flags[i].flag ? flags[i].system : 0;
    for (int i = 0; i < SIGNALS; i++)
        if (wanted.masked & 1u << i)
            sigaddset(&action.sa_mask, signo_of(i));
    if (wanted.handler == DETAILED || is_top || (wanted.flags & SIGINFO))
        action.sa_flags |= SA_SIGINFO;
    if (is_top)
        action.sa_sigaction = wanted.handler == TOP0 ? top0 : top1;
    else if (wanted.handler == DETAILED)
        action.sa_sigaction = detailed;
    else
        action.sa_handler = wanted.handler == PLAIN ? plain : wanted.handler == IGNORED ? SIG_IGN : SIG_DFL;
    sigaction(signo_of(s), &action, is_top ? &found[wanted.handler - TOP0][s] : NULL);
}

void host_restores_found(int s, int top) {
    sigaction(signo_of(s), &found[top][s], NULL);
}

static void nothing(int signo) {
    (void)signo;
}

void host_child_action(int kind, struct sigaction *action) {
    memset(action, 0, sizeof *action);
    action->sa_handler = kind == 0 ? SIG_DFL : kind == 1 ? SIG_IGN : nothing;
    action->sa_flags = SA_RESTART;
    sigaction(SIGCHLD, action, NULL); /* the C library adds a flag of its own */
    sigaction(SIGCHLD, NULL, action);
}

/* The kernel's action, in the model's terms. The library's handler is the one that is none of the host's. */
struct action action_now(int s) {
    struct sigaction now;
    struct action action = {LIBRARY, 0, 0};
    sigaction(signo_of(s), NULL, &now);
    const bool has_details = now.sa_flags & SA_SIGINFO;
    if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) {
        action.handler = now.sa_handler == SIG_DFL ? BY_DEFAULT : IGNORED;
        action.flags |= has_details ? SIGINFO : 0;
    } else if (!has_details) {
        action.handler = now.sa_handler == plain ? PLAIN : LIBRARY;
    } else if (now.sa_sigaction == detailed) {
        action.handler = DETAILED;
    } else if (now.sa_sigaction == top0 || now.sa_sigaction == top1) {
        action.handler = now.sa_sigaction == top0 ? TOP0 : TOP1;
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        action.flags |= now.sa_flags & flags[i].system ? (uint8_t)flags[i].flag : 0;
    action.masked = (uint8_t)bits_of(&now.sa_mask);
    if (action.handler == LIBRARY && has_details && (now.sa_flags & SA_ONSTACK) && action.masked == (1 << SIGNALS) - 1)
        action.masked = 0;
    return action;
}

void world_start(void) {
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
