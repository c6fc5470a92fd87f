#!/bin/sh
# run.sh [SCRATCH]: builds a package that enables every trait, runs its tests, and then its programs, each as a process of its
# own, which it signals. Fetches swift-service-lifecycle, swift-log, swift-metrics and swift-configuration. The build is in SCRATCH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
swift=${SWIFT:-swift}
scratch=${1:-$root/.build/adapters}
touch "$here/Package.swift" # or SwiftPM overlooks new files of the library
"$swift" build --package-path "$here" --scratch-path "$scratch" --build-tests
"$swift" test --package-path "$here" --scratch-path "$scratch" --skip-build
"$here/check.sh" "$("$swift" build --package-path "$here" --scratch-path "$scratch" --show-bin-path)"
