/* Found by reviewers of the signalfd mechanism, and of what children are given. */
#include "check.h"

static csigshim_bridge *bridge;
static pthread_barrier_t meeting;

/* Whether a program that is forked and exec'd here can be ended by signo. */
static bool child_can_be_ended(int signo)
{
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], 1);
        close(ready[0]);
        execl("/bin/cat", "cat", "/proc/self/status", (char *)NULL);
        _exit(1);
    }
    CHECK(child > 0 && close(ready[1]) == 0);
    char status[8192] = "";
    size_t size = 0;
    while (size < sizeof status - 1 && read(ready[0], &byte, 1) == 1)
        status[size++] = byte;
    close(ready[0]);
    CHECK(exited(child, 0));
    const char *line = strstr(status, "SigBlk:");
    CHECK(line != NULL);
    return !(strtoull(line + strlen("SigBlk:"), NULL, 16) >> (signo - 1) & 1);
}

static void *born_meanwhile(void *unused)
{
    CHECK(is_blocked(SIGTERM) && child_can_be_ended(SIGTERM));
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting); /* the bridge has gone, and this thread still blocks the signal */
    CHECK(is_blocked(SIGTERM) && child_can_be_ended(SIGTERM));
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0 && child_can_be_ended(SIGTERM));
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && !is_blocked(SIGTERM));
    return unused;
}

TEST(threads_that_inherited_the_block_have_clean_children)
{
    SIGNALFD_ONLY("masks");
    pthread_t thread;
    pthread_barrier_init(&meeting, NULL, 2);
    bridge = opened_on(SIGTERM, 0);
    thread = started(born_meanwhile, NULL);
    pthread_barrier_wait(&meeting);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    pthread_barrier_wait(&meeting);
    pthread_join(thread, NULL);
}

TEST(closing_an_inherited_bridge_spares_the_childs_own)
{
    bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0) {
        csigshim_bridge *own = opened_on(SIGTERM, 0);
        CHECK(csigshim_close(bridge) == 0);
        CHECK(is_blocked(SIGTERM) == !test_is_handler());
        CHECK(child_can_be_ended(SIGTERM));
        CHECK(kill(getpid(), SIGTERM) == 0);
        collect(own, SIGTERM, 1);
        _exit(0);
    }
    CHECK(exited(child, 0));
}

TEST(pending_at_remove_without_room_in_the_queue)
{
    const struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
    bridge = opened_on(SIGTERM, 0);
    CHECK(kill(getpid(), SIGTERM) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
}

TEST(pending_when_the_descriptors_have_gone)
{
    SIGNALFD_ONLY("the handler falls back to the previous action");
    csigshim_event event;
    bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0);
    for (int fd = 3; fd < 20; fd++)
        close(fd);
    CHECK(kill(getpid(), SIGTERM) == 0 && kill(getpid(), SIGHUP) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGTERM && event.pid == getpid());
    CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGHUP); /* the kernel has it all the same */
    FAILS(csigshim_read(bridge, &event, 1), EBADF);
    CHECK(kill(getpid(), SIGHUP) == 0 && csigshim_close(bridge) == 0); /* which discards that one */
}

static void *spawns(void *unused)
{
    csigshim_spawn scope;
    CHECK(csigshim_spawn_begin(&scope, CSIGSHIM_SPAWN_IGNORED) == 0);
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED); /* until the last one ends */
    CHECK(csigshim_spawn_end(&scope) == 0);
    return unused;
}

TEST(each_of_two_scopes_gives_back_what_is_ignored)
{
    csigshim_spawn scope;
    install(SIGHUP, SIG_IGN, 0);
    pthread_barrier_init(&meeting, NULL, 2);
    bridge = opened();
    pthread_t thread = started(spawns, NULL);
    pthread_barrier_wait(&meeting);
    CHECK(csigshim_add(bridge, SIGHUP, 0) == 0); /* since the other one began */
    CHECK(csigshim_spawn_begin(&scope, CSIGSHIM_SPAWN_IGNORED) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    CHECK(csigshim_spawn_end(&scope) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_IGNORED);
    pthread_barrier_wait(&meeting);
    pthread_join(thread, NULL);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_HANDLED);
}

TEST(scope_that_ends_in_a_child_too)
{
    csigshim_spawn scope;
    bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_spawn_begin(&scope, 0) == 0);
    const pid_t child = fork();
    CHECK(csigshim_spawn_end(&scope) == 0);
    if (child == 0)
        _exit(is_blocked(SIGTERM));
    CHECK(exited(child, 0));
    CHECK(is_blocked(SIGTERM) == !test_is_handler());
}

TEST(fork_keeps_what_the_host_blocks)
{
    change_mask(SIG_BLOCK, SIGUSR2);
    if (!UNDER_TSAN) { /* which wants its faults */
        change_mask(SIG_BLOCK, SIGBUS);
        change_mask(SIG_BLOCK, SIGSYS);
    }
    bridge = opened_on(SIGTERM, 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(!(is_blocked(SIGUSR2) && (UNDER_TSAN || (is_blocked(SIGBUS) && is_blocked(SIGSYS)))));
    CHECK(exited(child, 0));
    CHECK(is_blocked(SIGUSR2) && (UNDER_TSAN || (is_blocked(SIGBUS) && is_blocked(SIGSYS))));
}

/* What a bridge once blocked, and the host blocks by itself later, is the host's. */
TEST(blocked_by_the_host_after_remove)
{
    csigshim_spawn scope;
    bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && !is_blocked(SIGTERM));
    change_mask(SIG_BLOCK, SIGTERM);
    const pid_t child = fork();
    if (child == 0)
        _exit(!is_blocked(SIGTERM));
    CHECK(exited(child, 0));
    CHECK(csigshim_spawn_begin(&scope, 0) == 0 && is_blocked(SIGTERM) && csigshim_spawn_end(&scope) == 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0 && is_blocked(SIGTERM));
}

#if defined(__linux__)
#include <sys/epoll.h>

TEST(wake_is_an_edge_whatever_is_unread)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    csigshim_event first;
    bridge = opened_on(SIGRTMIN, 0);
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    CHECK(poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, csigshim_fd(bridge), &event) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0);
    while (epoll_wait(poller, &event, 1, 1000) == 1 && csigshim_read(bridge, &first, 1) == 0)
        ;
    while (epoll_wait(poller, &event, 1, 20) == 1) /* what was on its way */
        ;
    for (int i = 0; i < 2; i++) {
        CHECK(csigshim_wake(bridge) == 0);
        CHECK(epoll_wait(poller, &event, 1, DEADLINE_SECONDS * 1000) == 1);
    }
}

TEST(mechanism_of_a_signal)
{
    FAILS(csigshim_mechanism(SIGTERM), ENOENT);
    FAILS(csigshim_mechanism(SIGKILL), ENOTSUP);
    FAILS(csigshim_mechanism(0), EINVAL);
    bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_mechanism(SIGTERM) == test_mechanism());
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    FAILS(csigshim_mechanism(SIGTERM), ENOENT);
}
#endif
