#!/bin/sh
# check.sh DIRECTORY: runs the programs that were built there, each as a process of its own, signals it, and checks its
# output and its exit status. A line for each check; the last one is "N passed, N failed". The exit status is 0 if none
# failed.
set -u
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
directories=$*
. "$root/Examples/checking.sh"

# Services in a daemon.
start hosting
says 'server: listening'
says 'database: open'
says 'migration: done'
send TERM
ends 0
says ' notice hosting: .*SIGTERM from pid .* shuts down'
says_in_order 'server: stopped' 'database: closed' 'finished: exit code 0'

start hosting --stubborn
says 'server: listening'
says 'database: open'
send TERM
ends 143
says ' critical hosting: .*forced to exit: timed out while cancelling; abandoned: server'
says_not 'database: closed: '

start hosting --returns
ends 1
says ' error hosting: .*task server: failed: the service returned, although nothing had requested a shutdown'
says_in_order 'database: closed' 'finished: exit code 1'

# A daemon in a group, which has the signals.
start hosted
says 'consumer: working'
says 'database: open'
send TERM
ends 0
says_in_order 'consumer: finished its job' 'flushed' 'ended: requested by the program' 'database: closed'

start hosted --fails
says 'ended: '
over main
check "ends by its error" [ "$status" -ne 0 ]
says 'task consumer: failed: Unlucky'
says 'flushed'

start hosted --stubborn
says 'consumer: working'
says 'database: open'
send TERM
says 'ended: forced, timed out while cancelling'
over main
check "the process lives on, and ends by the error of its group" [ "$status" -ne 0 ]
says 'task consumer: abandoned'

# A log and metrics.
start observed
says 'ready$'
send HUP
says 'reloaded'
send TERM
ends 0
says ' notice observed: .*effect=beganReload event=received .*signal=SIGHUP'
says 'daemon_signals_total.*signal=SIGHUP,effect=beganReload'
says 'daemon_reloads_total.*succeeded'
says 'daemon_phase_duration.*running'
says 'daemon_exits_total.*exit code 0'

# Reloads of a provider.
conf=$work/greeter.json
put() { # put TEXT
    printf '%s\n' "$1" >"$work/new"
    mv "$work/new" "$conf" # so that no program reads half of it
}
for option in '' --run-provider; do
    put '{ "greeting": "hello" }'
    # shellcheck disable=SC2086
    start greeter "$conf" $option
    says 'ready$'
    [ -z "$option" ] || says 'SIGHUP was displaced by other code; took it back, but shares the signal'
    put '{ "greeting": "good evening" }'
    send HUP
    says 'the greeting is good evening'
    put '{ "greeting": '
    send HUP
    says ' error greeter: .*reload failed, nothing has changed: ReloadingFileProvider<JSONSnapshot> keeps its old values: '
    send USR1
    says 'answer: ReloadingFileProvider<JSONSnapshot> keeps its old values: '
    send USR2
    says 'still good evening'
    put '{ "greeting": "good night" }'
    send USR1
    says 'answer: reloaded'
    send USR2
    says 'still good night'
    send TERM
    ends 0
done

summary
