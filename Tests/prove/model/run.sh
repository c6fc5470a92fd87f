#!/bin/sh
# run.sh [quick] checks sequences of operations against a model; run.sh BYTES-IN-HEX checks that sequence alone.
#
# First the fixed sequences of fixed.c. Then random sequences of calls, signals, forks, foreign sigaction calls, closed
# descriptors and reads, each step checked against model.c; a sequence that fails is cut down and printed. Then libFuzzer
# drives the same interpreter, under the address and undefined behaviour sanitizers, from a corpus that the random driver
# left.
#
# SEED=n runs the same random sequences again (the printed one); SECONDS_EACH=n says for how long each of the two runs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
library=$here/../../../Sources/CSignalShim
random="operation sequences against a model" fuzzer="libFuzzer, same interpreter"
if [ "$(uname -s)" != Linux ]; then
    echo "RESULT $random|not run: Linux only|-"
    echo "RESULT $fuzzer|not run: Linux only|-"
    exit 0
fi
compiler=${CC:-clang}
command -v "$compiler" >/dev/null 2>&1 || compiler=cc
flags="-std=c11 -g -Wall -Wextra -Werror -pthread -I$library/include"
seconds=170 first=170
[ "${1:-}" != quick ] || seconds=3 first=4
seconds=${SECONDS_EACH:-$seconds} first=${SECONDS_EACH:-$first}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
sources="$here/interpret.c $here/bridge_ops.c $here/host_ops.c $here/process_ops.c $here/model.c $here/deliver.c
    $here/world.c $here/files.c $here/fixed.c $here/shrink.c"

# shellcheck disable=SC2086
"$compiler" $flags -O2 -Wl,-z,now "$here/random.c" $sources "$library"/*.c -ldl -o "$work/random" || exit 1
case ${1:-} in
'' | quick) ;;
*)
    "$work/random" 0 0 "$1"
    exit
    ;;
esac

# libFuzzer's runtime comes with clang only, and is a package of its own in some distributions. Built meanwhile.
sanitize=address,undefined
build_fuzzer() {
    echo 'int LLVMFuzzerTestOneInput(const void *b, long n); int LLVMFuzzerTestOneInput(const void *b, long n)' \
        '{ return b == (void *)n; }' >"$work/probe.c"
    "$compiler" -fsanitize=fuzzer,$sanitize "$work/probe.c" -o "$work/probe" 2>/dev/null || return 0
    # shellcheck disable=SC2086
    "$compiler" $flags -O1 -fsanitize=$sanitize -fno-sanitize-recover=all -c "$here/fuzz.c" -o "$work/fuzz.o" &&
        "$compiler" $flags -O1 -fsanitize=fuzzer,$sanitize -fno-sanitize-recover=all "$work/fuzz.o" $sources \
            "$library"/*.c -ldl -Wl,-z,now -o "$work/fuzz"
}
build_fuzzer >"$work/messages" 2>&1 &
building=$!

status=0
mkdir "$work/corpus"
echo "random sequences, for $first s"
# shellcheck disable=SC2086
if CORPUS=$work/corpus "$work/random" "$first" ${SEED:-} >"$work/said"; then
    cat "$work/said"
    random_result="$(tail -n 1 "$work/said")|nothing"
else
    cat "$work/said"
    random_result="up to the failure, $(head -n 1 "$work/said")|1 failure (see above)"
    status=1
fi

if ! wait "$building"; then
    cat "$work/messages"
    exit 1
fi
if [ ! -x "$work/fuzz" ]; then
    echo "RESULT $random|$random_result"
    echo "RESULT $fuzzer|not run: needs clang with its fuzzer runtime (Debian: clang and libclang-rt-dev)|-"
    exit $status
fi
echo "libFuzzer, for $seconds s"
# The signals belong to the sequences. A sequence ends by _exit, so leaks cannot be seen.
if ASAN_OPTIONS=detect_leaks=0 "$work/fuzz" -max_total_time="$seconds" -max_len=256 -timeout=120 -rss_limit_mb=0 \
    -handle_usr1=0 -handle_usr2=0 -handle_term=0 -handle_int=0 -print_final_stats=1 \
    -artifact_prefix="$work/" "$work/corpus" >"$work/said" 2>&1; then
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/said")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/said" | tail -n 1)
    result="$inputs inputs, $edges edges|nothing"
else
    sed -n '/an input of libFuzzer fails/,$p' "$work/said"
    grep -q 'an input of libFuzzer fails' "$work/said" || tail -n 40 "$work/said"
    result="up to the failure|1 failure (see above)"
    status=1
fi
echo "RESULT $random|$random_result"
echo "RESULT $fuzzer|$result"
exit $status
