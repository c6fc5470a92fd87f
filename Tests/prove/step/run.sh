#!/bin/sh
# run.sh [quick]: sends a signal at every instruction of each public function, and of a delivery, in the states that
# matter. Environment: STEP_ONLY="remove, the last" runs that state alone. STEP_SAME=n tries each nth instruction with
# the signal on the same thread; STEP_OTHER=n tries each nth instruction with another thread inside the handler.
set -u
here=$(cd "$(dirname "$0")" && pwd)
library=$here/../../../Sources/CSignalShim
method="signal at each instruction"

if [ "$(uname -s)" != Linux ] || [ "$(uname -m)" != x86_64 ]; then
    echo "RESULT $method|not run: Linux on x86-64 only|-"
    exit 0
fi
compiler=${CC:-clang}
command -v "$compiler" >/dev/null 2>&1 || compiler=cc
"$here/../../tools/need.sh" "$compiler" gcc || {
    echo "RESULT $method|not run: needs a C compiler|-"
    exit 0
}
"$here/../../tools/need.sh" addr2line binutils || true # names instructions, where it is there

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

same=1 other=1
[ "${1:-}" != quick ] || same=71 other=97
# Without PIE, the addresses are the same in each run. With -z now, no function is looked up during the call.
"$compiler" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wno-missing-field-initializers -fno-pie -no-pie \
    -pthread -I"$library" -I"$library/include" "$here"/*.c "$library"/*.c -Wl,-z,now -ldl -o "$work/step" || exit 1
"$work/step" "${STEP_SAME:-$same}" "${STEP_OTHER:-$other}"
