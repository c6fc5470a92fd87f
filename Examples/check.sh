#!/bin/sh
# check.sh DIRECTORY...: runs the examples that were built there, each as a process of its own, signals it, and checks
# its output and its exit status. It needs all of them, so give the directories of both packages:
#
#     Examples/check.sh "$(swift build --package-path Examples --show-bin-path)" \
#         "$(swift build --package-path Examples/Recipes --show-bin-path)"
#
# A line for each check; the last one is "N passed, N failed". The exit status is 0 if none failed.
set -u
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/Tests/tools/need.sh" curl || exit 1
directories=$*
. "$root/Examples/checking.sh"

start receiving
ends 0
sed -n 's/, says.*value/ with value/; s/, says.*//; s/^[cs][a-z]*: //p' "$work/main.output" >"$work/received"
cat >"$work/expected" <<'END'
less output
open the log file again
more output
open the log file again
more output
job with value 1
job with value 2
job with value 3
END
check "each handler had its signals, in order" cmp "$work/expected" "$work/received"

conf=$work/reload.conf
echo 'greeting = hello' >"$conf"
start reload "$conf"
says "^pid $main says hello"
echo 'greeting = good evening' >"$conf"
send HUP
says "^pid $main says good evening" "HUP: reads its file again, and is the same process"
echo 'good night' >"$conf"
send HUP
says 'reload failed, nothing has changed: .* should say: greeting'
greetings() { grep -c "^pid $main says good evening" "$work/main.output"; }
before=$(greetings)
more() { [ "$(greetings)" -gt "$before" ]; }
within more
check "a broken file: goes on with the old one" more
send TERM
ends 0

rm "$conf"
start reload "$conf"
ends 1
says 'cannot be read' "says that the first file cannot be read"

start workers
says '^working'
send INT
ends 130
for number in 1 2 3; do
    says_in_order '^working' "^worker $number stops after its job" "^  thread worker $number: finished"
done
says '^  death by SIGINT'

start workers --stubborn
says '^working'
send INT
ends 130
says 'forced to exit: timed out while cancelling; abandoned: stubborn'
says '^  thread stubborn: abandoned'
says '^  thread worker 3: finished'

start mayhem
says 'acknowledged 1$'
send TERM
ends 1 # for host 3
says 'stopped consuming'
says 'cancelling [1-9][0-9]* tasks'
says 'task message 3: failed: HalfRestarted'
says_in_order ' draining: SIGTERM' ' saved ' ' acknowledged ' 'closing the database' 'handing back [1-9]' \
    'flushing metrics' 'finished: exit code 1'
says_in_order ' draining: SIGTERM' 'task message [0-9]*: cancelled'

start mayhem 60
says 'saving 1$'
send TERM
says ' draining: SIGTERM'
later
send TERM
ends 143
says 'forced to exit: by SIGTERM .*abandoned: .*save 1'
says_not 'closing the database'

slow() { # a request for /slow, which takes a while, begins
    background slow curl -s --max-time 60 -o "$work/slow.body" -w '%{http_code}' "http://127.0.0.1:$port/slow"
    says 'a slow request begins'
}
in_flight() { [ ! -f "$work/slow.status" ]; }

start server 0 1 3 # any port; accepts for another second; /slow takes three
listens
get ready /ready
check "/ready: 200" [ "$code" = 200 ]
keep_connection idle /
within answered idle
check "a connection is answered, and kept" answered idle
slow
send TERM
says ' draining: SIGTERM'
get ready /ready
check "/ready after SIGTERM: 503" [ "$code" = 503 ]
check "/ready after SIGTERM: Connection: close" grep -qi '^connection: close' "$work/ready.headers"
get hello /
check "it still accepts" [ "$code" = 200 ]
within refused
check "then new connections are refused" refused
check "meanwhile the slow request is in flight" in_flight
over slow
check "the slow request is answered: 200" [ "$(cat "$work/slow.output")" = 200 ]
check "the slow request is answered in full" [ "$(wc -c <"$work/slow.body")" -eq 1000000 ]
ends 0
check "it did not wait for the idle connection" not said ' cancelling: '
check "nor did its client close that" [ ! -f "$work/idle.status" ]
let_go idle

start server 0 60 60
listens
slow
send TERM
says ' draining: SIGTERM'
later
send TERM
says 'SIGTERM .* escalates'
ends 0
over slow
check "the slow request was cut off" [ "$status" != 0 ]

start server "$port" 0 1 # the port that was just in use
listens
background other "$program" "$port"
over other
check "a second one on the same port: ends with 1" [ "$status" = 1 ]
send TERM
ends 0

start services
says 'worker: working'
send TERM
ends 0
says_in_order 'worker: stopped' 'database: closed' 'body: finished' 'finished: exit code 0'

start services --stubborn
says 'worker: working'
send TERM
says 'action onGracefulShutdown: finished'
later
send TERM
ends 143
says 'forced to exit: by SIGTERM .*abandoned: body'
says_not 'database: closed'

summary
