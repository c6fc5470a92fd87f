#!/bin/sh
# Each public header alone, as C11, C17 and C++17, without a warning.
set -u
sources=$(cd "$(dirname "$0")/../../Sources" && pwd)
compiler=${CC:-clang}
command -v "$compiler" >/dev/null 2>&1 || compiler=cc
cxx=${CXX:-clang++}
command -v "$cxx" >/dev/null 2>&1 || cxx=c++
passed=0
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

try() {
    name=$1
    shift
    # Twice, because a program may include a header twice.
    printf '#include "CSignalShim.h"\n#include "CSignalShim.h"\n%s\n' \
        'extern char size[sizeof(csigshim_event) == 64 ? 1 : -1];' >"$work/alone.$extension"
    printf '#include "CSignalInit.h"\n#include "CSignalInit.h"\n' >"$work/init.$extension"
    if "$@" -Wall -Wextra -Wpedantic -Werror -I"$sources/CSignalShim/include" -fsyntax-only "$work/alone.$extension" &&
        "$@" -Wall -Wextra -Wpedantic -Werror -I"$sources/CSignalInit/include" -fsyntax-only "$work/init.$extension"; then
        echo "ok $name"
        passed=$((passed + 1))
    else
        echo "FAIL $name"
        failed=$((failed + 1))
    fi
}

extension=c
try header_c11 "$compiler" -std=c11
try header_c17 "$compiler" -std=c17
extension=cpp
try header_cxx17 "$cxx" -std=c++17
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
