/* Chained handlers that leave by siglongjmp (G6): up to 10,000 times, and nothing is left behind. */
#include "check.h"
#include <setjmp.h>

static volatile sig_atomic_t calls;
static csigshim_bridge *to_read;
static sigjmp_buf away;
static volatile sig_atomic_t may_jump;

static void jump(int signo)
{
    (void)signo;
    calls++;
    if (may_jump) {
        may_jump = 0; /* the mask is opened before the jump lands: the next signal must not jump from there */
        siglongjmp(away, 1);
    }
}

static void jumping(int signo, int times, void (*meanwhile)(void))
{
    install(signo, jump, 0);
    to_read = opened_on(signo, CSIGSHIM_CHAIN);
    CHECK(csigshim_add(to_read, SIGWINCH, 0) == 0);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0)
        for (;;) {
            kill(parent, SIGWINCH);
            kill(parent, signo);
        }
    /* On a busy machine another process's signals come slowly: then fewer will do. */
    const int64_t late = milliseconds() + 8000;
    while (calls < times && (calls < times / 20 || milliseconds() < late))
        if (sigsetjmp(away, 1) == 0) {
            may_jump = 1;
            for (;;)
                meanwhile();
        }
    CHECK(kill(sender, SIGKILL) == 0 && died_of(sender, SIGKILL));
    csigshim_event events[64];
    while (csigshim_read(to_read, events, 64) != 0)
        ;
    CHECK(kill(getpid(), SIGWINCH) == 0);
    collect(to_read, SIGWINCH, 1);
    CHECK(csigshim_remove(to_read, signo) == 0 && csigshim_close(to_read) == 0);
}

static void reading(void)
{
    csigshim_event events[8];
    csigshim_read(to_read, events, 8);
}

static void waiting(void)
{
    csigshim_event events[8];
    if (csigshim_wait(to_read, -1) == 1)
        csigshim_read(to_read, events, 8);
}

static void sending(void)
{
    kill(getpid(), SIGUSR1);
}

TEST(siglongjmp_out_of_a_chained_handler)
{
    HANDLER_ONLY("chaining");
    jumping(SIGUSR1, SCALED(10000), sending);
}

TEST(siglongjmp_out_of_read)
{
    HANDLER_ONLY("chaining");
    jumping(SIGUSR1, SCALED(10000), reading);
}

TEST(siglongjmp_out_of_wait)
{
    HANDLER_ONLY("chaining");
    jumping(SIGUSR1, SCALED(10000), waiting);
}

/* ABRT is not in the mask of the other handlers, so it comes in the middle of them, and of the calls. */
TEST(siglongjmp_from_abort)
{
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not bear it");
    jumping(SIGABRT, SCALED(10000), reading);
}

static void idling(void)
{
    pause_ms(1);
}

TEST(siglongjmp_from_abort_in_the_middle_of_handlers)
{
    HANDLER_ONLY("chaining");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer does not bear it");
    jumping(SIGABRT, SCALED(5000), idling);
}
