#include "contestant.h"
#include <glib-unix.h>

static gboolean on_signal(gpointer context) {
    (void)context;
    say('s');
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv) {
    if (*start(argc, argv, "glib") != PING)
        cannot("g_unix_signal_add takes HUP, INT, TERM, USR1, USR2 and WINCH, and no realtime signal");
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(PING, on_signal, NULL);
    ready();
    g_main_loop_run(loop);
}
