/* Out of memory half-way: nothing of it stays, and it can be tried again. */
#include "check.h"

static int calls_that_work = -1; /* -1: all do */

#if !defined(SANITIZED)
void *calloc(size_t count, size_t size)
{
    if (calls_that_work == 0) {
        errno = ENOMEM;
        return NULL;
    }
    calls_that_work -= calls_that_work > 0;
    void *memory = malloc(count * size);
    return memory == NULL ? NULL : memset(memory, 0, count * size);
}
#endif

static void nothing(int signo)
{
    (void)signo;
}

TEST(after_fork_that_fails_changes_nothing)
{
#if defined(SANITIZED)
    SKIP("the sanitizers have a calloc of their own");
#endif
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    const pid_t child = fork();
    if (child == 0) {
        install(SIGTERM, nothing, 0); /* an action that the library has not seen yet, and must remember */
        int failures = 0;
        for (;; failures++) {
            calls_that_work = failures; /* so it fails at each of its calls, one after the other */
            const int result = csigshim_after_fork(bridge), code = errno;
            calls_that_work = -1;
            if (result >= 0)
                break;
            CHECK(code == ENOMEM);
            CHECK(!is_blocked(SIGUSR1) && csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
            CHECK(!is_blocked(SIGTERM) && csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_HANDLED);
        }
        CHECK(failures >= 1);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        collect(bridge, SIGUSR1, 1);
        CHECK(kill(getpid(), SIGTERM) == 0);
        collect(bridge, SIGTERM, 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

TEST(add_that_fails_takes_nothing_that_the_host_has_pending)
{
#if defined(SANITIZED)
    SKIP("the sanitizers have a calloc of their own");
#endif
    csigshim_bridge *bridge = opened();
    sigset_t one, pending;
    sigemptyset(&one);
    sigaddset(&one, SIGTERM);
    CHECK(pthread_sigmask(SIG_BLOCK, &one, NULL) == 0 && kill(getpid(), SIGTERM) == 0);
    calls_that_work = 0;
    FAILS(csigshim_add(bridge, SIGTERM, 0), ENOMEM);
    calls_that_work = -1;
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) && is_blocked(SIGTERM));
    CHECK(csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_DEFAULT);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0);
    collect(bridge, SIGTERM, 1);
}
