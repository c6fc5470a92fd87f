/* The state of the process that a host can see, apart from the events of a bridge. */
#define _GNU_SOURCE 1
#include "faults.h"

bool world_asks_library;

/* The scenario "overtaken" changes SA_NODEFER in between. */
enum { IRRELEVANT = SA_NODEFER };

static bool was_kept(int number) {
    for (int i = 0; i < faults->kept_count; i++)
        if (faults->kept[i] == number)
            return true;
    return false;
}

static void look_at_descriptors(struct world *world) {
    DIR *all = opendir("/proc/self/fd");
    char link[48];
    world->descriptors = 0;
    for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL;) {
        const int number = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || number == dirfd(all) || world->descriptors == DESCRIPTORS || was_kept(number))
            continue;
        const ssize_t size = readlinkat(dirfd(all), entry->d_name, link, sizeof link - 1);
        link[size > 0 ? size : 0] = 0;
        int at = world->descriptors++;
        for (; at > 0 && world->descriptor[at - 1].number > number; at--)
            world->descriptor[at] = world->descriptor[at - 1];
        world->descriptor[at].number = number;
        memcpy(world->descriptor[at].link, link, sizeof link);
    }
    closedir(all);
}

void world_look(struct world *world, int number) {
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

/* The link of a pipe, "pipe:[123]", has an inode, which differs from run to run. */
static bool same_link(const char *a, const char *b, enum comparison how) {
    const size_t kind = strcspn(a, ":");
    if (how == SAME_PROCESS || (strncmp(a, "pipe:", 5) != 0 && strncmp(a, "socket:", 7) != 0))
        return strcmp(a, b) == 0;
    return strncmp(a, b, kind + 1) == 0;
}

static bool same_descriptors(const struct world *a, const struct world *b, enum comparison how) {
    bool found[DESCRIPTORS] = {false};
    if (a->descriptors != b->descriptors)
        return false;
    for (int i = 0; i < a->descriptors; i++) {
        int k = 0;
        while (k < b->descriptors && (found[k] || !same_link(a->descriptor[i].link, b->descriptor[k].link, how) ||
                                      (how != SAME_KINDS && a->descriptor[i].number != b->descriptor[k].number)))
            k++;
        if (k == b->descriptors)
            return false;
        found[k] = true;
    }
    return true;
}

/* A handler needs the C library's code to return by, if the C library has any: SA_RESTORER. */
static bool same_action(const struct sigaction *a, const struct sigaction *b) {
    enum { HAS_RESTORER = 0x04000000 };
    const int changed = (a->sa_flags ^ b->sa_flags) & ~IRRELEVANT;
    if (memcmp(&a->sa_mask, &b->sa_mask, 8) != 0 || a->sa_handler != b->sa_handler || (changed & ~HAS_RESTORER) != 0)
        return false;
    if (a->sa_handler == SIG_DFL || a->sa_handler == SIG_IGN)
        return true;
    return changed == 0 && (!(a->sa_flags & HAS_RESTORER) || a->sa_restorer == b->sa_restorer);
}

const char *world_differs(const struct world *a, const struct world *b, enum comparison descriptors) {
    for (int i = 1; i < 65; i++)
        if (!same_action(&a->actions[i], &b->actions[i]))
            return "a disposition";
    for (int i = 1; i < 65; i++)
        if (sigismember(&a->mask, i) != sigismember(&b->mask, i))
            return "the mask";
    if (a->cancellation != b->cancellation || a->cancellation_type != b->cancellation_type)
        return "the cancellation state or type";
    if (!same_descriptors(a, b, descriptors))
        return "the open descriptors";
    if (a->state != b->state || a->mechanism != b->mechanism)
        return "csigshim_state or csigshim_mechanism";
    return NULL;
}
