/* Two copies of the library change their order while a flood comes in on another thread: whatever the copies have of a
 * delivery, the host's handler beneath them runs once for it. Usage: COPIES=a.so:b.so */
#include "../c/check.h"
#include "plugin.h"
#include <dlfcn.h>

static const struct plugin *copies[2];
static atomic_long host_calls;

static void host(int signo)
{
    (void)signo;
    host_calls++;
}

static void *take_signals(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void load_copies(void)
{
    char *paths = strdup(getenv("COPIES")), *rest = paths;
    for (int i = 0; i < 2; i++) {
        void *library = dlopen(strsep(&rest, ":"), RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL && (copies[i] = dlsym(library, "plugin")) != NULL);
    }
    free(paths);
}

/* Changes the order with change(round), until 20,000 signals have been queued. */
static void while_a_flood_comes(int signo, void (*change)(int signo, int round))
{
    long counted[2] = {0};
    _Atomic bool *stop = shared(sizeof *stop);
    atomic_long *sent = shared(sizeof *sent);
    install(signo, host, SA_RESTART);
    load_copies();
    started(take_signals, NULL);
    change_mask(SIG_BLOCK, signo);
    const pid_t parent = getpid(), sender = fork();
    if (sender == 0) {
        while (!*stop && getppid() == parent) {
            if (sigqueue(parent, signo, (union sigval){0}) == 0)
                ++*sent;
            if (*sent % 16 == 0)
                sched_yield();
        }
        _exit(0);
    }
    for (int round = 0; *sent < 20000 || round < 100; round++) {
        change(signo, round);
        for (int i = 0; i < 2; i++)
            counted[i] += copies[i]->read();
    }
    *stop = true;
    CHECK(exited(sender, 0));
    const int64_t deadline = milliseconds() + 20000;
    while (host_calls < *sent && milliseconds() < deadline)
        pause_ms(1);
    for (int i = 0; i < 2; i++)
        CHECK((counted[i] += copies[i]->read()) > 0 && counted[i] <= *sent);
    if (host_calls != *sent)
        printf("sent %ld, host %ld, A %ld, B %ld\n", (long)*sent, (long)host_calls, counted[0], counted[1]);
    CHECK(host_calls == *sent);
}

static void leave_and_return(int signo, int round)
{
    if (round == 0)
        CHECK(copies[0]->subscribe(signo, CSIGSHIM_CHAIN) == 0 && copies[1]->subscribe(signo, CSIGSHIM_CHAIN) == 0);
    CHECK((round % 2 == 0 ? copies[0]->unsubscribe(signo) : copies[0]->subscribe(signo, CSIGSHIM_CHAIN)) == 0);
}

TEST(one_leaves_and_returns_beneath_the_other)
{
    while_a_flood_comes(SIGRTMIN + 3, leave_and_return);
}

static void rearm_by_turns(int signo, int round)
{
    if (round == 0)
        CHECK(copies[0]->subscribe(signo, CSIGSHIM_CHAIN) == 0 && copies[1]->subscribe(signo, CSIGSHIM_CHAIN) == 0);
    CHECK(copies[round % 2]->rearm(signo) == 0);
}

TEST(each_is_rearmed_over_the_other)
{
    while_a_flood_comes(SIGRTMIN + 3, rearm_by_turns);
}
