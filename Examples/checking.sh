# checking.sh: what check.sh and check-c.sh share. Sourced, after $root and $directories (where programs are) were set.
# A line for each check; the last one is "N passed, N failed", by `summary`. Nothing waits for a fixed time: each
# condition is polled, for 15 seconds at most.
work=$(mktemp -d) || exit 1
children= # the pids of what runs; a number is taken out when its process is known to be over
trap 'for child in $children; do kill -KILL "$child" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok $name: $1"; }
bad() {
    failed=$((failed + 1))
    echo "FAIL $name: $1"
    [ ! -f "$work/main.output" ] || sed 's/^/    /' "$work/main.output"
}
check() { # check WHAT COMMAND [ARGUMENT...]
    what=$1
    shift
    if "$@"; then ok "$what"; else bad "$what"; fi
}
within() { # within COMMAND [ARGUMENT...]: until it succeeds, for 15 seconds at most
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || return 1
        sleep 0.05
    done
}

# background KEY PROGRAM [ARGUMENT...]: its pid is in $pid, its output in KEY.output, and at the end its status in
# KEY.status (128 + n if signal n killed it).
#
# A shell without job control starts background commands with INT and QUIT ignored, and nohup starts them with HUP
# ignored. The policies leave an ignored signal alone, as they should. POSIX's trap cannot undo that; env or perl can.
if env --default-signal=INT true 2>/dev/null; then
    not_ignored() { exec env --default-signal=HUP,INT,QUIT,TERM "$@"; }
else
    not_ignored() { exec perl -e '$SIG{$_} = "DEFAULT" for qw(HUP INT QUIT TERM); exec @ARGV or exit 127' "$@"; }
fi
background() {
    key=$1
    shift
    rm -f "$work/$key".*
    {
        (not_ignored sh -c 'echo $$ >"$0.new" && mv "$0.new" "$0.pid"; exec "$@"' "$work/$key" "$@") \
            >>"$work/$key.output" 2>&1 <"${input:-/dev/null}"
        echo $? >"$work/$key.status.new" && mv "$work/$key.status.new" "$work/$key.status"
    } 2>/dev/null &
    within test -f "$work/$key.pid"
    pid=$(cat "$work/$key.pid")
    children="$children $pid"
}
over() { # over KEY: waits for its end, and sets $status
    status="none: it still runs"
    within test -f "$work/$1.status" || return
    status=$(cat "$work/$1.status")
    ended=$(cat "$work/$1.pid")
    remaining=
    for child in $children; do [ "$child" = "$ended" ] || remaining="$remaining $child"; done
    children=$remaining
}

# The functions of most checks, which run one example, `main`.
find_program() { # find_program NAME: $program is its path
    program=
    for directory in $directories; do [ ! -x "$directory/$1" ] || program=$directory/$1; done
    if [ -z "$program" ]; then
        echo "FAIL $1 is in none of: $directories"
        exit 1
    fi
}
start() { # start NAME [ARGUMENT...]; a program in $under starts it in turn
    name=$(echo "$*" | sed "s,$work/,,")
    find_program "$1"
    shift
    background main ${under:-} "$program" "$@"
    main=$pid
}
said() { grep -q -e "$1" "$work/main.output"; }
said_or_over() { said "$1" || [ -f "$work/main.status" ]; }
says() { # says PATTERN [WHAT]: within 15 seconds
    within said_or_over "$1"
    check "${2:-says $1}" said "$1"
}
says_not() { check "does not say $1" not said "$1"; }
not() { ! "$@"; }
says_in_order() { # says_in_order PATTERN...: now, and a line for each, one after the other
    last=0
    for pattern; do
        at=$(awk -v last=$last -v pattern="$pattern" 'NR > last && $0 ~ pattern { print NR; exit }' "$work/main.output")
        [ -n "$at" ] || { bad "says $pattern, in this place"; return; }
        last=$at
    done
    ok "says, in this order: $*"
}
send() { kill -s "$1" "$main"; }
later() { sleep 0.7; } # past the duplicate window: the next signal is another request
ends() { # ends STATUS
    over main
    check "ends with $1" [ "$status" = "$1" ] || echo "    it was: $status"
    # Whatever else fails, the next example starts alone.
    [ -f "$work/main.status" ] || { kill -KILL "$main"; over main; }
}

# For programs that say on which port they listen.
# get NAME PATH [OPTION...]: the page is in NAME.body, its headers in NAME.headers, its HTTP status in $code
get() {
    key=$1 url=http://127.0.0.1:$port$2
    shift 2
    code=$(curl -s --max-time 10 -o "$work/$key.body" -D "$work/$key.headers" -w '%{http_code}' "$@" "$url")
}
listens() {
    says 'listens on port'
    port=$(sed -n 's/.*listens on port //p' "$work/main.output")
}
# keep_connection KEY PATH: a client that keeps its connection after its request was answered, until let_go KEY
keep_connection() {
    mkfifo "$work/requests"
    exec 9<>"$work/requests"
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$2" >&9
    input=$work/requests
    background "$1" curl -sN --max-time 60 "telnet://127.0.0.1:$port"
    input=
}
answered() { grep -q '^HTTP/1.1 200' "$work/$1.output"; }
let_go() {
    [ -f "$work/$1.status" ] || kill "$(cat "$work/$1.pid")"
    over "$1"
    exec 9>&-
    rm "$work/requests"
}
refused() {
    get refused /
    [ $? = 7 ]
}
summary() {
    echo
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}
