#!/bin/sh
# run.sh [quick|NAME...]: puts small faults into copies of the sources, one at a time, and runs the tests. A test must
# fail for each.
#
# A suite is only as good as the faults that it finds. *.faults lists faults that a maintainer could make. An entry:
#
#     = NAME FILE TESTS...       for C: PROGRAM, PROGRAM:TEST,TEST, or "library"; for Swift: what --filter wants
#      a line that stays, -one that goes, +one that comes in its place
#
# The lines that stay and those that go must be in FILE exactly once; otherwise the list is out of date. First the same
# tests must pass without a fault. A test that fails, dies or does not end kills the fault, and its name is printed. The
# entry's own tests run first, up to three times, because a race needs luck. Then all others of its language run. If
# they pass, the fault has survived. At the end, when the machine is less busy, survivors are tried once more, and named:
# a busy machine meets fewer races, and a test that steps through instructions then takes a sample only. A fault that
# does not compile is an error of the list.
#
# quick: that every entry still fits its source, and a few faults in C.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
[ "$(uname -s)" = Linux ] || { echo "RESULT mutants|not run: Linux only|-"; exit 0; }

# A fault may signal any process, so all of this runs in a PID namespace of its own, if that is permitted.
work=${MUTANTS_WORK:-$(mktemp -d)} || exit 1
if [ -z "${MUTANTS_WORK-}" ] && unshare -pf --mount-proc --kill-child true 2>/dev/null; then
    trap 'rm -rf "$work"' EXIT
    trap 'kill -9 "$inner"; wait; exit 1' HUP INT TERM
    MUTANTS_WORK=$work unshare -pf --mount-proc --kill-child "$0" "$@" &
    inner=$!
    wait "$inner"
    exit
fi
workers=
trap 'for worker in $workers; do kill "$worker" 2>/dev/null; done; wait; "$here/sweep.sh" "$work"; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
compiler=${CC:-clang}
command -v "$compiler" >/dev/null 2>&1 || compiler=cc
export here root work compiler

names="$*"
[ "$names" != quick ] || names="errno_is_not_restored looks_before_it_counts no_alternate_stack dormancy_is_forgotten pipe_goes_to_children"

# One file for each fault, and each applied: the list fits, or all of this is void.
mkdir "$work/faults" "$work/result"
cat "$here"/*.faults | awk -v to="$work/faults/" '/^= / { close(out); out = to $2 } out && !/^#/ { print > out }'
outdated=
for fault in "$work"/faults/*; do
    read -r _ name file tests <"$fault"
    source=$(find "$root/Sources" -path "*/$file")
    { [ -n "$tests" ] && awk -f "$here/apply.awk" "$fault" "$source" >"$work/mutated" && ! cmp -s "$work/mutated" "$source"; } ||
        outdated="$outdated $name"
done
total=$(cat "$here"/*.faults | grep -c '^= ')
[ "$total" = "$(find "$work/faults" -type f | wc -l)" ] || outdated="$outdated (one name twice)"
if [ -n "$outdated" ]; then
    echo "the list is out of date:$outdated"
    echo "RESULT mutants|none of $total faults|the list is out of date"
    exit 1
fi
chosen() { # chosen PATTERN: the names of the wanted faults in files of that kind
    for fault in "$work"/faults/*; do
        read -r _ name file _ <"$fault"
        case " ${names:-$name} " in *" $name "*) ;; *) continue ;; esac
        case $file in $1) echo "$name" ;; esac
    done
}
chosen '*.[ch]' >"$work/in-c"
chosen '*.swift' >"$work/in-swift"

survivors_among() { # survivors_among NAMES
    grep -l survived "$work"/result/* 2>/dev/null | xargs -r -n 1 basename | grep -Fxf - "$1" | tee -a "$work/again"
}
# Two in C at a time, since a test that waits leaves its core to another; and those in Swift beside them.
in_c() {
    [ -s "$work/in-c" ] || return 0
    { "$here/c.sh" prepare && "$here/c.sh" sound; } || { : >"$work/unsound"; return; }
    for parity in 0 1; do
        awk -v parity=$parity 'NR % 2 == parity' "$work/in-c" | xargs -r -n 1 "$here/c.sh" kill &
    done
    wait
    survivors_among "$work/in-c" | xargs -r -n 1 "$here/c.sh" kill
}
in_swift() {
    [ -s "$work/in-swift" ] || return 0
    "$here/swift.sh" prepare || { : >"$work/unsound"; return; }
    xargs -n 1 "$here/swift.sh" kill <"$work/in-swift"
    survivors_among "$work/in-swift" | xargs -r -n 1 "$here/swift.sh" kill
}
in_c &
workers=$!
in_swift &
workers="$workers $!"
wait
workers=
if [ -f "$work/unsound" ]; then
    echo "RESULT mutants|no fault of $total|the tests fail without any"
    exit 1
fi

in_c=$(wc -l <"$work/in-c") in_swift=$(wc -l <"$work/in-swift")
survived=$(cd "$work/result" && grep -l survived ./* 2>/dev/null | sed 's,^\./,,' | tr '\n' ' ')
void=$(cat "$work/in-c" "$work/in-swift" | while read -r name; do
    grep -Eqs 'killed|survived' "$work/result/$name" || echo "$name"
done | tr '\n' ' ')
found="all killed"
[ ! -s "$work/again" ] || found="all killed, these at the second try: $(tr '\n' ' ' <"$work/again")"
[ -z "$survived" ] || found="$(echo "$survived" | wc -w) survived: $survived"
[ -z "$void" ] || found="not tried, not compiled: $void"
echo "RESULT mutants|$((in_c + in_swift)) faults: $in_c in C, $in_swift in Swift|$found"
[ -z "$survived$void" ]
