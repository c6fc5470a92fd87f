#!/bin/sh
# run.sh [TIMES]   runs run.py, which needs Python 3.8; each race TIMES times.
set -eu
command -v python3 >/dev/null || {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || { echo "python3 is missing: install it (apt install python3)"; exit 1; }
    apt-get -qq update && apt-get -qq install -y python3 >/dev/null
}
exec python3 "$(dirname "$0")/run.py" -n "${1:-3}"
