# every shape of program gets its signals, with their senders and values

me=$(id -ru)

# signal NAME: kill(1) from this shell, then what the program should say of it.
signal() {
    before=$(grep -c -x "SIG$1 x1 from $$/$me kill -" "$output")
    kill -"$1" "$program" 2>/dev/null
    await "^SIG$1 x1 from $$/$me kill -\$" $((before + 1))
}

send_value() {
    "$programs/sender" "$program" RTMIN+3 "$1" &
    sender=$!
    wait "$sender"
    await "^SIGRTMIN+3 x1 from $sender/$me queue $1\$"
}

# delivery NAME PROGRAM [ARGUMENT...]
delivery() {
    name=$1
    shift
    start "$@"
    if signal HUP && signal HUP && signal USR1; then ok "$name: HUP, HUP, USR1"; else bad "$name: HUP, HUP, USR1"; fi
    if send_value 4242 && send_value -7; then ok "$name: queued values"; else bad "$name: queued values"; fi
    kill -TERM "$program" 2>/dev/null
    finish
    if said "^SIGTERM x1 from $$/$me kill -\$" && said '^ending: exited 0$'; then
        ok "$name: TERM, exit 0"
    else
        bad "$name: TERM, exit 0"
    fi
    check "$name: nothing twice" same "$(grep -c '^SIG' "$output")" 6
}

for foundation in "" -foundation; do
    for case in callback callback-sendable callback-main-queue task detached-task waiter-main-thread waiter-pthread; do
        delivery "parked$foundation $case" "$programs/parked$foundation" $case
    done
    for case in loop scope; do
        delivery "atmain$foundation $case" "$programs/atmain$foundation" $case
    done
    for case in loop loop-in-header callback callback-sendable callback-main-queue; do
        delivery "toplevel$foundation $case" "$programs/toplevel$foundation" $case
    done
done
for case in run-loop run-loop-task; do
    delivery "parked-foundation $case" "$programs/parked-foundation" $case
done
delivery "C, own poll loop" "$programs/c-poll"
delivery "C++17, own poll loop" "$programs/cxx-poll"
