#!/bin/sh
# Builds a package that uses this one, runs its programs as processes of their own, signals them from outside, and
# checks their output and their exit status:
#
#   run.sh [debug]   run.sh release   run.sh static (release, with Swift's libraries inside the programs)   run.sh all
#
# A line for each check; the last one is "N passed, N failed". The exit status is 0 if none failed. SCRATCH=DIR builds
# somewhere else than in the root's .build. Needs a POSIX shell and Swift; strace, ldd and /proc where there are any.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
passed=0
failed=0
helper=
program=
tracer=

work=$(mktemp -d) || exit 1
# Ends only processes that this script started and has not waited for, because their numbers are still theirs.
clean_up() {
    [ -n "$helper" ] && [ -n "$program" ] && kill -KILL "$program" 2>/dev/null
    [ -n "$tracer" ] && kill -TERM "$tracer" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

. "$here/checks/support.sh"

run_all() {
    configuration=$1
    options=
    case $configuration in
    debug) ;;
    release) options="-c release" ;;
    static) options="-c release --static-swift-stdlib" ;;
    esac
    scratch=${SCRATCH:-$root/.build}/integration-$configuration
    began=$(date +%s)
    echo "# $configuration: building"
    # shellcheck disable=SC2086
    if ! swift build --package-path "$here" --scratch-path "$scratch" $options >"$work/build" 2>&1; then
        cat "$work/build"
        bad "build"
        return
    fi
    # The linker has something to say of Foundation's own objects, when they are linked in.
    grep 'warning:' "$work/build" | grep -v '/swift_static/' >"$work/warnings"
    check "builds without warnings" lacks "$work/warnings" .
    # shellcheck disable=SC2086
    programs=$(swift build --package-path "$here" --scratch-path "$scratch" $options --show-bin-path 2>/dev/null)
    built=$(date +%s)
    for file in "$here"/checks/[0-9]*.sh; do
        echo "# $configuration: $(sed -n '1s/^# //p' "$file")"
        . "$file"
    done
    echo "# $configuration: $((built - began)) s to build, $(($(date +%s) - built)) s to run"
}

case ${1:-debug} in
debug | release | static) run_all "${1:-debug}" ;;
all) for each in debug release static; do run_all "$each"; done ;;
*)
    echo "usage: run.sh [debug | release | static | all]" >&2
    exit 2
    ;;
esac

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
