/* Eight threads make random calls on four bridges that they share, under signals. A bridge may be closed only while no
 * thread is inside a call on it: the read-write lock sees to that. One more bridge keeps SIGRTMIN from the beginning to
 * the end, and the threads only read it: each delivery must come out of it once. Now and then a thread forks, and the
 * child takes that bridge over and receives a signal of its own. */
#include "soak.h"

enum { THREADS = 8, SHARED = 4 };

static csigshim_bridge *bridges[SHARED], *counted;
static pthread_rwlock_t locks[SHARED];
static atomic_bool stop;
static atomic_ulong calls, sent, came, children;

/* Flags that the mechanism takes. */
static unsigned some_flags(unsigned *state) {
    const unsigned flags[] = {0, CSIGSHIM_KEEP_IGNORED, CSIGSHIM_UNBLOCK, CSIGSHIM_CHAIN, CSIGSHIM_INTERRUPT};
    return flags[next_random(state) % (mechanism == CSIGSHIM_HANDLER ? 5 : 3)];
}

static ssize_t add_two(csigshim_bridge *bridge, int signo, unsigned *state) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    sigaddset(&set, next_random(state) % 2 ? SIGUSR1 : SIGHUP);
    return csigshim_add_set(bridge, &set, some_flags(state));
}

static void one_call(int which, csigshim_bridge *bridge, int signo, unsigned *state) {
    csigshim_event events[16];
    pid_t tids[4];
    csigshim_spawn spawn;
    ssize_t result = 0;
    switch (which) {
    case 0:
        result = csigshim_add(bridge, signo, some_flags(state));
        break;
    case 1:
        result = add_two(bridge, signo, state);
        break;
    case 2:
        result = csigshim_remove(bridge, signo);
        break;
    case 3:
        result = csigshim_set_chain(bridge, signo, (int)(next_random(state) % 2));
        break;
    case 4:
        result = csigshim_escalate_after(bridge, signo, 0);
        break;
    case 5:
    case 6:
        result = csigshim_read(bridge, events, next_random(state) % 16 + 1);
        for (ssize_t i = 0; i < result; i++)
            CHECK(events[i].signo > 0 && events[i].count > 0);
        break;
    case 7:
        result = csigshim_wait(bridge, 0);
        break;
    case 8:
        result = csigshim_wake(bridge);
        break;
    case 9:
        result = csigshim_state(signo);
        break;
    case 10:
        result = csigshim_mechanism(signo);
        break;
    case 11:
        result = csigshim_rearm(signo);
        break;
    case 12:
        result = csigshim_disposition(signo);
        break;
    case 13:
        result = csigshim_spawn_begin(&spawn, next_random(state) % 2 ? CSIGSHIM_SPAWN_ORIGINAL : 0);
        CHECK(result == 0 && csigshim_spawn_end(&spawn) == 0);
        break;
    case 14:
        result = csigshim_blocked_threads(signo, tids, 4);
        break;
    default:
        CHECK(csigshim_fd(bridge) >= 3 && csigshim_capacity(bridge) > 0);
    }
    CHECK(result >= 0 || errno == EEXIST || errno == ENOENT || errno == EBUSY || errno == ENOTSUP ||
          (which == 4 && errno == EINVAL)); /* nothing to escalate to */
}

static void reopen(int i, unsigned *state) {
    pthread_rwlock_wrlock(&locks[i]);
    CHECK(csigshim_close(bridges[i]) == 0);
    CHECK(csigshim_open_sized(&bridges[i], mechanism, (size_t)16 << next_random(state) % 11) == 0);
    pthread_rwlock_unlock(&locks[i]);
}

static void count_up(void) {
    csigshim_event events[64];
    const ssize_t count = csigshim_read(counted, events, 64);
    CHECK(count >= 0);
    for (ssize_t i = 0; i < count; i++) {
        CHECK(events[i].signo == SIGRTMIN);
        atomic_fetch_add(&came, events[i].count);
    }
}

/* The sanitizers have threads and locks of their own, which a child of a process with many threads finds in any state.
 */
#if !defined(SANITIZED)
static void receive_in_child(void) {
    csigshim_event events[4];
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        const bool fine = csigshim_disposition(SIGRTMIN) == CSIGSHIM_DISPOSITION_DEFAULT &&
                          csigshim_after_fork(counted) == 0 && kill(getpid(), SIGRTMIN) == 0 &&
                          csigshim_wait(counted, 30000) == 1 && csigshim_read(counted, events, 4) == 1 &&
                          events[0].signo == SIGRTMIN && events[0].pid == getpid() && csigshim_close(counted) == 0;
        _exit(fine ? 0 : 1);
    }
    joined(child);
    atomic_fetch_add(&children, 1);
}
#else
static void receive_in_child(void) {
}
#endif

static void *caller(void *argument) {
    const int signals[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGRTMIN + 1};
    unsigned state = seed + (unsigned)(uintptr_t)argument * 7919 + 1;
    while (!atomic_load(&stop)) {
        const int i = (int)(next_random(&state) % SHARED), signo = signals[next_random(&state) % 5];
        const unsigned kind = next_random(&state) % 64;
        if (kind == 0) {
            reopen(i, &state);
        } else if (kind == 1 && next_random(&state) % 16 == 0) {
            receive_in_child();
        } else if (kind < 8) {
            count_up();
        } else if (kind < 16) {
            if (sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0)
                atomic_fetch_add(&sent, 1);
        } else if (kind < 20) {
            (void)kill(getpid(), signo);
        } else {
            pthread_rwlock_rdlock(&locks[i]);
            one_call((int)(kind % 16), bridges[i], signo, &state);
            pthread_rwlock_unlock(&locks[i]);
        }
        atomic_fetch_add(&calls, 1);
    }
    return NULL;
}

static void nothing(int signo) {
    (void)signo;
}

int eight(void) {
    const int signals[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGRTMIN + 1};
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART}, now;
    for (int i = 0; i < 5; i++)
        CHECK(sigaction(signals[i], &action, NULL) == 0);
    CHECK(csigshim_open(&counted, mechanism) == 0 && csigshim_add(counted, SIGRTMIN, 0) == 0);
    for (int i = 0; i < SHARED; i++) {
        CHECK(pthread_rwlock_init(&locks[i], NULL) == 0);
        CHECK(csigshim_open(&bridges[i], mechanism) == 0);
    }
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = started(caller, (void *)i);
    const double end = seconds_now() + duration;
    while (seconds_now() < end)
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    const double late = seconds_now() + (MERGED ? 1 : 60);
    while (atomic_load(&came) < atomic_load(&sent) && seconds_now() < late)
        count_up();
    count_up();
    CHECK(atomic_load(&came) == atomic_load(&sent) || (MERGED && atomic_load(&came) < atomic_load(&sent)));
    for (int i = 0; i < SHARED; i++)
        CHECK(csigshim_close(bridges[i]) == 0);
    CHECK(csigshim_close(counted) == 0);
    for (int i = 0; i < 5; i++)
        CHECK(sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == nothing);
    printf("eight: %lu calls, %lu realtime signals sent and received, %lu forked children\n", atomic_load(&calls),
           atomic_load(&came), atomic_load(&children));
    return 0;
}
