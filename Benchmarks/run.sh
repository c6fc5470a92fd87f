#!/bin/sh
# Builds the harness and all contestants that are there, and plays: run.sh [smoke] [OPTION of the harness...]
# smoke: few pings, no ratio that means anything; fails if one of ours does not work. RESULTS in the environment is a
# folder for results.json and the charts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
scratch=.build/benchmarks
python=$here/.build/python/bin/python
[ -x "$python" ] || python=python3
touch Benchmarks/Package.swift # or SwiftPM overlooks new files of the library
if [ "${1:-}" = smoke ]; then
    shift
    set -- --smoke "$@"
    products='harness ours' configuration=debug # peers have dependencies, and take long
else
    products='harness ours peers' configuration=release
fi
for product in $products; do
    ${SWIFT:-swift} build --package-path Benchmarks --scratch-path $scratch -c $configuration --product "$product"
done
Benchmarks/contestants/build.sh .build/contestants
[ -z "${RESULTS:-}" ] || set -- --json "$RESULTS/results.json" --charts "$RESULTS" "$@"
exec $scratch/$configuration/harness --programs .build/contestants --sources Benchmarks/contestants \
    --python "$python" "$@"
