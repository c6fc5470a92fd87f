#!/bin/sh
# Compiles for macOS, as far as that is possible on Linux: the C targets by zig's cross compiler, and the Swift targets
# by this toolchain for arm64-apple-macosx, with every warning an error. Nothing is linked or run.
#
#   darwin.sh          the C targets and the Swift targets, and which conditional branches macOS takes: about 15 seconds
#   darwin.sh tests    the tests of both Swift targets as well: some minutes
#
# The headers of macOS are Apple's, from ziglang of PyPI, as the module Darwin. Two things are stand-ins. The standard
# library, Dispatch and Foundation are those of Linux, whose module files get another target's name in a copy. What
# Apple adds to the headers for Swift (errno, environ and the like) is the few lines below. So it finds a wrong name,
# type, optional or branch. It does not find a symbol that Apple's Swift modules lack, or a fault at run time:
# docs/macos.md.
set -eu
cd "$(dirname "$0")/../.."
swift=${SWIFT:-swift}
[ "$(uname -s)" = Linux ] || { echo "darwin: not run: Linux only; on macOS use make test"; exit 0; }
toolchain=$(dirname "$(dirname "$(readlink -f "$(command -v "$swift")")")")
library=$toolchain/lib/swift/linux
native=$(basename "$library"/Swift.swiftmodule/*.swiftmodule .swiftmodule)
[ -f "$library/Swift.swiftmodule/$native.swiftmodule" ] || { echo "darwin: not run: no modules in $library"; exit 0; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/signalbridge
export PYTHONPATH="$cache/ziglang"
zig() { python3 -m ziglang "$@"; }
if ! zig version >/dev/null 2>&1 && ! pip3 install -q --target "$cache/ziglang" ziglang >/dev/null 2>&1; then
    echo "darwin: not run: needs ziglang (pip install ziglang)"
    exit 0
fi
headers=$(zig env | sed -n 's/.*lib_dir"* *[=:] *"\([^"]*\)".*/\1/p')/libc/include/any-darwin-any
[ -d "$headers" ] || headers=${headers%any-darwin-any}any-macos-any # as older ones call it
[ -d "$headers" ] || { echo "darwin: this ziglang has no headers of macOS in $headers"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# 1. The C targets, for both processors, with the warnings of hosts.
for file in Sources/CSignalShim/*.c Sources/CSignalInit/*.c; do echo "#include \"$PWD/$file\""; done >"$work/all.c"
for processor in aarch64 x86_64; do
    zig cc -target $processor-macos -std=gnu11 -Wall -Wextra -Wpedantic -Werror -pthread -c "$work/all.c" -o "$work/all.o"
done
echo "darwin: the C targets compile"

# 2. The modules. A module file names its target once, so the other name must be as long.
target=arm64-apple-macosx15.0.
while [ ${#target} -lt ${#native} ]; do target=${target}0; done
sdk=$work/sdk/usr/include modules=$work/modules
mkdir -p "$sdk" "$modules"
ln -s "$headers"/* "$sdk"
cat >"$sdk/module.modulemap" <<'END'
module Darwin [system] {
    header "arpa/inet.h"
    header "dirent.h"
    header "dlfcn.h"
    header "errno.h"
    header "fcntl.h"
    header "netinet/in.h"
    header "poll.h"
    header "pthread.h"
    header "signal.h"
    header "spawn.h"
    header "stdio.h"
    header "stdlib.h"
    header "string.h"
    header "sys/event.h"
    header "sys/ioctl.h"
    header "sys/mman.h"
    header "sys/resource.h"
    header "sys/socket.h"
    header "sys/stat.h"
    header "sys/time.h"
    header "sys/un.h"
    header "sys/wait.h"
    header "termios.h"
    header "time.h"
    header "unistd.h"
    export *
}
END
cat >"$work/Darwin.swift" <<'END'
@_exported import Darwin
public var errno: Int32 { __error().pointee }
public var environ: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> { fatalError() }
public var stdin: UnsafeMutablePointer<FILE> { fatalError() }
public var stdout: UnsafeMutablePointer<FILE> { fatalError() }
public var stderr: UnsafeMutablePointer<FILE> { fatalError() }
public var SIG_DFL: sig_t? { nil }
public var SIG_IGN: sig_t { fatalError() }
public var SIG_ERR: sig_t { fatalError() }
public var S_IFMT: mode_t { 0o170000 }
public var S_IFIFO: mode_t { 0o010000 }
public var S_IFREG: mode_t { 0o100000 }
public let CLOCK_REALTIME = _CLOCK_REALTIME
public let CLOCK_MONOTONIC = _CLOCK_MONOTONIC
public let CLOCK_THREAD_CPUTIME_ID = _CLOCK_THREAD_CPUTIME_ID
public let CLOCK_PROCESS_CPUTIME_ID = _CLOCK_PROCESS_CPUTIME_ID
public func open(_ path: UnsafePointer<CChar>, _ flags: Int32) -> Int32 { fatalError() }
public func open(_ path: UnsafePointer<CChar>, _ flags: Int32, _ mode: mode_t) -> Int32 { fatalError() }
public func fcntl(_ descriptor: Int32, _ command: Int32) -> Int32 { fatalError() }
public func fcntl(_ descriptor: Int32, _ command: Int32, _ value: Int32) -> Int32 { fatalError() }
public func ioctl(_ descriptor: Int32, _ request: UInt, _ pointer: UnsafeMutableRawPointer) -> Int32 { fatalError() }
END
echo '@_exported import Darwin' >"$work/Xlibc.swift"
# Linux's modules ask for Glibc, which must not be there: canImport(Glibc) would be true.
for directory in "$library"/*.swiftmodule; do
    name=$(basename "$directory" .swiftmodule)
    [ "$name" != Glibc ] || continue
    mkdir "$modules/$name.swiftmodule"
    if [ -f "$directory/$native.swiftmodule" ]; then
        LC_ALL=C sed "s/$native/$target/; s/Glibc/Xlibc/g" "$directory/$native.swiftmodule" \
            >"$modules/$name.swiftmodule/arm64-apple-macos.swiftmodule"
    else
        sed "s/$native/$target/; s/-disable-objc-interop//; s/import Glibc/import Darwin/" "$directory/$native.swiftinterface" \
            >"$modules/$name.swiftmodule/arm64-apple-macos.swiftinterface"
    fi
done
plugins=$toolchain/lib/swift/host/plugins
compile() { # compile MODULE OPTION...
    module=$1
    shift
    "${swift}c" -frontend -module-name "$module" -target arm64-apple-macosx15.0 -disable-objc-interop -sdk "$work/sdk" -I "$modules" \
        -module-cache-path "$work/cache" -plugin-path "$plugins" -plugin-path "$plugins/testing" -swift-version 6 \
        -parse-as-library -package-name SignalBridge -enable-testing -I Sources/CSignalShim/include -I Sources/CSignalInit/include \
        "$@"
}
compile Darwin -emit-module -o "$modules/Darwin.swiftmodule" "$work/Darwin.swift"
compile Xlibc -emit-module -o "$modules/Xlibc.swiftmodule" "$work/Xlibc.swift"

# 3. The Swift targets, through all passes that diagnose. In a copy, each branch of a condition on the system begins with
#    a #warning, so that the compiler says which ones it has compiled.
cp -R Sources "$work/sources"
find "$work/sources" -name '*.swift' | while read -r file; do
    awk -v place="${file#"$work/sources/"}" '
        /^ *#if / { system_if[++depth] = /canImport|os\(/ }
        { print }
        /^ *#(if|elseif|else)/ && system_if[depth] {
            line = $0
            sub(/^ */, "", line)
            printf "#warning(\"branch %s:%d: %s\")\n", place, NR, line
        }
        /^ *#endif/ { depth-- }' "$file" >"$work/marked"
    mv "$work/marked" "$file"
done
for module in SignalBridge SignalDaemon SignalsTool; do
    # shellcheck disable=SC2046
    compile $module -emit-sil -emit-module-path "$modules/$module.swiftmodule" -o "$work/sil" \
        $(find "$work/sources/$module" -name '*.swift') >"$work/said" 2>&1 || {
        grep -A 4 ' error: ' "$work/said" || cat "$work/said"
        exit 1
    }
    sed -n 's/.*warning: branch //p' "$work/said" | sort -u >>"$work/branches"
    if grep ' warning: ' "$work/said" | grep -v ' warning: branch '; then
        echo "darwin: $module has warnings"
        exit 1
    fi
done
count=$(grep -c . "$work/branches")
[ "$count" -ge 8 ] || { echo "darwin: only $count branches were seen"; exit 1; }
if grep -e 'Glibc' -e 'Musl' -e 'Linux' "$work/branches" | grep -v -e ': #else' -e Darwin -e '!os(Linux)'; then
    echo "darwin: the branches above are for Linux"
    exit 1
fi
sed 's/^/darwin: compiled /' "$work/branches"
echo "darwin: SignalBridge, SignalDaemon and SignalsTool compile; macOS takes $count branches"
[ "${1:-}" = tests ] || exit 0

# 4. The tests: types only, because the bodies of Linux's Foundation cannot be looked into.
compile TestSupport -typecheck -warnings-as-errors Tests/TestSupport/*.swift
compile TestSupport -emit-module -experimental-skip-all-function-bodies -o "$modules/TestSupport.swiftmodule" Tests/TestSupport/*.swift
for module in SignalBridgeTests SignalDaemonTests; do
    compile $module -typecheck Tests/$module/*.swift
    echo "darwin: $module compile"
done
