#!/bin/sh
# run.sh [quick]: makes each call that the library makes fail once at each place, then refuses it for good, and then
# lets a process run out of descriptors, memory and other resources. quick: the first errno of each call instead of all.
# faults.c and exhausted.c say what must hold.
set -u
here=$(cd "$(dirname "$0")" && pwd)
library=$here/../../../Sources/CSignalShim
method='each system call fails'
if [ "$(uname -s)" != Linux ] || [ "$(getconf LONG_BIT)" != 64 ]; then
    echo "RESULT $method|not run: 64-bit Linux only|-"
    exit 0
fi
cc=${CC:-clang}
command -v "$cc" >/dev/null 2>&1 || cc=cc
if ! "$here/../../tools/need.sh" "$cc" clang || ! "$here/../../tools/need.sh" nm binutils; then
    echo "RESULT $method|not run: needs a C compiler and nm|-"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed() {
    echo "RESULT $method|$1|failed (see above)"
    exit 1
}

flags="-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -O1 -g -Wall -Wextra -Werror -pthread -I$library/include"
# A value that a failed call leaves unset is then no plausible one.
pattern=-ftrivial-auto-var-init=pattern
echo 'int main(void) { return 0; }' >"$work/empty.c"
"$cc" $pattern -c "$work/empty.c" -o "$work/empty.o" 2>/dev/null && flags="$flags $pattern"
objects=
for source in "$library"/*.c; do
    object=$work/$(basename "$source" .c).o
    # shellcheck disable=SC2086
    "$cc" -std=gnu11 $flags -DINTERPOSE -include "$here/interpose.h" -c "$source" -o "$object" || failed "does not compile"
    objects="$objects $object"
done
# shellcheck disable=SC2086
{
    "$cc" -std=gnu11 $flags -I"$here" $objects "$here"/interpose.c "$here"/world.c "$here"/scenarios.c \
        "$here"/faults.c -ldl -o "$work/faults" &&
        "$cc" -std=c11 $flags -I"$here/../../c" "$here/exhausted.c" "$library"/*.c -ldl -o "$work/exhausted"
} || failed "does not compile"

# Every function that the objects call is wrapped, or cannot fail.
sed '/^#/d; s/ .*//' "$here/cannot-fail" | sort >"$work/listed"
# shellcheck disable=SC2086
nm -u $objects | awk '$1 == "U" { print $2 }' | sort -u >"$work/undefined"
# shellcheck disable=SC2086
nm -g $objects | awk 'NF == 3 { print $3 }' | sort -u >"$work/own"
grep -v -e '^fault_' -e '^_GLOBAL_OFFSET_TABLE_$' -e '^__s[a-z]*_fault_places$' "$work/undefined" |
    comm -23 - "$work/own" | comm -23 - "$work/listed" >"$work/new"
if [ -s "$work/new" ]; then
    echo "the library calls what is neither wrapped in interpose.h nor listed in cannot-fail:"
    cat "$work/new"
    failed "a call that no test makes fail"
fi
echo "$(grep -c '^fault_' "$work/undefined") functions are made to fail; $(comm -12 "$work/undefined" "$work/listed" | wc -l) others cannot"

status=0
"$work/faults" "${1:-}" >"$work/output" || status=1
cat "$work/output"
for mechanism in handler signalfd; do
    CSIGSHIM_MECHANISM=$mechanism "$work/exhausted" || status=1
done
tried=$(sed -n 's/^faults: \([0-9]*\) at \([0-9]*\) of [0-9]* places and \([0-9]*\) refusals in \([0-9]*\) .*/\1 faults at \2 places and \3 refusals in \4 scenarios/p' "$work/output")
functions=$(sed -n 's/^\(csigshim_[a-z_]*\).*/\1/p' "$work/output" | sort -u | wc -l)
what="$tried of $functions functions; descriptors, queue, memory and pipes exhausted"
if [ $status = 0 ] && [ -n "$tried" ]; then
    echo "RESULT $method|$what|nothing"
else
    failed "$what"
fi
