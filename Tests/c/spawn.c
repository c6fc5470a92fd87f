/* A child starts with the mask and the dispositions from before the bridge, however it is started and by any thread
 * (G8). */
#include "check.h"
#include <spawn.h>
#include <sys/syscall.h>

extern char **environ;

enum way { FORK, FORK_RESET, VFORK, CLONE, SPAWN, POPEN, SYSTEM };
enum { PLAIN = -1 }; /* without csigshim_spawn_begin */

struct signal_state {
    unsigned long long blocked, ignored, caught;
};

static unsigned long long bit(int signo) {
    return 1ull << (signo - 1);
}

static unsigned long long line_of(const char *text, const char *name) {
    const char *line = strstr(text, name);
    CHECK(line != NULL);
    return strtoull(line + strlen(name), NULL, 16);
}

static bool same(struct signal_state a, struct signal_state b) {
    if (a.blocked == b.blocked && a.ignored == b.ignored && a.caught == b.caught)
        return true;
    printf("SigBlk %llx SigIgn %llx SigCgt %llx, not %llx %llx %llx\n", a.blocked, a.ignored, a.caught, b.blocked,
           b.ignored, b.caught);
    return false;
}

static unsigned long long own_mask(void) {
    unsigned long long mask = 0;
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        mask |= is_blocked(signo) ? bit(signo) : 0;
    return mask;
}

static pid_t start_program(enum way way, char **arguments) {
    pid_t child;
    if (way == SPAWN)
        return posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ) == 0 ? child : -1;
    if (way == VFORK)
        child = vfork();
    else
        child = way == CLONE ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    if (child == 0) {
        if (way != FORK && csigshim_reset_for_exec() != 0)
            _exit(1);
        execvp(arguments[0], arguments);
        _exit(2);
    }
    return child;
}

/* Starts a program by `way`, and returns its signal state as /proc shows it. */
static struct signal_state status_of_started(enum way way, int flags) {
    csigshim_spawn spawn;
    char command[100], text[8192] = "";
    char *arguments[] = {"sh", "-c", command, NULL};
    const int out = memfd_create("status", MFD_CLOEXEC);
    snprintf(command, sizeof command, "exec cat /proc/self/status >/proc/%d/fd/%d", (int)getpid(), out);
    fflush(stdout);
    const unsigned long long mask = own_mask();
    if (flags != PLAIN)
        CHECK(csigshim_spawn_begin(&spawn, (unsigned)flags) == 0);
    pid_t child = 0;
    int status = 0;
    if (way == SYSTEM) {
        status = system(command);
    } else if (way == POPEN) {
        FILE *const file = popen(command, "w");
        CHECK(file != NULL);
        status = pclose(file);
    } else {
        child = start_program(way, arguments);
    }
    if (flags != PLAIN)
        CHECK(csigshim_spawn_end(&spawn) == 0);
    CHECK(own_mask() == mask);
    CHECK(child == 0 ? status == 0 : exited(child, 0));
    CHECK(pread(out, text, sizeof text - 1, 0) > 0 && close(out) == 0);
    /* posix_spawn ignores the two signals that the C library reserves, and such a state is inherited from make */
    const unsigned long long ignored = line_of(text, "SigIgn:") & ~(bit(32) | bit(33));
    return (struct signal_state){line_of(text, "SigBlk:"), ignored, line_of(text, "SigCgt:")};
}

static const int subscribed[] = {0 /* SIGRTMIN + 4 */, SIGTERM, SIGHUP, SIGUSR2, SIGCHLD, SIGINT, SIGUSR1};
enum { SUBSCRIBED = sizeof subscribed / sizeof *subscribed };
static volatile sig_atomic_t calls;
static _Atomic int stage, done;

static void host(int signo) {
    (void)signo;
    calls++;
}

static int subscribed_to(int i) {
    return i == 0 ? SIGRTMIN + 4 : subscribed[i];
}

/* The host ignores two signals, as after nohup(1), blocks two and catches one. */
static void set_up_host(void) {
    install(SIGHUP, SIG_IGN, 0);
    install(SIGRTMIN + 4, SIG_IGN, 0);
    install(SIGUSR1, host, SA_RESTART);
    change_mask(SIG_BLOCK, SIGUSR2);
    change_mask(SIG_BLOCK, SIGWINCH);
}

static csigshim_bridge *opened_with_everything(void) {
    csigshim_bridge *bridge = opened();
    for (int i = 0; i < SUBSCRIBED; i++)
        CHECK(csigshim_add(bridge, subscribed_to(i), 0) == 0);
    return bridge;
}

static void measure(struct signal_state *before) {
    for (enum way way = FORK; way <= SYSTEM; way++)
        before[way] = status_of_started(way >= SPAWN ? way : FORK, PLAIN);
}

static void check_every_way(const struct signal_state *before) {
    for (enum way way = FORK; way <= SYSTEM; way++) {
        if (UNDER_TSAN && (way == VFORK || way == CLONE))
            continue; /* the thread sanitizer's sigaction must not run in such a child */
        if (way < SPAWN)
            CHECK(same(status_of_started(way, PLAIN), before[way]));
        struct signal_state expected = before[way];
        if (way >= SPAWN) /* exec resets a signal that the parent handles to the default action */
            expected.ignored &= ~(bit(SIGHUP) | bit(SIGRTMIN + 4));
        CHECK(same(status_of_started(way, 0), expected));
    }
}

static void *thread_from_before(void *unused) {
    (void)unused;
    change_mask(SIG_BLOCK, SIGALRM); /* another mask than the main thread's */
    change_mask(SIG_UNBLOCK, SIGUSR2);
    struct signal_state before[SYSTEM + 1];
    measure(before);
    CHECK(before[FORK].blocked & bit(SIGALRM));
    done = 1;
    while (stage == 0)
        pause_ms(1);
    check_every_way(before);
    return NULL;
}

static void *thread_from_after(void *before) {
    check_every_way(before);
    return NULL;
}

TEST(started_child_has_the_old_mask_and_actions) {
    set_up_host();
    struct signal_state before[SYSTEM + 1];
    measure(before);
    for (enum way way = FORK; way <= SYSTEM; way++) {
        CHECK(before[way].blocked == (bit(SIGUSR2) | bit(SIGWINCH)));
        CHECK((before[way].ignored & bit(SIGHUP)) && (before[way].ignored & bit(SIGRTMIN + 4)));
    }
    pthread_t thread = started(thread_from_before, NULL);
    while (done == 0)
        pause_ms(1);
    csigshim_bridge *bridge = opened_with_everything();
    check_every_way(before);
    pthread_join(started(thread_from_after, before), NULL);
    stage = 1;
    pthread_join(thread, NULL);
    for (int i = 0; i < SUBSCRIBED; i++)
        CHECK(csigshim_state(subscribed_to(i)) == CSIGSHIM_ARMED);
    CHECK(csigshim_close(bridge) == 0);
    CHECK(same(status_of_started(FORK, PLAIN), before[FORK]));
}

/* A forked child that does not exec has the exact saved actions and the old mask, until csigshim_after_fork. */
static void *run_on_in_a_child(void *bridge) {
    const unsigned long long mask = bit(SIGUSR2) | bit(SIGWINCH);
    struct sigaction now;
    const pid_t child = fork();
    if (child == 0) {
        CHECK(own_mask() == mask);
        calls = 0;
        CHECK(sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
        CHECK(sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
        CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == host);
        CHECK(UNDER_TSAN || (now.sa_flags & (SA_RESTART | SA_SIGINFO)) == SA_RESTART);
        CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGHUP) == 0);
        CHECK(calls == 1);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            kill(getpid(), SIGTERM);
            _exit(1);
        }
        CHECK(died_of(grandchild, SIGTERM));
        CHECK(csigshim_after_fork(bridge) == 0);
        for (int i = 0; i < SUBSCRIBED; i++)
            CHECK(csigshim_state(subscribed_to(i)) == CSIGSHIM_ARMED);
        CHECK(csigshim_wait(bridge, 0) == 0); /* no event of the parent, and none from before after_fork */
        CHECK(is_blocked(SIGTERM) == !test_is_handler());
        CHECK(kill(getpid(), SIGTERM) == 0);
        collect(bridge, SIGTERM, 1);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        CHECK(calls == 1);
        CHECK(csigshim_close(bridge) == 0);
        CHECK(own_mask() == mask);
        CHECK(sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
        CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == host);
        _exit(0);
    }
    CHECK(exited(child, 0));
    return NULL;
}

TEST(forked_child_has_the_saved_actions_until_after_fork) {
    set_up_host();
    csigshim_bridge *bridge = opened_with_everything();
    CHECK(kill(getpid(), SIGTERM) == 0); /* unread, so only the parent gets it */
    run_on_in_a_child(bridge);
    if (!UNDER_TSAN) /* which runs no handlers in a child that another thread forked */
        pthread_join(started(run_on_in_a_child, bridge), NULL);
    csigshim_event events[64];
    int terms = 0;
    for (ssize_t count; (count = csigshim_read(bridge, events, 64)) > 0;)
        for (ssize_t i = 0; i < count; i++) {
            CHECK(events[i].signo == SIGTERM || events[i].signo == SIGCHLD);
            terms += events[i].signo == SIGTERM;
        }
    CHECK(terms == 1);
}

static void check_original_mask(void) {
    const unsigned long long original = bit(SIGALRM) | bit(SIGUSR2), now = bit(SIGUSR1) | bit(SIGUSR2);
    for (enum way way = FORK; way <= SYSTEM; way++) {
        if (way == FORK_RESET || way == VFORK || way == CLONE)
            continue;
        CHECK(status_of_started(way, CSIGSHIM_SPAWN_ORIGINAL).blocked == original);
        CHECK(status_of_started(way, 0).blocked == now);
    }
}

static void *check_original_mask_on_a_thread(void *unused) {
    check_original_mask();
    return unused;
}

/* This program starts itself with SIGALRM and SIGUSR2 blocked, and then changes its mask. */
TEST(spawn_original_gives_the_mask_of_the_start) {
    char self[4096] = "";
    if (getenv("STARTED_WITH_A_MASK") == NULL) {
        CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        const pid_t child = fork();
        if (child == 0) {
            CHECK(setenv("STARTED_WITH_A_MASK", "1", 1) == 0);
            change_mask(SIG_BLOCK, SIGALRM);
            change_mask(SIG_BLOCK, SIGUSR2);
            const int silent = open("/dev/null", O_WRONLY);
            dup2(silent, 1);
            execl(self, "spawn", "spawn_original_gives_the_mask_of_the_start", (char *)NULL);
            _exit(2);
        }
        CHECK(exited(child, 0));
        return;
    }
    change_mask(SIG_UNBLOCK, SIGALRM);
    change_mask(SIG_BLOCK, SIGUSR1);
    check_original_mask(); /* without a bridge */
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_add(bridge, SIGUSR1, 0) == 0);
    check_original_mask();
    pthread_join(started(check_original_mask_on_a_thread, NULL), NULL);
}
