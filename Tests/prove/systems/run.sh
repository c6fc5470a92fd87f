#!/bin/sh
# Other systems, tested from this one. For each, the C target must compile without a warning, and the tests that the
# system supports must compile and link. Those for Linux also run, natively or under qemu-user. Compiler, headers and
# libraries of all of them come with ziglang, from PyPI.
#
# Tests that cannot be compiled or run are listed below, with the reason. What an emulator lacks is not taken from the
# list alone: emulator.c, which does not use the library, must find it missing too (it prints the words after "needs").
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

. "$root/Tests/c/not_there.sh"

# The features that a test needs and an emulator may lack.
needs() {
    case $1 in
    set_is_added_as_a_whole) echo realtime ;;
    every_catchable_signal_is_accepted | sixty_fifth_bridge_is_refused | second_unread_signal_kills) echo realtime ;;
    default_action_kills_whatever_is_installed | default_action_kills_with_a_full_queue) echo realtime ;;
    started_child_has_the_old_mask_and_actions | reset_for_exec_restores_ignored_signals) echo realtime ;;
    stopped_children_are_told_of_as_the_saved_action_asks) echo children ;;
    children_are_reaped_where_the_saved_action_asks_for_it) echo children ;;
    sa_nocldstop_and_sa_nocldwait_are_kept | children_become_zombies_where_sigchld_was_ignored) echo children ;;
    sigio_carries_the_descriptor) echo sigio ;;
    waiting_thread_makes_no_call_while_idle | unblocked_and_blocked_threads_are_counted) echo threads ;;
    threads_started_before_open_lose_nothing | threads_that_unblock_lose_nothing) echo threads ;;
    signalfd_interrupts_no_system_call) echo threads ;;
    atfork_handlers_of_the_host_may_call_the_library | calls_of_a_cloned_child_are_refused) echo wipe ;;
    memory_stays_bounded) echo memory ;;
    handler_called_by_another_has_its_mask) echo mask ;;
    inherited_block_* | unblock_* | removal_leaves_unblocked_* | children_receive_with_*) echo exec ;;
    children_have_unblocked_* | reexec_in_a_storm_*) echo exec ;;
    spawn_original_gives_the_mask_of_the_start) echo exec ;;
    init_of_a_pid_namespace_exits | init_exits_by_take_default_action) echo init ;;
    open_and_add_fail_in_a_vforked_child) echo vfork ;;
    vforked_child_keeps_the_sa_resethand_handler_of_the_parent) echo vfork ;;
    # Actions that change while signals arrive.
    add_after_remove_under_a_flood_* | bridges_opened_* | *_while_another_thread_* | signal_moved_between_*) echo races ;;
    thousand_rounds_* | forked_children_of_a_busy_process_* | nothing_is_recorded_after_*) echo races ;;
    signal_between_bridge_*) echo races ;;
    # The library marks a delivery in the padding of siginfo_t, to detect that a chained handler called it again.
    # (values_of_one_sender is too slow as well: the flood is faster than the emulator.)
    *_may_leave_by_siglongjmp | chained_handler_gets_* | rearm_* | after_fork_gives_the_child_*) echo padding ;;
    calls_without_after_fork_* | pending_signals_survive_a_spawn_scope | signals_in_a_spawn_scope_*) echo padding ;;
    values_of_one_sender_* | edge_triggered_poller_loses_no_wakeup | wake_is_an_edge_*) echo padding ;;
    esac
}

compile() { # target, output, what
    target=$1 output=$2
    shift 2
    # Without -DSANITIZED, which scales the tests down, they would take an hour under an emulator.
    zig cc -target "$target" -std=gnu11 -O1 -Wall -Wextra -Wpedantic -Werror -DSANITIZED -DEMULATED -pthread \
        -I"$root/Sources/CSignalShim/include" -I"$root/Sources/CSignalInit/include" "$@" -o "$output" >"$output.messages" 2>&1
}

# check TARGET RUNNER: writes what happened into the file "said", with "ok" or "FAIL" for each test.
check() {
    directory=$work/$1 objects='' linked=0 passed=0 lacks='' quiet=
    case $1 in *-macos) quiet="-Wno-deprecated-declarations -Wno-unguarded-availability-new" ;; esac # vfork, pipe2
    mkdir "$directory"
    for source in "$root"/Sources/CSignalShim/*.c "$root"/Sources/CSignalInit/*.c; do
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
        reason=$(not_there "$1/$test")
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
            case $test/$one in pid1/other_processes_*) ;; pid1/*) need=threads ;; esac # an emulator's thread is one too many
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
