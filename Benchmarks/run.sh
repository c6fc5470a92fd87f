#!/bin/sh
# Builds the harness and the contestants that are there, and runs: run.sh [smoke|counts|baseline] [OPTION of the harness...]
# smoke: few pings, no ratio that means anything. It fails if a contestant of this library does not work, or if its counts are
# above those of counts.txt. counts: the counts of all contestants. baseline: writes counts.txt.
# RESULTS in the environment is a folder for results.json and the charts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
scratch=.build/benchmarks
python=$here/.build/python/bin/python
[ -x "$python" ] || python=python3
touch Benchmarks/Package.swift # or SwiftPM overlooks new files of the library
products='harness ours peers'
case "${1:-}" in
smoke)
    shift
    [ "$(uname)" != Linux ] || Tests/tools/need.sh strace
    [ "$(uname)" != Linux ] || Tests/tools/need.sh valgrind
    set -- --smoke --baseline Benchmarks/counts.txt "$@"
    products='harness ours' # peers have dependencies, and take long
    ;;
counts)
    shift
    set -- --parts counts --baseline Benchmarks/counts.txt "$@"
    ;;
baseline)
    shift
    products="harness ours"
    set -- --parts counts --only c-handler,c-signalfd,waiter,observer,events,loop-handler,loop-signalfd \
        --write-baseline Benchmarks/counts.txt "$@"
    ;;
esac
for product in $products; do
    ${SWIFT:-swift} build --package-path Benchmarks --scratch-path $scratch -c release --product "$product"
done
Benchmarks/contestants/build.sh .build/contestants
[ -z "${RESULTS:-}" ] || set -- --json "$RESULTS/results.json" --charts "$RESULTS" "$@"
exec $scratch/release/harness --programs .build/contestants --sources Benchmarks/contestants --python "$python" "$@"
