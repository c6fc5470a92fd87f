#!/bin/sh
# The protocol between handlers, reader, callers and children, as four models that spin looks at exhaustively: each
# state that they can come to. A model that finds nothing proves nothing by itself, so each is also run with one thing
# wrong at a time (BREAK_..., in the models), and must fail then, by the claim that is named here.
# run.sh [quick]
set -u
here=$(cd "$(dirname "$0")" && pwd)
name="protocol, exhaustively (spin)"
[ "$(uname -s)" = Linux ] || { echo "RESULT $name|not run: Linux only|-"; exit 0; }
"$here/../../tools/need.sh" spin || { echo "RESULT $name|not run: needs spin|-"; exit 0; }
compiler=${CC:-clang}
command -v "$compiler" >/dev/null 2>&1 || compiler=cc
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
quick=${1:-long}

# when | model | the claim that fails, or "whole" | options | what this is
cat >"$work/table" <<'END'
both |delivery|whole|-DTHREADS=2|two threads, a reader, a wake
long |delivery|whole|-DTHREADS=2 -DEACH=2|two deliveries to each of two threads: laps, a full ring
long |delivery|whole|-DTHREADS=3 -DREADERS=2 -DWAKES=0|three threads, two readers
long |delivery|whole|-DTHREADS=2 -DEACH=2 -DWAKES=0 -DEDGE|an edge-triggered poller
long |delivery|whole|-DTHREADS=2 -DEACH=2 -DWAKES=0 -DCYCLES|no call of ours goes on for ever
both |delivery|G1_all_received|-DBREAK_CLEAR_FIRST|rung is cleared before the pipe is emptied
both |delivery|G1_all_received|-DBREAK_RING_FIRST -DTHREADS=2|a handler rings before it publishes
both |delivery|G1_all_received|-DBREAK_FLAG_AFTER_WRITE -DTHREADS=2|rung is set after the write
long |delivery|G1_all_received|-DBREAK_COUNT_AFTER_RING|an overflow is counted after the ring
long |delivery|G1_all_received|-DBREAK_OVERFLOWED_FIRST|overflowed is set before the count
both |delivery|G1_all_received|-DBREAK_NO_SECOND_LOOK -DTHREADS=2|a reader that does not look again
both |delivery|G1_all_received|-DBREAK_NOTHING_LEFT|what a small buffer leaves does not ring again
long |delivery|G1_all_received|-DBREAK_NO_FULL|no look at whether a slot is a lap behind
long |delivery|G3_in_order|-DBREAK_PUBLISH_FIRST|a slot is published before it is filled
long |delivery|G2_whole_events|-DBREAK_FREE_FIRST|a slot is freed before it is read
long |delivery|non-progress|-DBREAK_BUSY -DTHREADS=2 -DWAKES=0 -DCYCLES|a reader that waits for a slot to be filled
both |sleep|whole|-DWAKES=0|a handler, one who sleeps on the word, one who asks for the descriptor and polls
long |sleep|whole||and a wake-up
long |sleep|whole|-DWAKES=0 -DEACH=2|two deliveries
long |sleep|whole|-DWAKES=0 -DHANDLERS=2|two handlers
long |sleep|whole|-DWAKES=0 -DWAITERS=2|two who sleep
long |sleep|whole|-DASKERS=0 -DHANDLERS=2 -DWAITERS=2|two who sleep, two handlers, a wake-up, and nobody polls
long |sleep|whole|-DWOKEN_LATE|woken is cleared after the pipe was read, which is no fault
both |sleep|G1_nobody_sleeps_on|-DBREAK_NO_WAKE -DWAKES=0|ring does not wake who sleeps
long |sleep|G1_nobody_sleeps_on|-DBREAK_FIRST_WAKES|only the first to ring wakes
both |sleep|G1_nobody_sleeps_on|-DBREAK_COUNT_LATE -DWAKES=0|who sleeps is counted after it looked at the word
both |sleep|G1_nobody_sleeps_on|-DBREAK_NO_COMPARE -DWAKES=0|it falls asleep without comparing the word
both |sleep|G1_rung_is_heard|-DBREAK_POLLED_LATE -DWAKES=0|csigshim_fd looks at rung, then sets polled
both |sleep|G1_rung_is_heard|-DBREAK_NO_LOOK -DWAKES=0|csigshim_fd does not look at rung
both |sleep|G1_descriptor_tells|-DBREAK_NO_LOOK -DDESCRIPTOR_ALONE -DWAKES=0|so its descriptor does not tell of what is there
both |sleep|G1_rung_is_heard|-DBREAK_POLLED_EARLY -DWAKES=0|a handler looks at polled only before rung
both |sleep|G1_rung_is_heard|-DBREAK_CLEAR_FIRST -DWAKES=0 -DEACH=2|rung is cleared before the pipe is emptied
both |sleep|G1_no_spinning|-DBREAK_SKIP -DWAKES=0|no silence, although nothing was found
both |sleep|G1_unread_is_rung|-DBREAK_RING_FIRST -DWAKES=0|a handler rings before it publishes
both |sleep|G1_unread_is_rung|-DBREAK_NOTHING_LEFT -DWAKES=0 -DEACH=3|what a small buffer leaves does not ring again
both |sleep|G9_no_unseen_pipe|-DBREAK_NO_PROOF -DWAKES=0|a handler that saw nobody poll writes, and did not look at the pipe
long |sleep|G9_no_unseen_pipe|-DBREAK_WAKE_LOOKS_LATE|csigshim_wake looks at polled after the pipe
long |sleep|G1_wake_up|-DBREAK_WAKE_BY_PIPE_ALONE|csigshim_wake does not wake who slept before it was polled
long |sleep|G1_wake_up|-DBREAK_SLEEP_UNSEEN|who sleeps does not look at polled once it is counted
both |lifetime|whole|-DTHREADS=1 -DPLACES=1 -DCALLS=3|one thread, one bridge, a host that closes numbers
long |lifetime|whole|-DTHREADS=1 -DEACH=2 -DCALLS=5 -DTRICKS=0|all sequences of five calls, two bridges, two deliveries
long |lifetime|whole|-DTHREADS=2 -DPLACES=1 -DCALLS=3 -DTRICKS=0|two threads
long |lifetime|whole|-DTHREADS=1 -DCALLS=4|two bridges, and a host that closes numbers
long |lifetime|whole|-DTHREADS=1 -DPLACES=1 -DCALLS=4 -DUNDERNEATH=ENDS|the default action ends the process
long |lifetime|whole|-DTHREADS=1 -DPLACES=1 -DCALLS=4 -DUNDERNEATH=STOPS|it stops the process, which goes on later
long |lifetime|whole|-DTHREADS=2 -DPLACES=1 -DCALLS=2 -DTRICKS=0 -DUNDERNEATH=STOPS|two threads whom it stops
both |lifetime|G9_no_strangers_descriptor|-DBREAK_NO_WAIT -DTHREADS=1 -DPLACES=1|remove does not wait
both |lifetime|G9_no_strangers_descriptor|-DBREAK_CLOSE_FIRST -DTHREADS=1 -DPLACES=1|close before the handlers have left
long |lifetime|G9_no_strangers_descriptor|-DBREAK_ONE_LOOK -DTHREADS=1 -DPLACES=1|a handler that looks at flags once
long |lifetime|G9_no_strangers_descriptor|-DBREAK_INSIDE_LATE -DTHREADS=1 -DPLACES=1|inside is raised after the second look
long |lifetime|G9_|-DBREAK_NO_FSTAT -DLOST_ONES_TOO -DTHREADS=1 -DPLACES=1|no fstat
long |lifetime|G9_no_SIGPIPE|-DBREAK_ONE_END -DLOST_ONES_TOO -DTHREADS=1 -DPLACES=1|fstat of the write end alone
long |lifetime|G9_lost_bridge_has_nothing|-DBREAK_RECORDED_BEFORE_LOOK -DTHREADS=1 -DPLACES=1|a bridge without a pipe has it
long |lifetime|G5_live_signal_meets_no_other_action|-DBREAK_NO_ADDITIONS -DTHREADS=1 -DTRICKS=0|no second offer
long |lifetime|G5_live_signal_meets_no_other_action|-DBREAK_LATE_LOOK -DTHREADS=1 -DTRICKS=0|a look at flags after additions, as a relaxed one may be
long |lifetime|G5_ours_goes_only_for_a_reason|-DBREAK_FLAGS_FIRST -DTHREADS=1 -DPLACES=1 -DTRICKS=0 -DUNDERNEATH=STOPS|flags are cleared before the action is restored
long |lifetime|G5_ours_goes_only_for_a_reason|-DBREAK_RESTORE_LAST -DTHREADS=1 -DPLACES=1 -DTRICKS=0 -DUNDERNEATH=STOPS|it is restored after the wait
long |lifetime|G5_saved_action_is_back|-DBREAK_BACK_UNSEEN -DTHREADS=1 -DPLACES=1 -DUNDERNEATH=STOPS|a handler brings ours back for nobody
long |lifetime|G5_saved_action_is_back|-DBREAK_NO_SECOND_RESTORE -DTHREADS=1 -DPLACES=1 -DUNDERNEATH=STOPS|remove looks once
long |lifetime|G1_wake_up|-DBREAK_DISCARD_FORGETS_RUNG -DTHREADS=1 -DEACH=2 -DPLACES=1 -DTRICKS=0|close leaves rung set
both |fork|whole|-DSENT=1 -DCALLS=2|one delivery to the parent
long |fork|whole||two deliveries to the parent, three calls of the child
both |fork|G7_as_if_never_installed|-DBREAK_NO_PID -DSENT=1|no pid check
both |fork|G7_as_if_never_installed|-DBREAK_NO_OWNER -DSENT=1 -DCALLS=0|no owner page
long |fork|G7_borrowed_memory_is_untouched|-DBREAK_NO_ENTER_CHECK -DSENT=1 -DMADE=vforked|a vforked child may call us
long |fork|G7_as_if_never_installed|-DBREAK_NO_DORMANT -DSENT=1|a child's bridges stay active
both |fork|G7_parents_pipe_is_untouched|-DBREAK_SHARED_PIPE -DSENT=1|after_fork keeps the parent's pipe
long |fork|G7_nothing_from_before|-DBREAK_NO_DISCARD -DSENT=1|after_fork keeps the parent's records
long |fork|G7_child_is_woken|-DBREAK_DISCARD_FORGETS_RUNG -DSENT=1|after_fork leaves rung set
long |fork|G7_child_waits_for_no_ghost|-DBREAK_INSIDE_STAYS -DSENT=1|the counts of handlers that the child does not have
long |fork|G9_no_strangers_descriptor|-DBREAK_DUP_BLIND -DSENT=1|after_fork takes its old numbers unseen
long |fork|G7_child_can_exec|-DBREAK_NO_PUT_BACK -DSENT=1|fork leaves our action in the child
END
[ "$quick" != quick ] || sed -i '/^long/d' "$work/table"

# check NUMBER MODEL CLAIM OPTIONS TEXT: one line of the table; says "ok" or "FAIL" in the file NUMBER/said.
check() {
    mkdir "$work/$1" && cd "$work/$1" || return
    search=-DSAFETY flags= optimize=-O0
    [ "$3" != whole ] || [ "$quick" = quick ] || optimize=-O2
    case $4 in *-DCYCLES*) search=-DNP flags=-l ;; esac
    # shellcheck disable=SC2086
    spin -P"$compiler -E -x c" $4 -a "$here/$2.pml" >spin 2>&1 &&
        "$compiler" -w $optimize $search -DCOLLAPSE -o pan pan.c >>spin 2>&1 && nice ./pan -m100000 $flags >out 2>&1
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' out)
    depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' out)
    verdict=FAIL
    if [ "$3" != whole ]; then
        grep -q "^pan:1: .*$3" out && verdict=ok
        text="refuted: $5: $(sed -n 's/^pan:1: \(.*\) (at.*/\1/p' out)"
    elif grep -q 'errors: 0$' out && ! grep -q -e 'not completed' -e 'too small' -e '^pan:1' out; then
        verdict=ok text="$5: all of ${states:-0} states, ${depth:-0} deep"
        echo "${states:-0}" >states
    else
        text=$5
    fi
    echo "$verdict $2 $text" >said
    [ $verdict = ok ] || grep -h -e '^pan:1' -e rror -e depth spin out >>said
}

# Two at a time: every other line each.
half() {
    i=0
    while IFS='|' read -r when model claim options text; do
        i=$((i + 1))
        [ $((i % 2)) != "$1" ] || (check "$i" "$model" "$claim" "$options" "$text")
    done <"$work/table"
}
half 0 &
half 1
wait

lines=$(wc -l <"$work/table")
for i in $(seq "$lines"); do cat "$work/$i/said"; done | tee "$work/said"
failed=$(grep -c '^FAIL' "$work/said")
refuted=$(grep -c '^ok .*refuted' "$work/said")
states=$(cat "$work"/*/states | awk '{ n += $1 } END { print n }' | sed -e :a -e 's/^\([0-9][0-9]*\)\([0-9]\{3\}\)/\1,\2/;ta')
found=nothing
[ "$failed" = 0 ] || found="$failed failures (see above)"
echo "RESULT $name|4 models, $states states; $refuted broken variants, each refuted|$found"
[ "$failed" = 0 ]
