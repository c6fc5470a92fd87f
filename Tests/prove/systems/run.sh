#!/bin/sh
# Other systems, from this one: the C target compiled for each without a warning, the tests that such a system has the
# means for compiled and linked there, and run where it is Linux: natively, or under qemu-user. Compiler, headers and
# libraries of all of them come with ziglang, from PyPI.
#
# What cannot be compiled or run is listed below, with the reason. What an emulator lacks is not taken from the list
# alone: emulator.c, which does without the library, must see that it is missing there (it prints the words after "needs").
set -u
name="other systems"
[ "${1:-long}" != quick ] || { echo "RESULT $name|not in the quick run|-"; exit 0; }
[ "$(uname -s)" = Linux ] || { echo "RESULT $name|not run: Linux only|-"; exit 0; }
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
for tool in "python3 python3-minimal" "pip3 python3-pip" "qemu-aarch64 qemu-user" "qemu-riscv64 qemu-user"; do
    # shellcheck disable=SC2086
    "$root/Tests/tools/need.sh" $tool || { echo "RESULT $name|not run: needs ${tool#* }|-"; exit 0; }
done
cache=${XDG_CACHE_HOME:-$HOME/.cache}/signalbridge
export PYTHONPATH="$cache/ziglang"
zig() { python3 -m ziglang "$@"; }
if ! zig version >/dev/null 2>&1 && ! pip3 install -q --target "$cache/ziglang" ziglang >/dev/null 2>&1; then
    echo "RESULT $name|not run: needs ziglang (pip install ziglang)|-"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# target | what runs it: "natively", a qemu, or nothing | the reason why nothing does
targets="x86_64-linux-musl|natively
aarch64-linux-musl|qemu-aarch64
aarch64-linux-gnu|qemu-aarch64 -L /usr/aarch64-linux-gnu
riscv64-linux-gnu|qemu-riscv64 -L /usr/riscv64-linux-gnu
aarch64-macos|
x86_64-macos|
x86_64-freebsd|
x86_64-netbsd.11.0|
x86_64-openbsd|"

# Which tests are not for a target, and why.
not_there() {
    case $1/$2 in
    *-linux-*) ;;
    */delivery | */load | */net | */quiet | */refused | */signalfd | */strangers) echo "epoll" ;;
    */unseen) echo "sys/syscall.h, /proc" ;;
    */details) echo "what si_code and fcntl(2) are on Linux" ;;
    */escalate) echo "PID namespaces" ;;
    */exec | */inherited | */spawn) echo "clone(2)" ;;
    *-macos/found_later) echo "barriers" ;;
    *-macos/threads) echo "sys/syscall.h" ;;
    esac
}

# What a test needs that an emulator may lack.
needs() {
    case $1 in
    accepts_each_other_number | sixty_four_bridges | the_second_unread_kills | default_action_dies) echo realtime ;;
    default_action_dies_with_a_full_queue | exec_finds_everything_as_before) echo realtime ;;
    reset_for_exec_gives_back_what_was_ignored) echo realtime ;;
    host_flags_of_sigchld | no_zombies_where_sigchld_was_ignored) echo children ;;
    descriptor_of_sigio) echo sigio ;;
    two_idle_seconds | who_could_take_a_signal | threads_from_before_open | threads_that_unblock) echo threads ;;
    no_call_of_the_host_is_interrupted) echo threads ;;
    atfork_handlers_of_the_host_may_call_the_library) echo wipe ;;
    mask_of_the_start) echo exec ;;
    init_exits | init_exits_by_default_action) echo init ;;
    vforked_child_is_refused | vforked_child_does_not_use_up_the_parents_handler) echo vfork ;;
    # Actions that change while signals are on their way.
    *_under_traffic_* | four_threads_* | *_while_another_thread_* | signal_handed_from_* | many_rounds_*) echo races ;;
    children_of_a_busy_process | nothing_is_recorded_after_* | nothing_vanishes_*) echo races ;;
    # Ours tells by a mark there whether it was called from a handler that it called: chained, or left by siglongjmp; and
    # where what lies on the stack looks like one. (The first is starved besides: the flood is faster than the emulator.)
    siglongjmp_* | chains_with_siginfo_and_mask | rearmed_* | child_asks_for_its_bridge) echo padding ;;
    child_that_does_not_ask_harms_nobody | pending_when_the_scope_begins | what_comes_between_*) echo padding ;;
    one_sender_of_200000 | edge_triggered_poller | wake_is_an_edge_*) echo padding ;;
    esac
}

compile() { # target, output, what
    target=$1 output=$2
    shift 2
    # Without -DSANITIZED, which scales the tests down, they would take an hour under an emulator.
    zig cc -target "$target" -std=gnu11 -O1 -Wall -Wextra -Wpedantic -Werror -DSANITIZED -pthread \
        -I"$root/Sources/CSignalShim/include" "$@" -o "$output" >"$output.messages" 2>&1
}

# check TARGET RUNNER: says what happened in the file "said", and "ok" or "FAIL" for each test.
check() {
    directory=$work/$1 objects='' linked=0 passed=0 lacks='' quiet=
    case $1 in *-macos) quiet="-Wno-deprecated-declarations -Wno-unguarded-availability-new" ;; esac # vfork, pipe2
    mkdir "$directory"
    for source in "$root"/Sources/CSignalShim/*.c; do
        object=$directory/$(basename "$source" .c).o
        compile "$1" "$object" -c "$source" || { echo "FAIL $1 $(basename "$source")"; head -5 "$object.messages"; }
        objects="$objects $object"
    done
    if [ -n "$2" ] && [ "$2" != natively ]; then
        compile "$1" "$directory/emulator" "$here/emulator.c" || echo "FAIL $1 emulator.c"
        # More than once: whether it loses a race, is itself one. It is seen in about every other try.
        for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
            lacks=$({ echo "$lacks" | tr ' ' '\n'; timeout 200 $2 "$directory/emulator"; } | sort -u | tr '\n' ' ')
            case $lacks in *races*) break ;; esac
        done
        echo "$1: the emulator lacks ${lacks:-nothing}"
    fi
    for source in "$root"/Tests/c/*.c; do
        test=$(basename "$source" .c)
        reason=$(not_there "$1" "$test")
        [ -z "$reason" ] || { echo "$1: $test.c not compiled: $reason"; continue; }
        # shellcheck disable=SC2086
        compile "$1" "$directory/$test" $quiet "$source" $objects || {
            echo "FAIL $1 $test.c (does not compile)"
            head -5 "$directory/$test.messages"
            continue
        }
        linked=$((linked + 1))
        [ -n "$2" ] || continue
        wanted=
        for one in $(sed -n 's/^TEST(\([a-z_0-9]*\)).*/\1/p' "$source"); do
            need=$(needs "$one")
            case " $lacks " in
            *" ${need:-nothing of that} "*) echo "$1: $one left out: needs $need" ;;
            *) wanted="$wanted $one" ;;
            esac
        done
        [ -n "$wanted" ] || continue
        for mechanism in handler signalfd; do
            runner=$2
            [ "$runner" != natively ] || runner=
            # shellcheck disable=SC2086
            CSIGSHIM_MECHANISM=$mechanism nice $runner "$directory/$test" $wanted >"$directory/out" 2>&1
            status=$?
            passed=$((passed + $(grep -c '^ok ' "$directory/out")))
            [ $status = 0 ] || sed "s/^FAIL/FAIL $1 $test:/" "$directory/out" | grep -v -e '^ok ' -e '^skip ' -e '^qemu: '
            [ $status = 0 ] || grep -q '^FAIL' "$directory/out" || echo "FAIL $1 $test ($mechanism: exit $status)"
        done
    done
    echo "$1: compiled, $linked test programs linked${2:+, $passed tests passed (${2%% *})}"
    echo "$linked $passed" >"$directory/figures"
}

half() {
    i=0
    echo "$targets" | while IFS='|' read -r target runner; do
        i=$((i + 1))
        [ $((i % 2)) != "$1" ] || check "$target" "$runner" >"$work/$target.said" 2>&1 </dev/null
    done
}
# glibc for the emulated programs, and what it loads for pthread_cancel.
for pair in aarch64:arm64 riscv64:riscv64; do
    library=/usr/${pair%:*}-linux-gnu/lib/libgcc_s.so.1 package=libgcc-s1-${pair#*:}-cross
    [ -e "$library" ] || apt-get install -y --no-install-recommends "$package" >/dev/null 2>&1
    [ -e "$library" ] || { echo "RESULT $name|not run: needs $package|-"; exit 0; }
done
half 0 &
half 1
wait
for target in $(echo "$targets" | cut -d'|' -f1); do cat "$work/$target.said"; done | tee "$work/said"
failed=$(grep -c '^FAIL' "$work/said")
linked=$(cat "$work"/*/figures | awk '{ n += $1 } END { print n }')
passed=$(cat "$work"/*/figures | awk '{ n += $2 } END { print n }')
native=$(awk '{ print $2 }' "$work/x86_64-linux-musl/figures")
found="nothing; macOS, FreeBSD, NetBSD, OpenBSD were compiled, not run"
[ "$failed" = 0 ] || found="$failed failures (see above); macOS, FreeBSD, NetBSD, OpenBSD were compiled, not run"
echo "RESULT $name|9 targets compiled ($linked test programs), 4 run: x86_64-musl natively: $native passed, aarch64 (musl, glibc) and" \
    "riscv64 under qemu: $((passed - native)) passed|$found"
[ "$failed" = 0 ]
