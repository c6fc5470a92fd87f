#!/bin/sh
# Checks that everything that names a version names the same one: header, soname, symbol version, pkg-config, CMake,
# Meson, man pages, CHANGELOG, README, package, lists of the public interface, tag. Checks too that the number is large
# enough for the changes since the last release. `make release-check` compares the lists with the sources as well.
#
#   release.sh              checks; without a tag at HEAD it says so, and checks the rest
#   release.sh --self-test  in a copy, makes each of them disagree, and expects this script to fail
# shellcheck disable=SC2016,SC2013
set -u
cd "$(dirname "$0")/../.." || exit 1
header=Sources/CSignalShim/include/CSignalShim.h
failed=0
wrong() { echo "release: $*"; failed=1; }
same() { [ "$2" = "$version" ] || wrong "$1 says ${2:-nothing}, and $header says $version"; }
number() { awk -v name="CSIGSHIM_VERSION_$1" '$2 == name { print $3 }' $header; }

check() {
    major=$(number MAJOR) minor=$(number MINOR) patch=$(number PATCH)
    version=$major.$minor.$patch
    case $version in *[!0-9.]* | .* | *. | *..*) wrong "$header has no version" ;; esac

    # Files that derive the number from the header: their own rules are carried out.

    # shellcheck disable=SC2046
    set -- $(make -s lib-version 2>/dev/null)
    same library/library.mk "${1:-}"
    [ "${2:-}" = "libcsignalshim.so.$major" ] || [ "${2:-}" = "libcsignalshim.$major.dylib" ] ||
        wrong "the soname of library/library.mk is ${2:-missing}, and the major version is $major"
    same "Meson's wrap" "$(awk "$(sed -n "s/^ *'\(\$2 ~ .*\)', *'Sources.*/\1/p" library/meson/packagefiles/csignalshim/meson.build)" $header)"
    if command -v cmake >/dev/null; then
        { # the rule of CMakeLists.txt, as a script
            echo "set(sources $PWD/Sources/CSignalShim)"
            sed -n '/^file(STRINGS/,/^project(/{/^project(/!p;}' library/CMakeLists.txt
            echo 'message("${version}")'
        } >"$work/version.cmake"
        same library/CMakeLists.txt "$(cmake -P "$work/version.cmake" 2>&1)"
        grep -q '^project(CSignalShim VERSION ${version} ' library/CMakeLists.txt || wrong "library/CMakeLists.txt has a version of its own"
    fi
    grep -q "^CSIGNALSHIM_$major {" library/csignalshim.map || wrong "library/csignalshim.map has not the major version $major"
    for file in library/*.pc.in; do grep -qx 'Version: @VERSION@' "$file" || wrong "$file has a version of its own"; done
    for file in library/man/csignal*; do grep -qx '\.Os CSignalShim @VERSION@' "$file" || wrong "$file has a version of its own"; done
    grep -q '^set(PACKAGE_VERSION @VERSION@)$' library/cmake/CSignalShimConfigVersion.cmake.in || wrong "library/cmake has a version of its own"

    # Files that state the number.
    heading=$(grep -m 1 '^## ' CHANGELOG.md)
    # shellcheck disable=SC2086
    set -- $heading
    same CHANGELOG.md "${2:-}"
    for use in $(grep -h 'SignalBridge' README.md Sources/SignalBridge/SignalBridge.docc/*.md docs/*.md 2>/dev/null |
        sed -n 's/.*\(from\|exact\): "\([0-9][0-9.]*\)".*/\2/p' | sort -u); do
        same "the documentation" "$use"
    done

    # The package.
    tools=$(sed -n '1s/.*swift-tools-version: *//p' Package.swift)
    for file in README.md docs/stability.md; do
        grep -q "Swift $tools or later" $file || wrong "$file does not say \"Swift $tools or later\", as Package.swift does"
    done
    macos=$(sed -n 's/.*\.macOS(\.v\([0-9]*\)).*/\1/p' Package.swift)
    grep -q "macOS $macos" docs/stability.md || wrong "docs/stability.md does not say macOS $macos, as Package.swift does"
    for target in $(sed -n 's/.*documentation_targets: *\[\(.*\)\].*/\1/p' .spi.yml | tr ',' ' '); do
        grep -q "\.library(name: \"$target\"" Package.swift || wrong ".spi.yml names $target, which is no product"
        [ -s "Tests/expected/$target.api" ] || wrong "Tests/expected has no list of $target's public declarations"
    done
    sed -n 's/^ *\(csigshim_[a-z_]*\);$/\1/p' library/csignalshim.map | sort | cmp -s - Tests/expected/public-symbols ||
        wrong "library/csignalshim.map and Tests/expected/public-symbols differ"

    check_tag
    check_growth
    return $failed
}

# A tag at HEAD is a release: then the changelog has its date, and nothing is uncommitted.
check_tag() {
    tags=$(git tag --points-at HEAD)
    case $heading in *"not released"*) dated=no ;; *[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*) dated=yes ;; *) dated= ;; esac
    [ -n "$dated" ] || wrong "CHANGELOG.md says of $version neither a date nor \"not released yet\""
    if [ -z "$tags" ]; then
        echo "release: $version is not tagged yet"
        return
    fi
    [ "$tags" = "$version" ] || wrong "the tag is $(echo "$tags" | tr '\n' ' '), and $header says $version"
    [ "$dated" = yes ] || wrong "$version is tagged, and CHANGELOG.md has no date"
    [ -z "$(git status --porcelain)" ] || wrong "$version is tagged, and there are changes that are not committed"
}

# docs/stability.md: what a patch, a minor version may change. Compares with the last release before HEAD.
check_growth() {
    last=$(git tag --merged HEAD --sort=-v:refname | grep -v -x -F "$version" | grep -x '[0-9]*\.[0-9]*\.[0-9]*' | head -1)
    [ -n "$last" ] || return
    [ "$(printf '%s\n%s\n' "$last" "$version" | sort -V | tail -1)" = "$version" ] || wrong "$version comes after $last"
    removed='' added=''
    for list in Tests/expected/*.api Tests/expected/public-symbols; do
        git show "$last:$list" 2>/dev/null | grep -v '^#' | sort >"$work/before"
        grep -v '^#' "$list" | sort >"$work/now"
        [ -z "$(comm -23 "$work/before" "$work/now")" ] || removed="$removed $list"
        [ -z "$(comm -13 "$work/before" "$work/now")" ] || added="$added $list"
    done
    case "$removed" in *public-symbols*)
        [ "$major" -gt "${last%%.*}" ] || wrong "$last had functions of C that $version has not: the major version must rise" ;;
    esac
    is_minor=$(echo "$last $version" | awk '{ split($1, a, "."); split($2, b, "."); print (b[1] > a[1] || (b[1] == a[1] && b[2] > a[2])) }')
    if [ "$major" -gt 0 ] && [ -n "$removed" ] && [ "$major" -le "${last%%.*}" ]; then
        wrong "public declarations of $last are gone ($removed ): the major version must rise"
    elif [ -n "$removed$added" ] && [ "$is_minor" = 0 ]; then
        wrong "the public interface differs from that of $last ($removed$added ): a patch must not change it"
    fi
}

# must_fail WORDS COMMAND: after the command, in the copy, the check fails and says the words.
must_fail() {
    words=$1
    shift
    (cd "$work/copy" && eval "$*") >/dev/null || { echo "FAIL could not: $*"; failures=$((failures + 1)); return; }
    if said=$(sh "$work/copy/Tests/tools/release.sh" 2>&1); then
        echo "FAIL passes after: $*"
        failures=$((failures + 1))
    elif ! echo "$said" | grep -qF "$words"; then
        echo "FAIL says not \"$words\" after: $*"
        echo "$said"
        failures=$((failures + 1))
    else
        cases=$((cases + 1))
    fi
    git -C "$work/copy" tag | xargs -r git -C "$work/copy" tag -d >/dev/null
    git -C "$work/copy" reset -q --hard "$base" && git -C "$work/copy" clean -qfd
}

must_pass() {
    (cd "$work/copy" && eval "$*") >/dev/null
    if said=$(sh "$work/copy/Tests/tools/release.sh" 2>&1); then cases=$((cases + 1)); else echo "FAIL after: $*"; echo "$said"; failures=$((failures + 1)); fi
    git -C "$work/copy" tag | xargs -r git -C "$work/copy" tag -d >/dev/null
    git -C "$work/copy" reset -q --hard "$base"
}

self_test() {
    mkdir "$work/copy"
    git ls-files -co --exclude-standard -z Makefile Package.swift README.md CHANGELOG.md .spi.yml Sources docs library Tests/tools Tests/expected |
        xargs -0 tar -cf - | tar -xf - -C "$work/copy"
    (
        cd "$work/copy" && git init -q && git config user.email test@localhost && git config user.name test &&
            git add -A && git commit -q -m copy
    ) || exit 1
    base=$(git -C "$work/copy" rev-parse HEAD)
    cases=0 failures=0
    replace() { echo "sed -i.old 's/$1/$2/' $3 && ! cmp -s $3 $3.old && rm $3.old"; }
    commit='git commit -qam change'
    release="sed -i.old '/^## $version/s/ (not released yet)/ (2026-12-01)/' CHANGELOG.md && rm CHANGELOG.md.old && { git diff --quiet || $commit; }"
    as_patch="$(replace "VERSION_PATCH $patch" "VERSION_PATCH $((patch + 1))" $header) && $(replace "^## $version" "## $major.$minor.$((patch + 1))" CHANGELOG.md)"
    as_minor="$(replace "VERSION_MINOR $minor" "VERSION_MINOR $((minor + 1))" $header) && $(replace "^## $version" "## $major.$((minor + 1)).$patch" CHANGELOG.md)"
    docs="grep -l SignalBridge README.md docs/*.md Sources/SignalBridge/SignalBridge.docc/*.md | xargs sed -i.old -E '/SignalBridge/s/(from|exact): \"$version\"/\\1: \"9.9.9\"/'"

    must_pass true
    must_fail 'CHANGELOG.md says' "$(replace "VERSION_PATCH $patch" "VERSION_PATCH 99" $header)"
    must_fail 'CHANGELOG.md says' "$(replace "^## $version" '## 9.9.9' CHANGELOG.md)"
    must_fail 'neither a date' "$(replace "^## $version.*" "## $version" CHANGELOG.md)"
    must_fail 'library/library.mk says' "$(replace '^LIB_VERSION := .*' 'LIB_VERSION := 9.9.9' library/library.mk)"
    must_fail 'the soname' "$(replace '^LIB_ABI := .*' 'LIB_ABI := 9' library/library.mk)"
    must_fail "Meson's wrap" "$(replace 'printf "%s%s", dot' 'printf "9%s%s", dot' library/meson/packagefiles/csignalshim/meson.build)"
    if command -v cmake >/dev/null; then
        must_fail 'library/CMakeLists.txt says' "$(replace 'string(REPLACE .*' 'set(version 9.9.9)' library/CMakeLists.txt)"
        must_fail 'a version of its own' "$(replace 'VERSION ${version} L' 'VERSION 9.9.9 L' library/CMakeLists.txt)"
    fi
    must_fail 'csignalshim.map has not' "$(replace '^CSIGNALSHIM_[0-9]* ' 'CSIGNALSHIM_9 ' library/csignalshim.map)"
    must_fail 'csignalshim.pc.in' "$(replace '@VERSION@' '9.9.9' library/csignalshim.pc.in)"
    must_fail 'csignalinit.3' "$(replace '@VERSION@' '9.9.9' library/man/csignalinit.3)"
    must_fail 'library/cmake has' "$(replace '@VERSION@' '9.9.9' library/cmake/CSignalShimConfigVersion.cmake.in)"
    must_fail 'the documentation says 9.9.9' "echo '.package(url: \"https://example.org/SignalBridge\", from: \"9.9.9\")' >>README.md"
    must_fail 'README.md does not say' "$(replace 'swift-tools-version: ' 'swift-tools-version: 9.' Package.swift)"
    must_fail 'does not say macOS' "$(replace 'macOS(.v' 'macOS(.v9' Package.swift)"
    must_fail 'which is no product' "$(replace 'SignalDaemon' 'SignalDemon' .spi.yml)"
    must_fail 'no list of' "rm Tests/expected/SignalDaemon.api"
    must_fail 'public-symbols differ' "$(replace '^csigshim_fd$' 'csigshim_df' Tests/expected/public-symbols)"
    must_fail 'the tag is' "$release; git tag 9.9.9"
    must_fail 'the tag is' "$release; git tag v$version"
    must_fail 'CHANGELOG.md has no date' "$(replace "^## $version.*" "## $version (not released yet)" CHANGELOG.md); git diff --quiet || $commit; git tag $version"
    must_fail 'not committed' "$release; git tag $version; echo >>README.md"
    must_pass "$release; git tag $version"
    must_fail 'comes after' "$release; git tag 99.0.0; echo >>README.md; $commit"
    must_fail 'a patch must not' "$release; git tag $version; $as_patch; echo 'SignalNumber: var new: Int' >>Tests/expected/SignalBridge.api; $commit"
    must_fail 'a patch must not' "$release; git tag $version; $as_patch; sed -i.old '\$d' Tests/expected/SignalDaemon.api; $commit"
    must_fail 'the major version must rise' "$release; git tag $version; $as_minor; $docs; for f in library/csignalshim.map Tests/expected/public-symbols; do sed -i.old '/csigshim_wake/d' \$f; done; $commit"
    must_pass "$release; git tag $version; $as_patch; $(echo "$docs" | sed "s/9\.9\.9/$major.$minor.$((patch + 1))/"); rm -f \$(git ls-files -o | grep old\$); $commit"
    echo "release: the script fails for each of $cases disagreements, $failures not"
    [ $failures = 0 ]
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
check || exit 1
if [ "${1:-}" = --self-test ]; then self_test; else echo "release: $version, the same everywhere"; fi
