# several subscribers to the same signal (G6)

stop() {
    kill -TERM "$program" 2>/dev/null
    finish
    check "$1: exit 0" said '^ending: exited 0$'
}

# Dispatch decides how it shares a signal with the library, so this is printed and not checked.
note_shares() {
    for time in 1 2 3 4 5 6 7 8 9 10; do
        kill -USR1 "$program" 2>/dev/null
        sleep 0.02
    done
    sleep 0.3
    echo "note $configuration: $1: of 10 signals, the subscription has $(grep -c '^subscription$' "$output")," \
        "the source $(grep -c '^source$' "$output") (no promise)"
}

start "$programs/mixed" twice
kill -USR1 "$program"
await '^subscription$'
await '^first SIGUSR1 x1 '
await '^second SIGUSR1 x1 '
check "three subscribers: a callback gets it" said '^subscription$'
check "three subscribers: the first sequence gets it" said '^first SIGUSR1 x1 '
check "three subscribers: the second sequence gets it" said '^second SIGUSR1 x1 '
check "three subscribers: once each" same "$(grep -c -e '^subscription$' -e ' SIGUSR1 ' "$output")" 3
stop "three subscribers"

start "$programs/mixed" before
check "signal source before: the subscription is armed" said '^state armed true displaced false'
note_shares "signal source before"
stop "signal source before"

start "$programs/mixed" after
check "signal source after: displaced is detected" said '^state armed false displaced true'
note_shares "signal source after"
kill -USR2 "$program"
await '^state ' 2
check "signal source after: rearm arms it again" said '^state armed true displaced false'
note_shares "signal source after, and rearm (sums)"
stop "signal source after"
