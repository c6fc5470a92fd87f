/* soak MODE MECHANISM SECONDS, where MODE is recycle, eight or storm: the file of that name says what it shows.
 * SOAK_SEED in the environment repeats a run's random choices. */
#include "soak.h"
#include <sys/resource.h>

unsigned seed;
double duration;
int mechanism;

static void *run(void *mode) {
    if (strcmp(mode, "recycle") == 0)
        return (void *)(intptr_t)recycle();
    if (strcmp(mode, "eight") == 0)
        return (void *)(intptr_t)eight();
    return (void *)(intptr_t)storm();
}

/* Valgrind cannot grow the main thread's stack for handlers that nest, as chained ones may. There, another thread plays
 * the main thread's part, and takes its signals. */
static int run_elsewhere(char *mode) {
    pthread_t thread;
    sigset_t all;
    void *result;
    CHECK(pthread_create(&thread, NULL, run, mode) == 0);
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    return (int)(intptr_t)result;
}

int main(int argc, char **argv) {
    const struct rlimit none = {0, 0}, queue = {20000, 20000}; /* all processes of the user share it */
    const char *given = getenv("SOAK_SEED");
    if (argc != 4)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_SIGPENDING, &queue);
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid() * 2654435761u;
    mechanism = strcmp(argv[2], "signalfd") == 0 ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER;
    duration = strtod(argv[3], NULL);
    alarm((unsigned)(duration * 3) + 300);
    printf("# %s, %s, %s s, SOAK_SEED=%u\n", argv[1], argv[2], argv[3], seed);
    return SLOW ? run_elsewhere(argv[1]) : (int)(intptr_t)run(argv[1]);
}
