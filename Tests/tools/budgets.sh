#!/bin/sh
# Prints the budgets of the sources as a table: lines with comments, the size of the shared library, and the system
# calls that one signal takes, as Tests/c/syscall_count.c counts them. Fails if one is exceeded.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=Sources/CSignalShim
over=0

row() { # row WHAT NOW BUDGET: NOW is empty if it could not be measured
    note=
    if [ -z "$2" ]; then
        note="  not measured"
    elif awk -v now="$2" -v budget="$3" 'BEGIN { exit !(now > budget) }'; then
        note="  over"
        over=$((over + 1))
    fi
    printf '%-56s | %7s | %7s%s\n' "$1" "${2:--}" "$3" "$note"
}
lines() { cat -- "$@" | wc -l | tr -d ' '; }

printf '%-56s | %7s | %7s\n' what now budget
row "$sources, lines" "$(lines $(find $sources -name '*.[ch]'))" 2600
context=
for file in $(Tests/tools/symbols.sh --files); do
    [ ! -e "$sources/$file" ] || context="$context $sources/$file"
done
row "Sources/CSignalInit, lines" "$(lines $(find Sources/CSignalInit -name '*.[ch]'))" 210
row "files of signal context, lines" "$(lines /dev/null $context)" 900
row "CSignalShim.h, lines" "$(lines $sources/include/CSignalShim.h)" 190
longest=$(find $sources -name '*.[ch]' -exec wc -l {} \; | sort -rn | sed -n '1s/^ *//p')
row "longest file ($(basename "${longest#* }")), lines" "${longest%% *}" 350
longest=$(find Sources -name '*.swift' -exec wc -l {} \; | sort -rn | sed -n '1s/^ *//p')
row "longest Swift file ($(basename "${longest#* }")), lines" "${longest%% *}" 350
row "Sources/SignalBridge, lines (2,500 asked: decision 31)" "$(lines $(find Sources/SignalBridge -name '*.swift'))" 3250

"${MAKE:-make}" --no-print-directory lib SCRATCH="$work/build" >"$work/make" 2>&1 || { cat "$work/make"; exit 1; }
library=$(find "$work/build/lib" -name 'libcsignalshim*.so.*' -o -name 'libcsignalshim*.dylib' | head -1)
row "text of the shared library, bytes" "$(size "$library" | awk 'NR == 2 { print $1 }')" 28672

# The program itself fails above its own limits; here its numbers count.
Tests/c/run.sh syscall_count >"$work/calls" 2>&1 || grep -q '^# .* calls for each signal' "$work/calls" || {
    cat "$work/calls"
    exit 1
}
calls() { sed -n "s/^# \([0-9.]*\) calls for each signal $1:.*/\1/p" "$work/calls"; }
row "system calls for a signal in a poll loop, handler" "$(calls 'in a handler')" 8
row "system calls for a signal in a poll loop, signalfd" "$(calls 'over signalfd')" 5
grep '^# .* calls for each signal' "$work/calls" || true
if [ $over = 0 ]; then
    echo "budgets: all kept"
else
    echo "budgets: $over over"
    exit 1
fi
