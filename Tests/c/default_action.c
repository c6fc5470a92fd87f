/* csigshim_take_default_action, and the default action that the handler takes when a bridge has lost its descriptors.
 */
#include "check.h"

/* Takes the default action in a child, where the signal is ignored, blocked or subscribed to, as `how` says. */
static pid_t child_taking_default_action(int signo, int how) {
    const pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0); /* the kernel stops no process of an orphaned group */
        if (how == 1)
            install(signo, SIG_IGN, 0);
        if (how == 2)
            change_mask(SIG_BLOCK, signo);
        if (how == 3)
            opened_on(signo, 0);
        _exit(csigshim_take_default_action(signo) == 0 ? 0 : 1);
    }
    return child;
}

TEST(default_action_kills_whatever_is_installed) {
    const int deadly[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGUSR1, SIGPIPE, SIGALRM, SIGRTMIN, SIGRTMAX};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        for (int how = 0; how < 4; how++)
            CHECK(died_of(child_taking_default_action(deadly[i], how), deadly[i]));
    CHECK(died_of(child_taking_default_action(SIGKILL, 0), SIGKILL));
    CHECK(died_of(child_taking_default_action(SIGSEGV, 0), SIGSEGV));
    CHECK(died_of(child_taking_default_action(SIGFPE, 2), SIGFPE));
}

/* With a full queue, sigqueue, raise and pthread_kill of a realtime signal fail with EAGAIN. */
TEST(default_action_kills_with_a_full_queue) {
    for (int with_bridge = 0; with_bridge < 2; with_bridge++) {
        const pid_t child = fork();
        if (child == 0) {
            const struct rlimit none = {0, 0};
            CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
            FAILS(sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = 1}), EAGAIN);
            if (with_bridge)
                opened_on(SIGRTMIN, 0);
            csigshim_take_default_action(SIGRTMIN);
            _exit(1);
        }
        CHECK(died_of(child, SIGRTMIN));
    }
}

TEST(default_action_ignores_or_stops) {
    const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT}, stopping[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP};
    for (size_t i = 0; i < 4; i++)
        for (int how = 0; how < 4; how++)
            CHECK(exited(child_taking_default_action(harmless[i], how), 0));
    for (size_t i = 0; i < 4; i++)
        for (int how = 0; how < (stopping[i] == SIGSTOP ? 1 : 4); how++) {
            int status = 0;
            const pid_t child = child_taking_default_action(stopping[i], how);
            CHECK(waitpid(child, &status, WUNTRACED) == child);
            CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == stopping[i]);
            CHECK(kill(child, SIGCONT) == 0);
            CHECK(exited(child, 0));
        }
}

/* When a stopped process goes on, the library's handler is installed again. */
static void stop_and_continue(bool closes_its_pipe) {
    int status;
    const pid_t child = fork();
    if (child == 0) {
        polled(opened_on(SIGTSTP, 0));
        if (closes_its_pipe)
            for (int fd = 3; fd < 256; fd++)
                close(fd);
        CHECK(closes_its_pipe ? raise(SIGTSTP) == 0 : csigshim_take_default_action(SIGTSTP) == 0);
        _exit(csigshim_state(SIGTSTP) != CSIGSHIM_ARMED);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK(kill(child, SIGCONT) == 0 && exited(child, 0));
}

TEST(handler_is_armed_again_after_a_stop) {
    stop_and_continue(false);
    if (test_is_handler())
        stop_and_continue(true);
}

static void *add_and_remove(void *bridge) {
    for (;;) {
        csigshim_add(bridge, SIGTERM, 0);
        csigshim_remove(bridge, SIGTERM);
    }
    return NULL;
}

/* A thread that installs the handler at the same moment does not prevent the death by the signal. */
TEST(default_action_kills_while_another_thread_adds) {
    HANDLER_ONLY("escalation");
    for (int round = 0; round < SCALED(300); round++) {
        const pid_t child = fork();
        if (child == 0) {
            csigshim_bridge *bridge = opened();
            started(add_and_remove, bridge);
            started(add_and_remove, bridge);
            for (volatile int i = 0; i < 20000 + round * 100; i++)
                ;
            csigshim_take_default_action(SIGTERM);
            _exit(0);
        }
        CHECK(died_of(child, SIGTERM));
    }
}

static void host(int signo) {
    (void)signo;
}

static void *toggle_chain(void *bridge) {
    for (int on = 0;; on = !on)
        (void)csigshim_set_chain(bridge, SIGTERM, on);
    return NULL;
}

/* A thread that installs the handler at the same moment does not turn the death by the signal into an exit. */
TEST(default_action_kills_while_another_thread_chains) {
    HANDLER_ONLY("chaining");
    install(SIGTERM, host, 0); /* without SA_RESTART, so that csigshim_set_chain installs the handler again */
    for (int i = 0; i < SCALED(300); i++) {
        const pid_t child = fork();
        if (child == 0) {
            started(toggle_chain, opened_on(SIGTERM, 0));
            csigshim_take_default_action(SIGTERM);
            _exit(0);
        }
        CHECK(died_of(child, SIGTERM));
    }
}

/* The kernel's default action of SIGTSTP, SIGTTIN and SIGTTOU stops no process of an orphaned group, since no shell
 * could continue it. A daemon is in such a group. */
TEST(handler_stops_no_process_of_an_orphaned_group) {
    HANDLER_ONLY("over signalfd, a blocked signal stays pending");
    int status;
    const pid_t child = fork();
    if (child == 0) {
        CHECK(setsid() > 0);
        csigshim_bridge *bridge = opened_on(SIGTSTP, 0);
        CHECK(close(csigshim_fd(bridge)) == 0);
        CHECK(raise(SIGTSTP) == 0);
        _exit(0);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    if (WIFSTOPPED(status))
        kill(child, SIGKILL);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
