/* Handlers that somebody installs over ours, and SIG_IGN that was there before (G5, G6, G12). */
#include "check.h"

static volatile sig_atomic_t below_calls, above_calls, third_calls;
static struct sigaction saved_by_above, saved_by_third;

static void below(int signo)
{
    (void)signo;
    below_calls++;
}

static void call(const struct sigaction *action, int signo, siginfo_t *info, void *context)
{
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signo, info, context);
    else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)
        action->sa_handler(signo);
}

static void above(int signo, siginfo_t *info, void *context)
{
    above_calls++;
    call(&saved_by_above, signo, info, context);
}

static void third(int signo, siginfo_t *info, void *context)
{
    third_calls++;
    call(&saved_by_third, signo, info, context);
}

static bool installed(int signo, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction now;
    return sigaction(signo, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler;
}

TEST(is_displaced_and_counts_once)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN), *second = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
    for (int i = 0; i < 5; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 5);
    collect(second, SIGUSR1, 5);
    CHECK(above_calls == 5 && below_calls == 5);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
}

TEST(rearmed_and_counts_once)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(csigshim_rearm(SIGUSR1) == 0); /* nothing to do */
    for (int i = 0; i < 5; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 5);
    CHECK(above_calls == 5 && below_calls == 5);

    put_on_top(SIGUSR1, third, &saved_by_third); /* and once more */
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED && csigshim_rearm(SIGUSR1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(third_calls == 1 && above_calls == 6 && below_calls == 6);

    CHECK(csigshim_remove(bridge, SIGUSR1) == 0); /* restores the one it was re-armed over */
    CHECK(installed(SIGUSR1, third));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(third_calls == 2 && above_calls == 7 && below_calls == 7);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
}

TEST(rearmed_without_chaining)
{
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(above_calls == 0 && below_calls == 0);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(installed(SIGUSR1, above));
}

/* Removed with somebody on top: he stays, and ours passes on to what was there before. */
TEST(passes_on_after_removal)
{
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, above, &saved_by_above);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
    CHECK(installed(SIGUSR1, above));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(above_calls == 1 && below_calls == 1);
    CHECK(csigshim_wait(bridge, 0) == 0);

    CHECK(csigshim_add(bridge, SIGUSR1, chain_if_possible()) == 0); /* now over him */
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    const int chained = chain_if_possible() ? 1 : 0;
    CHECK(above_calls == 1 + chained && below_calls == 1 + chained);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(installed(SIGUSR1, above));

    CHECK(sigaction(SIGUSR1, &saved_by_above, NULL) == 0); /* he leaves, and puts back what he found: ours */
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(above_calls == 1 + chained && below_calls == 2 + chained);
    CHECK(csigshim_wait(bridge, 0) == 0);
}

static void quiet(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    above_calls++;
}

/* A handler that the host puts over ours: blocked, a signal is read as before; elsewhere it is his. */
TEST(host_installs_over_the_net)
{
    SIGNALFD_ONLY("a mask keeps the signal from the handler on top");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    put_on_top(SIGUSR1, quiet, NULL);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_DISPLACED);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(above_calls == 0);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 1);
    CHECK(csigshim_rearm(SIGUSR1) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 1);
    collect(bridge, SIGUSR1, 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    CHECK(raise(SIGUSR1) == 0 && above_calls == 2); /* his, over which ours was re-armed */
}

/* The same where nothing was there before: the signal kills. */
TEST(passes_on_to_the_default)
{
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *bridge = opened_on(SIGTERM, 0);
        put_on_top(SIGTERM, above, &saved_by_above);
        CHECK(csigshim_remove(bridge, SIGTERM) == 0);
        CHECK(sigaction(SIGTERM, &saved_by_above, NULL) == 0);
        kill(getpid(), SIGTERM);
        _exit(0);
    }
    CHECK(died_of(child, SIGTERM));
}

TEST(many_rounds_of_displacing)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    for (int i = 0; i < 1000; i++) {
        put_on_top(SIGUSR1, above, i == 0 ? &saved_by_above : NULL);
        CHECK(csigshim_rearm(SIGUSR1) == 0);
        CHECK(kill(getpid(), SIGUSR1) == 0);
    }
    CHECK(drained(bridge, SIGUSR1) == 1000);
    CHECK(above_calls == 1000 && below_calls == 1000);
}

TEST(keeps_ignored)
{
    csigshim_bridge *bridge = opened();
    install(SIGHUP, SIG_IGN, 0);
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 1);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ABSENT);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    FAILS(csigshim_remove(bridge, SIGHUP), ENOENT);
    CHECK(kill(getpid(), SIGHUP) == 0 && csigshim_wait(bridge, 0) == 0);
    install(SIGHUP, SIG_DFL, 0); /* it looks at the moment of `add` */
    CHECK(csigshim_add(bridge, SIGHUP, CSIGSHIM_KEEP_IGNORED) == 0);
    CHECK(kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    install(SIGINT, SIG_IGN, 0); /* not asked for */
    CHECK(csigshim_add(bridge, SIGINT, 0) == 0);
    CHECK(kill(getpid(), SIGINT) == 0);
    collect(bridge, SIGINT, 1);
}

/* A background process that reads its terminal gets TTIN; with SA_RESTART it would spin. To one that blocks TTIN the
 * kernel says EIO, and sends nothing. */
TEST(background_read_does_not_spin)
{
    const pid_t session = fork();
    if (session == 0) {
        CHECK(setsid() == getpid());
        const int terminal = posix_openpt(O_RDWR);
        if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
            _exit(77);
        const int fd = open(ptsname(terminal), O_RDWR); /* becomes the controlling terminal */
        CHECK(fd >= 0);
        const pid_t background = fork();
        if (background == 0) {
            char byte;
            setpgid(0, 0);
            csigshim_bridge *bridge = opened_on(SIGTTIN, 0);
            for (int i = 1; i <= 3; i++) {
                FAILS(read(fd, &byte, 1), test_is_handler() ? EINTR : EIO);
                CHECK(drained(bridge, SIGTTIN) == (test_is_handler() ? 1 : 0));
            }
            _exit(0);
        }
        CHECK(exited(background, 0));
        _exit(0);
    }
    const int status = status_of(session);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        SKIP("no pseudo-terminals");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct sigaction saved_by_waiting;
static atomic_int waiting_calls, rearmed;

static void waiting(int signo, siginfo_t *info, void *context)
{
    waiting_calls++;
    while (!rearmed)
        ;
    saved_by_waiting.sa_sigaction(signo, info, context);
}

static void *takes_usr1(void *unused)
{
    change_mask(SIG_UNBLOCK, SIGUSR1);
    while (waiting_calls == 0 || !rearmed)
        pause_ms(1);
    return unused;
}

/* Ours comes over his while he runs, and has not called what he was over yet: he has had this one. */
TEST(rearmed_while_a_delivery_is_in_his_handler)
{
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer gives every handler a full mask");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, waiting, &saved_by_waiting);
    change_mask(SIG_BLOCK, SIGUSR1);
    const pthread_t thread = started(takes_usr1, NULL);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    while (waiting_calls == 0)
        pause_ms(1);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    rearmed = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(drained(bridge, SIGUSR1) == 1 && below_calls == 1 && waiting_calls == 1);

    change_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* and each of the next */
    CHECK(drained(bridge, SIGUSR1) == 1 && below_calls == 2 && waiting_calls == 2);
}

/* What an emulator may leave in the padding: the address of our handler is on many a stack, with anything behind it. */
TEST(rubbish_in_the_padding_is_no_mark)
{
    HANDLER_ONLY("chaining");
    install(SIGUSR1, below, 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    struct sigaction ours;
    CHECK(sigaction(SIGUSR1, NULL, &ours) == 0);
    siginfo_t info;
    ucontext_t context;
    memset(&context, 0, sizeof context);
    uintptr_t rubbish[sizeof info / sizeof(uintptr_t)];
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++)
        rubbish[i] = (uintptr_t)ours.sa_sigaction;
    memcpy(&info, rubbish, sizeof info);
    info.si_signo = SIGUSR1;
    info.si_code = SI_USER;
    ours.sa_sigaction(SIGUSR1, &info, &context);
    collect(bridge, SIGUSR1, 1);
    CHECK(below_calls == 1);
}
