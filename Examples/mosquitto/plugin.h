/* What the halves of the plugin call of each other. Swift imports this header, and mosquitto's with it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

/* Logic.swift */
void *logic_start(void); /* null, and a line in the log, if it could not */
void logic_subscribe(void *logic);
void logic_tick(void *logic);
void logic_stop(void *logic); /* mosquitto's dispositions are back; takes logic away */

/* plugin.c: mosquitto_log_printf has variable arguments, so Swift cannot call it. */
void plugin_log(int level, const char *line);

#endif
