# programs that end while they are subscribed

for case in return exit exit-in-task unread; do
    start_program "$programs/leaver" $case
    finish
    check "subscribed at the end, $case: exit 0" said '^ending: exited 0$'
    check "subscribed at the end, $case: it was" said '^subscribed$'
done

# From the moment that it is subscribed, a program may be signalled at any time, also while it ends: it is not killed.
# Before that moment it is, and by that signal only.
rounds=0
unharmed=0
while [ $rounds -lt 25 ]; do
    rounds=$((rounds + 1))
    start_program "$programs/leaver" return
    while alive; do kill -HUP "$program" 2>/dev/null; done
    finish
    if said '^subscribed$'; then expected='^ending: exited 0$'; else expected='^ending: killed 1$'; fi
    if said "$expected"; then unharmed=$((unharmed + 1)); else break; fi
done
check "a storm of HUP until the end: exit 0 once subscribed" same $unharmed $rounds
