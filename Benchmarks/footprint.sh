#!/bin/sh
# What a program pays before any signal comes, in bytes and in time to build: a program with an empty asynchronous main, with one
# `SignalEvents`, with one `Daemon.run`, and with the peers of swift-service-lifecycle. Sizes are those of stripped release
# programs, with Swift's libraries beside them (dynamic) and inside them (static). Clean builds are in seconds of processor time,
# dependencies included; a second build after a change of main.swift is in seconds. What has a budget makes the exit status 1 if it
# is missed. Other programs that run cost a build processor time too, up to a fifth: the less of two builds counts for the budget.
#
#   footprint.sh        KEEP=DIR keeps the programs there, unstripped, to look into
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
swift=${SWIFT:-swift}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

package() { # package NAME DEPENDENCY PRODUCT, and main.swift on standard input
    mkdir -p "$work/$1/Sources/$1"
    cat >"$work/$1/Sources/$1/main.swift"
    cat >"$work/$1/Package.swift" <<END
// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "$1", platforms: [.macOS(.v15)], dependencies: [$2],
    targets: [.executableTarget(name: "$1", dependencies: [$3])])
END
}
bridge=".package(name: \"SignalBridge\", path: \"$root\")"
lifecycle='.package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0")'
package empty "" "" <<'END'
func greet() async { print("hello") }
await greet()
END
package events "$bridge" '.product(name: "SignalBridge", package: "SignalBridge")' <<'END'
import SignalBridge

for await event in try SignalEvents(.sigterm) {
    print(event)
    break
}
END
package daemon "$bridge" '.product(name: "SignalDaemon", package: "SignalBridge")' <<'END'
import SignalDaemon

try await Daemon.run { daemon in await daemon.shutdownRequested() }.exit()
END
package unixsignals "$lifecycle" '.product(name: "UnixSignals", package: "swift-service-lifecycle")' <<'END'
import UnixSignals

for await signal in await UnixSignalsSequence(trapping: .sigterm) {
    print(signal)
    break
}
END
package servicegroup "$lifecycle" '.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")' <<'END'
import Logging
import ServiceLifecycle

struct Work: Service {
    func run() async throws { try await gracefulShutdown() }
}
try await ServiceGroup(services: [Work()], gracefulShutdownSignals: [.sigterm], logger: Logger(label: "work")).run()
END

# build OPTION...: a release build; prints its processor time in seconds, with that of all its children, and its duration.
cat >"$work/build.sh" <<'END'
start=$(date +%s.%N)
"$swift" build -c release "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
times
echo "$start $(date +%s.%N)"
END
build() {
    swift=$swift log=$work/log sh "$work/build.sh" "$@" >"$work/times" || return 1
    awk 'NR == 2 { split($1, user, /[ms]/); split($2, kernel, /[ms]/)
        printf "%.1f", (user[1] + kernel[1]) * 60 + user[2] + kernel[2] }
        NR == 3 { printf " %.1f", $2 - $1 }' "$work/times"
}
bytes() { # bytes PROGRAM
    strip -o "$work/stripped" "$1"
    wc -c <"$work/stripped" | tr -d ' '
}
kilobytes() { awk -v bytes="$1" 'BEGIN { printf "%.0f", bytes / 1000 }'; }

printf '%-46s | %10s | %9s | %11s | %13s\n' program 'dynamic KB' 'static KB' 'clean CPU s' 'incremental s'
for name in empty events daemon unixsignals servicegroup; do
    $swift package resolve --package-path "$work/$name" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    clean=$(build --package-path "$work/$name")
    dynamic=$(bytes "$work/$name/.build/release/$name")
    [ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp "$work/$name/.build/release/$name" "$KEEP/"; }
    echo '// A change.' >>"$work/$name/Sources/$name/main.swift"
    again=$(build --package-path "$work/$name")
    build --package-path "$work/$name" --static-swift-stdlib >/dev/null
    static=$(bytes "$work/$name/.build/release/$name")
    case $name in
    empty) what='an empty asynchronous main' empty=$dynamic ;;
    events) what='SignalEvents (SignalBridge)' events=$dynamic ;;
    daemon) what='Daemon.run (SignalDaemon)' ;;
    unixsignals) what='UnixSignalsSequence (swift-service-lifecycle)' ;;
    *) what='ServiceGroup (swift-service-lifecycle)' ;;
    esac
    printf '%-46s | %10s | %9s | %11s | %13s\n' "$what" "$(kilobytes "$dynamic")" "$(kilobytes "$static")" "${clean% *}" "${again#* }"
done

first=$(build --package-path "$root" --scratch-path "$work/first" --target SignalBridge)
second=$(build --package-path "$root" --scratch-path "$work/second" --target SignalBridge)
target=$(printf '%s\n' "${first% *}" "${second% *}" | sort -n | head -1)

missed=0
row() { # row WHAT NOW BUDGET
    note=
    if awk -v now="$2" -v budget="$3" 'BEGIN { exit !(now > budget) }'; then note='  missed' missed=1; fi
    printf '%-64s | %7s | %7s%s\n' "$1" "$2" "$3" "$note"
}
echo
printf '%-64s | %7s | %7s\n' what now budget
row "a program with one SignalEvents, KB more than an empty one" "$(kilobytes $((events - empty)))" 300
row "clean release build of SignalBridge, seconds of processor time" "$target" 15
exit $missed
