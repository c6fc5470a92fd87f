# programs that are PID 1 of a container

# `ending` starts unshare, which starts PID 1, and ends as that does.
contain() {
    start_program unshare -pf --mount-proc --kill-child "$@"
    await "^${expected:-ready}"
    first=$(cat "/proc/$program/task/$program/children" 2>/dev/null)
}
zombies() {
    for file in /proc/[0-9]*/stat; do
        [ "$(sed 's/.*) \(.\) \([0-9]*\) .*/\1 \2/' "$file" 2>/dev/null)" != "Z $first" ] || echo "$file"
    done
}

if [ -r /proc/self/task/$$/children ] && unshare -pf --mount-proc --kill-child true 2>/dev/null; then
    for name in contained contained-main; do
        contain "$programs/$name" daemon
        check "container: PID 1 of $name is the init" same "$(cat "/proc/${first% }/comm")" init
        kill -TERM $first
        finish
        check "container: $name shuts down gracefully" said '^cleaned up$'
        check "container: $name exits with 0" said '^ending: exited 0$'
    done

    contain "$programs/contained" daemon
    check "container: the program is a child of PID 1" said '^pid above 1, parent 1$'
    tries=0
    while [ -n "$(zombies)" ] && [ $tries -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
    check "container: no orphan is a zombie" same "$(zombies)" ""
    kill -TERM $first
    finish
    check "container: it drains once" same "$(grep -c '^draining$' "$output")" 1

    expected=pid
    contain "$programs/contained" exit
    finish
    check "container: the exit code is the program's" said '^ending: exited 7$'
    contain "$programs/contained" die
    finish
    check "container: the program dies by a signal, which PID 1 cannot" said '^ending: exited 143$'
    expected=systemCallFailed
    contain "$programs/contained" late
    finish
    check "container: too late is an error" said '^systemCallFailed: PID 1 has more than one thread'
    unset expected
    start_program "$programs/contained" exit
    finish
    check "no container: the process is left alone" said '^pid above 1, parent above 1$'
    check "no container: the exit code" said '^ending: exited 7$'
else
    skip "container: no PID namespaces here"
fi
