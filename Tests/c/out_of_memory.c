/* Memory runs out in the middle of a call: the call changes nothing, and succeeds when it is made again. The library
 * gets its memory from mmap(2). */
#include "check.h"
#if defined(__linux__)
#include <sys/syscall.h>
#endif

static struct {
    int after;  /* mmap fails after so many calls that do not, */
    bool armed; /* once */
} failing;

#if defined(SANITIZED) || !defined(SYS_mmap)
#define CAN_FAIL() SKIP("mmap cannot be made to fail here")
#else
#define CAN_FAIL() (void)0
static void *mmap_or_fail(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if (failing.armed && failing.after-- == 0) {
        failing.armed = false;
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap_or_fail(address, length, protection, flags, fd, offset);
}

#if defined(__GLIBC__) /* the name for the library, which is compiled with 64-bit offsets */
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
    return mmap_or_fail(address, length, protection, flags, fd, (off_t)offset);
}
#endif
#endif

/* Fails one call of mmap, after `after` calls that do not fail. `failing.armed` is then false. */
static void fail_once(int after) {
    failing.after = after;
    failing.armed = true;
}

static void host(int signo) {
    (void)signo;
}

/* Adds SIGUSR2 over new actions until no more of them can be stored without mmap. */
static void use_up_action_memory(csigshim_bridge *bridge) {
    int tries = 0;
    for (bool full = false; !full; tries++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = host;
        for (int bit = 0; bit < 8; bit++)
            if (tries >> bit & 1)
                sigaddset(&action.sa_mask, SIGRTMIN + bit);
        CHECK(tries < 200 && sigaction(SIGUSR2, &action, NULL) == 0);
        fail_once(0);
        full = csigshim_add(bridge, SIGUSR2, 0) != 0;
        CHECK(full ? errno == ENOMEM && !failing.armed : failing.armed && csigshim_remove(bridge, SIGUSR2) == 0);
        failing.armed = false;
    }
    CHECK(csigshim_state(SIGUSR2) == CSIGSHIM_ABSENT);
}

TEST(open_reports_enomem) {
    CAN_FAIL();
    csigshim_bridge *bridge = NULL;
    int failures = 0;
    for (bool failed = true; failed; failures += failed) {
        fail_once(failures);
        const int result = csigshim_open(&bridge, test_mechanism());
        failed = !failing.armed;
        CHECK(failed ? result == -1 && errno == ENOMEM && bridge == NULL : result == 0);
        failing.armed = false;
    }
    CHECK(failures > 0);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0 && kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
}

/* The child has installed an action over an inherited one, and there is no memory to store it. */
TEST(failed_after_fork_changes_nothing) {
    CAN_FAIL();
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    csigshim_bridge *other = opened();
    use_up_action_memory(other);
    const pid_t child = fork();
    if (child == 0) {
        install(SIGTERM, host, 0); /* an action that the library has not stored yet */
        int failures = 0;
        for (;; failures++) {
            fail_once(failures);
            const int result = csigshim_after_fork(bridge), code = errno;
            if (failing.armed) {
                failing.armed = false;
                CHECK(result == 0);
                break;
            }
            CHECK(result == -1 && code == ENOMEM);
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

TEST(failed_add_leaves_pending_signals_to_the_host) {
    CAN_FAIL();
    csigshim_bridge *bridge = opened();
    sigset_t pending;
    use_up_action_memory(bridge);
    change_mask(SIG_BLOCK, SIGTERM);
    CHECK(kill(getpid(), SIGTERM) == 0);
    fail_once(0);
    FAILS(csigshim_add(bridge, SIGTERM, 0), ENOMEM);
    CHECK(!failing.armed);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) && is_blocked(SIGTERM));
    CHECK(csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_DEFAULT);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    change_mask(SIG_UNBLOCK, SIGTERM);
    collect(bridge, SIGTERM, 1);
}
