# nohup's SIGHUP is left alone if asked, and taken if not (G12)

if command -v nohup >/dev/null 2>&1; then
    start nohup "$programs/nohupped" keep
    kill -HUP "$program"
    kill -USR1 "$program"
    await '^SIGUSR1 '
    kill -TERM "$program"
    finish
    check "nohup, keepIgnored: signalsLeftIgnored names it" said '^ignored: \["SIGHUP"\]$'
    check "nohup, keepIgnored: HUP stays ignored" lacks "$output" '^SIGHUP'
    check "nohup, keepIgnored: the others come" said '^SIGUSR1 x1 '
    check "nohup, keepIgnored: TERM, exit 0" said '^ending: exited 0$'

    start nohup "$programs/nohupped" take
    kill -HUP "$program"
    await '^SIGHUP '
    kill -TERM "$program"
    finish
    check "nohup, not asked: signalsLeftIgnored is empty" said '^ignored: \[\]$'
    check "nohup, not asked: HUP comes" said '^SIGHUP x1 '
    check "nohup, not asked: exit 0" said '^ending: exited 0$'
else
    skip "nohup: there is none"
fi

start "$programs/nohupped" keep
kill -HUP "$program"
await '^SIGHUP '
kill -TERM "$program"
finish
check "no nohup, keepIgnored: HUP comes" said '^SIGHUP x1 '
check "no nohup, keepIgnored: signalsLeftIgnored is empty" said '^ignored: \[\]$'
