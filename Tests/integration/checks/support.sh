# The functions that the checks call. run.sh sources this file and the checks, so all of it runs in the main shell,
# whose pid ($$) the programs see as the sender.

ok() {
    passed=$((passed + 1))
    echo "ok $configuration: $1"
}

# Counts a failure, and shows the program's output.
bad() {
    failed=$((failed + 1))
    echo "FAIL $configuration: $1"
    [ -z "${output:-}" ] || [ ! -e "$output" ] || sed 's/^/    /' "$output" "$output.errors"
}

skip() {
    echo "skip $configuration: $1"
}

# check NAME COMMAND [ARGUMENT...]
check() {
    check_name=$1
    shift
    if "$@"; then ok "$check_name"; else bad "$check_name"; fi
}

# start PROGRAM [ARGUMENT...]: runs it, and waits until it reports that signals may come, or ends.
start() {
    start_program "$@"
    await '^ready$' || echo "    not ready: $*"
}

start_program() {
    output=$work/output
    : >"$output"
    "$programs/ending" "$@" >>"$output" 2>"$output.errors" &
    helper=$!
    await '^started '
    program=$(sed -n 's/^started //p' "$output")
}

# said PATTERN [TIMES]: whether at least TIMES lines (1) of the program's output match.
said() {
    [ "$(grep -c -e "$1" "$output")" -ge "${2:-1}" ]
}

# await PATTERN [TIMES]: waits for that many lines, until the program ends, or for ten seconds.
await() {
    tries=0
    until said "$1" "${2:-1}"; do
        tries=$((tries + 1))
        if [ $tries -gt 500 ] || said '^ending: '; then return 1; fi
        sleep 0.02
    done
}

alive() {
    ! said '^ending: '
}

# Waits for the end of the program, which `ending` brings about after a minute.
finish() {
    wait "$helper"
    helper=
    program=
}

# lacks FILE PATTERN, or the lines that it should not have are shown.
lacks() {
    ! grep -e "$2" "$1" | sed 's/^/    /' | grep .
}

same() {
    [ "$1" = "$2" ]
}
