/* The library restores the host's actions exactly (G5), and chains to them as their flags ask (G6). */
#include "check.h"

static volatile sig_atomic_t calls, last_signo, last_value, mask_seen, errno_seen;

static void host(int signo) {
    calls++;
    last_signo = signo;
}

static void host_with_siginfo(int signo, siginfo_t *info, void *context) {
    sigset_t mask;
    calls++;
    last_signo = context != NULL ? signo : -1;
    last_value = info->si_value.sival_int;
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    mask_seen = sigismember(&mask, signo) | sigismember(&mask, SIGUSR2) << 1 | sigismember(&mask, SIGHUP) << 2 |
                sigismember(&mask, SIGWINCH) << 3;
    errno_seen = errno;
    errno = 777;
}

static void install_with_siginfo(int signo, int flags, int masked) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = host_with_siginfo;
    action.sa_flags = SA_SIGINFO | flags;
    if (masked)
        sigaddset(&action.sa_mask, masked);
    CHECK(sigaction(signo, &action, NULL) == 0);
}

static bool equal_actions(const struct sigaction *a, const struct sigaction *b) {
    for (int signo = 1; signo <= 64; signo++)
        if (sigismember(&a->sa_mask, signo) != sigismember(&b->sa_mask, signo))
            return false;
    return a->sa_flags == b->sa_flags && (void *)(uintptr_t)a->sa_handler == (void *)(uintptr_t)b->sa_handler;
}

TEST(remove_restores_handler_flags_and_mask) {
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
                    before.sa_handler = host;
                else
                    before.sa_handler = handler == 1 ? SIG_DFL : SIG_IGN;
                before.sa_flags = handler == 0 ? flags[i] : flags[i] & ~SA_SIGINFO;
                sigaddset(&before.sa_mask, SIGUSR1);
                sigaddset(&before.sa_mask, (int)(i + 34));
                CHECK(sigaction(signals[k], &before, NULL) == 0);
                CHECK(sigaction(signals[k], NULL, &before) == 0); /* as the C library returns it */
                csigshim_bridge *one = opened_on(signals[k], i % 2 ? chain_if_possible() : 0);
                csigshim_bridge *two = test_is_handler() ? opened_on(signals[k], 0) : opened();
                if (test_is_handler()) {
                    CHECK(csigshim_set_chain(two, signals[k], 1) == 0);
                    CHECK(csigshim_remove(one, signals[k]) == 0);
                }
                CHECK(csigshim_state(signals[k]) == CSIGSHIM_ARMED);
                CHECK(csigshim_close(two) == 0 && csigshim_close(one) == 0);
                CHECK(sigaction(signals[k], NULL, &after) == 0);
                CHECK(equal_actions(&before, &after));
            }
}

TEST(handler_has_a_full_mask_and_sa_onstack) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer changes what sigaction returns");
    csigshim_bridge *bridge = opened();
    struct sigaction now;
    const int open_to[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        if (csigshim_classify(signo) != CSIGSHIM_CATCHABLE)
            continue;
        CHECK(csigshim_add(bridge, signo, chain_if_possible()) == 0);
        CHECK(sigaction(signo, NULL, &now) == 0);
        const int restart = signo == SIGTTIN || signo == SIGTTOU ? 0 : SA_RESTART;
        now.sa_flags &= ~0x04000000; /* SA_RESTORER, which the C library adds */
        CHECK(now.sa_flags == (SA_SIGINFO | SA_ONSTACK | restart));
        for (int other = 1; other <= SIGRTMAX; other++) {
            bool is_open = csigshim_classify(other) == CSIGSHIM_UNCATCHABLE || other == 32 || other == 33;
            bool known = !is_open; /* signals that cannot be blocked, or that the C library hides, may be in the mask */
            for (size_t i = 0; i < sizeof open_to / sizeof *open_to; i++)
                is_open |= other == open_to[i];
            if (known)
                CHECK(sigismember(&now.sa_mask, other) == !is_open);
        }
        CHECK(csigshim_remove(bridge, signo) == 0);
    }
    install(SIGUSR1, host, 0); /* relies on EINTR, so chaining to it turns SA_RESTART off */
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && (now.sa_flags & SA_RESTART));
    if (!test_is_handler())
        return;
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 1) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && !(now.sa_flags & SA_RESTART));
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 0) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && (now.sa_flags & SA_RESTART));
}

/* Waits until the process sleeps in a system call and no signal is pending for its handlers. */
static void wait_until_asleep(pid_t pid) {
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

/* read(2) goes on after a signal, unless the chained handler was installed without SA_RESTART. */
static void read_during_a_signal(int flags_of_host, unsigned flags, ssize_t expected) {
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    install(SIGUSR1, host, flags_of_host);
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

TEST(read_restarts_unless_the_chained_handler_wants_eintr) {
    read_during_a_signal(0, 0, 1);
    if (!test_is_handler())
        return;
    read_during_a_signal(SA_RESTART, CSIGSHIM_CHAIN, 1);
    read_during_a_signal(0, CSIGSHIM_CHAIN, -1);
    CHECK(calls == 2);
}

TEST(chained_handler_gets_siginfo_mask_and_errno) {
    HANDLER_ONLY("chaining");
    install_with_siginfo(SIGUSR1, 0, SIGUSR2);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN), *second = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    change_mask(SIG_BLOCK, SIGHUP);
    errno = 4711;
    const int result = sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 99});
    const int errno_after = errno;
    collect(bridge, SIGUSR1, 1);
    collect(second, SIGUSR1, 1);
    CHECK(result == 0 && errno_after == 4711); /* although the chained handler changed it */
    CHECK(calls == 1 && last_signo == SIGUSR1 && last_value == 99);
    CHECK(errno_seen == 4711 || UNDER_TSAN); /* which delivers later */
    if (!UNDER_TSAN)                         /* which gives each handler a full mask */
        CHECK(mask_seen == (1 | 2 | 4));
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_remove(second, SIGUSR1) == 0);
    install_with_siginfo(SIGUSR1, SA_NODEFER, 0);
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(calls == 2);
    if (!UNDER_TSAN)
        CHECK(mask_seen == 4);
}

TEST(plain_handler_is_chained_only_on_request) {
    HANDLER_ONLY("chaining");
    install(SIGUSR1, host, 0);
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

TEST(chaining_to_sig_dfl_or_sig_ign_runs_nothing) {
    HANDLER_ONLY("chaining");
    csigshim_bridge *bridge = opened_on(SIGTERM, CSIGSHIM_CHAIN);
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    install(SIGHUP, SIG_IGN, 0);
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_CHAIN) == 0);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
}

TEST(chained_sa_resethand_handler_runs_once) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer changes the flags");
    install(SIGUSR1, host, (int)SA_RESETHAND);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    for (int i = 0; i < 3; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 3);
    CHECK(calls == 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT); /* as the kernel leaves it after the call */
    install(SIGUSR1, host, (int)SA_RESETHAND); /* installed again, the handler runs once more */
    CHECK(csigshim_add(bridge, SIGUSR1, CSIGSHIM_CHAIN) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
    CHECK(calls == 2);
}

TEST(handler_runs_on_the_alternate_stack) {
    static char memory[65536];
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    CHECK(sigaltstack(&stack, NULL) == 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    change_mask(SIG_UNBLOCK, SIGUSR1); /* over signalfd: so that the handler runs */
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    bool touched = false;
    for (size_t i = 0; i < sizeof memory; i++)
        touched |= memory[i] != 0;
    CHECK(touched || UNDER_TSAN);
}

TEST(handler_preserves_errno) {
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    change_mask(SIG_UNBLOCK, SIGUSR1); /* over signalfd: so that the handler runs */
    for (int i = 0; i < (test_is_handler() ? 4 : 2); i++) {
        if (i == 1) /* a bridge without room */
            for (int k = 0; k < 16384; k++)
                kill(getpid(), SIGUSR1);
        if (i == 2) { /* a closed descriptor, and a saved handler */
            install(SIGUSR2, host, 0);
            CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_add(bridge, SIGURG, 0) == 0);
            for (int fd = 3; fd < 64; fd++)
                close(fd);
        }
        errno = 4711 + i;
        /* 3: a closed descriptor, and a default action that ignores the signal */
        const int result = kill(getpid(), i == 3 ? SIGURG : i == 2 ? SIGUSR2 : SIGUSR1);
        const int after = errno;
        CHECK(result == 0 && after == 4711 + i);
    }
    CHECK(calls == (test_is_handler() ? 1 : 0));
}

static int flags_of(int signo) {
    struct sigaction now;
    CHECK(sigaction(signo, NULL, &now) == 0);
    return now.sa_flags & (SA_RESTART | SA_ONSTACK);
}

/* The host installs the same handler with other flags each time. */
TEST(remove_restores_flags_that_changed_between_adds) {
    csigshim_bridge *bridge = opened();
    const int flags[] = {0, SA_RESTART, SA_ONSTACK, 0};
    for (int i = 0; i < 4; i++) {
        install(SIGUSR1, host, flags[i]);
        CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && csigshim_remove(bridge, SIGUSR1) == 0);
        CHECK(flags_of(SIGUSR1) == flags[i]);
    }
}

TEST(sa_restart_returns_when_the_chaining_bridge_leaves) {
    HANDLER_ONLY("chaining");
    install(SIGUSR1, host, 0);
    csigshim_bridge *chains = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    opened_on(SIGUSR1, 0);
    CHECK(!(flags_of(SIGUSR1) & SA_RESTART));
    CHECK(csigshim_remove(chains, SIGUSR1) == 0);
    CHECK(flags_of(SIGUSR1) & SA_RESTART);
}

/* The kernel has chosen the library's handler, and calls it when csigshim_remove has already returned. */
TEST(handler_called_after_remove_takes_the_default_action) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer returns no handler but its own");
    const pid_t child = fork();
    if (child == 0) {
        struct sigaction installed;
        ucontext_t context;
        siginfo_t info;
        memset(&info, 0, sizeof info);
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        memset(&context, 0, sizeof context); /* the mask of a thread that blocks nothing */
        CHECK(sigaction(SIGTERM, NULL, &installed) == 0);
        CHECK(csigshim_remove(bridge, SIGTERM) == 0);
        installed.sa_sigaction(SIGTERM, &info, &context);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM));
}
