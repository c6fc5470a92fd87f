# the second unread TERM ends a program that is stuck (G10)

for case in consumer everything; do
    start "$programs/wedged" $case
    check "wedged, $case: it is" await '^stuck$'
    kill -TERM "$program" 2>/dev/null
    sleep 0.5
    check "wedged, $case: survives the first TERM" alive
    kill -TERM "$program" 2>/dev/null
    finish
    check "wedged, $case: dies by the second" said '^ending: killed 15$'
done

start "$programs/wedged" reader
for times in 1 2 3; do
    kill -TERM "$program" 2>/dev/null
    await '^SIGTERM x1 ' $times
done
check "not wedged: three that were read do not end it" alive
check "not wedged: all three came" said '^SIGTERM x1 ' 3
kill -KILL "$program" 2>/dev/null
finish
