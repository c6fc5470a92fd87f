# children are as without the library, and their signals are their own (G7, G8)

# The lines of /proc/PID/status that a child has printed.
inherited() {
    grep -e '^SigCgt' -e '^SigIgn' -e '^SigBlk' "$output"
}

if [ -r /proc/self/status ]; then
    for under in "" nohup; do
        start $under "$programs/spawner" plain
        plain=$(inherited)
        kill -USR1 "$(sed -n 's/^child //p' "$output")"
        finish
        check "spawn ${under:-normally}: the plain program works" said '^sleeper killed 10$'

        start $under "$programs/spawner" subscribed
        check "spawn ${under:-normally}: masks and dispositions as without the library" same "$plain" "$(inherited)"
        kill -USR1 "$(sed -n 's/^child //p' "$output")"
        await '^sleeper '
        check "spawn ${under:-normally}: the child dies by its signal" said '^sleeper killed 10$'
        sleep 0.1
        check "spawn ${under:-normally}: the parent does not get it" lacks "$output" '^parent SIGUSR1'
        check "spawn ${under:-normally}: the parent gets SIGCHLD" said '^parent SIGCHLD'
        kill -TERM "$program"
        finish
        check "spawn ${under:-normally}: the parent gets its own TERM" said '^parent SIGTERM'
        check "spawn ${under:-normally}: exit 0" said '^ending: exited 0$'
    done

    start_program nohup cat /proc/self/status
    finish
    plain=$(inherited)
    start_program nohup "$programs/c-child"
    finish
    check "reset_for_exec: the child has what nohup gave" same "$plain" "$(inherited)"
    check "reset_for_exec: the parent keeps its own" said '^ending: exited 0$'
else
    skip "children: there is no /proc"
fi
