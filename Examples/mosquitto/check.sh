#!/bin/sh
# check.sh DIRECTORY: builds the plugin there, starts a mosquitto of its own with it, and signals that from other
# processes. It checks the output of mosquitto_sub, and mosquitto's log and exit status. Needs Debian's packages
# mosquitto, mosquitto-dev, libmosquitto-dev and mosquitto-clients; as root on Debian it installs them.
set -u
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ "$(uname)" = Linux ] || { echo "not checked: Examples/mosquitto (it is for Linux)"; exit 0; }
if ! echo '@c func function() {}' | ${SWIFT:-swift}c -typecheck - 2>/dev/null; then
    echo "not checked: Examples/mosquitto (@c needs Swift 6.3)"
    exit 0
fi

PATH=$PATH:/usr/sbin # where Debian has mosquitto
packages="mosquitto mosquitto-dev libmosquitto-dev mosquitto-clients"
there() {
    command -v mosquitto >/dev/null && command -v mosquitto_sub >/dev/null &&
        [ -f /usr/include/mosquitto_broker.h ] && [ -f /usr/include/mosquitto.h ]
}
install() ( # Debian starts a service that it installs, unless this policy forbids that
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f $policy' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy || exit
    fi
    { apt-get update && apt-get install -y --no-install-recommends $packages; } >/dev/null 2>&1
)
there || { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && install; }
there || { echo "mosquitto is missing: install the packages $packages" >&2; exit 1; }
"$root/Tests/tools/need.sh" /bin/kill procps || exit 1 # the shell's own sends no value
mkdir -p "$1" || exit 1
directory=$(cd "$1" && pwd)
make -s -C "$here" BUILD="$directory" || exit 1

directories=$directory
. "$root/Examples/checking.sh"
name=mosquitto
eventually() { # eventually WHAT COMMAND [ARGUMENT...]: it succeeds within 30 seconds
    what=$1
    shift
    if within "$@" || within "$@"; then
        ok "$what"
    else
        bad "$what"
        sed 's/^/    /' "$work/messages.output" 2>/dev/null
    fi
}
said_times() { [ "$(grep -c -e "$2" "$work/main.output")" = "$1" ]; }
received() { grep -qxF -e "$1" "$work/messages.output"; }
message() { echo "{\"signal\":\"$1\",\"count\":1,\"pid\":$sender,\"uid\":$(id -u)${2:+,\"value\":$2}}"; }
# from_other ARGUMENT...: kill(1) as a process of its own, whose pid is then in $sender.
from_other() { sender=$(sh -c 'echo $$; exec /bin/kill "$@"' sh "$@" "$main"); }

cat >"$work/conf" <<END
listener 0 $work/socket
allow_anonymous true
user $(id -un)
log_dest stderr
log_type all
persistence true
persistence_location $work/
plugin $directory/signals.so
END
background main mosquitto -c "$work/conf"
main=$pid
eventually "mosquitto installs its handlers after it has loaded the plugin" said \
    'signals: mosquitto is running: HUP mosquitto, USR1 mosquitto, TERM mosquitto, RTMIN default$'
eventually "the plugin subscribes over them" said \
    'signals: subscribed: HUP .*/signals.so, USR1 .*/signals.so, TERM mosquitto, RTMIN .*/signals.so$'
background messages mosquitto_sub --unix "$work/socket" -i checker -t signals
eventually "mosquitto_sub subscribes" said 'Sending SUBACK to checker'
[ $failed = 0 ] || { summary; exit 1; }

from_other -s HUP
eventually "HUP: the plugin publishes it, with its sender" received "$(message SIGHUP)"
eventually "HUP: mosquitto reloads its configuration" said_times 1 'Reloading config'
from_other -s USR1
eventually "USR1: the plugin publishes it, with its sender" received "$(message SIGUSR1)"
eventually "USR1: mosquitto saves its database" said 'Saving in-memory database'
eventually "USR1: the database is there" test -s "$work/mosquitto.db"
for value in 7 0 2147483647; do
    from_other -s RTMIN -q $value
    eventually "RTMIN: the plugin publishes it, with its sender and the value $value" \
        received "$(message SIGRTMIN $value)"
done
from_other -s HUP
eventually "HUP after a reload: the plugin publishes it" received "$(message SIGHUP)"
eventually "HUP after a reload: mosquitto reloads again" said_times 2 'Reloading config'
check "a reload does not load the plugin again" said_times 1 'Loading plugin'
check "all of it runs on mosquitto's one thread" [ "$(ls "/proc/$main/task" | wc -l)" = 1 ]

from_other -s TERM
eventually "TERM: mosquitto ends" test -f "$work/main.status"
over main
check "its exit status is 0" [ "$status" = 0 ]
check "it says that it ends" said 'mosquitto version .* terminating'
check "the plugin's task has ended, after 6 messages" said 'signals: published 6$'
check "mosquitto's handlers are what is installed" said \
    'signals: unloaded: HUP mosquitto, USR1 mosquitto, TERM mosquitto, RTMIN default$'
summary
