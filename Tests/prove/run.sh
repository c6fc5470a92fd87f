#!/bin/sh
# run.sh [quick]: every method of Tests/prove, then one table: method, how much it tried, what it found. About an hour
# on two cores; quick, as in `make check`, less than two minutes. The exit status is 0 if nothing was found.
#
# Three lanes on two cores, because soak and mutants often wait. A method is a directory with a run.sh. Its output has
# lines RESULT method|how much it tried|what it found.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
lanes=
trap 'for lane in $lanes; do kill "$lane" 2>/dev/null; done; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

lane() { # lane METHOD...
    for method; do
        "$here/$method/run.sh" $quick >"$work/$method.running" 2>&1
        echo $? >"$work/$method.status"
        { echo "# $method"; cat "$work/$method.running"; } >"$work/$method"
        cat "$work/$method"
    done
}
quick=${1:-}
first="step model protocol faults systems" second="soak chaos" third=mutants
for methods in "$first" "$second" "$third"; do
    # shellcheck disable=SC2086
    lane $methods &
    lanes="$lanes $!"
done
wait
lanes=

failed=
for method in $first $second $third; do
    [ "$(cat "$work/$method.status" 2>/dev/null)" = 0 ] && grep -q '^RESULT ' "$work/$method" || failed="$failed $method"
    grep '^RESULT ' "$work/$method" >>"$work/results" || echo "RESULT $method|it did not come to an end|?" >>"$work/results"
done
echo
sed 's/^RESULT //' "$work/results" | awk -F '|' '
    # The next piece of cell i, no wider than its column if a blank permits.
    function piece(i,    at, text) {
        text = cell[i]
        at = length(text) + 1
        while (at > width[i] + 1 && match(substr(text, 1, at - 1), / [^ ]*$/)) at = RSTART
        cell[i] = substr(text, at + 1)
        return substr(text, 1, at - 1)
    }
    function row() {
        do printf "%-*s  %-*s  %s\n", width[1], piece(1), width[2], piece(2), piece(3)
        while (cell[1] cell[2] cell[3] != "")
    }
    BEGIN {
        width[1] = 30; width[2] = 62; width[3] = 24
        split("method|how much it tried|what it found", cell, "|"); row()
    }
    { print ""; for (i = 1; i <= 3; i++) cell[i] = $i; row() }'
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
