# all descriptors closed, and their numbers given to files (G9)

all_empty() {
    [ "$(find "$work/files" -type f | wc -l)" -eq 64 ] && [ -z "$(find "$work/files" -type f -size +0)" ]
}

# USR1 was ignored before the subscription, so it is ignored again; TERM falls back to its default action.
rm -rf "$work/files"
mkdir "$work/files"
start "$programs/closer" ignored "$work/files"
kill -USR1 "$program"
sleep 0.3
check "closed descriptors: USR1 is ignored again" alive
check "closed descriptors: files are empty after USR1" all_empty
kill -TERM "$program" 2>/dev/null
finish
check "closed descriptors: dies by TERM" said '^ending: killed 15$'
check "closed descriptors: files are empty after TERM" all_empty

rm -rf "$work/files"
mkdir "$work/files"
start "$programs/closer" default "$work/files"
kill -USR1 "$program"
finish
check "closed descriptors: dies by USR1, its default" said '^ending: killed 10$'
check "closed descriptors: files are empty after that" all_empty

# On Linux an observer, a sequence and a waiter need no descriptor, and still get signals after all are closed.
if [ "$(uname -s)" = Linux ]; then
    rm -rf "$work/files"
    mkdir "$work/files"
    start "$programs/closer" hears "$work/files"
    kill -USR1 "$program"
    await '^SIGUSR1 .* kill' 3
    check "closed descriptors: without a polled descriptor, all three get USR1" said '^SIGUSR1 .* kill' 3
    kill -TERM "$program"
    await '^SIGTERM .* kill' 3
    check "closed descriptors: and TERM" said '^SIGTERM .* kill' 3
    check "closed descriptors: files are empty after both" all_empty
    kill -KILL "$program"
    finish
fi
