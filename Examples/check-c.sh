#!/bin/sh
# check-c.sh DIRECTORY: builds there the programs of Examples/c, with the command on top of each file, and
# Examples/embedding. It runs each with both mechanisms as a process of its own, signals it, and checks its output and
# its exit status.
set -u
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
[ "$(uname)" = Linux ] || { echo "the C examples are for Linux: signalfd, epoll, sd-event"; exit 0; }
while read -r what package; do
    "$root/Tests/tools/need.sh" "$what" "$package" || exit 1
done <<'END'
pkg-config pkg-config
/bin/kill procps
libevent_core.pc libevent-dev
libuv.pc libuv1-dev
libsystemd.pc libsystemd-dev
END
mkdir -p "$1" || exit 1
built=$(cd "$1" && pwd)
directories="$built $built/embedding"
. "$root/Examples/checking.sh"

cd "$root" || exit 1
for file in Examples/c/*.c; do
    name=$(basename "$file" .c)
    command=$(sed -n '/^ \*     cc /,/[^\\]$/s/^ \*     //p' "$file" | tr '\\\n' '  ')
    [ -n "$command" ] || continue # first.c, which `make test` runs, and what the others share
    command=$(echo "$command" | sed "s/^cc/& -Wall -Wextra -Wpedantic -Werror/; s,-o daemon *\$,-o '$built/$name',")
    check "compiles with the command that it shows" eval "${CC:-cc} ${command#cc}"
done

# A job and a configuration that print the signal state that a child inherits. The shell itself prints it, because dash
# gives its children an empty mask.
cat >"$work/masks" <<'END'
while read -r key mask; do case $key in SigBlk:|SigIgn:) echo "$what$key $mask" ;; esac; done </proc/$$/status
END
cat >"$work/job" <<END
what='job: '
. "$work/masks"
echo "job \$1 begins"
[ "\$1" != 9 ] || kill -KILL \$\$
[ "\$1" != 50 ] || until [ -f "$work/go" ]; do sleep 0.05; done
exit "\$1"
END
echo "what=; . '$work/masks'" >"$work/configuration"
# Every daemon is started as nohup does it: with HUP ignored, which its jobs should find again.
printf '#!/bin/sh\ntrap "" HUP\nexec "$@"\n' >"$work/nohup"
chmod +x "$work/nohup"
queue() { # again while the kernel's queue is full, which all processes of a user share
    within /bin/kill -q "$1" -s RTMIN "$main" 2>/dev/null
}
each_line() { # each_line SELECTED PATTERN: every line that has SELECTED, at least one, matches PATTERN
    grep -q -e "$1" "$work/main.output" && ! grep -e "$1" "$work/main.output" | grep -qv -e "$2"
}

daemon() { # daemon NAME MECHANISM [PATTERN of what a job ignores]
    rm -f "$work/go"
    under=$work/nohup
    start "$1" "$2" "exec sh $work/job \$1" "exec sh $work/configuration"
    name="$1 $2"
    under=
    says '^ready'
    says_not '^a thread was started'
    send USR2
    [ "$2" = signalfd ] || says "^User defined signal 2 from pid $$ (uid $(id -u))" "USR2 is heard beside its own handler"
    send HUP
    says "^Hangup from pid $$"
    says '^configuration: SigIgn'
    check "popen's child has no signal blocked" each_line '^configuration: SigBlk' ': 0*$'
    # HUP is the lowest bit; what else is ignored, this script was started with.
    check "popen's child has no ignored HUP, which only fork and exec keep" \
        each_line '^configuration: SigIgn' '[02468ace]$'
    send USR1
    says "^User defined signal 1 from pid $$"
    says '^job 0 begins'
    says '^job [0-9]*: exit code 0'
    queue 7
    queue 9
    queue 50
    says '^job [0-9]*: exit code 7' "a value that was queued comes along"
    says '^job [0-9]*: signal 9' "a job that is killed is reaped"
    says '^job 50 begins'
    send TERM
    says "^Terminated from pid $$"
    check "waits for its last job" [ ! -f "$work/main.status" ]
    touch "$work/go"
    ends 0
    says_in_order '^Terminated' '^job [0-9]*: exit code 50' '^ended; asked 1 times'
    check "each job has no signal blocked" each_line '^job: SigBlk' ': 0*$'
    check "each job ${4:-ignores HUP}" each_line '^job: SigIgn' "${3:-[13579bdf]\$}"
}

for mechanism in handler signalfd; do
    daemon epoll $mechanism
    daemon libevent $mechanism
    # uv_spawn resets every disposition in its child, SIG_IGN included: that is libuv's rule.
    daemon libuv $mechanism '[02468ace]$' "does not ignore HUP: uv_spawn sees to that"
    daemon sdevent $mechanism

    start background $mechanism
    over main
    check "goes into the background" [ "$status" = 0 ]
    rm "$work/main.status" # the parent's: what follows waits for what the daemon says
    says '^in the background'
    main=$(sed -n 's/.*background: pid //p' "$work/main.output")
    children="$children $main" # no child of this shell any more: its output shows when it is over
    send HUP
    says "^Hangup from pid $$"
    # No program polls this bridge. On Linux its handler then needs no descriptor, and goes on recording.
    [ $mechanism = handler ] && [ "$(uname -s)" = Linux ] ||
        says '^open again' "its descriptors were closed, and it goes on"
    : >"$work/main.output"
    send HUP
    says "^Hangup from pid $$"
    send TERM
    says "^ended; the plugin heard 0" "the plugin's handler was replaced by csigshim_rearm"

done

start jobs
says '^ready'
send HUP
says "^reload, asked by pid $$"
send USR1
check "starts a job" within pgrep -P "$main"
send TERM
ends 0
says '^job [0-9]* has ended'

needs_swift() { ldd "$1" | grep -q libswift; }
name=embedding
swiftc=${SWIFTC:-swiftc}
if echo '@c public func function() {}' | "$swiftc" -typecheck -parse-as-library - 2>/dev/null; then
    make -s -C Examples/embedding SWIFTC="$swiftc" BUILD="$built/embedding" >"$work/main.output" 2>&1
    check "is built" [ $? = 0 ]
    # The same objects with the runtime's shared libraries.
    cp -Rp "$built/embedding" "$work/dynamic"
    (cd "$work/dynamic" && rm -f libsignals.options minimal daemon)
    make -s -C Examples/embedding SWIFTC="$swiftc" BUILD="$work/dynamic" RUNTIME=dynamic >"$work/main.output" 2>&1
    reads_a_line() { echo | "$work/dynamic/daemon" >"$work/main.output" 2>&1; }
    check "RUNTIME=dynamic: runs" reads_a_line
    check "RUNTIME=dynamic: with Swift's libraries" needs_swift "$work/dynamic/daemon"
    check "else it needs nothing of Swift's" not needs_swift "$built/embedding/daemon"

    start minimal
    says '^ready'
    send TERM
    says "^asked to end by pid $$"
    ends 0

    mkfifo "$work/requests"
    exec 9<>"$work/requests"
    for mechanism in handler signalfd; do
        input=$work/requests
        start daemon $mechanism
        input=
        says "^C runs on thread $main"
        echo >&9
        says '^request 1, configuration 1'
        send HUP
        says "^SIGHUP from pid $$ (uid $(id -u)), Swift runs on thread $main" "Swift's task runs on C's thread"
        says "^configuration loaded on thread $main" "so does an actor that it awaits"
        echo >&9
        says '^request 2, configuration 2' "C sees what Swift changed"
        queue 7
        says ', value 7, '
        check "there is one thread" [ "$(ls "/proc/$main/task" | wc -l)" = 1 ]
        send TERM
        ends 0
        says '^ended after 9 requests and 3 signals'
    done
    exec 9>&-
else
    echo "not checked: Examples/embedding, whose @c functions need Swift 6.3"
fi

summary
