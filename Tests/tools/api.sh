#!/bin/sh
# Compares the public declarations of SignalBridge and SignalDaemon with the lists in Tests/expected, and prints what was
# changed, removed or added; any of these is a failure. A declaration that moves to another file or extension is none.
# Adapters.api lists what SignalDaemon has with all of its traits, and lacks without: that fetches packages. Where they
# cannot be had, it is not compared, and a line says so.
#
#   api.sh              compares
#   api.sh --write      writes the lists anew: make api-baseline
#
# The lists are what swift-synthesize-interface prints, a line for each declaration. Releases of Swift print differently,
# so a list names the one that it is from. With another one, nothing is compared, and a line says so.
set -eu
cd "$(dirname "$0")/../.."
swift=${SWIFT:-swift}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lists=Tests/expected
modules='SignalBridge SignalDaemon Adapters'
least=50 # declarations, or the tool has not understood the module

version=$("$swift" --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p')
tool=$(dirname "$(command -v "$swift")")/swift-synthesize-interface
if [ ! -x "$tool" ] || [ "$(uname -s)" != Linux ]; then
    echo "api: not compared: that takes swift-synthesize-interface, on Linux"
    exit 0
fi
listed=$(sed -n '1s/.*Swift \([0-9]*\.[0-9]*\)$/\1/p' $lists/SignalBridge.api 2>/dev/null || true)
if [ "${1:-}" != --write ] && [ "$version" != "$listed" ]; then
    echo "api: not compared: the lists are from Swift ${listed:-(there are none)}, and this is Swift $version"
    exit 0
fi

"$swift" build --target SignalDaemon >"$work/build" 2>&1 || { cat "$work/build"; exit 1; }
built=$("$swift" build --show-bin-path)/Modules

# The package of the adapters' tests enables every trait.
with_traits() { "$swift" "$@" --package-path Tests/adapters --scratch-path .build/adapters; }
if with_traits package resolve >"$work/resolve" 2>&1; then
    touch Tests/adapters/Package.swift # or SwiftPM overlooks new files of the library
    with_traits build --product hosting >"$work/build" 2>&1 || { cat "$work/build"; exit 1; }
    adapters=$(with_traits build --show-bin-path)/Modules
else
    echo "api: the adapters are not compared: their packages cannot be fetched"
    modules='SignalBridge SignalDaemon'
fi

# Prints the interface of a module.
interface() {
    case $1 in
    # swift-system's C module has its headers where it was checked out.
    Adapters) set -- SignalDaemon "$adapters" -I .build/adapters/checkouts/swift-system/Sources/CSystem/include ;;
    *) set -- "$1" "$built" ;;
    esac
    module_name=$1 directory=$2
    shift 2
    "$tool" -module-name "$module_name" -I "$directory" -I Sources/CSignalShim/include -I Sources/CSignalInit/include "$@"
}

# Reads an interface, and prints a line for each declaration: the type that it is in, and what a user may rely on.
declarations() {
    awk '
        /^[ \t]*\/\/\// || /^[ \t]*$/ || /^import / { next }
        {
            sub(/^[ \t]+/, "")
            gsub(/Signal(Bridge|Daemon)\./, "")
        }
        $0 == "}" { depth--; next }
        /^@/ {
            bare = $0
            gsub(/"[^"]*"/, "", bare)
            if (bare !~ /(^| )(public|open|func|var|let|init|case|subscript|associatedtype|typealias) ?/) {
                attributes = attributes $0 " "
                next
            }
        }
        {
            line = attributes $0
            attributes = ""
            sub(/public /, "", line)
            gsub(/(internal|package|private|fileprivate)\(set\) /, "", line)
            gsub(/, message: "[^"]*"/, "", line)
            sub(/convenience init/, "init", line)
            if (line ~ /^([@A-Za-z]+ )*let / && sub(/let /, "var ", line))
                line = line " { get }" # a user cannot tell it from a computed one
        }
        line == "deinit" { next }
        !/\{$/ { print (depth ? type[depth] ": " : "") line; next }
        # A type or an extension: its conformances are lines of their own.
        {
            sub(/ \{$/, "", line)
            condition = ""
            if (i = index(line, " where ")) {
                condition = substr(line, i)
                line = substr(line, 1, i - 1)
            }
            count = 0
            if (i = index(line, " : ")) {
                count = split(substr(line, i + 3), conformances, ", ")
                line = substr(line, 1, i - 1)
            }
            match(line, /(struct|class|enum|actor|protocol|extension) [^ <]*/)
            split(substr(line, RSTART, RLENGTH), word, " ")
            extension = word[1] == "extension"
            type[depth + 1] = (depth ? type[depth] "." : "") word[2] (extension ? condition : "")
            depth++
            if (!extension)
                print type[depth] ": " substr(line, 1, RSTART - 1) word[1] substr(line, RSTART + RLENGTH) condition
            for (i = 1; i <= count; i++)
                print type[depth] " : " conformances[i]
        }
        END { exit depth != 0 }' "$1"
}

# A changed declaration has the same name in both lists, before its parameters and its type.
compare() {
    awk '
        function name(line,    bare) {
            bare = line
            gsub(/"[^"]*"/, "", bare)
            if (match(bare, /(func|var|let|init|case|subscript|typealias|associatedtype)[ (?<][^(:<]*/))
                return (index(line, ": ") ? substr(line, 1, index(line, ": ")) : "") substr(bare, RSTART, RLENGTH)
            return line
        }
        /^#/ { next }
        NR == FNR { was[$0]; old[++olds] = $0; next }
        { is[$0]; new[++news] = $0 }
        END {
            for (i = 1; i <= olds; i++)
                if (!(old[i] in is)) {
                    each = name(old[i])
                    if (!(each in less))
                        gone[++goners] = each
                    less[each] = less[each] "  - " old[i] "\n"
                }
            for (i = 1; i <= news; i++)
                if (!(new[i] in was)) {
                    each = name(new[i])
                    if (!(each in less || each in more))
                        come[++comers] = each
                    more[each] = more[each] "  + " new[i] "\n"
                }
            for (i = 1; i <= goners; i++)
                if (gone[i] in more)
                    changed = changed less[gone[i]] more[gone[i]]
                else
                    removed = removed less[gone[i]]
            for (i = 1; i <= comers; i++)
                added = added more[come[i]]
            if (changed)
                printf "changed:\n%s", changed
            if (removed)
                printf "removed:\n%s", removed
            if (added)
                printf "added:\n%s", added
            exit (changed removed added) != ""
        }' "$1" "$2"
}

failed=0
total=0
for module in $modules; do
    interface "$module" >"$work/interface"
    echo "# Public declarations of $module; \`make api-baseline\` writes them. Swift $version" >"$work/$module"
    declarations "$work/interface" >"$work/lines"
    if [ "$module" = Adapters ]; then
        grep -vxFf "$work/SignalDaemon" "$work/lines" >"$work/added" || true
        mv "$work/added" "$work/lines"
        least=10
    fi
    LC_ALL=C sort -u "$work/lines" >>"$work/$module"
    count=$(wc -l <"$work/lines" | tr -d ' ')
    total=$((total + count))
    if [ "$count" -lt $least ]; then
        echo "api: only $count declarations were found in $module"
        exit 1
    fi
    if [ "${1:-}" = --write ]; then
        cp "$work/$module" "$lists/$module.api"
    elif ! compare "$lists/$module.api" "$work/$module" >"$work/differences"; then
        echo "$module differs from $lists/$module.api:"
        cat "$work/differences"
        failed=1
    fi
done
if [ $failed = 1 ]; then
    echo "api: if that is meant, run \`make api-baseline\`, and add it to CHANGELOG.md"
    exit 1
fi
echo "api: $total public declarations$([ "${1:-}" = --write ] && echo ', written' || echo ', as listed')"
