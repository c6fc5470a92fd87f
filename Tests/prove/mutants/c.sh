#!/bin/sh
# The part of run.sh for C, with its variables: c.sh prepare | sound | kill NAME.
#
# The library and the tests that are wanted are compiled once. For a fault, the file that has it is compiled again, or
# all files if it is a header. Each test runs over both mechanisms, as in Tests/c/run.sh. A fault that makes a test hang
# costs its deadline, which is 30 s here. `sound` shows that this suffices without a fault. A test that did not end runs
# again at once, without the fault. If it does not end then either, the machine is too busy, and the fault counts as not
# killed.
set -u
[ -d "$work/faults" ] || exit 255 # run.sh has ended: tells xargs to stop
ulimit -t 120 # a test that spins, in a process group of its own
base=$work/c
parts="Sources/CSignalShim Sources/CSignalInit" # no two files of one name
flags="-std=c11 -O1 -g -w -pthread"

compile() { # compile TREE TO FILE...: objects, of a copy of the sources
    tree=$1 to=$2
    shift 2
    for source in "$@"; do
        # shellcheck disable=SC2086
        "$compiler" $flags -I"$tree/Sources/CSignalShim/include" -I"$tree/Sources/CSignalInit/include" -c "$source" -o "$to/$(basename "$source" .c).o" || return 1
    done
}

prepare() {
    mkdir -p "$base/control" "$base/tests"
    for part in $parts Tests/c Tests/library Tests/expected Tests/tools Examples library; do
        mkdir -p "$base/tree/$part" && cp -R "$root/$part/." "$base/tree/$part" || return 1
    done
    cp "$root/Makefile" "$base/tree"
    sed 's/DEADLINE_SECONDS = 60 /DEADLINE_SECONDS = 30 /' "$root/Tests/c/check.h" >"$base/tree/Tests/c/check.h"
    cp -R "$base/tree/Sources" "$base/control/Sources"
    compile "$base/tree" "$base/control" "$base"/tree/Sources/*/*.c
}

# run_tests DIRECTORY PROGRAM [NAME...]: with the objects there. What fails is printed, and ends it.
run_tests() {
    directory=$1 program=$2
    shift 2
    # shellcheck disable=SC2086
    [ -f "$base/tests/$program.o" ] || # two jobs may need it at once
        { own=$(mktemp -d "$base/tests/XXXXXX") && compile "$base/tree" "$own" "$base/tree/Tests/c/$program.c" &&
            mv "$own/$program.o" "$base/tests"; } || return 2
    # shellcheck disable=SC2086
    [ -x "$directory/$program" ] ||
        { "$compiler" $flags "$base/tests/$program.o" "$directory"/*.o -ldl -o "$directory/$program.$$" &&
            mv "$directory/$program.$$" "$directory/$program"; } || return 2
    for mechanism in handler signalfd; do
        output=$directory/$$.output # two jobs may share the control
        CSIGSHIM_MECHANISM=$mechanism "$directory/$program" "$@" >"$output" 2>&1 && continue
        [ -n "${whole-}" ] && grep -q '^0 passed, 0 failed' "$output" && continue # another system's
        grep '^FAIL' "$output" | head -1 | sed "s/^FAIL /$program:/"
        grep -q '^FAIL' "$output" || echo "$program ended"
        return 1
    done
}

all_tests() { # all_tests PROGRAM
    sed -n 's/^TEST(\([a-z_0-9]*\)).*/\1/p' "$base/tree/Tests/c/$1.c"
}

library() { # library DIRECTORY: Tests/library with the library that is there
    package=$1/package
    rm -rf "$package" && cp -R "$base/tree" "$package" && cp -R "$1/Sources/." "$package/Sources" || return 2
    "$package/Tests/library/run.sh" >"$1/output" 2>&1 && return
    grep -q '^FAIL make_lib_without_swift' "$1/output" && return 2
    sed -n 's/^FAIL /library:/p' "$1/output" | head -1
    return 1
}

try() { # try DIRECTORY TESTS: 1, and a line, if one fails
    case $2 in
    library) library "$1" ;;
    # shellcheck disable=SC2046
    *:*) run_tests "$1" "${2%%:*}" $(echo "${2#*:}" | tr ',' ' ') ;;
    *)
        whole=yes
        for one in $(all_tests "$2"); do run_tests "$1" "$2" "$one" || return; done
        ;;
    esac
}

judge() { # judge DIRECTORY TESTS...: runs these up to three times, then all tests
    directory=$1
    shift
    for attempt in 1 2 3; do
        for tests in "$@"; do
            by=$(try "$directory" "$tests") && continue
            case $by in
            *'no end within'*) (try "$base/control" "$tests") >/dev/null || continue ;;
            '') return ;;
            esac
            echo "killed by $by"
            return
        done
    done
    for source in "$base"/tree/Tests/c/*.c; do
        by=$(try "$directory" "$(basename "$source" .c)") || { [ $? = 1 ] && echo "killed, not by its own tests, by $by"; return; }
    done
    by=$(library "$directory") || { [ $? = 1 ] && echo "killed, not by its own tests, by $by"; return; }
    echo "survived"
}

kill_one() { # kill_one NAME
    fault=$work/faults/$1 copy=$work/$1
    read -r _ name file tests <"$fault"
    mkdir "$copy"
    cp -R "$base/tree/Sources" "$copy/Sources" && cp "$base"/control/*.o "$copy"
    source=$(cd "$base/tree" && find $parts -path "*/$file")
    awk -f "$here/apply.awk" "$fault" "$base/tree/$source" >"$copy/$source"
    case $file in *.h) changed="$copy/Sources/*/*.c" ;; *) changed=$copy/$source ;; esac
    # shellcheck disable=SC2086
    if compile "$copy" "$copy" $changed 2>"$copy/errors"; then
        judge "$copy" $tests >"$work/result/$name"
    else
        head -3 "$copy/errors"
    fi
    echo "$name ($file): $(cat "$work/result/$name" 2>/dev/null || echo 'NOT COMPILED')"
    "$here/sweep.sh" "$copy"
    rm -rf "$copy"
}

is_sound() { # is_sound DIRECTORY TESTS: tries only a test that did not end once more
    for attempt in 1 2 3; do
        by=$(try "$1" "$2") && return
        case $by in *'no end within'*) ;; *) break ;; esac
    done
    echo "$by"
    return 1
}

sound() { # the tests that the chosen faults name, without any fault, two at a time
    for name in $(cat "$work/in-c"); do
        read -r _ _ _ tests <"$work/faults/$name"
        printf '%s\n' $tests
    done | sort -u >"$work/named"
    for parity in 0 1; do
        mkdir "$work/sound$parity" && cp "$base"/control/*.o "$work/sound$parity"
        cp -R "$base/tree/Sources" "$work/sound$parity/Sources"
        for tests in $(awk -v parity=$parity 'NR % 2 == parity' "$work/named"); do
            is_sound "$work/sound$parity" "$tests" || echo "$tests fails without a fault"
        done >"$work/sound$parity.failed" 2>&1 &
    done
    wait
    cat "$work"/sound?.failed
    [ ! -s "$work/sound0.failed" ] && [ ! -s "$work/sound1.failed" ]
}

case $1 in
prepare) prepare ;;
sound) sound ;;
kill) kill_one "$2" ;;
esac
