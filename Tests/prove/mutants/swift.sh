#!/bin/sh
# The part of run.sh for Swift, with its variables: swift.sh prepare | kill NAME.
#
# All faults share one copy of the package and one scratch directory, so that each build compiles only what a fault has
# changed. A fault that makes a test hang costs the test's time limit, so that is half of the usual one, with which the
# tests must pass without a fault. The limit of a whole run is five minutes for tests that take seconds, and fifteen for
# all. `timeout` ends its process group.
set -u
[ -d "$work/faults" ] || exit 255 # run.sh has ended: tells xargs to stop
tree=$work/package
swift=${SWIFT:-swift}
testing() { # testing SECONDS OPTIONS...
    limit=$1
    shift
    timeout -s KILL "$limit" "$swift" test --package-path "$tree" --scratch-path "$work/scratch" --disable-xctest --skip-build \
        "$@" >"$work/swift-output" 2>&1
}
build() {
    "$swift" build --package-path "$tree" --scratch-path "$work/scratch" --build-tests >"$work/swift-build" 2>&1
}
failures() { # the first test that failed
    grep -m 1 -o 'Test .* recorded an issue' "$work/swift-output" | sed 's/ recorded.*//'
}

prepare() {
    command -v "$swift" >/dev/null || { echo "$swift is missing: install a Swift 6.1 toolchain"; return 1; }
    mkdir -p "$tree/Tests"
    # Each mutant would link the program `signals` and its tests again, which judge none of them.
    sed '/SignalsTool/d' "$root/Package.swift" >"$tree/Package.swift" && cp -R "$root/Sources" "$tree" &&
        cp -R "$root/Tests/SignalBridgeTests" "$root/Tests/SignalDaemonTests" "$root/Tests/TestSupport" "$tree/Tests" &&
        sed 's/^\(package let patience: Double = .* :\) 120$/\1 60/' "$root/Tests/TestSupport/Support.swift" \
            >"$tree/Tests/TestSupport/Support.swift" && build || { tail -5 "$work/swift-build"; return 1; }
    for name in $(cat "$work/in-swift"); do
        read -r _ _ _ tests <"$work/faults/$name"
        printf '%s\n' $tests
    done | sort -u | tr '\n' '|' | sed 's/|$//' >"$work/filter"
    for attempt in 1 2 3; do # beside the other methods a test may run out of time
        testing 300 --experimental-maximum-parallelization-width 16 --filter "$(cat "$work/filter")" && return
        echo "without a fault, attempt $attempt: $(failures) failed"
        grep -h -A 3 'recorded an issue' "$work/swift-output" | head -20
    done
    return 1
}

judge() { # judge TESTS...
    filter=$(echo "$*" | tr ' ' '|')
    for attempt in 1 2 3; do
        testing 300 --filter "$filter" || { echo "killed by $(failures | grep . || echo "$filter, which crashed or did not end")"; return; }
    done
    testing 900 --experimental-maximum-parallelization-width 16 ||
        { echo "killed, not by its own tests, by $(failures | grep . || echo "one that crashed or did not end")"; return; }
    echo survived
}

kill_one() { # kill_one NAME
    fault=$work/faults/$1
    read -r _ name file tests <"$fault"
    source=$(find "$tree/Sources" -path "*/$file")
    cp "$source" "$work/original"
    awk -f "$here/apply.awk" "$fault" "$work/original" >"$source"
    if build; then
        # shellcheck disable=SC2086
        judge $tests >"$work/result/$name"
    else
        grep -m 3 error: "$work/swift-build"
    fi
    cp "$work/original" "$source"
    echo "$name ($file): $(cat "$work/result/$name" 2>/dev/null || echo 'NOT COMPILED')"
}

case $1 in
prepare) prepare ;;
kill) kill_one "$2" ;;
esac
