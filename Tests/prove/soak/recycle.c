/* Reuse of descriptors: bridges open and close under a flood from another process. Other threads open and close files,
 * pipes and sockets, so that numbers are used again soon. Each file has something written to it. Before it is closed it
 * must hold exactly that, with the flags that it was given. So a wake-up byte in another file, and a close of another
 * file at the same number, are seen. */
#include "soak.h"

static atomic_bool stop;
static atomic_ulong watched, bridges, received;

static void flood(int number, pid_t target) {
    const int signals[] = {SIGUSR1, SIGUSR2, SIGRTMIN + 1, SIGRTMIN + 2};
    for (unsigned long i = (unsigned long)number;; i++) {
        const int signo = signals[i % 4];
        if (signo < SIGRTMIN)
            kill(target, signo);
        else
            (void)sigqueue(target, signo, (union sigval){.sival_int = (int)i});
        if (i % (SLOW ? 1 : 64) == 0)
            nanosleep(&(struct timespec){0, SLOW ? 5000000 : 200000}, NULL); /* so that other threads run as well */
    }
}

/* Reads until there is nothing more: that must be `size` bytes, all as written. */
static void holds(int fd, unsigned char byte, size_t size, bool is_file) {
    unsigned char bytes[256];
    if (is_file)
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
    for (size_t total = 0;;) {
        const ssize_t count = read(fd, bytes, sizeof bytes);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            CHECK(total == size && (count == 0 || errno == EAGAIN));
            return;
        }
        for (ssize_t i = 0; i < count; i++)
            CHECK(bytes[i] == byte);
        total += (size_t)count;
    }
}

static void fill(int fd, unsigned char byte, size_t size) {
    unsigned char bytes[256];
    memset(bytes, byte, sizeof bytes);
    CHECK(write(fd, bytes, size) == (ssize_t)size);
}

enum { KEPT = 12 };

static void *open_files(void *argument) {
    unsigned state = seed + (unsigned)(uintptr_t)argument * 7919 + 1;
    while (!atomic_load(&stop)) {
        int ends[KEPT][2], kind[KEPT];
        size_t size[KEPT];
        for (int i = 0; i < KEPT; i++) {
            kind[i] = (int)(next_random(&state) % 3);
            size[i] = next_random(&state) % 200 + 1;
            if (kind[i] == 0) {
                ends[i][0] = ends[i][1] = memfd_create("recycle", 0);
                CHECK(ends[i][0] >= 0);
            } else if (kind[i] == 1) {
                CHECK(pipe2(ends[i], O_NONBLOCK) == 0);
            } else {
                CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]) == 0);
            }
            fill(ends[i][1], (unsigned char)(i + 'a'), size[i]);
        }
        sched_yield();
        for (int i = 0; i < KEPT; i++) {
            CHECK((fcntl(ends[i][0], F_GETFD) & FD_CLOEXEC) == 0 && (fcntl(ends[i][1], F_GETFD) & FD_CLOEXEC) == 0);
            CHECK(((fcntl(ends[i][0], F_GETFL) & O_NONBLOCK) != 0) == (kind[i] != 0));
            holds(ends[i][0], (unsigned char)(i + 'a'), size[i], kind[i] == 0);
            CHECK(close(ends[i][0]) == 0 && (kind[i] == 0 || close(ends[i][1]) == 0));
            atomic_fetch_add(&watched, 1);
        }
    }
    return NULL;
}

static void *open_bridges(void *argument) {
    const int first = (int)(uintptr_t)argument;
    unsigned state = seed + (unsigned)first * 104729 + 1;
    const int mine[] = {first == 0 ? SIGUSR1 : SIGUSR2, SIGRTMIN + 1 + first};
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, mine[0]);
    sigaddset(&both, mine[1]);
    while (!atomic_load(&stop)) {
        csigshim_bridge *bridge;
        csigshim_event events[64];
        if (next_random(&state) % 2)
            CHECK(csigshim_open(&bridge, mechanism) == 0);
        else
            CHECK(csigshim_open_sized(&bridge, mechanism, 16) == 0); /* mostly full */
        if (next_random(&state) % 2)
            CHECK(csigshim_fd(bridge) >= 3);
        CHECK(csigshim_add_set(bridge, &both, 0) == 0);
        for (unsigned rounds = next_random(&state) % 8; rounds > 0; rounds--) {
            (void)csigshim_wait(bridge, 1);
            const ssize_t count = csigshim_read(bridge, events, 64);
            CHECK(count >= 0);
            for (ssize_t i = 0; i < count; i++) {
                CHECK(events[i].signo == mine[0] || events[i].signo == mine[1]);
                atomic_fetch_add(&received, events[i].count);
            }
        }
        if (next_random(&state) % 2)
            CHECK(csigshim_remove(bridge, mine[0]) == 0);
        CHECK(csigshim_close(bridge) == 0);
        atomic_fetch_add(&bridges, 1);
    }
    return NULL;
}

int recycle(void) {
    const int signals[] = {SIGUSR1, SIGUSR2, SIGRTMIN + 1, SIGRTMIN + 2};
    for (int i = 0; i < 4; i++)
        CHECK(signal(signals[i], SIG_IGN) != SIG_ERR); /* for signals that come while there is no bridge */
    const pid_t child = sender(flood, 0);
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        threads[i] = started(i < 2 ? open_bridges : open_files, (void *)(i % 2));
    const double end = seconds_now() + duration;
    while (seconds_now() < end)
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0)
        ;
    for (int i = 0; i < 4; i++)
        CHECK(csigshim_disposition(signals[i]) == CSIGSHIM_DISPOSITION_IGNORED);
    CHECK(atomic_load(&bridges) > 0 && atomic_load(&watched) > 0 && atomic_load(&received) > 0);
    printf("recycle: %lu bridges opened and closed, %lu signals, %lu files watched\n", atomic_load(&bridges),
           atomic_load(&received), atomic_load(&watched));
    return 0;
}
