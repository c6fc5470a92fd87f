#!/bin/sh
# sweep.sh DIRECTORY: ends the programs built there that still run, because a fault may leave a test's children behind.
for exe in /proc/[0-9]*/exe; do
    case $(readlink "$exe" 2>/dev/null) in
    "$1"/*) exe=${exe#/proc/} && kill -9 "${exe%/exe}" 2>/dev/null ;;
    esac
done
exit 0
