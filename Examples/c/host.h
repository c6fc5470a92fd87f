/* Shared by the loops beside this file: a daemon as it is without this library. It has a handler of its own for
 * SIGUSR2, runs jobs as children, and reads its configuration from a command. New are `subscribe` and `receive`.
 *
 *     epoll [handler|signalfd [JOB [CONFIGURATION]]]     both are shell commands
 *
 * HUP reads the configuration again. USR1 starts a job, and so does RTMIN, with its value (kill -q 7) as $1 of the job.
 * TERM ends the daemon when its last job is over. */
#ifndef HOST_H
#define HOST_H
#include <CSignalShimSupport.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

extern const char *job_command;
extern int jobs;                 /* children that run */
extern int ending;               /* SIGTERM came: the daemon ends when no job is left */
extern const sigset_t *job_mask; /* what the daemon gives its children, if it blocks signals itself; else NULL */

/* The mechanism that argv asks for, or this one. Installs the daemon's own handler. */
int start_daemon(int argc, char **argv, int mechanism);
int end_daemon(csigshim_bridge *bridge);

csigshim_bridge *subscribe(int mechanism); /* first thing in main, before any thread */
void receive(csigshim_bridge *bridge, pid_t (*start_job)(int value));

pid_t fork_job(int value);
void reap_jobs(void);
void job_ended(pid_t pid, int code, int signo);
_Noreturn void fail(const char *what);
#endif
