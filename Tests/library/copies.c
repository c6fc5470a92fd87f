/* Copies of the library in one process: plugins that contain it, each with tables and a handler of its own. To each,
 * the other's handler is a foreign one. Two copies stack: the later one chains to the earlier one. The tests whose
 * names begin with two_copies_cannot show what the page "Plugins" warns of.
 *
 * Usage: COPIES=a.so:b.so:c.so:d.so     a and d export the library's names, b and c hide them */
#include "../c/check.h"
#include "plugin.h"
#include <dlfcn.h>

enum { A, B, C, ANOTHER_THAT_EXPORTS, MOST };

static const struct plugin *copies[MOST];
static atomic_long host_calls;

static void host(int signo) {
    (void)signo;
    host_calls++;
}

static const struct plugin *load_copy(int which, int mode) {
    const char *list = getenv("COPIES");
    CHECK(list != NULL);
    char *paths = strdup(list), *path = NULL, *rest = paths;
    for (int i = 0; i <= which; i++)
        path = strsep(&rest, ":");
    void *library = dlopen(path, RTLD_NOW | mode);
    CHECK(library != NULL);
    const struct plugin *plugin = dlsym(library, "plugin");
    CHECK(plugin != NULL);
    free(paths);
    return plugin;
}

static bool is_one_copy(const struct plugin *a, const struct plugin *b) {
    return a->rearm == b->rearm;
}

static void load_copies(int count) {
    for (int i = 0; i < count; i++) {
        copies[i] = load_copy(i, RTLD_LOCAL);
        CHECK(i == 0 || !is_one_copy(copies[i], copies[i - 1]));
    }
}

/* Installs the host's handler, with flags and a mask of its own, and over it `count` copies, each chaining to the
 * last. */
static struct sigaction stack_up(int count, unsigned flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = host;
    action.sa_flags = SA_RESTART | SA_NODEFER;
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR1, NULL, &action) == 0);
    load_copies(count);
    for (int i = 0; i < count; i++)
        CHECK(copies[i]->subscribe(SIGUSR1, flags) == 0);
    return action;
}

static bool is_installed(const struct sigaction *action) {
    struct sigaction now;
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0);
    return now.sa_handler == action->sa_handler && now.sa_flags == action->sa_flags &&
           memcmp(&now.sa_mask, &action->sa_mask, sizeof(unsigned long)) == 0;
}

static void only_counts(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    host_calls++;
}

/* Sends one signal, and checks how often the host's handler runs and how many deliveries A and B read. */
static bool delivers(long to_host, long to_a, long to_b) {
    host_calls = 0;
    CHECK(kill(getpid(), SIGUSR1) == 0);
    const long a = copies[A]->read(), b = copies[B]->read();
    if (host_calls != to_host || a != to_a || b != to_b)
        printf("the host's handler ran %ld times, A read %ld, B read %ld\n", (long)host_calls, a, b);
    return host_calls == to_host && a == to_a && b == to_b;
}

TEST(later_copy_chains_to_the_earlier_one_and_both_get_each_delivery) {
    stack_up(2, CSIGSHIM_CHAIN);
    for (int i = 0; i < 3; i++)
        CHECK(delivers(1, 1, 1));
}

TEST(three_copies_stack) {
    stack_up(3, CSIGSHIM_CHAIN);
    CHECK(delivers(1, 1, 1) && copies[C]->read() == 1);
}

TEST(removal_in_reverse_order_restores_the_exact_action) {
    const struct sigaction before = stack_up(2, CSIGSHIM_CHAIN);
    CHECK(!is_installed(&before));
    CHECK(copies[B]->unsubscribe(SIGUSR1) == 0 && delivers(1, 1, 0));
    CHECK(copies[A]->unsubscribe(SIGUSR1) == 0 && is_installed(&before));
    CHECK(delivers(1, 0, 0));
    CHECK(copies[B]->close() == 0 && copies[A]->close() == 0 && is_installed(&before));
}

TEST(later_copy_may_come_and_go_as_often_as_it_likes) {
    const struct sigaction before = stack_up(2, CSIGSHIM_CHAIN);
    for (int i = 0; i < 100; i++) {
        CHECK(copies[B]->unsubscribe(SIGUSR1) == 0 && delivers(1, 1, 0));
        CHECK(copies[B]->subscribe(SIGUSR1, CSIGSHIM_CHAIN) == 0 && delivers(1, 1, 1));
    }
    CHECK(copies[B]->close() == 0 && copies[A]->close() == 0 && is_installed(&before));
}

static void *take_signals(void *unused) {
    for (;;)
        pause();
    return unused;
}

/* The signals come in on another thread, from a process that queues them as fast as they are taken. */
TEST(later_copy_comes_and_goes_under_a_flood) {
    const int signo = SIGRTMIN + 3;
    long counted[2] = {0};
    _Atomic bool *stop = shared(sizeof *stop);
    atomic_long *sent = shared(sizeof *sent);
    install(signo, host, SA_RESTART);
    load_copies(2);
    started(take_signals, NULL);
    change_mask(SIG_BLOCK, signo);
    CHECK(copies[A]->subscribe(signo, CSIGSHIM_CHAIN) == 0);
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
        CHECK((round % 2 ? copies[B]->unsubscribe(signo) : copies[B]->subscribe(signo, CSIGSHIM_CHAIN)) == 0);
        for (int i = 0; i < 2; i++)
            counted[i] += copies[i]->read();
    }
    *stop = true;
    CHECK(exited(sender, 0));
    const int64_t deadline = milliseconds() + 20000;
    while (host_calls < *sent && milliseconds() < deadline)
        pause_ms(1);
    for (int i = 0; i < 2; i++)
        counted[i] += copies[i]->read();
    if (host_calls != *sent || counted[0] != *sent)
        printf("sent %ld, host %ld, A %ld, B %ld\n", (long)*sent, (long)host_calls, counted[0], counted[1]);
    CHECK(host_calls == *sent && counted[0] == *sent);
    CHECK(counted[1] > 0 && counted[1] <= *sent);
}

TEST(latest_copy_may_rearm_over_the_host) {
    struct sigaction old;
    stack_up(2, CSIGSHIM_CHAIN);
    put_on_top(SIGUSR1, only_counts, &old);
    CHECK(copies[B]->state(SIGUSR1) == CSIGSHIM_DISPLACED && delivers(1, 0, 0));
    CHECK(copies[B]->rearm(SIGUSR1) == 0 && copies[B]->state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(delivers(1, 1, 1));
}

/* The next plugin binds to them. */
TEST(plugin_that_is_loaded_globally_shares_the_names_that_it_exports) {
    const struct plugin *a = load_copy(A, RTLD_GLOBAL), *d = load_copy(ANOTHER_THAT_EXPORTS, RTLD_LOCAL);
    CHECK(a != d && is_one_copy(a, d));
    CHECK(!is_one_copy(a, load_copy(B, RTLD_LOCAL)));
}

/* The host's handler is beneath both copies, is then installed over them as well, and passes on to what it found. */
static void (*found)(int, siginfo_t *, void *);

static void passes_on(int signo, siginfo_t *info, void *context) {
    host_calls++;
    if (found != NULL)
        found(signo, info, context);
}

TEST(cycle_that_the_host_makes_ends) {
    struct sigaction old;
    put_on_top(SIGUSR1, passes_on, NULL);
    load_copies(2);
    for (int i = 0; i < 2; i++)
        CHECK(copies[i]->subscribe(SIGUSR1, CSIGSHIM_CHAIN) == 0);
    put_on_top(SIGUSR1, passes_on, &old);
    found = old.sa_sigaction;
    CHECK(delivers(2, 1, 1)); /* the host's handler: from the kernel, and from A */
    CHECK(delivers(2, 1, 1));
}

/* The host's handler and A call each other, and B, which came last, calls the host's handler. */
TEST(cycle_beneath_a_later_copy_ends) {
    struct sigaction old;
    put_on_top(SIGUSR1, passes_on, NULL);
    load_copies(2);
    CHECK(copies[A]->subscribe(SIGUSR1, CSIGSHIM_CHAIN) == 0);
    put_on_top(SIGUSR1, passes_on, &old);
    found = old.sa_sigaction;
    CHECK(copies[B]->subscribe(SIGUSR1, CSIGSHIM_CHAIN) == 0);
    CHECK(delivers(2, 1, 1)); /* the host's handler: from B, and from A */
}

TEST(two_copies_cannot_both_have_it_if_the_later_one_does_not_chain) {
    stack_up(2, 0);
    CHECK(delivers(0, 0, 1));
}

/* The earlier one is beneath the later one, and so cannot take its handler out. What it leaves passes the signal on. */
TEST(two_copies_cannot_leave_in_any_order) {
    const struct sigaction before = stack_up(2, CSIGSHIM_CHAIN);
    CHECK(copies[A]->unsubscribe(SIGUSR1) == 0 && delivers(1, 0, 1));
    CHECK(copies[B]->unsubscribe(SIGUSR1) == 0 && !is_installed(&before));
    CHECK(delivers(1, 0, 0));
    CHECK(copies[A]->close() == 0 && copies[B]->close() == 0 && !is_installed(&before));
    CHECK(delivers(1, -1, -1));
}

/* Each copy takes the place of the other one. */
TEST(two_copies_cannot_both_rearm) {
    stack_up(2, CSIGSHIM_CHAIN);
    CHECK(copies[A]->state(SIGUSR1) == CSIGSHIM_DISPLACED && copies[B]->state(SIGUSR1) == CSIGSHIM_ARMED);
    CHECK(copies[A]->rearm(SIGUSR1) == 0);
    CHECK(delivers(1, 1, 0));
    CHECK(copies[A]->state(SIGUSR1) == CSIGSHIM_ARMED && copies[B]->state(SIGUSR1) == CSIGSHIM_DISPLACED);
    CHECK(copies[B]->rearm(SIGUSR1) == 0); /* over what it saved first: A's handler */
    CHECK(delivers(1, 1, 1));
}

/* nohup, for instance: a child of one copy ignores what was ignored before it. */
TEST(two_copies_cannot_give_clean_children) {
    struct sigaction now;
    signal(SIGUSR1, SIG_IGN);
    load_copies(2);
    for (int count = 1; count <= 2; count++) {
        CHECK(copies[count - 1]->subscribe(SIGUSR1, CSIGSHIM_CHAIN) == 0);
        const pid_t child = fork();
        if (child == 0)
            _exit(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
        CHECK(exited(child, count == 1));
    }
}

/* The kernel gives each signal to one reader of a signalfd. */
TEST(two_copies_cannot_both_have_it_over_signalfd) {
    const int signo = SIGRTMIN + 3;
    load_copies(2);
    for (int i = 0; i < 2; i++) {
        if (copies[i]->open(CSIGSHIM_SIGNALFD) != 0)
            SKIP("there is no signalfd");
        CHECK(copies[i]->subscribe(signo, 0) == 0);
    }
    CHECK(sigqueue(getpid(), signo, (union sigval){0}) == 0);
    CHECK(copies[B]->read() == 1 && copies[A]->read() == 0);
}
