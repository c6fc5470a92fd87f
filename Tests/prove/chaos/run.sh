#!/bin/sh
# run.sh [quick]: runs 1,000 random daemons (quick: 40) under random signals, each in a process of its own. Then, unless
# it is quick, it runs the situations of Tests/situations, 50 times with every launcher, and with Hummingbird.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
scratch=${SCRATCH:-$root/.build}/situations
count=1000
[ "${1:-}" != quick ] || count=40
command -v python3 >/dev/null || { echo "python3 is missing: install it (apt install python3)"; exit 1; }
touch "$root/Tests/situations/Package.swift" # or SwiftPM overlooks new files of the library
"${SWIFT:-swift}" build --package-path "$root/Tests/situations" --scratch-path "$scratch" --product situation >/dev/null || exit 1
output=$(python3 "$root/Tests/situations/chaos.py" "$scratch/debug/situation" "$count")
result=$?
echo "$output"
failed=$(echo "$output" | sed -n 's/.* from seed [0-9]*, \([0-9]*\) failed.*/\1/p')
echo "RESULT chaos|$count random daemons under random signals from outside|${failed:-?} failed"
[ "${1:-}" != quick ] || exit $result
output=$(SCRATCH=$scratch python3 "$root/Tests/situations/run.py" -n 50 --with service-group --with hummingbird)
[ $? -eq 0 ] || result=1
echo "$output"
echo "RESULT situations|$(echo "$output" | grep -c '^ok') situations, each race 50 times|$(echo "$output" | grep -c '^FAILED') failed"
exit $result
