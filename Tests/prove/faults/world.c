/* What a host can see of the process, besides what comes out of a bridge. */
#define _GNU_SOURCE 1
#include "faults.h"

bool world_asks_library;

/* SA_RESTORER is the C library's; SA_NODEFER is what the scenario "overtaken" changes in between. */
enum { IRRELEVANT = 0x04000000 | SA_NODEFER };

static void look_at_descriptors(struct world *world)
{
    DIR *all = opendir("/proc/self/fd");
    char link[64];
    world->descriptors = 0;
    for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL;) {
        const int number = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || number == dirfd(all) || world->descriptors == DESCRIPTORS)
            continue;
        const ssize_t size = readlinkat(dirfd(all), entry->d_name, link, sizeof link - 1);
        link[size > 0 ? size : 0] = 0;
        if (strncmp(link, "pipe:", 5) == 0 || strncmp(link, "socket:", 7) == 0)
            strchr(link, ':')[0] = 0; /* which one differs from run to run */
        int at = world->descriptors++;
        for (; at > 0 && world->descriptor[at - 1].number > number; at--)
            world->descriptor[at] = world->descriptor[at - 1];
        world->descriptor[at].number = number;
        snprintf(world->descriptor[at].kind, sizeof world->descriptor[at].kind, "%.23s", link);
    }
    closedir(all);
}

void world_look(struct world *world, int number)
{
    int ignored;
    memset(world, 0, sizeof *world);
    for (int i = 1; i < 65; i++)
        (void)sigaction(i, NULL, &world->actions[i]);
    pthread_sigmask(SIG_SETMASK, NULL, &world->mask);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &world->cancellation);
    pthread_setcancelstate(world->cancellation, &ignored);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &world->cancellation_type);
    pthread_setcanceltype(world->cancellation_type, &ignored);
    look_at_descriptors(world);
    if (world_asks_library) {
        world->state = csigshim_state(number);
        world->mechanism = csigshim_mechanism(number);
    }
}

static bool same_descriptors(const struct world *a, const struct world *b, bool numbers)
{
    int kinds = 0;
    if (a->descriptors != b->descriptors)
        return false;
    for (int i = 0; i < a->descriptors; i++) {
        if (numbers && a->descriptor[i].number != b->descriptor[i].number)
            return false;
        for (int k = 0; k < b->descriptors; k++) /* as many of each kind, summed over all */
            kinds += (strcmp(a->descriptor[i].kind, b->descriptor[k].kind) == 0) -
                     (strcmp(a->descriptor[i].kind, a->descriptor[k].kind) == 0);
    }
    return kinds == 0;
}

const char *world_differs(const struct world *a, const struct world *b, bool numbers)
{
    for (int i = 1; i < 65; i++)
        if (memcmp(&a->actions[i].sa_mask, &b->actions[i].sa_mask, 8) != 0 ||
            ((a->actions[i].sa_flags ^ b->actions[i].sa_flags) & ~IRRELEVANT) != 0 ||
            a->actions[i].sa_handler != b->actions[i].sa_handler)
            return "a disposition";
    for (int i = 1; i < 65; i++)
        if (sigismember(&a->mask, i) != sigismember(&b->mask, i))
            return "the mask";
    if (a->cancellation != b->cancellation || a->cancellation_type != b->cancellation_type)
        return "the cancellation state or type";
    if (!same_descriptors(a, b, numbers))
        return "the open descriptors";
    if (a->state != b->state || a->mechanism != b->mechanism)
        return "csigshim_state or _mechanism";
    return NULL;
}
