#!/bin/sh
# run.sh [quick]: races and soak. Each mode runs plain, under the sanitizers and under valgrind, for a few seconds. Then
# the storm runs for SOAK_SECONDS (600), under nice. quick: only the plain runs. recycle.c, eight.c and storm.c say at
# their top what they show. helgrind does not know C11's atomics, and reports races between accesses that they order. So
# its races are suppressed: it judges the order of locks, and the use of the pthread calls. The thread sanitizer finds
# the races.
set -u
here=$(cd "$(dirname "$0")" && pwd)
library=$here/../../../Sources/CSignalShim
need=$here/../../tools/need.sh
quick=${1:-}
if [ "$(uname -s)" != Linux ]; then
    echo "RESULT races|not run: Linux only|-"
    echo "RESULT soak|not run: Linux only|-"
    exit 0
fi
cc=${CC:-clang}
command -v "$cc" >/dev/null 2>&1 || cc=cc
if ! "$need" "$cc" clang; then
    echo "RESULT races|not run: needs a C compiler|-"
    echo "RESULT soak|not run: needs a C compiler|-"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mechanisms='handler signalfd'
failures=0 under= missing=

build() { # name, flags...
    name=$1
    shift
    # shellcheck disable=SC2086
    "$cc" -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -pthread "$@" -I"$library/include" "$here"/*.c "$library"/*.c \
        -ldl $link -o "$work/$name" 2>"$work/messages" && return 0
    cat "$work/messages"
    return 1
}

run() { # name of the variant, then the command without mode, mechanism and seconds; $modes says which
    variant=$1
    shift
    for mode in $modes; do
        for mechanism in $mechanisms; do
            echo "= $variant"
            "$@" "$mode" "$mechanism" "$seconds" >"$work/$variant-$mode-$mechanism" 2>&1
            status=$?
            if [ $status -ne 0 ]; then
                failures=$((failures + 1))
                echo "FAIL $variant, $mode, $mechanism: exit status $status"
                head -60 "$work/$variant-$mode-$mechanism"
            else
                cat "$work/$variant-$mode-$mechanism"
            fi
        done
    done
    under="$under${under:+, }$variant"
}

link=
modes='recycle eight' seconds=2
if ! build plain -Werror; then
    echo "RESULT races|does not compile|failed (see above)"
    exit 1
fi
[ "$quick" = quick ] || seconds=6
run plain "$work/plain"

if [ "$quick" != quick ]; then
    # The sanitizer runtime of a clang that comes with Swift needs libdispatch.
    case $("$cc" --version) in
    *[Ss]wift*)
        for path in $(swiftc -print-target-info | sed -n '/"runtimeLibraryPaths"/,/]/s/^ *"\(\/.*\)",\{0,1\}$/\1/p'); do
            [ -e "$path/libdispatch.so" ] && link="-L$path -ldispatch -lBlocksRuntime -Wl,-rpath,$path"
        done
        ;;
    esac
    seconds=6
    modes='recycle eight storm'
    if build thread -fsanitize=thread -DSANITIZED -DMERGES; then
        TSAN_OPTIONS="halt_on_error=1 exitcode=66 die_after_fork=0 report_signal_unsafe=1"
        export TSAN_OPTIONS
        run 'thread sanitizer' "$work/thread"
    else
        missing="$missing; no thread sanitizer"
    fi
    link=
    if build address -fsanitize=address,undefined -fno-sanitize-recover=all -DSANITIZED; then
        ASAN_OPTIONS="detect_leaks=0" # the storm measures memory
        export ASAN_OPTIONS
        run 'address and undefined' "$work/address"
    else
        missing="$missing; no address sanitizer"
    fi
    if "$need" valgrind valgrind && build grind -gdwarf-4 -DSANITIZED -DVALGRIND; then
        # Without the storm: its check of the order of queued signals once failed under valgrind, and the cause is not
        # known.
        modes='recycle eight'
        run memcheck timeout -k 5 120 valgrind -q --tool=memcheck --error-exitcode=65 --fair-sched=yes "$work/grind"
        run helgrind timeout -k 5 120 valgrind -q --tool=helgrind --error-exitcode=65 --fair-sched=yes --history-level=none \
            --suppressions="$here/helgrind.supp" "$work/grind"
    else
        missing="$missing; no valgrind"
    fi
fi
runs=$(cat "$work"/*-* | grep -c '^# ')
calls=$(cat "$work"/*-eight-* | sed -n 's/^eight: \([0-9]*\) calls.*/\1/p' | awk '{ sum += $1 } END { print sum }')
bridges=$(cat "$work"/*-recycle-* | sed -n 's/^recycle: \([0-9]*\) .*/\1/p' | awk '{ sum += $1 } END { print sum }')
files=$(cat "$work"/*-recycle-* | sed -n 's/^recycle: .* \([0-9]*\) files.*/\1/p' | awk '{ sum += $1 } END { print sum }')
found=nothing
[ $failures = 0 ] || found="$failures failures (see above)"
races="RESULT races|$runs runs ($under$missing): $bridges bridges opened and closed beside $files watched files, $calls calls of eight threads|$found"

modes=storm
if [ "$quick" = quick ]; then
    seconds=3
else
    seconds=${SOAK_SECONDS:-600}
fi
before=$failures
echo "= plain, alone"
nice "$work/plain" storm handler "$seconds" >"$work/storm" 2>&1 || failures=$((failures + 1))
cat "$work/storm"
said=$(sed -n 's/^storm: //p' "$work/storm")
found=nothing
[ $failures = "$before" ] || found="failed (see above)"
echo "$races"
echo "RESULT soak|${said:-nothing}|$found"
[ $failures = 0 ]
