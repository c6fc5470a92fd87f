# two thousand queued values at once: each comes, once, in order (G1, G3)

# Order is the kernel's where several threads could take the signal; in these programs only the main thread can.
storm() {
    name=$1
    shift
    start "$@"
    # shellcheck disable=SC2046
    "$programs/sender" "$program" RTMIN+3 $(awk 'BEGIN { for (i = 1; i <= 2000; i++) print i }') &
    sender=$!
    if wait "$sender"; then
        await '^SIGRTMIN+3 ' 2000
        sleep 0.1
        awk '/^SIGRTMIN/ { print $NF }' "$output" >"$work/values"
        if cmp -s "$work/values" "$work/expected"; then
            ok "$name: 2000 values"
        else
            output=
            bad "$name: 2000 values"
            diff "$work/expected" "$work/values" | head -n 10 | sed 's/^/    /'
            output=$work/output
        fi
    else
        skip "$name: the kernel does not queue 2000 signals for this user"
    fi
    kill -TERM "$program" 2>/dev/null
    finish
    check "$name: exit 0 after that" said '^ending: exited 0$'
}

awk 'BEGIN { for (i = 1; i <= 2000; i++) print i }' >"$work/expected"
storm "storm, parked callback" "$programs/parked" callback
storm "storm, parked task" "$programs/parked" task
storm "storm, waiter" "$programs/parked" waiter-main-thread
storm "storm, run loop" "$programs/parked-foundation" run-loop
storm "storm, atmain" "$programs/atmain" loop
storm "storm, toplevel" "$programs/toplevel" loop
storm "storm, C" "$programs/c-poll"
