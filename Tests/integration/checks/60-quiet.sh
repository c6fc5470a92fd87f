# nothing happens while no signal comes (G13)

# How often each thread gave up or lost its processor.
switches() {
    cat /proc/"$program"/task/*/status | grep ctxt_switches
}

if [ -r /proc/self/status ]; then
    start "$programs/parked" idle
    sleep 7 # Dispatch lets a worker that served the start go after five seconds
    before=$(switches)
    sleep 2
    check "idle: no context switch in two seconds" same "$before" "$(switches)"

    # Attaching interrupts sleeping threads, which then make a system call or two. The two quiet seconds begin after
    # that.
    from=
    if command -v strace >/dev/null 2>&1; then
        strace -f -ttt -o "$work/trace" -p "$program" 2>"$work/attached" &
        tracer=$!
        sleep 0.5
        if grep -q ' attached' "$work/attached"; then
            from=$(date +%s)
            sleep 3.2
        else
            skip "idle: no system call: $(head -n 1 "$work/attached")"
        fi
    else
        skip "idle: no system call: there is no strace"
    fi

    kill -TERM "$program"
    finish
    check "idle: still takes TERM, exit 0" said '^ending: exited 0$'
    if [ -n "$tracer" ]; then
        wait "$tracer" # ends with the program, or has ended already
        tracer=
    fi
    if [ -n "$from" ]; then
        awk -v from="$from" '$2 >= from + 1 && $2 < from + 3' "$work/trace" >"$work/calls"
        check "idle: no system call in two seconds" lacks "$work/calls" .
        check "idle: the trace has what came afterwards" grep -q SIGTERM "$work/trace"
    fi
else
    skip "idle: there is no /proc"
fi
