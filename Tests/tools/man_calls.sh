#!/bin/sh
# Checks that the system calls that csignalshim(7) lists for a sandbox are those of Tests/c/sandbox_calls.h, in the same
# groups, and that each call that the C target makes by its number is among them. In the page, a comment in an item of
# the list names the group, and each ".Xr NAME 2" of the item is a call. In the header, a group is an array, or the
# comment at the top.
#
#   man_calls.sh [page [header]]
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."
page=${1:-library/man/csignalshim.7} header=${2:-Tests/c/sandbox_calls.h}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk '/^\.Sh / { inside = /SYSTEM CALLS/ }
    /^\.(It|El)/ { group = "" }
    inside && /^\.\\" calls_/ { group = $2 }
    group != "" && $1 == ".Xr" && $3 == "2" { print group, $2 }' "$page" | sort >"$work/page"
awk 'BEGIN { group = "calls_not_in_the_test" }
    /^#define/ { next }
    match($0, /calls_[a-z_]*\[\]/) { group = substr($0, RSTART, RLENGTH - 2) }
    {
        while (match($0, /CALL\([a-z0-9_]+\)/)) {
            print group, substr($0, RSTART + 5, RLENGTH - 6)
            $0 = substr($0, RSTART + RLENGTH)
        }
    }' "$header" | sort >"$work/header"
for list in page header; do
    [ "$(cut -d' ' -f1 "$work/$list" | uniq | wc -l)" -eq 4 ] || { echo "man_calls: the $list has not four groups of calls"; exit 1; }
done
diff "$work/header" "$work/page" >"$work/difference" || {
    echo "man_calls: $header (<) and $page (>) differ"
    cat "$work/difference"
    exit 1
}
cut -d' ' -f2 "$work/page" | sort -u >"$work/listed"
grep -oh 'SYS_[a-z0-9_]*' Sources/CSignalShim/*.[ch] | sed 's/^SYS_//' | sort -u | comm -23 - "$work/listed" >"$work/missing"
[ ! -s "$work/missing" ] || { echo "man_calls: the C target makes calls that $page does not list:"; cat "$work/missing"; exit 1; }
echo "man_calls: $(wc -l <"$work/listed") system calls, the same in the manual page and the test"
