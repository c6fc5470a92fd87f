/* A host that does not use this library itself. Its plugins link the shared library, so that there is one copy.
 *
 *     host PLUGIN...        then, on standard input: "load PATH", "unload PATH", and the end of the file ends it */
#include "plugin.h"
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 8, INPUT = MOST };

static struct loaded {
    char *path; /* NULL: nothing is loaded here */
    void *library;
    const struct plugin *plugin;
} loaded[MOST];
static struct pollfd polled[MOST + 1];

static struct loaded *place_of(const char *path) {
    for (int i = 0; i < MOST; i++)
        if (path == NULL ? loaded[i].path == NULL : loaded[i].path != NULL && strcmp(loaded[i].path, path) == 0)
            return &loaded[i];
    fprintf(stderr, "%s\n", path == NULL ? "too many plugins" : "no such plugin");
    exit(1);
}

static void load(const char *path) {
    struct loaded *new = place_of(NULL);
    new->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    new->plugin = new->library != NULL ? dlsym(new->library, "plugin") : NULL;
    if (new->plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    int descriptor = -1;
    if (new->plugin->start(&descriptor) != 0) {
        perror(path);
        exit(1);
    }
    new->path = strdup(path);
    polled[new - loaded] = (struct pollfd){.fd = descriptor, .events = POLLIN};
    printf("loaded %s\n", path);
}

static void unload(struct loaded *old) {
    old->plugin->stop();
    dlclose(old->library);
    printf("unloaded %s\n", old->path);
    free(old->path);
    old->path = NULL;
    polled[old - loaded].fd = -1;
}

/* One line of standard input; 0 at its end. */
static int obey(void) {
    char line[4096];
    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "load ", 5) == 0)
        load(line + 5);
    else if (strncmp(line, "unload ", 7) == 0)
        unload(place_of(line + 7));
    return 1;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0); /* what poll reports is all that there is */
    for (int i = 0; i < MOST; i++)
        polled[i].fd = -1;
    polled[INPUT] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    for (int i = 1; i < argc; i++)
        load(argv[i]);
    for (;;) {
        if (poll(polled, MOST + 1, -1) < 0) {
            if (errno == EINTR) /* a handler ran; the next call reports the descriptor */
                continue;
            perror("poll");
            return 1;
        }
        for (int i = 0; i < MOST; i++)
            if (polled[i].fd >= 0 && polled[i].revents != 0)
                loaded[i].plugin->ready();
        if (polled[INPUT].revents != 0 && !obey())
            break;
    }
    for (int i = 0; i < MOST; i++)
        if (loaded[i].path != NULL)
            unload(&loaded[i]);
    return 0;
}
