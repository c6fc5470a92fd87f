#!/bin/sh
# Compiles the tests of the C target and runs them: run.sh [quick|thread|address,undefined] [program...]
# quick leaves out the six programs that take most of the time.
# Each program runs once for each mechanism: "ok name" is the handler mechanism, "ok name (signalfd)" the other (Linux).
# CSIGSHIM_MECHANISM=handler or =signalfd in the environment selects one of them.
# The last line is "N passed, N failed"; the exit status is 0 if none failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
library=$here/../../Sources/CSignalShim
init=$here/../../Sources/CSignalInit

compiler=${CC:-clang}
command -v "$compiler" >/dev/null 2>&1 || compiler=cc
command -v "$compiler" >/dev/null 2>&1 || compiler=gcc
cxx=${CXX:-clang++}
command -v "$cxx" >/dev/null 2>&1 || cxx=c++

flags="-std=c11 -O1 -g -Wall -Wextra -Werror -pthread"
sanitizer=
slow=
case ${1:-} in
quick)
    slow=" interleavings races stress sandbox exec jumps "
    shift
    ;;
thread | address | undefined | address,undefined)
    sanitizer=$1
    shift
    flags="$flags -fsanitize=$sanitizer -fno-omit-frame-pointer -DSANITIZED"
    ;;
esac

# vfork(2) is deprecated there, and pipe2 new.
[ "$(uname -s)" != Darwin ] || flags="$flags -Wno-deprecated-declarations -Wno-unguarded-availability-new"
link="-ldl"
[ -z "$sanitizer" ] || flags="$flags -fno-sanitize-recover=all"
if [ "$sanitizer" = thread ] && command -v swiftc >/dev/null 2>&1; then
    # The sanitizer runtime of the clang that comes with Swift needs libdispatch.
    case $("$compiler" --version 2>/dev/null) in
    *[Ss]wift*)
        paths=$(swiftc -print-target-info | sed -n '/"runtimeLibraryPaths"/,/]/s/^ *"\(\/.*\)",\{0,1\}$/\1/p')
        for path in $paths; do
            [ -e "$path/libdispatch.so" ] && link="$link -L$path -ldispatch -lBlocksRuntime -Wl,-rpath,$path"
        done
        ;;
    esac
fi
# Tests fork while threads run, and end with _exit. A report of a sanitizer must fail the test.
TSAN_OPTIONS="halt_on_error=1 die_after_fork=0 report_signal_unsafe=1 ${TSAN_OPTIONS:-}"
ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS:-}"
export TSAN_OPTIONS ASAN_OPTIONS

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The linker of one clang warns about each symbol of the sanitizer that it cannot export.
quietly() {
    "$@" 2>"$work/messages"
    status=$?
    grep -v 'Cannot export local symbol' "$work/messages" >&2
    return $status
}

objects=
for source in "$library"/*.c "$init"/*.c; do
    object=$work/$(basename "$source" .c).o
    # shellcheck disable=SC2086
    quietly "$compiler" $flags -I"$library/include" -I"$init/include" -c "$source" -o "$object" || exit 1
    objects="$objects $object"
done

. "$here/not_there.sh"
system=native-$(uname -s | tr '[:upper:]' '[:lower:]')
case $system in native-linux) system=native-linux-gnu ;; native-darwin) system=native-macos ;; esac
wanted=" $* "
is_wanted() { [ "$wanted" = "  " ] || case $wanted in *" $1 "*) ;; *) false ;; esac }
built=
for source in "$here"/*.c; do
    name=$(basename "$source" .c)
    is_wanted "$name" || continue
    case $slow in *" $name "*) echo "left out here: $name takes long" && continue ;; esac
    reason=$(not_there "$system/$name")
    [ -z "$reason" ] || { echo "left out here: $name needs $reason"; continue; }
    # shellcheck disable=SC2086
    if quietly "$compiler" $flags -I"$library/include" -I"$init/include" "$source" $objects $link -o "$work/$name"; then
        built="$built $name"
    else
        echo "FAIL $name (does not compile)" | tee -a "$work/results"
    fi
done
if is_wanted consumer; then
    sanitize=${sanitizer:+-fsanitize=$sanitizer}
    # shellcheck disable=SC2086
    if quietly "$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Werror -pthread $sanitize -I"$library/include" -I"$init/include" \
        "$here/consumer.cpp" $objects $link -o "$work/consumer"; then
        built="$built consumer"
    else
        echo "FAIL consumer (does not compile)" | tee -a "$work/results"
    fi
fi

# Both mechanisms run at the same time, because tests wait most of the time.
mechanisms=handler
[ "$(uname -s)" != Linux ] || mechanisms="handler signalfd"
lanes=
trap 'kill $lanes 2>/dev/null; rm -rf "$work"' EXIT
lane() { # lane MECHANISM
    program=
    trap 'kill $program 2>/dev/null; exit 1' TERM
    for name in $built; do
        CSIGSHIM_MECHANISM=$1 "$work/$name" >"$work/output.$1" 2>&1 &
        program=$!
        wait $program
        status=$?
        { echo "# $name"; grep -v '^[0-9]* passed, [0-9]* failed$' "$work/output.$1"; } >"$work/shown.$1"
        if [ $status -ne 0 ] && ! grep -q '^FAIL ' "$work/shown.$1"; then
            echo "FAIL $name ($1: exit $status)" >>"$work/shown.$1"
        fi
        cat "$work/shown.$1"
        cat "$work/shown.$1" >>"$work/results.$1"
    done
}
for mechanism in ${CSIGSHIM_MECHANISM:-$mechanisms}; do
    lane "$mechanism" &
    lanes="$lanes $!"
done
wait
lanes=

passed=$(cat "$work"/results* | grep -c '^ok ')
failed=$(cat "$work"/results* | grep -c '^FAIL ')
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
