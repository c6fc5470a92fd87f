/* What a plugin offers its host: a table, which dlsym finds under the name "plugin". */
#ifndef PLUGIN_H
#define PLUGIN_H

struct plugin {
    int (*start)(int *descriptor); /* 0, and a descriptor for the host to poll, or -1; -1 if the plugin cannot start */
    void (*ready)(void);           /* the descriptor is readable */
    void (*stop)(void);            /* the host is about to unload the plugin */
};
__attribute__((visibility("default"))) extern const struct plugin plugin;

#endif
