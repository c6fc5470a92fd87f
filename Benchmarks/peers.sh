#!/bin/sh
# peers.sh: installs what SignalBridge is compared with. As root on Debian, the libraries and tools with apt,
# one by one, so that one which is missing hinders no other; else it says what to install. For Python, a
# virtual environment in Benchmarks/.build/python. Ends with 1 if something is missing in the end; the
# benchmark runs without it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
packages='libuv1-dev libevent-dev libsystemd-dev libev-dev libglib2.0-dev golang-go librust-signal-hook-dev
    librust-tokio-dev strace valgrind pkg-config python3-venv'
modules='uvloop anyio trio'
missing=0
installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }

wanted=
for package in $packages; do installed "$package" || wanted="$wanted $package"; done
if [ -z "$wanted" ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update >/dev/null 2>&1 || echo "apt-get update failed: the lists of packages may be old" >&2
    for package in $wanted; do # another apt-get that runs just now is waited for
        apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$package" >/dev/null 2>&1 &&
            continue
        echo "$package could not be installed: apt-get install $package" >&2
        missing=1
    done
else
    echo "as root: apt-get install --no-install-recommends$wanted" >&2
    missing=1
fi

# A module that has no wheel for this Python is missing alone.
python=$here/.build/python/bin/python
if ! { "$python" -m pip --version || python3 -m venv "$here/.build/python"; } >/dev/null 2>&1; then
    echo "no virtual environment for Python: install the package python3-venv" >&2
    exit 1
fi
for module in $modules; do
    "$python" -c "import $module" 2>/dev/null && continue
    "$python" -m pip install --quiet "$module" >/dev/null 2>&1 && continue
    echo "$module could not be installed: $python -m pip install $module" >&2
    missing=1
done
exit $missing
