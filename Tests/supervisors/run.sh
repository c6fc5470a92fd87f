#!/bin/sh
# run.sh [ARGUMENT…]   runs run.py, which needs Python 3.8. As root on Debian it installs the supervisors; elsewhere
# run.py skips those that are missing.
set -u
here=$(dirname "$0")
missing=
for tool in python3:python3 s6-supervise:s6 runsv:runit supervise:daemontools tini:tini dumb-init:dumb-init tmux:tmux \
    debootstrap:debootstrap; do
    command -v "${tool%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && apt-get install -y --no-install-recommends $missing; } >/dev/null 2>&1 || echo "not installed:$missing"
fi
command -v python3 >/dev/null || { echo "python3 is missing: install it (Debian: apt-get install python3)"; exit 1; }
exec python3 "$here/run.py" "$@"
