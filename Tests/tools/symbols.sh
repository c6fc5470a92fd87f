#!/bin/sh
# What runs in signal context calls only what is on the allow-list (guarantee G4), read from the object file; and the
# library's global names are the public ones of a committed list, and `csigshim__` ones that its files share.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-clang}
command -v "$cc" >/dev/null || cc=cc
nm=$(command -v llvm-nm || command -v nm) || { echo "nm is missing: install the package binutils" >&2; exit 1; }
failed=0
grep -v '^#' Tests/expected/handler-symbols | sort >"$work/allowed"

for level in -O0 -O2; do
    "$cc" -std=c11 $level -fPIC -c Sources/CSignalShim/handler.c -o "$work/handler.o"
    "$nm" -u "$work/handler.o" | sed 's/^ *U *//; s/^fstat64$/fstat/' | grep -v '^_GLOBAL_OFFSET_TABLE_$' >>"$work/all"
done
sort -u "$work/all" >"$work/calls"
if [ -n "$(comm -23 "$work/calls" "$work/allowed")" ]; then
    echo "handler.c refers to what is not allowed in signal context:" $(comm -23 "$work/calls" "$work/allowed")
    failed=1
fi
if [ -n "$(comm -13 "$work/calls" "$work/allowed")" ]; then
    echo "allowed, but not used any more:" $(comm -13 "$work/calls" "$work/allowed")
    failed=1
fi

for file in Sources/CSignalShim/*.c; do
    "$cc" -std=c11 -O2 -fPIC -c "$file" -o "$work/$(basename "$file").o"
done
"$nm" -g --defined-only "$work"/*.c.o | awk 'NF == 3 { print $3 }' | grep -v '^csigshim__' | sort >"$work/exported"
sort Tests/expected/public-symbols >"$work/public"
if ! diff "$work/public" "$work/exported"; then
    echo "the exported C names differ from Tests/expected/public-symbols (< listed, > exported)"
    failed=1
fi
[ $failed = 0 ] && echo "symbols: $(wc -l <"$work/calls") calls from signal context, $(wc -l <"$work/exported") public C functions"
exit $failed
