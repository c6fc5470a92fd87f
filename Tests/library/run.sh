#!/bin/sh
# CSignalShim as an ordinary C library. `make install` puts it into an empty place, without Swift. Programs in C and C++
# use it, shared and static, by pkg-config, CMake and Meson. Then size, symbols, man pages, plugins and `make uninstall`
# are checked. Needs cc, c++, make and pkg-config, and for a part each cmake, ninja and meson. A line for each check;
# the last one is "N passed, N failed". The exit status is 0 if none failed.
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
library() { # library TARGET [VARIABLE...]
    PATH=$work/tools make --no-print-directory SCRATCH="$work/build" DESTDIR="$work/root" PREFIX=/opt/signal \
        LIBDIR=/opt/signal/lib64 CC="$compiler" "$@"
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
version=$(awk '$2 ~ /^CSIGSHIM_VERSION_/ { printf "%s%s", dot, $3; dot = "." }' Sources/CSignalShim/include/CSignalShim.h)
check "pkg_config_has_the_version_of_the_header" test "$(pkg-config --modversion csignalshim)" = "$version"
check "pkg_config_file_is_valid" pkg-config --validate --print-errors --exists "csignalshim >= 0.1"
check "libdir_moves_with_the_prefix" test "$(pkg-config --define-variable=prefix=/x --variable=libdir csignalshim)" = /x/lib64
flags="$(pkg-config --cflags csignalshim) -Wall -Wextra -Werror"
shared="$(pkg-config --libs csignalinit) $(pkg-config --libs csignalshim)"
archive="$installed/lib64/libcsignalinit.a $installed/lib64/libcsignalshim.a $(pkg-config --static --libs-only-other csignalshim) -ldl"

echo "# symbols"
if command -v readelf >/dev/null && [ -e "$installed/lib64/libcsignalshim.so" ]; then
    object=$installed/lib64/libcsignalshim.so
    nm -D --defined-only "$object" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exported"
    check "exports_the_public_functions_alone" diff Tests/expected/public-symbols "$work/exported"
    readelf -d "$object" >"$work/dynamic"
    check "soname_has_the_major_version" grep -q "SONAME.*\[libcsignalshim\.so\.${version%%.*}\]" "$work/dynamic"
    check "symbol_map_has_the_major_version" grep -q "^CSIGNALSHIM_${version%%.*} {" library/csignalshim.map
    text=$(size "$object" | awk 'NR == 2 { print $1 }')
    echo "# text of the shared library: $text bytes"
    check "text_is_at_most_28_KB" test "$text" -le 28672
    check "stays_loaded_and_binds_at_once" sh -c "grep -q NODELETE '$work/dynamic' && grep -q 'NOW' '$work/dynamic'"
    check "static_library_is_one_piece" test "$(ar t "$installed/lib64/libcsignalshim.a" | wc -l)" = 1
    # Checks the static library: a name that is not public may not bind to other objects of the program.
    check "static_internals_are_hidden" sh -c "readelf -sW '$installed/lib64/libcsignalshim.a' |
        awk '\$5 == \"GLOBAL\" && \$7 != \"UND\" && \$6 == \"DEFAULT\" { print \$8 }' | sort | diff Tests/expected/public-symbols -"
fi

if [ -n "${object-}" ]; then
    # shellcheck disable=SC2086
    check "archive_is_position_independent" "$compiler" -shared -Wl,-z,text -Wl,--whole-archive \
        "$installed/lib64/libcsignalshim.a" -Wl,--no-whole-archive -pthread -ldl -o "$work/whole.so"
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
    check "mandoc_has_nothing_to_say" silent mandoc -T lint -W warning "$pages/man3/csignalinit.3" "$pages/man3/csignalshim.3" "$pages/man7/csignalshim.7" library/man/signals.1
fi
if command -v man >/dev/null && command -v groff >/dev/null; then
    check "groff_has_nothing_to_say" silent groff -mandoc -ww -z -Tutf8 "$pages/man3/csignalinit.3" "$pages/man3/csignalshim.3" "$pages/man7/csignalshim.7" library/man/signals.1
    check "link_page_leads_there" sh -c "MANPAGER=cat man -M '$pages' 3 csigshim_add | grep -q 'csigshim_add'"
fi

echo "# programs"
for page in csignalshim.3 csignalshim.7 csignalinit.3; do
    awk -v out="$work/example-$page" '/^\.Bd -literal$/ { n++; inside = 1; next } /^\.Ed/ { inside = 0 }
        inside { gsub(/\\e/, "\\"); print > (out "-" n ".c") }' "$pages/man${page#*.}/$page"
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
    check "${name}_without_any_compiles" "$compiler" $flags -static "$source" $(pkg-config --static --libs csignalinit csignalshim) -o "$work/$name-s"
    check "${name}_without_any" ends_on_term "$work/$name-s"
done
check "examples_were_found" test "$examples" -ge 5
# shellcheck disable=SC2086
for kind in shared archive; do
    eval libraries=\$$kind
    check "cxx_${kind}_compiles" "$cxx" -std=c++17 -Wpedantic $flags Tests/c/consumer.cpp $libraries -o "$work/consumer"
    check "cxx_$kind" "$work/consumer"
done

echo "# CMake"
cp -R "$here/consumer" "$work/projects" && cp Tests/c/consumer.cpp "$work/projects/main.cpp"
mkdir "$work/copy" && cp -R library Sources "$work/copy" # of this repository, as a project would have it
rm -rf "$work/copy/Sources/SignalBridge" "$work/copy/Sources/SignalDaemon"
by_cmake() { # by_cmake NAME [OPTION...]: projects/NAME is configured and built
    source=$work/projects/$1
    shift
    rm -rf "$work/built"
    # Warnings of the library's own sources are errors as well.
    CC=$compiler CXX=$cxx cmake -G Ninja -S "$source" -B "$work/built" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DCMAKE_C_FLAGS="-Wall -Wextra -Wsign-conversion -Werror" "$@" && cmake --build "$work/built"
}
its_programs_run() { # its_programs_run NAME: each by itself, without LD_LIBRARY_PATH
    for program in "$work"/built/consumer*; do
        [ ! -f "$program" ] || [ ! -x "$program" ] || env -u LD_LIBRARY_PATH "$program" || return 1
    done
    [ -x "$work/built/consumer" ] && [ -x "$work/built/consumer-cxx" ] && [ -x "$work/built/consumer-init" ]
}
if Tests/tools/need.sh cmake && Tests/tools/need.sh ninja ninja-build; then
    config=-DCSignalShim_DIR=$installed/lib64/cmake/CSignalShim # not every CMake looks into lib64
    check "cmake_find_package" by_cmake find_package "$config"
    check "cmake_find_package_runs" its_programs_run
    check "cmake_finds_the_shared_library" needs_shared "$work/built/consumer"
    check "cmake_finds_the_archive" sh -c "readelf -d '$work/built/consumer-static' >'$work/dynamic' && ! grep csignalshim '$work/dynamic'"
    # Installed deeper below PREFIX, and then moved.
    deep="DESTDIR=$work/deep LIBDIR=/opt/signal/lib/deep INCLUDEDIR=/opt/signal/include/deep"
    # shellcheck disable=SC2086
    check "make_install_elsewhere" library install $deep
    mv "$work/deep/opt/signal" "$work/moved"
    check "cmake_find_package_in_a_moved_tree" by_cmake find_package -DCSignalShim_DIR="$work/moved/lib/deep/cmake/CSignalShim"
    check "cmake_find_package_in_a_moved_tree_runs" its_programs_run
    mv "$work/moved" "$work/deep/opt/signal"
    # shellcheck disable=SC2086
    check "make_uninstall_elsewhere" library uninstall $deep
    check "nothing_is_left_elsewhere" silent find "$work/deep" ! -type d
    # CMake finds the package by its place alone.
    # shellcheck disable=SC2086
    library install $deep LIBDIR=/opt/signal/lib >"$work/output" 2>&1
    check "cmake_find_package_by_prefix" by_cmake find_package -DCMAKE_PREFIX_PATH="$work/deep/opt/signal"
    check "cmake_find_package_twice_in_one_project" sh -c "echo 'find_package(CSignalShim REQUIRED)' >>'$work/projects/find_package/CMakeLists.txt' &&
        cmake '$work/built'"
    sed -i.before 's/CSignalShim 0.1/CSignalShim 1.0/' "$work/projects/find_package/CMakeLists.txt"
    check "cmake_does_not_find_another_major_version" sh -c "! cmake -S '$work/projects/find_package' -B '$work/none' '$config' \
        >'$work/refused' 2>&1 && grep -q 'version: $version' '$work/refused'"
    ln -s "$work/copy" "$work/projects/subdirectory/SignalBridge"
    check "cmake_add_subdirectory" by_cmake subdirectory
    check "cmake_add_subdirectory_runs" its_programs_run
    check "cmake_add_subdirectory_has_the_soname" needs_shared "$work/built/consumer"
    check "cmake_unity_build_without_extensions" by_cmake subdirectory -DCMAKE_UNITY_BUILD=ON -DCMAKE_C_EXTENSIONS=OFF
    check "cmake_unity_build_without_extensions_runs" its_programs_run
    check "cmake_unity_build_was_one" sh -c "find '$work/built' -name 'unity_*_c.c' | grep -q ."
fi

echo "# Meson"
by_meson() { # by_meson [OPTION...]: projects/wrap is configured and built
    rm -rf "$work/built"
    CC=$compiler CXX=$cxx meson setup "$@" "$work/built" "$work/projects/wrap" && ninja -C "$work/built"
}
if Tests/tools/need.sh meson && Tests/tools/need.sh ninja ninja-build && Tests/tools/need.sh git; then
    cp "$work/projects/main.c" "$work/projects/main.cpp" "$work/projects/init.c" "$work/projects/wrap"
    check "meson_finds_what_is_installed" by_meson --wrap-mode=nofallback
    check "meson_finds_what_is_installed_runs" env LD_LIBRARY_PATH="$installed/lib64" "$work/built/consumer"
    # The repository that the wrap names.
    (cd "$work/copy" && git init -q -b main && git add . &&
        git -c user.name=Test -c user.email=test@localhost commit -q -m "A copy") >"$work/output" 2>&1 || bad "git_copy"
    mkdir "$work/projects/wrap/subprojects" && cp -R library/meson/. "$work/projects/wrap/subprojects"
    sed -i.before "s|^url = .*|url = file://$work/copy|" "$work/projects/wrap/subprojects/csignalshim.wrap"
    check "meson_wrap" by_meson --wrap-mode=forcefallback --werror
    check "meson_wrap_runs" its_programs_run
    check "meson_wrap_has_the_soname" needs_shared "$work/built/consumer"
    check "meson_wrap_has_the_version_of_the_header" grep -q "\"version\": \"$version\"" "$work/built/meson-info/intro-projectinfo.json"
    check "meson_wrap_static" by_meson --wrap-mode=forcefallback --werror --default-library=static
    check "meson_wrap_static_runs" its_programs_run
fi

echo "# plugins"
# shellcheck disable=SC2086
{
    plugin="$compiler $flags -O1 -g -fPIC -shared $here/plugin.c"
    check "plugin_with_the_archive_compiles" $plugin $archive -o "$work/a.so"
    check "plugin_with_the_archive_hidden_compiles" $plugin $archive -Wl,--exclude-libs,libcsignalshim.a -o "$work/b.so"
    check "plugin_with_the_sources_hidden_compiles" $plugin -fvisibility=hidden Sources/CSignalShim/*.c -pthread -ldl -o "$work/c.so"
    check "plugin_with_the_shared_library_compiles" $plugin $shared -o "$work/shared.so"
    check "plugin_with_the_archive_next_version_compiles" $plugin -DPLUGIN_VERSION=2 $archive -o "$work/a2.so"
    check "plugin_with_the_shared_library_next_version_compiles" $plugin -DPLUGIN_VERSION=2 $shared -o "$work/shared2.so"
    exports() { nm -D --defined-only "$1" | grep -q csigshim_open; }
    check "plugin_with_the_archive_exports_all_names" exports "$work/a.so"
    check "exclude_libs_hides_them" sh -c "! nm -D --defined-only '$work/b.so' | grep csigshim"
    check "fvisibility_hides_them" sh -c "! nm -D --defined-only '$work/c.so' | grep csigshim"
    for name in unload copies; do
        check "${name}_compiles" "$compiler" $flags -std=gnu11 -O1 -g "$here/$name.c" -pthread -ldl -o "$work/$name"
    done
}
counted() { # a program that prints lines of its own
    "$@" >"$work/output" 2>&1
    status=$?
    grep -v '^[0-9]* passed, [0-9]* failed$' "$work/output"
    passed=$((passed + $(grep -c '^ok ' "$work/output")))
    failed=$((failed + $(grep -c '^FAIL ' "$work/output")))
    [ $status = 0 ] || grep -q '^FAIL ' "$work/output" || bad "$*"
}
echo "# a plugin with the static library, unloaded"
PLUGIN=$work/a.so NEXT=$work/a2.so STATIC=1 counted "$work/unload"
echo "# a plugin with the shared library, unloaded"
PLUGIN=$work/shared.so NEXT=$work/shared2.so STATIC=0 counted "$work/unload"
echo "# several copies"
COPIES=$work/a.so:$work/b.so:$work/c.so:$work/a2.so counted "$work/copies"

echo "# Examples/plugins"
mkdir "$work/plugins" "$work/next"
plugins() { # plugins DIRECTORY [VARIABLE...]
    directory=$1
    shift
    make --no-print-directory -C Examples/plugins BUILD="$directory" CC="$compiler" "$@"
}
check "plugins_compile" plugins "$work/plugins" CFLAGS="-O1 -g -Wall -Wextra -Wpedantic -Werror"
check "plugins_export_their_table_alone" test "$(nm -D --defined-only "$work/plugins/plugin_a.so" | awk '$3 !~ /^_/ { print $3 }')" = plugin
check "plugins_need_the_shared_library" needs_shared "$work/plugins/plugin_b.so"
said() { # said COUNT PATTERN: whether the host's output has COUNT lines with PATTERN within ten seconds
    tries=0
    until [ "$(grep -c -e "$2" "$work/said")" = "$1" ]; do
        [ $tries -lt 100 ] || { cat "$work/said"; return 1; }
        sleep 0.1
        tries=$((tries + 1))
    done
}
host_ends() {
    wait "$child"
    status=$?
    child=
    [ $status = 0 ] || { echo "ended with $status"; cat "$work/said"; return 1; }
}
a=$work/plugins/plugin_a.so b=$work/plugins/plugin_b.so
mkfifo "$work/commands"
"$work/plugins/host" "$a" "$b" <"$work/commands" >"$work/said" 2>&1 &
child=$!
exec 9>"$work/commands"
check "plugins_start" said 2 '^loaded '
if [ -r "/proc/$child/maps" ]; then
    check "plugins_share_one_copy" test "$(awk '/libcsignalshim/ { print $6 }' "/proc/$child/maps" | sort -u | wc -l)" = 1
fi
kill -HUP "$child"
check "plugin_a_gets_the_signal" said 1 "^a: SIGHUP from pid $$"
check "plugin_b_gets_it_too" said 1 '^b: 1 deliveries'
kill -USR1 "$child"
check "plugin_b_gets_another" said 1 '^b: 2 deliveries'
echo "unload $a" >&9
check "plugin_a_is_unloaded" said 1 '^unloaded '
[ ! -r "/proc/$child/maps" ] || check "plugin_a_is_gone" sh -c "! grep plugin_a.so /proc/$child/maps"
kill -HUP "$child"
check "plugin_b_goes_on" said 1 '^b: 3 deliveries'
check "plugin_a_hears_no_more" said 1 '^a: '
# An upgrade while the host runs: a new file by the old name.
sed 's/a: SIGHUP/new a: SIGHUP/' Examples/plugins/plugin_a.c >"$work/next/plugin_a.c" && cp Examples/plugins/plugin.h "$work/next"
# shellcheck disable=SC2086
check "plugin_a_upgraded_compiles" "$compiler" $flags -fPIC -shared "$work/next/plugin_a.c" $shared -o "$work/next/plugin_a.so"
mv "$work/next/plugin_a.so" "$a"
echo "load $a" >&9
check "plugin_a_upgraded_starts" said 3 '^loaded '
kill -HUP "$child"
check "plugin_a_upgraded_gets_the_signal" said 1 "^new a: SIGHUP from pid $$"
# A plugin with a thread of its own.
threads() { # threads COUNT: within ten seconds, because a thread that was joined is listed for a moment
    tries=0
    until [ ! -d "/proc/$child/task" ] || [ "$(ls "/proc/$child/task" | wc -l)" = "$1" ]; do
        [ $tries -lt 100 ] || return 1
        sleep 0.1
        tries=$((tries + 1))
    done
}
c=$work/plugins/plugin_c.so
echo "load $c" >&9
check "plugin_c_starts" said 4 '^loaded '
check "plugin_c_has_a_thread" threads 2
kill -USR2 "$child"
check "plugin_c_gets_the_signal" said 1 "^c: SIGUSR2 from pid $$"
echo "unload $c" >&9
check "plugin_c_is_unloaded" said 2 '^unloaded '
check "plugin_c_ends_its_thread" threads 1
echo "load $c" >&9
check "plugin_c_starts_again" said 5 '^loaded '
kill -USR2 "$child"
check "plugin_c_gets_another" said 2 "^c: SIGUSR2 from pid $$"
exec 9>&-
check "host_ends" host_ends

echo "# uninstalled"
check "make_uninstall" library uninstall
check "nothing_is_left" silent find "$work/root" ! -type d
finish
