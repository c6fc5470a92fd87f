/* soak MODE MECHANISM SECONDS: recycle, eight or storm; the argument is on top of each one's file. SOAK_SEED in the
 * environment repeats a run's random choices. */
#include "soak.h"
#include <sys/resource.h>

unsigned seed;
double duration;
int mechanism;

int main(int argc, char **argv)
{
    const struct rlimit none = {0, 0}, queue = {20000, 20000}; /* the user's queue is for others as well */
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
    if (strcmp(argv[1], "recycle") == 0)
        return recycle();
    if (strcmp(argv[1], "eight") == 0)
        return eight();
    return storm();
}
