/* A storm from four processes on two bridges, one of each mechanism, for as long as is asked. The value of each
 * realtime signal is its sender's next number: it must come once, with its details, in its sender's order. A sender has
 * at most WINDOW signals on the way, so that all have room in ring and queue. Standard signals come as well, and the
 * kernel coalesces them. Ten times a second a third bridge is opened, added to, re-armed, removed from and closed. In a
 * warm-up, the whole ring is used and all code runs. After that, neither the number of descriptors nor that of threads
 * may change. The resident memory of the last quarter is compared with that of the first, by its mean. */
#include "soak.h"
#include <dirent.h>

enum { WINDOW = 3000, SAMPLES = 4096, TOLERANCE_KIB = 64 };

struct shared {
    atomic_bool stop;
    atomic_ulong sent[MAX_SENDERS][2], came[MAX_SENDERS][2]; /* realtime, for each bridge */
    atomic_ulong standard_sent, standard_came;
};
static struct shared *shared;
static csigshim_bridge *bridges[2];
static int realtime[2], standard[2];
static atomic_bool finished;

static void send_storm(int number, pid_t target) {
    unsigned state = seed + (unsigned)number * 7919 + 1;
    while (!atomic_load(&shared->stop)) {
        bool waits = true;
        for (int i = 0; i < 2; i++) {
            atomic_ulong *sent = &shared->sent[number][i];
            for (int burst = 0; burst < 64; burst++) {
                const unsigned long next = atomic_load(sent);
                if (bridges[i] == NULL || next - atomic_load(&shared->came[number][i]) >= WINDOW)
                    break;
                const union sigval value = {.sival_ptr = (void *)(((uintptr_t)number << 48) | next)};
                if (sigqueue(target, realtime[i], value) != 0) {
                    CHECK(errno == EAGAIN); /* the user's queue is full */
                    break;
                }
                atomic_store(sent, next + 1);
                waits = false;
            }
        }
        if (next_random(&state) % 4 == 0) {
            CHECK(kill(target, standard[state / 8 % 2]) == 0);
            atomic_fetch_add(&shared->standard_sent, 1);
        }
        if (waits)
            nanosleep(&(struct timespec){0, 100000}, NULL);
    }
}

static void *takes_signals(void *unused) {
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, realtime[0]);
    sigdelset(&all, standard[0]);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    while (!atomic_load(&finished))
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    return unused;
}

static void take(int i) {
    static csigshim_event events[256];
    for (int reads = 0; reads < 16; reads++) { /* a storm would never let it end */
        const ssize_t count = csigshim_read(bridges[i], events, 256);
        CHECK(count >= 0);
        if (count == 0)
            return;
        for (ssize_t k = 0; k < count; k++) {
            const csigshim_event *event = &events[k];
            CHECK(event->flags == 0 && event->count == 1);
            if (event->signo == standard[i]) {
                atomic_fetch_add(&shared->standard_came, 1);
                continue;
            }
            CHECK(event->signo == realtime[i]);
            const unsigned number = (unsigned)(event->value >> 48);
            CHECK(number < MAX_SENDERS);
            CHECK((event->value & 0xffffffffffff) == atomic_load(&shared->came[number][i]));
            atomic_fetch_add(&shared->came[number][i], 1);
        }
    }
}

/* Uses each slot of a bridge's ring: from here on its memory does not grow. */
static void go_round(csigshim_bridge *bridge, int signo) {
    csigshim_event event;
    for (int i = 0; i < 17000; i++) {
        CHECK(kill(getpid(), signo) == 0);
        while (csigshim_read(bridge, &event, 1) != 0)
            ;
    }
}

static void use_one_core(void) {
    cpu_set_t cores, last;
    CPU_ZERO(&last);
    CHECK(sched_getaffinity(0, sizeof cores, &cores) == 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &cores)) {
            CPU_ZERO(&last);
            CPU_SET(i, &last);
        }
    CHECK(sched_setaffinity(0, sizeof last, &last) == 0);
}

static void come_and_go(bool first) {
    csigshim_bridge *bridge;
    if (first)
        CHECK(csigshim_open(&bridge, mechanism) == 0);
    else
        CHECK(csigshim_open_sized(&bridge, mechanism, 1024) == 0);
    CHECK(csigshim_fd(bridge) >= 3);
    CHECK(csigshim_add(bridge, SIGHUP, mechanism == CSIGSHIM_HANDLER ? CSIGSHIM_INTERRUPT : 0) == 0);
    CHECK(csigshim_rearm(SIGHUP) == 0);
    CHECK(kill(getpid(), SIGHUP) == 0 && csigshim_wake(bridge) == 0);
    CHECK(csigshim_unblocked_threads(SIGHUP, NULL, 0) >= 0);
    if (first)
        go_round(bridge, SIGHUP);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0 && csigshim_close(bridge) == 0);
}

struct sample {
    long memory, descriptors, threads; /* KiB and numbers */
};

static long number_of(const char *path, const char *name) {
    char line[256];
    long result = -1;
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            result = strtol(line + strlen(name), NULL, 10);
    fclose(file);
    return result;
}

static struct sample look(void) {
    struct sample now = {number_of("/proc/self/smaps_rollup", "Rss:"), -3, number_of("/proc/self/status", "Threads:")};
    DIR *all = opendir("/proc/self/fd");
    CHECK(all != NULL);
    while (readdir(all) != NULL)
        now.descriptors++; /* without . and .. and its own */
    closedir(all);
    return now;
}

static long mean(const struct sample *samples, int from, int to) {
    long sum = 0;
    for (int i = from; i < to; i++)
        sum += samples[i].memory;
    return sum / (to - from);
}

static long flat(const struct sample *samples, int count) {
    CHECK(count >= 8);
    const int quarter = count / 4;
    long growth = mean(samples, count - quarter, count) - mean(samples, 0, quarter);
    for (int i = 1; i < count; i++)
        CHECK(samples[i].descriptors == samples[0].descriptors && samples[i].threads == samples[0].threads);
#if !defined(SANITIZED)
    if (growth > TOLERANCE_KIB) {
        printf("FAIL resident memory grows: %ld KiB at first, %ld KiB at last\n", mean(samples, 0, quarter),
               mean(samples, count - quarter, count));
    }
#else
    growth = 0; /* the sanitizers use memory of their own */
#endif
    return growth;
}

static unsigned long sum(atomic_ulong counts[MAX_SENDERS][2]) {
    unsigned long result = 0;
    for (int i = 0; i < MAX_SENDERS; i++)
        result += atomic_load(&counts[i][0]) + atomic_load(&counts[i][1]);
    return result;
}

static void take_for(int milliseconds) {
    struct pollfd fds[2];
    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = bridges[i] == NULL ? -1 : csigshim_fd(bridges[i]), .events = POLLIN};
    CHECK(poll(fds, 2, milliseconds) >= 0 || errno == EINTR);
    for (int i = 0; i < 2; i++)
        if (fds[i].revents & POLLIN)
            take(i);
}

int storm(void) {
    static struct sample samples[SAMPLES];
    int count = 0;
    sigset_t all;
    pid_t children[MAX_SENDERS];
    use_one_core();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        realtime[i] = SIGRTMIN + 1 + i;
        standard[i] = i == 0 ? SIGUSR1 : SIGUSR2;
        if (MERGED && i == 0)
            continue;
        CHECK(csigshim_open(&bridges[i], i == 0 ? CSIGSHIM_HANDLER : CSIGSHIM_SIGNALFD) == 0);
        CHECK(csigshim_add(bridges[i], realtime[i], 0) == 0 && csigshim_add(bridges[i], standard[i], 0) == 0);
    }
    if (bridges[0] != NULL)
        go_round(bridges[0], standard[0]);
    come_and_go(true);
    sigfillset(&all);
    sigdelset(&all, SIGHUP);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    const pthread_t taker = started(takes_signals, NULL);
    if (bridges[0] == NULL)
        CHECK(signal(standard[0], SIG_IGN) != SIG_ERR);
    for (int i = 0; i < MAX_SENDERS; i++)
        children[i] = sender(send_storm, i);
    const double start = seconds_now(), warm = start + duration / 8, end = start + duration;
    const double period = (end - warm) / 64 > 0.02 ? (end - warm) / 64 : 0.02;
    double next_sample = warm, next_coming = start;
    while (seconds_now() < end || count < 8) {
        take_for(20);
        if (seconds_now() >= next_coming) {
            come_and_go(false);
            next_coming = seconds_now() + 0.1;
        }
        if (seconds_now() >= next_sample && count < SAMPLES) {
            samples[count++] = look();
            next_sample += period;
        }
    }
    atomic_store(&shared->stop, true);
    for (int i = 0; i < MAX_SENDERS; i++)
        joined(children[i]);
    const double late = seconds_now() + 60;
    while (sum(shared->came) < sum(shared->sent) && seconds_now() < late)
        take_for(20);
    const unsigned long sent = sum(shared->sent), came = sum(shared->came);
    const long growth = flat(samples, count);
    atomic_store(&finished, true);
    CHECK(pthread_join(taker, NULL) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(bridges[i] == NULL || csigshim_close(bridges[i]) == 0);
    CHECK(atomic_load(&shared->standard_came) > 0);
    printf("storm: %.0f s, %.1f M signals from %d processes, %lu lost; memory %+ld KiB, descriptors %ld, threads %ld\n",
           duration, (double)(came + atomic_load(&shared->standard_came)) / 1e6, MAX_SENDERS, sent - came, growth,
           samples[0].descriptors, samples[0].threads);
    return sent != came || growth > TOLERANCE_KIB ? 1 : 0;
}
