#!/bin/sh
# CSignalShim as an ordinary C library: `make install` into an empty place, without Swift; what was installed, used from C
# and C++, shared and static; its symbols and man pages; plugins; `make uninstall`. Needs cc, c++, make and pkg-config.
# A line for each check; the last one is "N passed, N failed". The exit status is 0 if none failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
here=Tests/library
compiler=${CC:-cc} cxx=${CXX:-c++}
Tests/tools/need.sh pkg-config || exit 1
work=$(mktemp -d) || exit 1
child=
trap '[ -n "$child" ] && kill -9 "$child" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok $1"; }
bad() { failed=$((failed + 1)); echo "FAIL $1"; }
check() { # check NAME COMMAND...
    label=$1
    shift
    if "$@" >"$work/output" 2>&1; then ok "$label"; else bad "$label"; cat "$work/output"; fi
}
silent() { [ -z "$("$@" 2>&1 | tee /dev/stderr)" ]; }
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# All tools but Swift's.
mkdir "$work/tools"
(IFS=:; for directory in $PATH; do ln -s "$directory"/* "$work/tools" 2>/dev/null; done)
rm -f "$work"/tools/swift* "$work"/tools/sourcekit*
library() { # library TARGET
    PATH=$work/tools make --no-print-directory "$1" SCRATCH="$work/build" DESTDIR="$work/root" PREFIX=/opt/signal \
        LIBDIR=/opt/signal/lib64 CC="$compiler"
}

echo "# built and installed"
check "make_lib_without_swift" library lib
check "make_install" library install
[ $failed = 0 ] || finish
check "installs_no_swift" sh -c "! command -v '$work/tools/swift'"
installed=$work/root/opt/signal
PKG_CONFIG_LIBDIR=$installed/lib64/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root
LD_LIBRARY_PATH=$installed/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH
check "pkg_config_knows_it" pkg-config --validate --print-errors --exists "csignalshim >= 0.1"
check "libdir_moves_with_the_prefix" test "$(pkg-config --define-variable=prefix=/x --variable=libdir csignalshim)" = /x/lib64
flags="$(pkg-config --cflags csignalshim) -Wall -Wextra -Werror"
shared=$(pkg-config --libs csignalshim)
archive="$installed/lib64/libcsignalshim.a $(pkg-config --static --libs-only-other csignalshim) -ldl"

echo "# symbols"
if command -v readelf >/dev/null && [ -e "$installed/lib64/libcsignalshim.so" ]; then
    object=$installed/lib64/libcsignalshim.so
    nm -D --defined-only "$object" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exported"
    check "exports_the_public_functions_alone" diff Tests/expected/public-symbols "$work/exported"
    readelf -d "$object" >"$work/dynamic"
    check "soname" grep -q 'SONAME.*\[libcsignalshim\.so\.0\]' "$work/dynamic"
    check "stays_loaded_and_binds_at_once" sh -c "grep -q NODELETE '$work/dynamic' && grep -q 'NOW' '$work/dynamic'"
    check "static_library_is_one_piece" test "$(ar t "$installed/lib64/libcsignalshim.a" | wc -l)" = 1
    # In the static library: nothing that is not public may bind across what it is linked into.
    check "static_internals_are_hidden" sh -c "readelf -sW '$installed/lib64/libcsignalshim.a' |
        awk '\$5 == \"GLOBAL\" && \$7 != \"UND\" && \$6 == \"DEFAULT\" { print \$8 }' | sort | diff Tests/expected/public-symbols -"
fi

echo "# man pages"
pages=$installed/share/man
for name in $(cat Tests/expected/public-symbols); do
    grep -q "^\.Nm $name\( ,\)\{0,1\}$" "$pages/man3/csignalshim.3" || echo "csignalshim(3) does not name $name"
    [ -f "$pages/man3/$name.3" ] || echo "there is no page $name(3)"
done >"$work/missing"
grep -o 'CSIGSHIM_[A-Z_]*' "$installed/include/CSignalShim.h" | sort -u | while read -r name; do
    grep -q "$name" "$pages/man3/csignalshim.3" || echo "csignalshim(3) does not have $name"
done >>"$work/missing"
check "every_function_and_constant_has_its_place" silent cat "$work/missing"
# The synopsis, as C: a prototype that differs from the header's does not compile.
{
    echo '#include <CSignalShimSupport.h>'
    awk '/^\.Sh DESCRIPTION/ { exit }
        /^\.Ft / { type = substr($0, 5) }
        /^\.Fn / { line = substr($0, 5); name = line; sub(/ .*/, "", name); sub(/^[^ ]* /, "", line)
            gsub(/" "/, ", ", line); gsub(/"/, "", line); print type " " name "(" line ");" }' "$pages/man3/csignalshim.3"
} >"$work/synopsis.c"
# shellcheck disable=SC2086
check "synopsis_is_the_header's" "$compiler" $flags -fsyntax-only "$work/synopsis.c"
check "synopsis_has_all" test "$(grep -c ');$' "$work/synopsis.c")" = "$(wc -l <Tests/expected/public-symbols)"
if Tests/tools/need.sh mandoc; then
    check "mandoc_has_nothing_to_say" silent mandoc -T lint -W warning "$pages/man3/csignalshim.3" "$pages/man7/csignalshim.7"
fi
if command -v man >/dev/null && command -v groff >/dev/null; then
    check "groff_has_nothing_to_say" silent groff -mandoc -ww -z -Tutf8 "$pages/man3/csignalshim.3" "$pages/man7/csignalshim.7"
    check "link_page_leads_there" sh -c "MANPAGER=cat man -M '$pages' 3 csigshim_add | grep -q 'csigshim_add'"
fi

echo "# programs"
for section in 3 7; do
    awk -v out="$work/example-$section" '/^\.Bd -literal$/ { n++; inside = 1; next } /^\.Ed/ { inside = 0 }
        inside { gsub(/\\e/, "\\"); print > (out "-" n ".c") }' "$pages/man$section/csignalshim.$section"
done
cp Examples/c/first.c "$work/example-first.c"
catches_term() { # a program without /proc gets a second
    [ -r "/proc/$1/status" ] || { sleep 1; return; }
    mask=$(awk '/^SigCgt/ { print $2 }' "/proc/$1/status" 2>/dev/null)
    [ -n "$mask" ] && [ $((0x$(echo "$mask" | tail -c 5) >> 14 & 1)) = 1 ]
}
ends_on_term() {
    rm -f "$work/pid" "$work/status"
    {
        sh -c 'echo $$ >"$1.new" && mv "$1.new" "$1"; exec "$2"' sh "$work/pid" "$1"
        echo $? >"$work/status"
    } &
    until [ -f "$work/pid" ]; do sleep 0.1; done
    child=$(cat "$work/pid") tries=0
    until catches_term "$child" || [ $tries = 300 ] || [ -f "$work/status" ]; do sleep 0.1; tries=$((tries + 1)); done
    sleep 0.3 # one has a child to wait for
    kill -TERM "$child"
    tries=0
    until [ -f "$work/status" ] || [ $tries = 300 ]; do sleep 0.1; tries=$((tries + 1)); done
    [ -f "$work/status" ] || kill -9 "$child"
    wait
    child=
    [ "$(cat "$work/status")" = 0 ]
}
needs_shared() { readelf -d "$1" | grep -q 'NEEDED.*libcsignalshim\.so\.0'; }
can_static=
echo 'int main(void) { return 0; }' >"$work/trivial.c"
"$compiler" -static "$work/trivial.c" -o "$work/trivial" 2>/dev/null && can_static=1
examples=0
# shellcheck disable=SC2086
for source in "$work"/example-*.c; do
    examples=$((examples + 1))
    name=$(basename "$source" .c)
    check "${name}_shared_compiles" "$compiler" $flags "$source" $shared -o "$work/$name"
    check "${name}_shared" ends_on_term "$work/$name"
    check "${name}_is_shared" needs_shared "$work/$name"
    check "${name}_static_compiles" "$compiler" $flags "$source" $archive -o "$work/$name-a"
    check "${name}_static" ends_on_term "$work/$name-a"
    [ -n "$can_static" ] || continue
    # The GNU linker warns that dlopen needs a dynamic C library; here it only pins what could be unloaded.
    check "${name}_without_any_compiles" "$compiler" $flags -static "$source" $(pkg-config --static --libs csignalshim) -o "$work/$name-s"
    check "${name}_without_any" ends_on_term "$work/$name-s"
done
check "examples_were_found" test "$examples" -ge 4
# shellcheck disable=SC2086
for kind in shared archive; do
    eval libraries=\$$kind
    check "cxx_${kind}_compiles" "$cxx" -std=c++17 -Wpedantic $flags Tests/c/consumer.cpp $libraries -o "$work/consumer"
    check "cxx_$kind" "$work/consumer"
done

echo "# plugins"
# shellcheck disable=SC2086
{
    plugin="$compiler $flags -O1 -g -fPIC -shared $here/plugin.c"
    check "plugin_static_compiles" $plugin $archive -o "$work/a.so"
    check "plugin_shared_compiles" $plugin $shared -o "$work/shared.so"
    check "plugin_keeps_its_copy_to_itself_compiles" $plugin $archive -Wl,--exclude-libs,libcsignalshim.a -o "$work/b.so"
    check "plugin_keeps_its_copy_to_itself" sh -c "! nm -D --defined-only '$work/b.so' | grep csigshim"
    for name in unload copies order; do
        check "${name}_compiles" "$compiler" $flags -std=gnu11 -O1 -g "$here/$name.c" -pthread -ldl -o "$work/$name"
    done
}
cp "$work/a.so" "$work/c.so"
counted() { # a program that prints lines of its own
    "$@" >"$work/output" 2>&1
    status=$?
    grep -v '^[0-9]* passed, [0-9]* failed$' "$work/output"
    passed=$((passed + $(grep -c '^ok ' "$work/output")))
    failed=$((failed + $(grep -c '^FAIL ' "$work/output")))
    [ $status = 0 ] || grep -q '^FAIL ' "$work/output" || bad "$*"
}
echo "# a plugin with the static library, unloaded"
PLUGIN=$work/a.so STATIC=1 counted "$work/unload"
echo "# a plugin with the shared library, unloaded"
PLUGIN=$work/shared.so STATIC=0 counted "$work/unload"
echo "# several copies"
COPIES=$work/a.so:$work/b.so:$work/c.so counted "$work/copies"
COPIES=$work/a.so:$work/b.so:$work/c.so counted "$work/order"

echo "# uninstalled"
check "make_uninstall" library uninstall
check "nothing_is_left" silent find "$work/root" ! -type d
finish
