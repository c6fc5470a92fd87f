#!/bin/sh
# Reads the object files, and checks guarantee G4: the files of signal context refer only to one another and to the
# names on the allow-list. The library's global names are the public ones of a committed list, and those with the prefix
# `csigshim__` that its files share. The init of CSignalInit refers only to the names on a list of its own, so it starts
# no thread and allocates nothing.
#
#   symbols.sh [directory]     directory: Sources/CSignalShim
#   symbols.sh --files         prints the files of signal context
set -eu

# These files are signal context: the handler and csigshim_wake, with all that they call. They refer to one another, to
# the allow-list, and to these other files: none. A handler of the host's may also call csigshim_reset_for_exec. That is
# in spawn.c, and uses sigaction(2), which POSIX lists as async-signal-safe.
signal_context="table.c ring.c notify.c old_action.c handler.c"
others=""

if [ "${1:-}" = --files ]; then
    echo "$signal_context"
    exit 0
fi
expected=$(cd "$(dirname "$0")/../expected" && pwd)
cd "${1:-$(dirname "$0")/../../Sources/CSignalShim}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nm=$(command -v llvm-nm || command -v nm) || { echo "nm is missing: install the package binutils" >&2; exit 1; }
compilers=
for name in ${CC:-} clang gcc; do
    command -v "$name" >/dev/null || continue
    case " $compilers " in
    *" $name "*) ;;
    *) compilers="$compilers $name" ;;
    esac
done
[ -n "$compilers" ] || compilers=" cc"
failed=0

# compile COMPILER LEVEL: every file's object, without the calls that a distribution's compiler adds on its own.
compile() {
    for file in *.c; do
        "$1" -std=gnu11 "$2" -fPIC -fno-stack-protector -U_FORTIFY_SOURCE -c "$file" -o "$work/$file.o"
    done
}
# Lines of FILE SYMBOL: what the objects define for others, or look for elsewhere.
facts() { # facts define|refer
    for file in *.c; do
        "$nm" -P -g "$work/$file.o" | awk -v file="$file" -v wanted="$1" '
            { what = $2 == "U" || $2 == "w" || $2 == "v" ? "refer" : "define" }
            what == wanted && $1 != "_GLOBAL_OFFSET_TABLE_" { print file, $1 }'
    done
}

case $(uname -s):$(uname -m) in
Linux:x86_64 | Linux:aarch64 | Linux:riscv64) raw=1 ;;
*) raw=0 ;; # elsewhere signal context goes through the C library
esac
: >"$work/calls"
if [ $raw = 1 ]; then
    for compiler in $compilers; do
        for level in -O0 -O2; do
            compile "$compiler" $level
            facts define >"$work/definitions"
            facts refer >"$work/references"
            # Lines of: SYMBOL, the file that refers to it, the file that defines it, COMPILER LEVEL.
            awk -v as="$compiler $level" -v inside=" $signal_context " -v others=" $others " '
                FILENAME == ARGV[1] { definer[$2] = $1; next }
                index(inside, " " $1 " ") {
                    from = $2 in definer ? definer[$2] : "-"
                    if (!index(inside others, " " from " "))
                        print $2, $1, from, as
                }' "$work/definitions" "$work/references" >>"$work/calls"
        done
    done
    awk '$3 != "-" { print $2 " refers to " $1 " of " $3 ", which is not a file of signal context" }' "$work/calls" |
        sort -u >"$work/leaks"
    grep -v '^#' "$expected/handler-symbols" | sort >"$work/allowed"
    awk '$3 == "-" { print $1 }' "$work/calls" | sort -u >"$work/used"
    comm -23 "$work/used" "$work/allowed" | while read -r symbol; do
        awk -v symbol="$symbol" '$1 == symbol {
            print $2 " refers to " symbol ", which is not allowed in signal context (" $4 " " $5 ")" }' "$work/calls"
    done >>"$work/leaks"
    comm -13 "$work/used" "$work/allowed" | sed 's/$/ is allowed, but not used any more/' >>"$work/leaks"
    present=$(for file in $signal_context; do [ ! -e "$file" ] || echo "$file"; done)
    [ -n "$present" ] || echo "none of the files of signal context exists" >>"$work/leaks"
    if [ -s "$work/leaks" ]; then
        cat "$work/leaks"
        failed=1
    fi
    signal="$(wc -l <"$work/used") calls from signal context ($(echo $present | wc -w) files;$compilers)"
else
    signal="signal context is checked on Linux x86-64, aarch64 and riscv64 only"
fi

# The C library's versions of stat(2) have one name in the list.
if [ $raw = 1 ] && [ -d ../CSignalInit ]; then
    for compiler in $compilers; do
        for level in -O0 -O2; do
            "$compiler" -std=gnu11 $level -fPIC -fno-stack-protector -U_FORTIFY_SOURCE -c ../CSignalInit/init.c -o "$work/init.o"
            "$nm" -P -u "$work/init.o" | awk '$1 != "_GLOBAL_OFFSET_TABLE_" { print $1 }' | sed 's/^stat64$/stat/; s/^__xstat.*/stat/'
        done
    done | sort -u >"$work/init-used"
    grep -v '^#' "$expected/init-symbols" | sort >"$work/init-allowed"
    if ! diff "$work/init-allowed" "$work/init-used"; then
        echo "init.c refers to other names than Tests/expected/init-symbols (< listed, > used)"
        failed=1
    fi
    if [ "$("$nm" -P -g "$work/init.o" | awk '$2 == "T" { print $1 }')" != csigshim_run_init_if_needed ]; then
        echo "init.c exports another name than csigshim_run_init_if_needed"
        failed=1
    fi
    signal="$signal, $(wc -l <"$work/init-used") from the init"
fi

set -- $compilers
compile "$1" -O2
facts define | awk '{ sub(/^_csigshim/, "csigshim", $2); print $2 }' | grep -v '^csigshim__' | sort >"$work/exported"
sort "$expected/public-symbols" >"$work/public"
if ! diff "$work/public" "$work/exported"; then
    echo "the exported C names differ from Tests/expected/public-symbols (< listed, > exported)"
    failed=1
fi
[ $failed = 0 ] && echo "symbols: $signal, $(wc -l <"$work/exported") public C functions"
exit $failed
