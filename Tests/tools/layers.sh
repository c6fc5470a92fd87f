#!/bin/sh
# Prints the files of the C target in layers, read from the object files. Layer 0 uses no other file, and layer n uses
# at most files of layer n - 1. A file uses another one if it refers to a function or an object which that one defines,
# or includes its header. Fails at a cycle, which it prints with the names that make it. Fails too if a file includes a
# .c, or uses a file that stands after it in shim.h.
#
#   layers.sh [-n] [directory]     -n prints each name that a file uses; directory: Sources/CSignalShim
set -eu

# This file may compare what is installed with the address of that function, which is defined above it, and not call it.
comparer=old_action.c address=csigshim__handler

names=0
[ "${1:-}" != -n ] || { names=1; shift; }
directory=${1:-$(dirname "$0")/../../Sources/CSignalShim}
cd "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-clang}
command -v "$cc" >/dev/null || cc=cc
nm=$(command -v llvm-nm || command -v nm) || { echo "nm is missing: install the package binutils" >&2; exit 1; }

# Lines for awk: file NAME, defines NAME SYMBOL, refers NAME SYMBOL, includes NAME HEADER.
for file in *.c; do
    "$cc" -std=gnu11 -O0 -fPIC -w -Iinclude -c "$file" -o "$work/object"
    echo "file $file"
    "$nm" -P -g "$work/object" | awk -v file="$file" '
        $2 == "U" || $2 == "w" || $2 == "v" { print "refers", file, $1; next }
        NF >= 2 { print "defines", file, $1 }'
done >"$work/facts"
for file in *.c *.h include/*.h; do
    [ -e "$file" ] || continue
    sed -n 's/^[ \t]*#[ \t]*include[ \t]*["<]\([^">]*\)[">].*/\1/p' "$file" | while read -r header; do
        for found in "$(dirname "$file")/$header" "include/$header"; do
            [ ! -e "$found" ] || { echo "includes $file ${found#./}"; break; }
        done
    done
done >>"$work/facts"
[ ! -e shim.h ] || sed -n 's|^/\* \([a-z_]*\.c\)\(:.*\)\{0,1\}\( \*/\)\{0,1\}$|stands \1|p' shim.h >>"$work/facts"
[ ! -e "$comparer" ] || grep -Eq "(^|[^a-z_])$address *\(" "$comparer" || echo "compares $comparer $address" >>"$work/facts"

awk -v names=$names '
    function edge(from, to, what) {
        if (from == to)
            return
        if (!((from, to) in uses)) {
            uses[from, to] = what
            count[from, to] = 0
        } else {
            uses[from, to] = uses[from, to] ", " what
        }
        if (what != "#include")
            count[from, to]++
    }
    function node(name) {
        if (!(name in is_node)) {
            is_node[name] = 1
            node_name[nodes++] = name
        }
        return name
    }
    # The shortest way from `start` back to it, or nothing.
    function cycle(start,    queue, first, last, from, to, i, text) {
        split("", came)
        queue[0] = start
        first = 0
        last = 1
        while (first < last) {
            from = queue[first++]
            for (i = 0; i < nodes; i++) {
                to = node_name[i]
                if (!((from, to) in uses) || to in came)
                    continue
                came[to] = from
                queue[last++] = to
            }
        }
        if (!(start in came))
            return ""
        text = ""
        to = start
        do {
            from = came[to]
            told[from] = 1
            text = "    " from " uses " to ": " uses[from, to] "\n" text
            to = from
        } while (to != start)
        return text
    }
    $1 == "file" { is_source[node($2)] = 1; sources++ }
    $1 == "stands" { place[$2] = ++places }
    $1 == "compares" { compares[$2, $3] = 1 }
    $1 == "defines" { definer[$3] = $2 }
    $1 == "refers" { refers[references++] = $2 " " $3 }
    $1 == "includes" && $3 ~ /\.c$/ { print $2 " includes " $3; failed = 1 }
    $1 == "includes" && $3 !~ /\.c$/ { includes[inclusions++] = $2 " " $3 }
    END {
        for (i = 0; i < references; i++) {
            split(refers[i], word, " ")
            if (word[2] in definer && !((word[1], word[2]) in compares))
                edge(word[1], definer[word[2]], word[2])
        }
        for (i = 0; i < inclusions; i++) {
            split(includes[i], word, " ")
            # lock.h speaks for lock.c: to include the one is to use the other.
            for (k = 1; k <= 2; k++) {
                owner = word[k]
                sub(/\.h$/, ".c", owner)
                if (owner in is_source)
                    word[k] = owner
                else
                    node(word[k])
            }
            edge(word[1], word[2], "#include")
        }
        for (i = 0; i < nodes; i++)
            if (!(node_name[i] in told) && (text = cycle(node_name[i])) != "") {
                printf "a cycle:\n%s", text
                failed = 1
            }
        for (i = 0; i < nodes; i++)
            for (k = 0; k < nodes; k++) {
                from = node_name[i]
                to = node_name[k]
                if ((from, to) in uses && from in place && to in place && place[to] > place[from]) {
                    print from " uses " to ", which stands after it in shim.h: " uses[from, to]
                    failed = 1
                }
            }
        if (failed)
            exit 1
        # Repeats this once for each node: without a cycle, all have their layer then.
        for (pass = 0; pass < nodes; pass++)
            for (i = 0; i < nodes; i++)
                for (k = 0; k < nodes; k++) {
                    from = node_name[i]
                    to = node_name[k]
                    if ((from, to) in uses && from in is_source && to in is_source && layer[from] <= layer[to])
                        layer[from] = layer[to] + 1
                }
        highest = 0
        for (name in is_source)
            if (layer[name] > highest)
                highest = layer[name]
        printf "%-6s %-18s %s\n", "layer", "file", "uses (how many names of it)"
        for (n = highest; n >= 0; n--)
            for (i = 0; i < nodes; i++) {
                from = node_name[i]
                if (!(from in is_source) || layer[from] != n)
                    continue
                text = ""
                for (m = n - 1; m >= 0; m--)
                    for (k = 0; k < nodes; k++) {
                        to = node_name[k]
                        if (!(to in is_source) || layer[to] != m || !((from, to) in uses))
                            continue
                        if (names)
                            text = text sprintf("\n%-25s %s: %s", "", to, uses[from, to])
                        else
                            text = text (text == "" ? "" : ", ") to " (" (count[from, to] ? count[from, to] : "its header") ")"
                    }
                if (text == "")
                    text = "-"
                printf "%-6s %-18s%s%s\n", n, from, text ~ /^\n/ ? "" : " ", text
            }
        print "layers: " sources " files in " (highest + 1) " layers, no cycle"
    }
' "$work/facts"
