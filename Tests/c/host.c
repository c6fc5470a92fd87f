/* The host's handlers: restored exactly (G5), chained, put on top of ours, passed on to (G6). */
#include "check.h"

static volatile sig_atomic_t calls, last_signo, last_value, mask_was, errno_was;

static void plain(int signo)
{
    calls++;
    last_signo = signo;
}

static void detailed(int signo, siginfo_t *info, void *context)
{
    sigset_t mask;
    calls++;
    last_signo = context != NULL ? signo : -1;
    last_value = info->si_value.sival_int;
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    mask_was = sigismember(&mask, signo) | sigismember(&mask, SIGUSR2) << 1 | sigismember(&mask, SIGHUP) << 2 |
               sigismember(&mask, SIGWINCH) << 3;
    errno_was = errno;
    errno = 777;
}

static void install_detailed(int signo, int flags, int masked)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = detailed;
    action.sa_flags = SA_SIGINFO | flags;
    if (masked)
        sigaddset(&action.sa_mask, masked);
    CHECK(sigaction(signo, &action, NULL) == 0);
}

static bool equal(const struct sigaction *a, const struct sigaction *b)
{
    for (int signo = 1; signo <= 64; signo++)
        if (sigismember(&a->sa_mask, signo) != sigismember(&b->sa_mask, signo))
            return false;
    return a->sa_flags == b->sa_flags && (void *)(uintptr_t)a->sa_handler == (void *)(uintptr_t)b->sa_handler;
}

TEST(restores_exactly)
{
    const int flags[] = {0,
                         SA_RESTART,
                         SA_SIGINFO,
                         SA_SIGINFO | SA_ONSTACK,
                         SA_NODEFER,
                         SA_RESETHAND,
                         SA_NOCLDSTOP | SA_NOCLDWAIT,
                         SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_ONSTACK};
    const int signals[] = {SIGTERM, SIGCHLD, SIGABRT, SIGTTIN, SIGRTMIN + 5};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        for (size_t k = 0; k < sizeof signals / sizeof *signals; k++)
            for (int handler = 0; handler < 3; handler++) {
                struct sigaction before, after;
                memset(&before, 0, sizeof before);
                if (handler == 0)
                    before.sa_handler = plain;
                else
                    before.sa_handler = handler == 1 ? SIG_DFL : SIG_IGN;
                before.sa_flags = handler == 0 ? flags[i] : flags[i] & ~SA_SIGINFO;
                sigaddset(&before.sa_mask, SIGUSR1);
                sigaddset(&before.sa_mask, (int)(i + 34));
                CHECK(sigaction(signals[k], &before, NULL) == 0);
                CHECK(sigaction(signals[k], NULL, &before) == 0); /* as the C library tells it */
                csigshim_bridge *one = opened_on(signals[k], i % 2 ? chain_if_possible() : 0);
                csigshim_bridge *two = test_is_handler() ? opened_on(signals[k], 0) : opened();
                if (test_is_handler()) {
                    CHECK(csigshim_set_chain(two, signals[k], 1) == 0);
                    CHECK(csigshim_remove(one, signals[k]) == 0);
                }
                CHECK(csigshim_state(signals[k]) == CSIGSHIM_ARMED);
                CHECK(csigshim_close(two) == 0 && csigshim_close(one) == 0);
                CHECK(sigaction(signals[k], NULL, &after) == 0);
                CHECK(equal(&before, &after));
            }
}

TEST(flags_and_mask_of_ours)
{
    if (UNDER_TSAN)
        SKIP("the thread sanitizer changes what sigaction tells");
    csigshim_bridge *bridge = opened();
    struct sigaction now;
    const int open_to[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        if (csigshim_classify(signo) != CSIGSHIM_CATCHABLE)
            continue;
        CHECK(csigshim_add(bridge, signo, chain_if_possible()) == 0);
        CHECK(sigaction(signo, NULL, &now) == 0);
        const int restart = signo == SIGTTIN || signo == SIGTTOU ? 0 : SA_RESTART;
        now.sa_flags &= ~0x04000000; /* SA_RESTORER, the C library's own */
        CHECK(now.sa_flags == (SA_SIGINFO | SA_ONSTACK | restart));
        for (int other = 1; other <= SIGRTMAX; other++) {
            bool is_open = csigshim_classify(other) == CSIGSHIM_UNCATCHABLE || other == 32 || other == 33;
            bool known = !is_open; /* those may be in the mask or not: they cannot be blocked, or are hidden */
            for (size_t i = 0; i < sizeof open_to / sizeof *open_to; i++)
                is_open |= other == open_to[i];
            if (known)
                CHECK(sigismember(&now.sa_mask, other) == !is_open);
        }
        CHECK(csigshim_remove(bridge, signo) == 0);
    }
    install(SIGUSR1, plain, 0); /* counts on EINTR, if it goes on running */
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && (now.sa_flags & SA_RESTART));
    if (!test_is_handler())
        return;
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 1) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && !(now.sa_flags & SA_RESTART));
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 0) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && (now.sa_flags & SA_RESTART));
}

/* Until the process sleeps in a system call, and its handlers have run. */
static void wait_until_asleep(pid_t pid)
{
    char path[40], line[200];
    bool asleep = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    while (!asleep) {
        pause_ms(5);
        FILE *status = fopen(path, "r");
        asleep = status != NULL;
        while (status != NULL && fgets(line, sizeof line, status) != NULL) {
            unsigned long long pending = 0;
            char state = 'S';
            if (sscanf(line, "State: %c", &state) == 1 && state != 'S')
                asleep = false;
            if (test_is_handler() && sscanf(line, "ShdPnd: %llx", &pending) == 1 && pending != 0)
                asleep = false;
        }
        if (status != NULL)
            fclose(status);
    }
}

/* SA_RESTART as it is felt: a read(2) goes on after the signal, but not where the chained handler asked for EINTR. */
static void interrupted_read(int flags_of_host, unsigned flags, ssize_t expected)
{
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    install(SIGUSR1, plain, flags_of_host);
    csigshim_bridge *bridge = opened_on(SIGUSR1, flags);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        wait_until_asleep(parent);
        kill(parent, SIGUSR1);
        wait_until_asleep(parent);
        _exit(write(ends[1], "x", 1) != 1);
    }
    errno = 0;
    const ssize_t result = read(ends[0], &byte, 1);
    CHECK(result == expected && (result == 1 || errno == EINTR));
    CHECK(exited(sender, 0));
    collect(bridge, SIGUSR1, 1);
    CHECK(csigshim_close(bridge) == 0);
}

TEST(restarts_or_interrupts)
{
    interrupted_read(0, 0, 1);
    if (!test_is_handler())
        return;
    interrupted_read(SA_RESTART, CSIGSHIM_CHAIN, 1);
    interrupted_read(0, CSIGSHIM_CHAIN, -1);
    CHECK(calls == 2);
}

TEST(chains_with_siginfo_and_mask)
{
    HANDLER_ONLY("chaining");
    install_detailed(SIGUSR1, 0, SIGUSR2);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN), *second = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    change_mask(SIG_BLOCK, SIGHUP);
    errno = 4711;
    const int result = sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 99});
    const int errno_after = errno;
    collect(bridge, SIGUSR1, 1);
    collect(second, SIGUSR1, 1);
    CHECK(result == 0 && errno_after == 4711); /* ours repairs what he did to it */
    CHECK(calls == 1 && last_signo == SIGUSR1 && last_value == 99);
    CHECK(errno_was == 4711 || UNDER_TSAN); /* it delivers later */
    if (!UNDER_TSAN)                        /* it has a full mask in handlers */
        CHECK(mask_was == (1 | 2 | 4));
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_remove(second, SIGUSR1) == 0);
    install_detailed(SIGUSR1, SA_NODEFER, 0);
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(calls == 2);
    if (!UNDER_TSAN)
        CHECK(mask_was == 4);
}

TEST(chains_plain_handlers_and_only_if_asked)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, plain, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(calls == 0);
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(calls == 1 && last_signo == SIGUSR1);
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 0) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(calls == 1);
    collect(bridge, SIGUSR1, 3);
}

TEST(chaining_onto_default_and_ignored)
{
    HANDLER_ONLY("chaining");
    csigshim_bridge *bridge = opened_on(SIGTERM, CSIGSHIM_CHAIN);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    install(SIGHUP, SIG_IGN, 0);
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_CHAIN) == 0);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
}

TEST(resethand_is_called_once)
{
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer changes the flags");
    install(SIGUSR1, plain, (int)SA_RESETHAND);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    for (int i = 0; i < 3; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 3);
    CHECK(calls == 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT); /* as the kernel would have it after his one call */
    install(SIGUSR1, plain, (int)SA_RESETHAND);               /* a new one has a call of its own */
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
    CHECK(calls == 2);
}

TEST(runs_on_the_alternate_stack)
{
    static char memory[65536];
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    CHECK(sigaltstack(&stack, NULL) == 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    change_mask(SIG_UNBLOCK, SIGUSR1); /* with signalfd: so that the handler runs */
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    bool touched = false;
    for (size_t i = 0; i < sizeof memory; i++)
        touched |= memory[i] != 0;
    CHECK(touched || UNDER_TSAN);
}

TEST(errno_is_preserved)
{
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    change_mask(SIG_UNBLOCK, SIGUSR1); /* with signalfd: so that the handler runs */
    for (int i = 0; i < (test_is_handler() ? 4 : 2); i++) {
        if (i == 1) /* a stalled bridge: no room */
            for (int k = 0; k < 16384; k++)
                kill(getpid(), SIGUSR1);
        if (i == 2) { /* its descriptor is gone, and the host's handler is not asked for EBADF */
            install(SIGUSR2, plain, 0);
            CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_add(bridge, SIGURG, 0) == 0);
            for (int fd = 3; fd < 64; fd++)
                close(fd);
        }
        errno = 4711 + i;
        /* the last one meets a default action that does nothing: no handler of the host hides what fstat left behind */
        const int result = kill(getpid(), i == 3 ? SIGURG : i == 2 ? SIGUSR2 : SIGUSR1);
        const int after = errno;
        CHECK(result == 0 && after == 4711 + i);
    }
    CHECK(calls == (test_is_handler() ? 1 : 0));
}
