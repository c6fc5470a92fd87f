#!/bin/sh
# Runs `swift test` with these arguments, and says once more at the end what failed: the output is long.
set -u
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT
status=$output.status
{ "${SWIFT:-swift}" test --disable-xctest "$@"; echo $? >"$status"; } 2>&1 | tee "$output"
result=$(cat "$status")
rm -f "$status"
if [ "$result" -ne 0 ]; then
    echo "# failed: swift test $*"
    grep -e 'recorded an issue' -e 'error:' -e 'Sanitizer: ' -e 'Fatal error' "$output"
fi
exit "$result"
