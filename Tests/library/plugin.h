/* The interface of the plugin for its host: a table that dlsym finds under the name "plugin". */
#ifndef PLUGIN_H
#define PLUGIN_H

struct plugin {
    int version;
    int (*open)(int mechanism);
    int (*subscribe)(int signo, unsigned flags); /* opens a bridge with a handler, if there is none */
    int (*unsubscribe)(int signo);
    int (*rearm)(int signo);
    int (*state)(int signo);
    int (*wait)(int timeout_ms);
    long (*read)(void); /* deliveries since the last read; -1 if there is no bridge */
    int (*close)(void);
};

#endif
