/* What was found once, by review or by a program that broke it, and must not come back. */
#include "check.h"
#include <limits.h>
#include <setjmp.h>
#include <stddef.h>
#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

static atomic_bool stop;
static int flooded;

static void *flood(void *argument)
{
    change_mask(SIG_UNBLOCK, flooded);
    while (!atomic_load(&stop))
        raise(flooded);
    return argument;
}

static void discard(csigshim_bridge *bridge)
{
    csigshim_event events[256];
    while (csigshim_read(bridge, events, 256) > 0)
        ;
}

/* A handler that looks at one bridge after the other must not find the signal in none. */
TEST(signal_handed_from_bridge_to_bridge_is_never_without_one)
{
    HANDLER_ONLY("two bridges for one signal");
    csigshim_bridge *bridges[] = {opened_on(SIGUSR1, 0), opened()};
    flooded = SIGUSR1;
    pthread_t threads[] = {started(flood, NULL), started(flood, NULL), started(flood, NULL)};
    const int64_t end = milliseconds() + 4000;
    for (int i = 0; milliseconds() < end; i++) {
        CHECK(csigshim_add(bridges[(i + 1) % 2], SIGUSR1, 0) == 0);
        CHECK(csigshim_remove(bridges[i % 2], SIGUSR1) == 0);
        discard(bridges[0]);
        discard(bridges[1]);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* A late handler of the old subscription must not undo what the new one installed. */
TEST(add_after_remove_under_traffic_is_never_deaf)
{
    csigshim_bridge *bridge = opened_on(SIGURG, 0);
    flooded = SIGURG;
    pthread_t threads[] = {started(flood, NULL), started(flood, NULL), started(flood, NULL)};
    const int64_t end = milliseconds() + 4000;
    while (milliseconds() < end) {
        CHECK(csigshim_remove(bridge, SIGURG) == 0);
        CHECK(csigshim_add(bridge, SIGURG, 0) == 0);
        CHECK(csigshim_state(SIGURG) == CSIGSHIM_ARMED);
        discard(bridge);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void *close_cancelled(void *bridge)
{
    pthread_cancel(pthread_self());
    csigshim_event event;
    csigshim_bridge *another;
    (void)csigshim_read(bridge, &event, 1);
    (void)csigshim_unblocked_threads(SIGTERM, NULL, 0);
    if (csigshim_open(&another, test_mechanism()) == 0)
        (void)csigshim_close(another);
    (void)csigshim_close(bridge);
    pthread_testcancel();
    return NULL;
}

/* close(2) is a cancellation point; ours must not die in it with the lock. */
TEST(cancelled_thread_leaves_no_lock_behind)
{
    csigshim_bridge *bridge = opened_on(SIGTERM, 0), *other = opened();
    void *result;
    pthread_join(started(close_cancelled, bridge), &result);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(csigshim_add(other, SIGTERM, 0) == 0);
    FAILS(csigshim_remove(bridge, SIGTERM), EINVAL); /* the cancelled thread did close it */
}

static void nothing(int signo)
{
    (void)signo;
}

static void check_hears(csigshim_bridge *bridge, int signo)
{
    CHECK(csigshim_state(signo) == CSIGSHIM_ARMED);
    CHECK(raise(signo) == 0);
    collect(bridge, signo, 1);
}

/* In a child, our handler puts the saved action back. after_fork must notice, whatever that action was. */
TEST(child_hears_again_after_a_signal_met_the_saved_action)
{
    csigshim_bridge *first = opened_on(SIGWINCH, 0), *second = opened_on(SIGURG, 0);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGWINCH);
        CHECK(csigshim_after_fork(first) == 0);
        check_hears(first, SIGWINCH);
        raise(SIGURG); /* between the two */
        CHECK(csigshim_after_fork(second) == 0);
        check_hears(second, SIGURG);
        _exit(0);
    }
    CHECK(exited(child, 0));

    child = fork();
    if (child == 0) {
        CHECK(csigshim_reset_for_exec() == 0); /* and then the exec failed */
        CHECK(csigshim_after_fork(first) == 0);
        check_hears(first, SIGWINCH);
        _exit(0);
    }
    CHECK(exited(child, 0));

    install(SIGUSR1, nothing, (int)SA_RESETHAND);
    csigshim_bridge *third = opened_on(SIGUSR1, 0);
    child = fork();
    if (child == 0) {
        raise(SIGUSR1);
        CHECK(csigshim_after_fork(third) == 0);
        check_hears(third, SIGUSR1);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

static csigshim_bridge *of_the_host;

static void child_handler(void)
{
    if (csigshim_after_fork(of_the_host) != 0)
        _exit(9);
}

static void any_handler(void)
{
    if (csigshim_state(SIGTERM) != CSIGSHIM_ARMED)
        _exit(8);
}

/* Atfork handlers run while the lock is held for the forking thread. */
TEST(atfork_handlers_of_the_host_may_call_the_library)
{
    CHECK(pthread_atfork(NULL, NULL, child_handler) == 0); /* before ours: runs before ours in the child */
    of_the_host = opened_on(SIGTERM, 0);
    CHECK(pthread_atfork(any_handler, any_handler, NULL) == 0);
    const pid_t child = fork();
    if (child == 0) {
        check_hears(of_the_host, SIGTERM);
        _exit(0);
    }
    CHECK(exited(child, 0));
    check_hears(of_the_host, SIGTERM);
}

static sigjmp_buf out;
static pthread_t jumping;
static atomic_bool armed;

static void jump(int signo)
{
    (void)signo;
    if (atomic_load(&armed))
        siglongjmp(out, 1);
}

static void *provoke(void *argument)
{
    while (!atomic_load(&stop)) {
        pthread_kill(jumping, SIGUSR1);
        pthread_kill(jumping, SIGABRT);
    }
    return argument;
}

/* A test harness's handler of ABRT jumps; it must not be able to jump out of ours. */
TEST(abort_handler_that_jumps_cannot_leave_ours_half_way)
{
    static int64_t end;
    static atomic_int jumps;
    static pthread_t thread;
    if (UNDER_TSAN)
        SKIP("the thread sanitizer runs handlers late, on its own terms");
    jumping = pthread_self();
    install(SIGABRT, jump, 0);
    static csigshim_bridge *bridge;
    bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    change_mask(SIG_UNBLOCK, SIGUSR1); /* with signalfd: so that the handler runs */
    end = milliseconds() + 8000;
    thread = started(provoke, NULL);
    if (sigsetjmp(out, 1) != 0)
        atomic_fetch_add(&jumps, 1);
    atomic_store(&armed, true);
    while (milliseconds() < end && atomic_load(&jumps) < 300)
        ;
    atomic_store(&armed, false);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&jumps) > 0);
    discard(bridge);
    raise(SIGUSR2);
    collect(bridge, SIGUSR2, 1);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
}

static void *change_flags(void *bridge)
{
    for (int on = 0;; on = !on)
        (void)csigshim_set_chain(bridge, SIGTERM, on);
    return NULL;
}

/* Who installs ours at the same time must not turn a death by signal into an exit. */
TEST(default_action_kills_while_another_thread_installs)
{
    HANDLER_ONLY("chaining");
    install(SIGTERM, nothing, 0); /* without SA_RESTART: set_chain has something to change */
    for (int i = 0; i < SCALED(300); i++) {
        const pid_t child = fork();
        if (child == 0) {
            started(change_flags, opened_on(SIGTERM, 0));
            csigshim_take_default_action(SIGTERM);
            _exit(0);
        }
        CHECK(died_of(child, SIGTERM));
    }
}

static char ran[16];

static struct sigaction f_saved, g_saved;

static void note(char name)
{
    const size_t length = strlen(ran);
    CHECK(length + 1 < sizeof ran);
    ran[length] = name;
}

static void p_handler(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    note('P');
}

static void f_handler(int signo, siginfo_t *info, void *context)
{
    note('F');
    f_saved.sa_sigaction(signo, info, context);
}

static void g_handler(int signo, siginfo_t *info, void *context)
{
    note('G');
    g_saved.sa_sigaction(signo, info, context);
}

/* P, ours, F, re-armed, G: what each of them saved must go on being called after ours has gone. */
TEST(pass_through_keeps_every_handler_that_it_was_armed_over)
{
    HANDLER_ONLY("chaining");
    put_on_top(SIGUSR1, p_handler, NULL);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, f_handler, &f_saved);
    CHECK(csigshim_rearm(SIGUSR1) == 0);
    put_on_top(SIGUSR1, g_handler, &g_saved);
    raise(SIGUSR1);
    CHECK(strcmp(ran, "GFP") == 0);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
    memset(ran, 0, sizeof ran);
    raise(SIGUSR1);
    CHECK(strcmp(ran, "GFP") == 0);
}

#if defined(__linux__) && defined(SYS_newfstatat) && defined(SYS_fstat)
/* Where a sandbox refuses fstat, a closed descriptor is found by poll; waiting on it must not spin. */
TEST(wait_on_a_lost_descriptor_ends_where_fstat_is_refused)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        SKIP("no seccomp here");
    raise(SIGUSR1);
    collect(bridge, SIGUSR1, 1); /* refused does not mean lost */
    close(csigshim_fd(bridge));
    FAILS(csigshim_wait(bridge, 500), EBADF);
}
#endif

/* `remove` waits for the handlers that are inside: what they record is there when it returns, and nothing comes later.
 */
TEST(nothing_is_recorded_after_remove_has_returned)
{
    csigshim_bridge *bridge = opened();
    install(SIGUSR1, nothing, 0);
    flooded = SIGUSR1;
    pthread_t threads[] = {started(flood, NULL), started(flood, NULL), started(flood, NULL)};
    const int64_t end = milliseconds() + 3000;
    while (milliseconds() < end) {
        CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
        sched_yield();
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0);
        discard(bridge);
        sched_yield(); /* a handler that was left inside goes on now */
        CHECK(drained(bridge, SIGUSR1) == 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}
