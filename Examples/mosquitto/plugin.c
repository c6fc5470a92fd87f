/* signals.so: a plugin for mosquitto that publishes each HUP, USR1 and RTMIN that the broker gets, while the broker's
 * own handlers run as before. This half is the interface that mosquitto wants; Logic.swift is what the plugin does.
 *
 * mosquitto 2.0 calls signal(2) for HUP, USR1, TERM and others after it has loaded its plugins. A handler that a plugin
 * installs earlier is replaced. So the plugin subscribes at the first tick, when all of that is done: mosquitto's
 * handlers are then what was installed before, and run as well (chaining). The log has a line for each state, from the
 * kernel. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* dladdr */
#include "plugin.h"
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>

static mosquitto_plugin_id_t *identifier;
static bool subscribed;

void plugin_log(int level, const char *line) {
    mosquitto_log_printf(level, "signals: %s", line);
}

/* The program or plugin that handles a signal. */
static const char *owner(int signo) {
    struct sigaction action;
    Dl_info file;
    if (sigaction(signo, NULL, &action) != 0)
        return "unknown";
    if (action.sa_handler == SIG_DFL)
        return "default";
    if (action.sa_handler == SIG_IGN)
        return "ignored";
    return dladdr((void *)action.sa_handler, &file) != 0 ? file.dli_fname : "unknown";
}

static void log_owners(const char *when) {
    mosquitto_log_printf(MOSQ_LOG_INFO, "signals: %s: HUP %s, USR1 %s, TERM %s, RTMIN %s", when, owner(SIGHUP),
                         owner(SIGUSR1), owner(SIGTERM), owner(SIGRTMIN));
}

/* After each turn of mosquitto's loop: at once after a signal that interrupts its epoll_wait, else within 100 ms. */
static int tick(int event, void *data, void *logic) {
    (void)event, (void)data;
    if (!subscribed) {
        log_owners("mosquitto is running");
        logic_subscribe(logic);
        subscribed = true;
        log_owners("subscribed");
    }
    logic_tick(logic);
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_version(int count, const int *versions) {
    for (int i = 0; i < count; i++)
        if (versions[i] == MOSQ_PLUGIN_VERSION)
            return MOSQ_PLUGIN_VERSION;
    return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **logic, struct mosquitto_opt *options, int count) {
    (void)options, (void)count;
    log_owners("loaded");
    *logic = logic_start();
    if (*logic == NULL)
        return MOSQ_ERR_UNKNOWN;
    identifier = id;
    subscribed = false;
    int result = mosquitto_callback_register(id, MOSQ_EVT_TICK, tick, NULL, *logic);
    if (result != MOSQ_ERR_SUCCESS)
        logic_stop(*logic);
    return result;
}

int mosquitto_plugin_cleanup(void *logic, struct mosquitto_opt *options, int count) {
    (void)options, (void)count;
    mosquitto_callback_unregister(identifier, MOSQ_EVT_TICK, tick, NULL);
    logic_stop(logic);
    log_owners("unloaded");
    return MOSQ_ERR_SUCCESS;
}
