/* siglongjmp out of a chained handler (G6): up to 10,000 times, and the library goes on working. */
#include "check.h"
#include <setjmp.h>

static volatile sig_atomic_t calls;
static sigjmp_buf target;
static volatile sig_atomic_t may_jump;

static void jump(int signo) {
    (void)signo;
    calls++;
    if (may_jump) {
        may_jump = 0; /* siglongjmp restores the mask before it arrives, so the next signal must not jump again */
        siglongjmp(target, 1);
    }
}

static void jump_often(int signo, int times, void (*meanwhile)(void)) {
    install(signo, jump, 0);
    csigshim_bridge *bridge = opened_on(signo, CSIGSHIM_CHAIN);
    CHECK(csigshim_add(bridge, SIGWINCH, 0) == 0);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0)
        for (;;) {
            kill(parent, SIGWINCH);
            kill(parent, signo);
        }
    /* On a busy machine, the signals of another process are slow, and a twentieth is enough. */
    const int64_t late = milliseconds() + 8000;
    while (calls < times && (calls < times / 20 || milliseconds() < late))
        if (sigsetjmp(target, 1) == 0) {
            may_jump = 1;
            for (;;)
                meanwhile();
        }
    CHECK(kill(sender, SIGKILL) == 0 && died_of(sender, SIGKILL));
    csigshim_event events[64];
    while (csigshim_read(bridge, events, 64) != 0)
        ;
    CHECK(kill(getpid(), SIGWINCH) == 0);
    collect(bridge, SIGWINCH, 1);
    CHECK(csigshim_remove(bridge, signo) == 0 && csigshim_close(bridge) == 0);
}

static void send_usr1(void) {
    kill(getpid(), SIGUSR1);
}

TEST(chained_handler_may_leave_by_siglongjmp) {
    HANDLER_ONLY("chaining");
    jump_often(SIGUSR1, SCALED(10000), send_usr1);
}

static void sleep_a_millisecond(void) {
    pause_ms(1);
}

/* SIGABRT comes while the library's handler runs for SIGWINCH, and waits until that has returned. */
TEST(chained_abort_handler_may_leave_by_siglongjmp) {
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not support it");
    jump_often(SIGABRT, SCALED(5000), sleep_a_millisecond);
}

static pthread_t jumping_thread;
static atomic_bool armed, stop;

static void jump_if_armed(int signo) {
    (void)signo;
    if (atomic_load(&armed))
        siglongjmp(target, 1);
}

static void *send_to_the_jumping_thread(void *argument) {
    while (!atomic_load(&stop)) {
        pthread_kill(jumping_thread, SIGUSR1);
        pthread_kill(jumping_thread, SIGABRT);
    }
    return argument;
}

static void discard(csigshim_bridge *bridge) {
    csigshim_event events[256];
    while (csigshim_read(bridge, events, 256) > 0)
        ;
}

/* A test harness leaves its own handler of SIGABRT by siglongjmp. The library's handlers block SIGABRT, so that it
 * never leaves one of them half-way. */
TEST(abort_handler_cannot_leave_the_handler_by_siglongjmp) {
    static int64_t end;
    static atomic_int jumps;
    static pthread_t thread;
    static csigshim_bridge *bridge;
    if (UNDER_TSAN)
        SKIP("the thread sanitizer delays handlers");
    jumping_thread = pthread_self();
    install(SIGABRT, jump_if_armed, 0);
    bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    change_mask(SIG_UNBLOCK, SIGUSR1); /* over signalfd: so that the handler runs */
    end = milliseconds() + 8000;
    thread = started(send_to_the_jumping_thread, NULL);
    if (sigsetjmp(target, 1) != 0)
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
