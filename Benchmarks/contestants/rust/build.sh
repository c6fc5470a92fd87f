#!/bin/sh
# build.sh OUT: builds OUT/rust from the crates of librust-signal-hook-dev and librust-tokio-dev, offline.
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"

missing=
lacks() { missing="${missing:+$missing, }$1"; }
cargo --version >/dev/null 2>&1 || lacks cargo
for crate in signal-hook-0.3 tokio-1; do
    ls -d /usr/share/cargo/registry/$crate.* >/dev/null 2>&1 || lacks "librust-${crate%-*}-dev"
done
if [ -n "$missing" ]; then
    echo "signal-hook, tokio-current, tokio-multi: skipped, $missing is missing"
    exit 0
fi

target=$(mkdir -p ../../.build/rust && cd ../../.build/rust && pwd)
rm -f Cargo.lock # of another cargo, or of other versions
cargo build --release --offline --quiet --target-dir "$target"
rm -f Cargo.lock
cp "$target/release/contestants" "$out/rust"
