#!/bin/sh
# Runs `swift test` with these arguments, and repeats the failures at the end, because the output is long and lacks the
# reports of sanitizers in exit tests.
set -u
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
output=$directory/output
TSAN_OPTIONS="log_path=$directory/sanitizer ${TSAN_OPTIONS:-}"
ASAN_OPTIONS="log_path=$directory/sanitizer ${ASAN_OPTIONS:-}"
export TSAN_OPTIONS ASAN_OPTIONS
{ "${SWIFT:-swift}" test --disable-xctest "$@"; echo $? >"$directory/status"; } 2>&1 | tee "$output"
result=$(cat "$directory/status")
if [ "$result" -ne 0 ]; then
    for report in "$directory"/sanitizer.*; do
        [ ! -e "$report" ] || head -40 "$report" | cut -c 1-200
    done
    echo "# failed: swift test $*"
    grep -h -e 'recorded an issue' -e 'error:' -e 'Sanitizer: ' -e 'Fatal error' "$directory"/*
fi
exit "$result"
