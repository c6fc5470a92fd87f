#!/bin/sh
# check.sh DIRECTORY...: runs the recipes that were built there, each as a process of its own, and sends SIGTERM while a
# request is in flight. It checks their output and their exit status.
#
#     Examples/Recipes/check.sh "$(swift build --package-path Examples/Recipes --show-bin-path)"
#
# A line for each check; the last one is "N passed, N failed". The exit status is 0 if none failed.
set -u
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
"$root/Tests/tools/need.sh" curl || exit 1
"$root/Tests/tools/need.sh" perl || exit 1
directories=$*
. "$root/Examples/checking.sh"

# helper KEY NAME ARGUMENT...: another example, beside main
helper() {
    key=$1
    find_program "$2"
    shift 2
    background "$key" "$program" "$@"
}
has() { grep -q -e "$2" "$work/$1.output"; } # has KEY PATTERN
count() { grep -c -e "$2" "$work/$1.output"; }
gets() { # gets KEY PATTERN: within 15 seconds
    within has "$1" "$2"
    check "$1: $2" has "$1" "$2"
}
at_least() { [ "$(count "$1" "$2")" -ge "$3" ]; } # at_least KEY PATTERN NUMBER
is_over() { [ -f "$work/$1.status" ]; }
end_at_once() { # end_at_once KEY: a helper that is no longer needed
    kill -KILL "$(cat "$work/$1.pid")"
    over "$1"
}

visit() { # visit AFTER NUMBER: the NUMBERth request that writes into the database, after so many seconds
    background visit curl -s --max-time 90 -X POST -o "$work/visit.body" -w '%{http_code}' \
        "http://127.0.0.1:$port/visits?after=$1"
    within at_least main 'a visit begins' "$2"
}
serve() { # serve SLOW: $port has /slow, which takes so many seconds
    helper jobs server 0 0 "$1"
    gets jobs 'listens on port'
    port=$(sed -n 's/.*listens on port //p' "$work/jobs.output")
}
settings=$work/settings.json
configure() { # as an editor: the file is never half written
    echo "$1" >"$settings.new"
    mv "$settings.new" "$settings"
}
since() { # since PATTERN: as often as now, and once more
    number=$(($(count main "$1") + 1))
    within at_least main "$1" "$number"
    check "goes on with $1" at_least main "$1" "$number"
}

# Hummingbird, beside a supervisor that prints what it is told.
background supervisor perl -MIO::Socket::UNIX -e '
    $| = 1;
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$ARGV[0]: $!\n";
    while (defined $socket->recv(my $text, 4096)) { print "$text\n" }' "$work/notify"
within test -S "$work/notify"
export NOTIFY_SOCKET="$work/notify"
start hummingbird-server "$work/visits" 0 1
unset NOTIFY_SOCKET
listens
gets supervisor '^READY=1'
get ready /ready
check "/ready: 200" [ "$code" = 200 ]
keep_connection idle /ready
within answered idle
check "a connection is answered, and kept" answered idle
visit 3 1
send TERM
says ' draining: SIGTERM'
gets supervisor '^STOPPING=1'
get ready /ready
check "/ready after SIGTERM: 503" [ "$code" = 503 ]
get another /visits -X POST
check "it still accepts" [ "$code" = 200 ]
within refused
check "then new connections are refused" refused
check "meanwhile the visit is in flight" not is_over visit
over visit
check "the visit is answered: 200" [ "$(cat "$work/visit.output")" = 200 ]
check "the visit is in the database" grep -q '^visit 2$' "$work/visit.body"
ends 0
says_not ' cancelling: ' # it has not waited for the idle connection
says_in_order ' draining: SIGTERM' 'the database is closed' 'finished: exit code 0'
let_go idle

start hummingbird-server "$work/visits" 0 0
listens
get another /visits -X POST
check "the database has the visits of before" grep -q '^visit 3$' "$work/another.body"
helper second hummingbird-server "$work/others" "$port"
over second
check "a second one on the same port: ends with 1" [ "$status" = 1 ]
visit 60 2
send TERM
says ' draining: SIGTERM'
later
send TERM
says 'SIGTERM .* escalates'
ends 0
over visit
check "the visit was cut off" [ "$(cat "$work/visit.output")" != 200 ]
says_in_order 'the database is closed' 'finished: exit code 0'
end_at_once supervisor

# gRPC
start grpc-server
listens
helper client grpc-server client "$port" 3
gets client 'tick 2'
says 'working for 3'
send TERM
says ' draining: SIGTERM'
within refused
check "new connections are refused" refused
check "meanwhile the call is in flight" not is_over client
over client
check "the client ends with 0" [ "$status" = 0 ]
for text in 'goodbye' 'the stream has ended' 'worked for 3'; do check "client: $text" has client "$text"; done
ends 0

start grpc-server
listens
helper client grpc-server client "$port" 60
says 'working for 60'
helper second grpc-server "$port"
over second
check "a second one on the same port: ends with 1" [ "$status" = 1 ]
send TERM
says ' draining: SIGTERM'
gets client 'the stream has ended'
later
send TERM
says 'SIGTERM .* escalates'
ends 0
over client
check "the call was cut off" [ "$status" != 0 ]

start grpc-server
listens
helper client grpc-server client "$port" 0
gets client 'worked for 0'
gets client 'tick 2'
end_at_once client
send TERM
ends 0
says_not ' cancelling: ' # the stream of the client that has gone is over

# AsyncHTTPClient, with the example `server` to fetch from
serve 2
start crawler "http://127.0.0.1:$port/slow"
within at_least jobs 'a slow request begins' 2
send TERM
says ' draining: SIGTERM'
check "two requests are in flight" [ "$(count jobs 'a slow request begins')$(count main 'has 1000000 bytes')" = 20 ]
ends 0
check "both were finished" [ "$(count main 'has 1000000 bytes')" = 2 ]
check "no request was sent after them" [ "$(count jobs 'a slow request begins')" = 2 ]
says_in_order ' draining: SIGTERM' 'has 1000000 bytes' 'the client is shut down' 'finished: exit code 0'
end_at_once jobs

start crawler "http://127.0.0.1:$port/slow" # where no server listens now
says 'worker 1 has no answer: .*refused'
send TERM
ends 0

serve 60
start crawler "http://127.0.0.1:$port/slow"
within at_least jobs 'a slow request begins' 2
send TERM
says ' draining: SIGTERM'
later
send TERM
says 'SIGTERM .* escalates'
ends 0
says_in_order 'the client is shut down' 'finished: exit code 0'
end_at_once jobs

# Swift Configuration
configure '{"greeting": "hello"}'
start configuration-reload "$settings"
says 'says hello'
configure '{"greeting": "good evening"}'
send HUP
says 'says good evening' "HUP: reads its file again"
configure '{"greeting": "half'
send HUP
says 'reload failed, nothing has changed: ReloadingFileProvider<JSONSnapshot>'
since 'says good evening'
configure '{"greeting": "good night", "interval": 0}'
send HUP
says 'reload failed, nothing has changed: interval must be positive'
since 'says good evening'
says_not 'says good night'
rm "$settings"
send HUP
says 'reload failed, nothing has changed: ReloadingFileProvider<JSONSnapshot> .*ound' "no file: the reload fails"
since 'says good evening'
configure '{"greeting": "good night", "interval": 100}'
send HUP
says 'says good night' "a file that is good again: reads it"
send TERM
ends 0

rm "$settings"
start configuration-reload "$settings"
ends 1
says "$settings" "says which file it cannot read"

# A program of ServiceGroup and UnixSignals, before and after
for name in migration-before migration-after; do
    start $name
    says 'a job begins'
    [ $name = migration-after ] || says 'SIGHUP reloads'
    before=$(count main 'the configuration is read')
    send HUP
    within at_least main 'the configuration is read' 2
    check "HUP: reads its configuration again" [ "$before$(count main 'the configuration is read')" = 12 ]
    send TERM
    ends 0
    check "it has finished each job" [ "$(count main 'a job begins')" = "$(count main 'a job is done')" ]
    says_in_order 'a job begins' 'a job is done' 'the database is closed'
done

services() { sed -n '/^struct Database/,/^}/p; /^struct Worker/,/^}/p' "$root/Examples/Recipes/Sources/migration-$1/main.swift"; }
check "both have the same services" [ "$(services before)" = "$(services after)" ]

start migration-before 60
says 'a job begins'
send TERM
later
send TERM
later
check "a second SIGTERM: nothing happens" not is_over main
send KILL
ends 137

start migration-after 60
says 'a job begins'
send TERM
says ' draining: SIGTERM'
later
send TERM
ends 143
says 'forced to exit: by SIGTERM .*abandoned: .*worker'

summary
