#!/bin/sh
# build.sh OUT: builds there the contestants that are older than their sources. These are a program for each file in c/,
# one for Go, and those that rust/build.sh builds. It skips a contestant whose library or compiler is missing, and names
# it in a line (Benchmarks/peers.sh installs them). It fails if a contestant does not compile.
set -u
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
mkdir -p "$1" || exit 1
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
shim=$(cd "$here/../../Sources/CSignalShim" && pwd)
failed=0
skip() { echo "$1: skipped, $2 is missing"; }

fresh() { # fresh PROGRAM SOURCE...; what is not a file does not matter
    program=$1
    shift
    for source; do
        [ ! -f "$source" ] || [ "$program" -nt "$source" ] || return 1
    done
}
c() { # c NAME [OPTION or SOURCE...]
    name=$1
    shift
    fresh "$out/$name" "$here/c/$name.c" "$here/c/contestant.h" "$shim"/*.h "$shim"/include/*.h "$@" ||
        ${CC:-cc} -std=gnu11 -O2 -DNDEBUG -Wall -Wextra "$here/c/$name.c" "$@" -o "$out/$name" || failed=1
}
with() { # with MODULE of pkg-config, PACKAGE, NAME
    if ! command -v pkg-config >/dev/null; then
        skip "$3" pkg-config
    elif ! pkg-config --exists "$1"; then
        skip "$3" "$2"
    else
        c "$3" $(pkg-config --cflags --libs "$1")
    fi
}

c nothing
c sigwaitinfo
c signalfd
c selfpipe
c threads -pthread
# This library as library.mk builds it: the last -O counts.
c signalbridge -Os -I"$shim/include" "$shim"/*.c -pthread
c growth -Os -I"$shim/include" "$shim"/*.c -pthread
with libuv libuv1-dev libuv
with libevent_core libevent-dev libevent
with libsystemd libsystemd-dev sdevent
with glib-2.0 libglib2.0-dev glib
if echo '#include <ev.h>' | ${CC:-cc} -E - >/dev/null 2>&1; then # it has no .pc file
    c libev -lev
else
    skip libev libev-dev
fi

if command -v go >/dev/null; then
    fresh "$out/go" "$here/go/main.go" || GO111MODULE=off go build -o "$out/go" "$here/go/main.go" || failed=1
else
    skip go golang-go
fi
[ ! -x "$here/rust/build.sh" ] || "$here/rust/build.sh" "$out" || failed=1
exit $failed
