#!/bin/sh
# Everything shown is executed. Each block of Swift, C, make, CMake and Meson in the README, the articles and the doc
# comments must stand, line for line, in a file under Snippets/, Examples/c, Examples/embedding, Examples/plugins,
# Examples/Recipes, Examples/Terminal, Tests/adapters, Tests/library/consumer or library/meson. A diff counts as two: what is before, and what is after.
# Those of Snippets/, and the README's Examples/c/first.c, are compiled here, started as processes, sent the signals of their
# `signals:` comment one by one, and must end with 0; the rest is for `make examples`, because it wants other people's loops and
# packages.
set -u
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
child=
trap '[ -n "$child" ] && kill -9 "$child" 2>/dev/null; rm -rf "$work"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok $1"; }
bad() { failed=$((failed + 1)); echo "FAIL $1"; }

# 1. What is shown is in the files. Blocks and files are compared without indentation.
for file in Snippets/*.swift Examples/c/*.[ch] Examples/embedding/* Examples/plugins/* \
    Examples/Recipes/Sources/*/*.swift Examples/Terminal/*/*/*.swift Tests/adapters/Sources/*/*.swift Tests/library/consumer/*/* library/meson/*.wrap; do
    sed -n '/snippet\.hide/,/snippet\.show/!p' "$file"
done | sed 's/^[ \t]*//; s/[ \t]*$//' >"$work/shown"
blocks=0
for file in README.md Sources/SignalBridge/SignalBridge.docc/*.md $(find Sources -name '*.swift'); do
    # A doc comment's block is one of comment lines; an article's is one of plain lines.
    sed 's/^[ \t]*\/\/\/ \{0,1\}//' "$file" | awk -v out="$work/block" '
        /^```(swift|c|make|cmake|meson|ini)$/ { n++; inside = 1; next }
        /^```diff$/ { n += 2; diff = 1; next }
        /^```/ { inside = diff = 0; next }
        diff {
            sign = substr($0, 1, 1)
            text = substr($0, 2)
            sub(/^[ \t]+/, "", text)
            if (sign != "+") print text > (out "." n - 1)
            if (sign != "-") print text > (out "." n)
        }
        inside { sub(/^[ \t]+/, ""); sub(/[ \t]+$/, ""); print > (out "." n) }'
    for block in "$work"/block.*; do
        [ -f "$block" ] || continue
        blocks=$((blocks + 1))
        if [ "$(tr -cd '{' <"$block" | wc -c)" != "$(tr -cd '}' <"$block" | wc -c)" ]; then
            bad "$file shows a block that is cut off:"
            cat "$block"
        fi
        if ! head -1 "$block" | grep -q '^\.package(' && ! awk -v block="$block" '
            BEGIN { while ((getline line < block) > 0) want = want line "\n" }
            { have = have $0 "\n" }
            END { exit index(have, want) == 0 }' "$work/shown"; then
            bad "$file shows a block that no file of Snippets, Examples, Tests/adapters or Tests/library/consumer has:"
            cat "$block"
        fi
        rm -f "$block"
    done
done
[ "$blocks" -gt 5 ] && ok "$blocks blocks in the documentation are in the files that are run" || bad "only $blocks blocks were found"
Tests/tools/need.sh python3 && Tests/tools/guide.py --check >"$work/guide" &&
    ok "docs/guide is what the articles say, and no link leads nowhere" || { bad "docs/guide:"; cat "$work/guide"; }

# 2. Each guarantee has a heading and a list of tests, and these exist: a C test or a script in backticks, a Swift test in quotes.
guarantees=Sources/SignalBridge/SignalBridge.docc/Guarantees.md
missing=0
absent() { bad "$guarantees: $*"; missing=1; }
grep '^### ' $guarantees | cut -d ' ' -f 2 | tr -d : | tr '\n' ' ' >"$work/numbers"
echo "G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 G12 G13 G14 L1 L2 L3 L4 L5 L6 L7 L8 L9 " | tr -d '\n' | cmp -s - "$work/numbers" ||
    absent "the headings are $(cat "$work/numbers")"
awk '/^### / { if (name != "" && tests == 0) print name; name = $2; tests = 0 } /^- [`"]/ { tests++ }
    END { if (tests == 0) print name }' $guarantees >"$work/untested"
while read -r name; do absent "$name has no test"; done <"$work/untested"
sed -n 's/^- \([`"]\)\([^`"]*\)[`"].*/\1 \2/p' $guarantees >"$work/names"
while read -r kind name; do
    case $kind$name in
    '`make '*) grep -q "^${name#make }:" Makefile || absent "there is no $name" ;;
    '`'*/*) [ -f "$name" ] || absent "there is no $name" ;;
    '`'*) grep -rq --include='*.c' "^TEST($name)" Tests/c || absent "$name is no test in Tests/c" ;;
    *) grep -rqF --include='*.swift' "\"$name" Tests/SignalBridgeTests Tests/SignalDaemonTests || absent "\"$name\" is no test" ;;
    esac
done <"$work/names"
[ -s "$work/names" ] && [ $missing = 0 ] && ok "the $(wc -l <"$work/names" | tr -d ' ') tests that the guarantees name exist"

# 3. The files run. run NAME PROGRAM SIGNALS
catches() { # catches PID NUMBER: whether the process has a handler for the signal (Linux; elsewhere: wait a second)
    [ -r "/proc/$1/status" ] || { sleep 1; return 0; }
    mask=$(awk '/^SigCgt/ { print $2 }' "/proc/$1/status" 2>/dev/null)
    [ -n "$mask" ] && [ $((0x$(echo "$mask" | tail -c 9) >> ($2 - 1) & 1)) = 1 ]
}
run() {
    rm -f "$work/pid" "$work/status"
    {
        sh -c 'echo $$ >"$1.new" && mv "$1.new" "$1"; exec "$2"' sh "$work/pid" "$2" >"$work/output" 2>&1
        echo $? >"$work/status"
    } &
    until [ -f "$work/pid" ]; do sleep 0.1; done
    child=$(cat "$work/pid")
    for name in $3; do
        number=1
        until [ "$(kill -l $number)" = "$name" ]; do number=$((number + 1)); done
        tries=0
        until catches "$child" "$number" || [ $tries = 100 ] || [ -f "$work/status" ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        kill -s "$name" "$child" 2>/dev/null
        sleep 0.2
    done
    tries=0
    until [ -f "$work/status" ] || [ $tries = 300 ]; do # a deadline of half a minute
        sleep 0.1
        tries=$((tries + 1))
    done
    [ -f "$work/status" ] || kill -9 "$child"
    wait
    child=
    status=$(cat "$work/status")
    if [ "$status" = 0 ]; then ok "$1"; else bad "$1 ended with $status:"; cat "$work/output"; fi
}
${SWIFT:-swift} build >"$work/build" 2>&1 || { cat "$work/build"; exit 1; }
binaries=$(${SWIFT:-swift} build --show-bin-path)
for file in Snippets/*.swift; do
    name=$(basename "$file" .swift)
    run "$file" "$binaries/$name" "$(sed -n 's/^\/\/ signals: //p' "$file")"
done
cc=${CC:-clang}
command -v "$cc" >/dev/null || cc=cc
"$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -ISources/CSignalShim/include Examples/c/first.c Sources/CSignalShim/*.c \
    -pthread -o "$work/first" && run Examples/c/first.c "$work/first" TERM || bad "Examples/c/first.c does not compile"

echo
echo "$passed passed, $failed failed"
[ $failed = 0 ]
