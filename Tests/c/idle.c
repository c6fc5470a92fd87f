/* While no signal arrives, the library makes no wake-up, no system call and no thread, and its memory does not grow
 * (G13). Over signalfd, a signal interrupts no system call. */
#include "check.h"
#include <dirent.h>
#include <semaphore.h>
#include <sys/epoll.h>

static _Atomic pid_t tid;

static void *wait_and_count_switches(void *bridge) {
    struct rusage before, after;
    tid = gettid();
    CHECK(getrusage(RUSAGE_THREAD, &before) == 0);
    CHECK(csigshim_wait(bridge, DEADLINE_SECONDS * 1000) == 1);
    CHECK(getrusage(RUSAGE_THREAD, &after) == 0);
    CHECK(after.ru_nvcsw - before.ru_nvcsw <= 2);
    CHECK(after.ru_utime.tv_sec == before.ru_utime.tv_sec);
    const long spent = (after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
                       (after.ru_stime.tv_usec - before.ru_stime.tv_usec) +
                       (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000;
    CHECK(spent < 100000);
    return NULL;
}

/* The system call that the waiting thread is in, with its arguments and stack pointer, as /proc shows it. */
static bool system_call_of_waiter(char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)tid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    const bool fine = fgets(text, (int)size, file) != NULL;
    fclose(file);
    return fine;
}

static long context_switches_of_waiter(void) {
    char path[64], line[256];
    long count = -1;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)tid);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        sscanf(line, "voluntary_ctxt_switches: %ld", &count);
    fclose(file);
    CHECK(count >= 0);
    return count;
}

TEST(waiting_thread_makes_no_call_while_idle) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_add(bridge, SIGCHLD, 0) == 0 && csigshim_add(bridge, SIGRTMIN, 0) == 0);
    pthread_t waiter = started(wait_and_count_switches, bridge);
    while (tid == 0)
        pause_ms(1);
    char first[256] = "", last[256] = "";
    bool known;
    do { /* until the thread sleeps, also on a busy machine */
        pause_ms(200);
        known = system_call_of_waiter(first, sizeof first);
    } while (known && strncmp(first, "running", 7) == 0);
    const long before = context_switches_of_waiter();
    pause_ms(2000);
    CHECK(context_switches_of_waiter() == before);
    if (known) {
        CHECK(system_call_of_waiter(last, sizeof last));
        CHECK(strcmp(first, last) == 0);
    }
    CHECK(csigshim_wake(bridge) == 0);
    CHECK(pthread_join(waiter, NULL) == 0);
}

static int thread_count(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

TEST(library_starts_no_thread) {
    const int before = thread_count();
    csigshim_bridge *bridge = opened_on(SIGTERM, chain_if_possible());
    CHECK(kill(getpid(), SIGTERM) == 0);
    collect(bridge, SIGTERM, 1);
    CHECK(thread_count() == before);
    CHECK(csigshim_close(bridge) == 0);
}

static long memory_pages(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld %ld", &total, &resident) == 2);
    fclose(file);
    return total;
}

static void one_handler(int signo) {
    (void)signo;
}

static void another_handler(int signo) {
    (void)signo;
}

/* Memory does not grow after the first rounds of opening and closing bridges, filling the queue, and changing
 * handlers. */
TEST(memory_stays_bounded) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer keeps memory for itself");
    long after_first = 0;
    for (int round = 0; round < 200; round++) {
        install(SIGUSR1, round % 2 ? one_handler : another_handler, 0);
        csigshim_bridge *bridge = opened_on(SIGUSR1, chain_if_possible());
        for (int i = 0; i < (round == 199 ? 40000 : 50); i++)
            CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK(csigshim_close(bridge) == 0);
        if (round == 3)
            after_first = memory_pages();
    }
    CHECK(memory_pages() - after_first <= 64);
}

static int silent_pipe[2];
static sem_t semaphore;
static _Atomic int asleep, interrupted;

/* Calls that fail with EINTR after any handler, with or without SA_RESTART: see signal(7). */
static void *blocking_calls(void *which) {
    const struct timespec second = {1, 500000000};
    struct timespec until;
    struct epoll_event event;
    struct pollfd one = {.fd = silent_pipe[0], .events = POLLIN};
    const int poller = epoll_create1(EPOLL_CLOEXEC);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    errno = 0;
    asleep++;
    switch (*(int *)which) {
    case 0:
        nanosleep(&second, NULL);
        break;
    case 1:
        poll(&one, 1, 1500);
        break;
    case 2:
        epoll_wait(poller, &event, 1, 1500);
        break;
    default:
        sem_timedwait(&semaphore, &until);
    }
    interrupted += errno == EINTR;
    return NULL;
}

TEST(signalfd_interrupts_no_system_call) {
    SIGNALFD_ONLY("a handler interrupts them");
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    static int which[THREADS] = {0, 1, 2, 3};
    const int signo = SIGRTMIN;
    CHECK(pipe(silent_pipe) == 0 && sem_init(&semaphore, 0, 0) == 0);
    csigshim_bridge *bridge = opened_on(signo, 0);
    CHECK(csigshim_add(bridge, SIGTERM, 0) == 0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = started(blocking_calls, &which[i]);
    while (asleep < THREADS)
        pause_ms(1);
    CHECK(UNDER_TSAN || csigshim_unblocked_threads(signo, NULL, 0) == 0);
    pause_ms(50);
    for (int i = 0; i < 1000; i++) {
        post(getpid(), signo, i);
        CHECK(kill(getpid(), SIGTERM) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(interrupted == 0);
    CHECK(csigshim_remove(bridge, SIGTERM) == 0);
    int numbers = 0, terms = 0;
    for (csigshim_event event; csigshim_read(bridge, &event, 1) == 1;) {
        numbers += event.signo == signo;
        terms += event.signo == SIGTERM;
    }
    CHECK(numbers == 1000 && terms == 1);
}

TEST(repeated_add_and_remove_take_no_memory) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer remembers each call");
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    const long before = memory_pages();
    for (int i = 0; i < 5000; i++)
        CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && csigshim_add(bridge, SIGUSR1, 0) == 0);
    CHECK(memory_pages() - before < 100);
}
