#!/bin/sh
# need.sh TOOL [PACKAGE]: succeeds if TOOL is there. Otherwise installs Debian's PACKAGE as root, or says what to
# install. A TOOL that ends in .pc is a library that pkg-config knows.
tool=$1 package=${2:-$1}
there() {
    case $tool in
    *.pc) pkg-config --exists "${tool%.pc}" ;;
    *) command -v "$tool" >/dev/null ;;
    esac
}
there && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # Two lanes of `make -j 2` may need something at the same time.
    exec 9>>/tmp/signalbridge-apt.lock
    ! command -v flock >/dev/null || flock 9
    there && exit 0
    { apt-get update && apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$package"; } >/dev/null 2>&1
    there && exit 0
fi
echo "$tool is missing: install the package $package (Debian: apt-get install $package)" >&2
exit 1
