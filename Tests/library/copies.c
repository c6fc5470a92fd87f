/* Copies of the library in one process: plugins that link it statically, each with tables and a handler of its own. To
 * each, the others' handlers are foreign ones. Whoever subscribes, leaves and re-arms, and in whatever order: a
 * delivery counts once in each copy that has the signal, and the host's handler, which is beneath all of them, runs
 * once.
 *
 * Each sequence of operations runs in a child of its own, in which no copy was used before. Usage:
 * COPIES=a.so:b.so:c.so
 */
#include "../c/check.h"
#include "plugin.h"
#include <dlfcn.h>

enum { MOST = 3, LONGEST = 16, NONE = 0 };
enum operation { SUBSCRIBE, UNSUBSCRIBE, REARM };

struct sequence {
    int copies;
    unsigned flags[MOST];
    int length;
    struct {
        int copy;
        enum operation operation;
    } steps[LONGEST];
};

static const struct plugin *copies[MOST];
static volatile sig_atomic_t host_calls;

static void host(int signo)
{
    (void)signo;
    host_calls++;
}

static void load_copies(int count)
{
    const char *list = getenv("COPIES");
    CHECK(list != NULL);
    char *paths = strdup(list), *rest = paths;
    for (int i = 0; i < count; i++) {
        void *library = dlopen(strsep(&rest, ":"), RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL);
        copies[i] = dlsym(library, "plugin");
        CHECK(copies[i] != NULL && (i == 0 || copies[i] != copies[i - 1]));
    }
    free(paths);
}

static void print(const struct sequence *sequence, int steps)
{
    const char *const names[] = {"subscribes", "unsubscribes", "re-arms"};
    for (int i = 0; i < steps; i++)
        printf("%s%c %s", i ? ", " : "", 'A' + sequence->steps[i].copy, names[sequence->steps[i].operation]);
}

/* One delivery. Where all chain, everybody has it; else nobody has it twice, and somebody has it. */
static bool deliver(const struct sequence *sequence, const bool *subscribed, int steps)
{
    bool all_chain = true, good = true, somebody = false;
    long counts[MOST];
    host_calls = 0;
    CHECK(kill(getpid(), SIGUSR1) == 0);
    const long host_count = host_calls;
    for (int i = 0; i < sequence->copies; i++) {
        all_chain &= sequence->flags[i] == CSIGSHIM_CHAIN || !subscribed[i];
        counts[i] = copies[i]->read();
        somebody |= counts[i] == 1;
        good &= counts[i] <= (subscribed[i] ? 1 : 0);
    }
    for (int i = 0; i < sequence->copies && all_chain; i++)
        good &= counts[i] == -1 || counts[i] == (subscribed[i] ? 1 : 0);
    good &= all_chain ? host_count == 1 : host_count <= 1 && (somebody || host_count == 1);
    if (!good) {
        print(sequence, steps);
        printf(": one delivery, the host's handler ran %ld times", host_count);
        for (int i = 0; i < sequence->copies; i++)
            printf(", %c counted %ld%s", 'A' + i, counts[i], subscribed[i] ? "" : " (not subscribed)");
        printf("\n");
    }
    return good;
}

static void carry_out(const struct sequence *sequence)
{
    bool subscribed[MOST] = {false};
    install(SIGUSR1, host, SA_RESTART);
    for (int i = 0; i < sequence->length; i++) {
        const int copy = sequence->steps[i].copy;
        switch (sequence->steps[i].operation) {
        case SUBSCRIBE:
            CHECK(copies[copy]->subscribe(SIGUSR1, sequence->flags[copy]) == 0);
            break;
        case UNSUBSCRIBE:
            CHECK(copies[copy]->unsubscribe(SIGUSR1) == 0);
            break;
        case REARM:
            CHECK(copies[copy]->rearm(SIGUSR1) == 0);
            break;
        }
        subscribed[copy] = sequence->steps[i].operation != UNSUBSCRIBE;
        if (!deliver(sequence, subscribed, i + 1))
            _exit(1);
    }
    for (int i = 0; i < sequence->copies; i++) {
        if (subscribed[i])
            CHECK(copies[i]->unsubscribe(SIGUSR1) == 0);
        subscribed[i] = false;
    }
    for (int i = 0; i < 2; i++)
        if (!deliver(sequence, subscribed, sequence->length)) {
            printf("  (after that, all unsubscribed)\n");
            _exit(1);
        }
    for (int i = 0; i < sequence->copies; i++)
        CHECK(copies[i]->close() == 0 || errno == EINVAL); /* one that never subscribed has no bridge */
    CHECK(deliver(sequence, subscribed, sequence->length));
    fflush(stdout);
    _exit(0);
}

static int failures, runs;

static void in_a_child(const struct sequence *sequence)
{
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        carry_out(sequence);
    }
    const int status = status_of(child);
    runs++;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (WIFSIGNALED(status) && failures < 5) {
        print(sequence, sequence->length);
        printf(": died of signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGSEGV ? " (endless recursion?)" : "");
    }
    CHECK(++failures < 5);
}

/* All sequences that go on from this one. Letters are only names: the next new copy is the next letter. */
static void explore(struct sequence *sequence, int length, unsigned subscribed, int seen)
{
    if (sequence->length == length) {
        in_a_child(sequence);
        return;
    }
    const int at = sequence->length++;
    for (int copy = 0; copy < sequence->copies && copy <= seen; copy++) {
        const unsigned bit = 1u << copy;
        const int now_seen = copy == seen ? seen + 1 : seen;
        sequence->steps[at].copy = copy;
        if (subscribed & bit) {
            sequence->steps[at].operation = UNSUBSCRIBE;
            explore(sequence, length, subscribed & ~bit, now_seen);
            sequence->steps[at].operation = REARM;
            explore(sequence, length, subscribed, now_seen);
        } else {
            sequence->steps[at].operation = SUBSCRIBE;
            explore(sequence, length, subscribed | bit, now_seen);
        }
    }
    sequence->length--;
}

static void all_sequences(int count, int length, const unsigned *flags)
{
    struct sequence sequence = {.copies = count};
    memcpy(sequence.flags, flags, (size_t)count * sizeof *flags);
    load_copies(count);
    explore(&sequence, length, 0, 0);
    printf("# %d sequences\n", runs);
    CHECK(failures == 0 && runs > 100);
}

/* The shortest way into each other's arms: A is under B, and comes over it again. */
TEST(copy_over_copy_over_copy)
{
    const struct sequence again = {.copies = 2,
                                   .flags = {CSIGSHIM_CHAIN, CSIGSHIM_CHAIN},
                                   .length = 3,
                                   .steps = {{0, SUBSCRIBE}, {1, SUBSCRIBE}, {0, REARM}}};
    const struct sequence both_again = {
        .copies = 2,
        .flags = {CSIGSHIM_CHAIN, CSIGSHIM_CHAIN},
        .length = 4,
        .steps = {{0, SUBSCRIBE}, {1, SUBSCRIBE}, {0, REARM}, {1, REARM}},
    };
    const struct sequence left_and_back = {
        .copies = 2,
        .flags = {CSIGSHIM_CHAIN, CSIGSHIM_CHAIN},
        .length = 4,
        .steps = {{0, SUBSCRIBE}, {1, SUBSCRIBE}, {0, UNSUBSCRIBE}, {0, SUBSCRIBE}},
    };
    load_copies(2);
    in_a_child(&again);
    in_a_child(&both_again);
    in_a_child(&left_and_back);
    CHECK(failures == 0);
}

TEST(two_copies_that_chain)
{
    all_sequences(2, 8, (unsigned[]){CSIGSHIM_CHAIN, CSIGSHIM_CHAIN});
}

TEST(three_copies_that_chain)
{
    all_sequences(3, 5, (unsigned[]){CSIGSHIM_CHAIN, CSIGSHIM_CHAIN, CSIGSHIM_CHAIN});
}

TEST(two_copies_one_of_which_chains)
{
    all_sequences(2, 6, (unsigned[]){CSIGSHIM_CHAIN, NONE});
}

TEST(two_copies_the_other_of_which_chains)
{
    all_sequences(2, 6, (unsigned[]){NONE, CSIGSHIM_CHAIN});
}

TEST(two_copies_that_do_not_chain)
{
    all_sequences(2, 6, (unsigned[]){NONE, NONE});
}
