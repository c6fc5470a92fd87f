#!/bin/sh
# run.sh [quick]: every method of Tests/prove, then one table: method, how much it tried, what it found. About half an
# hour on two cores; quick, as in `make check`, less than two minutes. The exit status is 0 if nothing was found.
#
# Two lanes, one for each core. A method is a directory with a run.sh, whose output has lines
# RESULT method|how much it tried|what it found.
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
first="soak mutants" second="step model protocol faults systems"
lane $first & lanes=$!
lane $second & lanes="$lanes $!"
wait
lanes=

failed=
for method in $second $first; do
    [ "$(cat "$work/$method.status" 2>/dev/null)" = 0 ] && grep -q '^RESULT ' "$work/$method" || failed="$failed $method"
    grep '^RESULT ' "$work/$method" >>"$work/results" || echo "RESULT $method|it did not come to an end|?" >>"$work/results"
done
echo
sed 's/^RESULT //' "$work/results" | awk -F '|' '
    { for (i = 1; i <= 3; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
    END {
        split("method|how much it tried|what it found", head, "|")
        format = "%-" width[1] "s  %-" width[2] "s  %s\n"
        printf format, head[1], head[2], head[3]
        for (row = 1; row <= NR; row++) printf format, cell[row, 1], cell[row, 2], cell[row, 3]
    }'
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
