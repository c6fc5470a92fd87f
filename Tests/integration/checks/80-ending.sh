# programs that end while they are subscribed

for case in return exit exit-in-task unread; do
    start_program "$programs/leaver" $case
    finish
    check "subscribed at the end, $case: exit 0" said '^ending: exited 0$'
    check "subscribed at the end, $case: it was" said '^subscribed$'
done

# HUP, as fast as this shell can, from now on until the program is over.
storm_until_end() {
    while alive; do kill -HUP "$program" 2>/dev/null; done
    finish
}

# A program that is subscribed may be signalled at any time, also while it ends: it is not killed.
rounds=0
unharmed=0
while [ $rounds -lt 10 ]; do
    rounds=$((rounds + 1))
    start_program "$programs/leaver" lingering
    await '^subscribed$'
    storm_until_end
    said '^ending: exited 0$' && unharmed=$((unharmed + 1))
done
check "HUP without pause while it ends: exit 0" same $unharmed $rounds

# While the program starts, the signal kills it or meets its subscription; it never hangs and never crashes.
rounds=0
clean=0
while [ $rounds -lt 20 ]; do
    rounds=$((rounds + 1))
    start_program "$programs/leaver" return
    sleep "0.0$((rounds / 4))"
    storm_until_end
    if said '^subscribed$'; then expected='^ending: exited 0$'; else expected='^ending: killed 1$'; fi
    said "$expected" && clean=$((clean + 1))
done
check "HUP without pause while it starts: killed by it, or exit 0" same $clean $rounds
