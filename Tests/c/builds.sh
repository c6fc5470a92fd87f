#!/bin/sh
# Compiles the C targets as hosts do: with gcc and clang and the strictest warnings as errors, as one translation unit,
# and with musl, which has no kernel headers (linux/*.h). The C tests compile with gcc's warnings as errors, too. Only
# one program, on musl, also runs. The last line is "N passed, N failed"; the exit status is 0 if none failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
shim=Sources/CSignalShim init=Sources/CSignalInit
strict="-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror -pthread"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0
check() { # check NAME COMMAND...
    label=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok $label"
    else
        failed=$((failed + 1))
        echo "FAIL $label"
        head -40 "$work/output"
    fi
}
each() { # each COMMAND... -- FILE...: the command, with each file
    command=
    while [ "$1" != -- ]; do
        command="$command $1"
        shift
    done
    shift
    for file; do
        # shellcheck disable=SC2086
        $command "$file" || return 1
    done
}

# One translation unit, as CMake's UNITY_BUILD makes it.
for file in "$shim"/*.c "$init"/*.c; do echo "#include \"$PWD/$file\""; done >"$work/unity.c"

# shellcheck disable=SC2086
for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || { echo "not checked: $compiler is missing"; continue; }
    for level in -O0 -O2; do
        check "library_${compiler}_without_a_warning ($level)" \
            each "$compiler" $strict $level -o "$work/object" -c -- "$shim"/*.c "$init"/*.c
    done
    check "library_${compiler}_gnu11" each "$compiler" $strict -std=gnu11 -fsyntax-only -- "$shim"/*.c "$init"/*.c
    check "one_translation_unit_$compiler" "$compiler" $strict -O2 -c "$work/unity.c" -o "$work/object"
    check "hidden_by_the_compiler_$compiler" "$compiler" $strict -O2 -fPIC -fvisibility=hidden -shared "$work/unity.c" -ldl -o "$work/hidden.so"
    check "hidden_by_the_compiler_exports_nothing_$compiler" sh -c "! nm -D --defined-only '$work/hidden.so' | grep csigshim"
done

if [ "$(uname -s)" = Linux ] && Tests/tools/need.sh musl-gcc musl-tools; then
    linux=$(echo '#include <linux/futex.h>' | musl-gcc -fsyntax-only -xc - 2>&1)
    check "musl_has_no_kernel_headers" test -n "$linux"
    # shellcheck disable=SC2086
    check "library_musl_without_a_warning" each musl-gcc $strict -O2 -o "$work/object" -c -- "$shim"/*.c "$init"/*.c
    # shellcheck disable=SC2086
    check "program_musl" musl-gcc $strict -O2 -static -I"$shim/include" Tests/library/consumer/main.c "$shim"/*.c -o "$work/program"
    check "program_musl_runs" timeout 20 "$work/program"
fi

for file in Tests/c/*.c; do
    check "$(basename "$file" .c)_gcc" \
        "${GCC:-gcc}" -std=c11 -O1 -Wall -Wextra -Werror -pthread -I"$shim/include" -I"$init/include" -c "$file" -o "$work/object"
done

echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
