#!/bin/sh
# What a program pays before any signal comes: the size of a stripped release program with one `SignalEvents`, beside one
# that has an empty asynchronous main, and the processor time of a clean release build of the target. Both have a budget,
# and the exit status is 1 if one is missed. The rows without a budget are there to compare. Other programs that run cost
# a build processor time too, up to a fifth: the less of two builds counts.
#
#   footprint.sh        KEEP=DIR keeps the programs there, unstripped, to look into
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
swift=${SWIFT:-swift}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

programs=$work/programs
mkdir -p "$programs/Sources/empty" "$programs/Sources/events" "$programs/Sources/daemon"
cat >"$programs/Package.swift" <<END
// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "programs", platforms: [.macOS(.v15)],
    dependencies: [.package(name: "SignalBridge", path: "$root")],
    targets: [
        .executableTarget(name: "empty"),
        .executableTarget(name: "events", dependencies: [.product(name: "SignalBridge", package: "SignalBridge")]),
        .executableTarget(name: "daemon", dependencies: [.product(name: "SignalDaemon", package: "SignalBridge")]),
    ]
)
END
cat >"$programs/Sources/empty/main.swift" <<END
func greet() async { print("hello") }
await greet()
END
cat >"$programs/Sources/events/main.swift" <<END
import SignalBridge

for await event in try SignalEvents(.sigterm) {
    print(event)
    break
}
END
cat >"$programs/Sources/daemon/main.swift" <<END
import SignalDaemon

try await Daemon.run { daemon in await daemon.shutdownRequested() }.exit()
END

# build OPTION...: a release build; prints its processor time in seconds, with that of all its children.
cat >"$work/build.sh" <<'END'
"$swift" build -c release "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
times
END
build() {
    swift=$swift log=$work/log sh "$work/build.sh" "$@" >"$work/times" || return 1
    awk 'NR == 2 { split($1, user, /[ms]/); split($2, kernel, /[ms]/)
        printf "%.1f", (user[1] + kernel[1]) * 60 + user[2] + kernel[2] }' "$work/times"
}

first=$(build --package-path "$root" --scratch-path "$work/first" --target SignalBridge)
second=$(build --package-path "$root" --scratch-path "$work/second" --target SignalBridge)
bridge=$(printf '%s\n' "$first" "$second" | sort -n | head -1)
both=$(build --package-path "$root" --scratch-path "$work/both" --target SignalDaemon)
build --package-path "$programs" --scratch-path "$work/built" >/dev/null

bytes() { # bytes PROGRAM
    strip -o "$work/stripped" "$work/built/release/$1"
    wc -c <"$work/stripped" | tr -d ' '
}
empty=$(bytes empty)
events=$(bytes events)
daemon=$(bytes daemon)
if [ -n "${KEEP:-}" ]; then
    mkdir -p "$KEEP"
    cp "$work/built/release/empty" "$work/built/release/events" "$work/built/release/daemon" "$KEEP/"
fi

missed=0
row() { # row WHAT NOW [BUDGET]
    note=
    if [ -n "${3:-}" ] && awk -v now="$2" -v budget="$3" 'BEGIN { exit !(now > budget) }'; then
        note="  missed"
        missed=1
    fi
    printf '%-64s | %7s | %7s%s\n' "$1" "$2" "${3:-}" "$note"
}
kilobytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1000 }'; }

printf '%-64s | %7s | %7s\n' what now budget
row "a program with an empty asynchronous main, stripped, KB" "$(kilobytes "$empty")"
row "with one SignalEvents, KB more" "$(kilobytes $((events - empty)))" 300
row "with one Daemon.run, KB more" "$(kilobytes $((daemon - empty)))"
row "clean release build of SignalBridge, seconds of processor time" "$bridge" 15
row "clean release build of SignalBridge and SignalDaemon" "$both"
exit $missed
