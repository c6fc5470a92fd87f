# consumers of each kind: language modes, manifests, isolation by default, a shared library, library evolution

# build_consumers DIRECTORY [OPTION...]: leaves in $consumers where the programs are.
build_consumers() {
    consumers=
    directory=${SCRATCH:-$root/.build}/$1
    shift
    touch "$here/consumers/Package.swift" # or SwiftPM overlooks new files of the library
    if ! swift build --package-path "$here/consumers" --scratch-path "$directory" "$@" >"$work/build" 2>&1; then
        cat "$work/build"
        return 1
    fi
    # Linux has Dispatch and Foundation without library evolution.
    grep '^[^ ].*warning:' "$work/build" | grep -v 'was not compiled with library evolution support' |
        sort -u >"$work/warnings"
    lacks "$work/warnings" . || return 1
    consumers=$directory/debug
}

# consumer NAME PROGRAM [LINE]: each signal changes what handlers and loops share, and TERM ends it. LINE comes first.
consumer() {
    start "$consumers/$2"
    for count in 1 2; do
        kill -HUP "$program" 2>/dev/null
        await "^SIGHUP $count\$"
    done
    kill -USR1 "$program" 2>/dev/null
    await '^SIGUSR1 1$'
    kill -TERM "$program" 2>/dev/null
    finish
    printf '%s\n' ${3:+"$3"} ready 'SIGHUP 1' 'SIGHUP 2' 'SIGUSR1 1' 'ended by SIGTERM' 'ending: exited 0' >"$work/expected"
    grep -v '^started ' "$output" | cat - "$output.errors" >"$work/said"
    check "$1: HUP, HUP, USR1, TERM, exit 0" cmp -s "$work/said" "$work/expected"
}

if [ "$configuration" = debug ]; then
    output=
    check "consumers build without warnings" build_consumers integration-consumers
    if [ -n "$consumers" ]; then
        consumer "manifest 5.9, Swift 5" swift5 'refused: uncatchable'
        consumer "Swift 5 mode" swift5-mode
        consumer "Swift 5 mode, complete checking" strict
        for each in main-actor nonsending; do
            if swift --version 2>/dev/null | grep -q 'Swift version \(5\.\|6\.[01]\)'; then
                skip "$each: the toolchain is older than Swift 6.2"
            else
                consumer "$each" $each
            fi
        done
        consumer "a shared library" dynamic
        output=
        if command -v nm >/dev/null 2>&1; then
            nm "$consumers/dynamic" >"$work/symbols"
            check "a shared library: its symbols can be read" grep -q ' T main' "$work/symbols"
            check "a shared library: the program has no copy" lacks "$work/symbols" ' [A-TV-Z] \(csigshim_\|\$s12SignalBridge\)'
        else
            skip "a shared library: there is no nm"
        fi
    fi
    output=
    check "with library evolution it builds" \
        build_consumers integration-evolution --product swift5 -Xswiftc -enable-library-evolution
    [ -z "$consumers" ] || consumer "library evolution" swift5 'refused: uncatchable'
else
    skip "consumers: the debug configuration has them"
fi
