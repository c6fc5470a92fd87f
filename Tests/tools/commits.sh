#!/bin/sh
# Checks the subjects of the commits since this check was added: `area: imperative`, at most 72 characters (CONTRIBUTING.md).
#
#   commits.sh [RANGE]     or `commits.sh --self-test`
set -eu
cd "$(dirname "$0")/../.."
first=42e8b3fe3c23536fe501806862596bf32260945d

violations() { # of the subjects on standard input
    grep -Ev '^[A-Za-z0-9_./*,+ -]+: [a-z`].*$' || true
}
if [ "${1:-}" = --self-test ]; then
    [ -z "$(echo 'wait: keep working after closefrom()' | violations)" ] && [ -n "$(echo 'Many things' | violations)" ] ||
        { echo "commits.sh: the self-test failed"; exit 1; }
    exit 0
fi
if [ $# = 0 ] && ! git merge-base --is-ancestor $first HEAD 2>/dev/null; then
    echo "commits: not checked, because the history is not here"
    exit 0
fi
subjects=$(git log --no-merges --format=%s "${1:-$first..HEAD}")
bad=$({ echo "$subjects" | grep -E '^.{73}' || true; echo "$subjects" | sed '/^$/d' | violations; } | sort -u)
[ -z "$bad" ] || { echo "commits: not \`area: imperative\` within 72 characters:"; echo "$bad"; exit 1; }
