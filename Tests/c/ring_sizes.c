/* csigshim_open_sized. A bridge of any permitted capacity keeps exact counts and loses only details (G1, G2), and
 * bridges of changing sizes take bounded memory (G13). */
#include "bounded.h"

enum { SMALLEST = 16, LARGEST = 16384 };

static csigshim_bridge *sized(size_t capacity) {
    csigshim_bridge *bridge = NULL;
    CHECK(csigshim_open_sized(&bridge, test_mechanism(), capacity) == 0);
    CHECK(bridge != NULL);
    return bridge;
}

TEST(sizes_that_are_no_power_of_two_in_range_are_refused) {
    const size_t sizes[] = {0,
                            1,
                            2,
                            8,
                            15,
                            17,
                            24,
                            100,
                            1000,
                            LARGEST - 1,
                            16385,
                            2 * LARGEST,
                            1u << 20,
                            (size_t)1 << 31,
                            SIZE_MAX / 2,
                            SIZE_MAX / 2 + 1,
                            SIZE_MAX,
                            SIZE_MAX - 15};
    csigshim_bridge *bridge = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        FAILS(csigshim_open_sized(&bridge, test_mechanism(), sizes[i]), EINVAL);
    CHECK(bridge == NULL);
    FAILS(csigshim_open_sized(NULL, test_mechanism(), SMALLEST), EINVAL);
    FAILS(csigshim_open_sized(&bridge, 2, SMALLEST), EINVAL);
    FAILS(csigshim_open_sized(&bridge, -1, SMALLEST), EINVAL);
    for (int i = 0; i < 64; i++) /* and none of them has used up a bridge */
        (void)sized(SMALLEST);
    FAILS(csigshim_open_sized(&bridge, test_mechanism(), SMALLEST), ENOSPC);
}

TEST(capacity_is_reported) {
    for (size_t capacity = SMALLEST; capacity <= LARGEST; capacity *= 2) {
        csigshim_bridge *bridge = sized(capacity);
        struct rlimit queue;
        CHECK(getrlimit(RLIMIT_SIGPENDING, &queue) == 0 || test_is_handler());
        CHECK(csigshim_capacity(bridge) == (test_is_handler() ? (int)capacity : (int)queue.rlim_cur));
        CHECK(csigshim_close(bridge) == 0);
    }
    csigshim_bridge *bridge = opened();
    CHECK(!test_is_handler() || csigshim_capacity(bridge) == LARGEST);
    FAILS(csigshim_capacity(NULL), EINVAL);
}

/* Sends `total` values before the first read. Those that fit are read one by one, in order, and the rest as a count.
 */
static void expect_details(csigshim_bridge *bridge, size_t capacity, size_t total) {
    const int signo = SIGRTMIN + 4;
    csigshim_event event;
    for (size_t i = 0; i < total; i++)
        CHECK(sigqueue(getpid(), signo, (union sigval){.sival_int = (int)i}) == 0);
    const size_t kept = total < capacity ? total : capacity;
    for (size_t i = 0; i < kept; i++) {
        CHECK(csigshim_read(bridge, &event, 1) == 1 && event.signo == signo && event.count == 1);
        CHECK(event.value == i && event.flags == 0 && event.pid == getpid());
    }
    size_t dropped = 0;
    while (csigshim_read(bridge, &event, 1) == 1) {
        CHECK(event.signo == signo && (event.flags & CSIGSHIM_DETAILS_DROPPED));
        dropped += event.count;
    }
    CHECK(dropped == total - kept);
    CHECK(csigshim_read(bridge, &event, 1) == 0 && csigshim_wait(bridge, 0) == 0);
}

/* Over signalfd, the ring is for threads that do not block the signal. */
static csigshim_bridge *sized_on_value_signal(size_t capacity) {
    csigshim_bridge *bridge = sized(capacity);
    CHECK(csigshim_add(bridge, SIGRTMIN + 4, 0) == 0);
    change_mask(SIG_UNBLOCK, SIGRTMIN + 4);
    return bridge;
}

TEST(counts_are_exact_beyond_each_capacity) {
    SKIP_IF_MERGED();
    for (size_t capacity = SMALLEST; capacity <= LARGEST; capacity *= 2) {
        csigshim_bridge *bridge = sized_on_value_signal(capacity);
        const size_t totals[] = {1, capacity - 1, capacity, capacity + 1, 3 * capacity + 5, capacity};
        for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
            if (i == 3)
                polled(bridge);
            expect_details(bridge, capacity, totals[i]);
        }
        CHECK(csigshim_close(bridge) == 0);
    }
}

/* A bridge that was closed gives its place to the next, of whatever size. */
TEST(reopened_with_other_sizes) {
    SKIP_IF_MERGED();
    const size_t sizes[] = {LARGEST, SMALLEST, 1024, SMALLEST, LARGEST, 32, 8192, SMALLEST, SMALLEST, LARGEST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        csigshim_bridge *bridge = sized_on_value_signal(sizes[i]);
        expect_details(bridge, sizes[i], sizes[i] + 3);
        for (int k = 0; k < 100; k++) /* left unread */
            CHECK(sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = -1}) == 0);
        CHECK(csigshim_close(bridge) == 0);
    }
    csigshim_bridge *bridge = sized_on_value_signal(SMALLEST);
    CHECK(csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
}

TEST(bridges_of_several_sizes_side_by_side) {
    HANDLER_ONLY("a signal has one bridge over signalfd");
    SKIP_IF_MERGED();
    csigshim_bridge *bridges[3];
    const size_t sizes[] = {SMALLEST, LARGEST, 64};
    for (int i = 0; i < 3; i++)
        bridges[i] = sized_on_value_signal(sizes[i]);
    for (int k = 0; k < 100; k++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = k}) == 0);
    csigshim_event events[128];
    for (int i = 0; i < 3; i++) {
        const ssize_t count = csigshim_read(bridges[i], events, 128);
        const ssize_t kept = sizes[i] < 100 ? (ssize_t)sizes[i] : 100;
        CHECK(count == kept + (kept < 100));
        for (ssize_t k = 0; k < kept; k++)
            CHECK(events[k].value == (uint64_t)k && events[k].flags == 0);
        CHECK(kept == 100 || (events[kept].count == 100 - kept && (events[kept].flags & CSIGSHIM_DETAILS_DROPPED)));
    }
}

static _Atomic bool stop;
static _Atomic int ready;

static void *takes_signals(void *unused) {
    change_mask(SIG_UNBLOCK, SIGRTMIN + 4);
    ready++;
    while (!stop)
        pause_ms(1);
    return unused;
}

/* Handlers on several threads race for 16 slots, thousands of times round the ring, with a reader behind them. */
TEST(smallest_ring_keeps_count_in_a_storm) {
    SKIP_IF_MERGED();
    enum { THREADS = 3, SENDERS = 2 };
    const unsigned long each = SCALED(30000);
    csigshim_bridge *bridge = sized(SMALLEST);
    CHECK(csigshim_add(bridge, SIGRTMIN + 4, 0) == 0);
    const pid_t target = getpid();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = started(takes_signals, NULL);
    while (ready < THREADS)
        pause_ms(1);
    change_mask(SIG_BLOCK, SIGRTMIN + 4);
    fflush(stdout);
    pid_t senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = fork();
        if (senders[i] == 0) {
            for (unsigned long k = 0; k < each; k++)
                post(target, SIGRTMIN + 4, (int)k);
            _exit(0);
        }
    }
    unsigned long sum = 0, dropped = 0;
    csigshim_event events[5];
    while (sum < SENDERS * each) {
        const ssize_t count = csigshim_read(bridge, events, 5);
        CHECK(count >= 0);
        for (ssize_t i = 0; i < count; i++) {
            sum += events[i].count;
            dropped += events[i].flags & CSIGSHIM_DETAILS_DROPPED ? events[i].count : 0;
        }
        if (count == 0)
            CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1);
        else if (sum % 7 == 0)
            pause_ms(1); /* behind, so that the ring is full */
    }
    for (int i = 0; i < SENDERS; i++)
        CHECK(exited(senders[i], 0));
    stop = true;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(sum == SENDERS * each && drained(bridge, SIGRTMIN + 4) == 0);
    CHECK(dropped > 0 || !test_is_handler());
}

TEST(forked_child_has_the_same_capacity) {
    SKIP_IF_MERGED();
    csigshim_bridge *bridge = sized_on_value_signal(32);
    for (int k = 0; k < 50; k++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = k}) == 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(csigshim_after_fork(bridge) == 0 && csigshim_read(bridge, &(csigshim_event){0}, 1) == 0);
        CHECK(!test_is_handler() || csigshim_capacity(bridge) == 32);
        change_mask(SIG_UNBLOCK, SIGRTMIN + 4);
        expect_details(bridge, 32, 40);
        _exit(0);
    }
    CHECK(exited(child, 0) && drained(bridge, SIGRTMIN + 4) == 50);
}

#if defined(__linux__) && !defined(SANITIZED)
/* Kilobytes of address space, all of which mlockall(2) would lock. */
static long mapped(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        SKIP("no /proc");
    CHECK(fscanf(file, "%ld", &pages) == 1 && fclose(file) == 0);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

TEST(small_bridges_take_little_memory) {
    (void)csigshim_close(sized(SMALLEST)); /* what the first of all bridges takes besides */
    (void)mapped();
    csigshim_bridge *bridges[8];
    long before = mapped();
    for (int i = 0; i < 8; i++)
        bridges[i] = sized(SMALLEST);
    const long small = mapped() - before;
    for (int i = 0; i < 8; i++)
        CHECK(csigshim_close(bridges[i]) == 0);
    before = mapped();
    bridges[0] = sized(LARGEST);
    const long large = mapped() - before;
    printf("eight of 16: %ld KiB; one of 16,384: %ld KiB\n", small, large);
    CHECK(small <= 8 * 16 && large <= 1300);
}

TEST(memory_is_bounded_however_often_the_size_changes) {
    for (size_t capacity = SMALLEST; capacity <= LARGEST; capacity *= 2)
        CHECK(csigshim_close(sized(capacity)) == 0);
    const long before = mapped();
    for (int i = 0; i < 3000; i++) {
        csigshim_bridge *one = sized((size_t)SMALLEST << i % 11), *other = sized((size_t)SMALLEST << (i + 5) % 11);
        CHECK(csigshim_close(one) == 0 && csigshim_close(other) == 0);
    }
    const long more = mapped() - before;
    if (more > 3000)
        printf("%ld KiB more\n", more);
    CHECK(more <= 3000); /* two of the largest, and no more for each opening */
}
#endif
