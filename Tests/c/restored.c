/* `remove` beside a handler that has taken ours out for a moment, because no bridge could take its delivery: what is
 * left installed is what was there before (G5). The library's calls of sigaction(2) come by here, and wait for each
 * other. */
#include "check.h"
#include <dlfcn.h>

enum { TAKEN_OUT = 1, LOOKED, PUT_BACK, REMOVED }; /* in the order in which they are waited for */
static atomic_int reached;
static atomic_bool taker_is_done;
static bool remover_looks_first;
static pthread_t taker, remover;

static void wait_for(int stage)
{
    while (reached < stage)
        pause_ms(1);
}

int sigaction(int signo, const struct sigaction *action, struct sigaction *old)
{
    static int (*_Atomic real)(int, const struct sigaction *, struct sigaction *);
    if (real == NULL && (*(void **)&real = dlsym(RTLD_NEXT, "sigaction")) == NULL) {
        errno = ENOSYS;
        return -1;
    }
    const bool here = signo == SIGTSTP && reached > 0 && pthread_equal(pthread_self(), taker);
    if (here && action != NULL && reached == TAKEN_OUT && (action->sa_flags & SA_SIGINFO)) {
        reached = LOOKED; /* ours is about to come back */
        wait_for(remover_looks_first ? PUT_BACK : REMOVED);
    }
    const int result = real(signo, action, old);
    if (remover_looks_first && signo == SIGTSTP && reached == LOOKED && pthread_equal(pthread_self(), remover)) {
        reached = PUT_BACK;
        while (!taker_is_done)
            pause_ms(1);
    }
    return result;
}

static void *take(void *unused)
{
    taker = pthread_self();
    reached = TAKEN_OUT;
    CHECK(pthread_kill(taker, SIGTSTP) == 0);
    taker_is_done = true;
    return unused;
}

/* In a session of its own, where the default action of TSTP does nothing. */
static void removed_beside_a_handler(void)
{
    HANDLER_ONLY("over signalfd it stays blocked");
    if (dlsym(RTLD_NEXT, "sigaction") == NULL)
        SKIP("a static program has no other sigaction");
    if (UNDER_TSAN)
        SKIP("the thread sanitizer has a sigaction of its own");
    const pid_t child = fork();
    if (child == 0) {
        CHECK(setsid() > 0);
        csigshim_bridge *bridge = opened_on(SIGTSTP, 0);
        CHECK(close(csigshim_fd(bridge)) == 0);
        remover = pthread_self();
        const pthread_t thread = started(take, NULL);
        wait_for(LOOKED);
        CHECK(csigshim_remove(bridge, SIGTSTP) == 0);
        reached = REMOVED;
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(csigshim_disposition(SIGTSTP) == CSIGSHIM_DISPOSITION_DEFAULT);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

TEST(handler_that_comes_back_after_remove_leaves_nothing)
{
    removed_beside_a_handler();
}

TEST(handler_that_comes_back_while_remove_looks_leaves_nothing)
{
    remover_looks_first = true;
    removed_beside_a_handler();
}
