#!/bin/sh
# The protocol between handlers, readers, callers and children, as five models. spin visits every state that they can
# reach. A model that finds nothing proves nothing by itself. So each also runs with one thing wrong at a time
# (BREAK_..., in the models), and must then fail by the claim that is named here. The sources cite these names.
# run.sh [quick]; with JOBS=1 one at a time, otherwise two; at most 2 GB each
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
both |delivery|whole|-DTHREADS=2|two threads, a reader, a wake-up
long |delivery|whole|-DTHREADS=2 -DEACH=2 -DWAKES=0|two deliveries to each of two threads: the ring goes round, and is full
long |delivery|whole|-DTHREADS=2 -DREADERS=2 -DWAKES=0|two threads, two readers
long |delivery|whole|-DWAKES=0|three threads
long |delivery|whole|-DTHREADS=2 -DEACH=2 -DWAKES=0 -DEDGE|an edge-triggered poller
long |delivery|whole|-DTHREADS=2 -DEACH=2 -DWAKES=0 -DCYCLES|no call goes on for ever
both |delivery|whole|-DTHREADS=1 -DREADERS=0 -DWAKES=3|nobody reads
long |delivery|whole|-DTHREADS=1 -DWAKES=5|so many wake-ups that no more bytes are written
both |delivery|Q1_whole_records|-DBREAK_PUBLISH_BEFORE_FILL -DTHREADS=2|a slot is published before it is filled
long |delivery|Q1_whole_records|-DBREAK_FREE_BEFORE_COPY -DWAKES=0|a slot is freed before it is copied
both |delivery|W1_unread_is_notified|-DBREAK_NOTIFY_BEFORE_STORE -DTHREADS=2|a handler notifies before it publishes
both |delivery|W1_unread_is_notified|-DBREAK_TAKE_BEFORE_CLEAR -DTHREADS=2|a reader does not look at the ring after it cleared notified
both |delivery|W1_unread_is_notified|-DBREAK_LEFT_IS_NOT_NOTIFIED -DTHREADS=2|what a small buffer leaves is not notified again
long |delivery|W1_unread_is_notified|-DBREAK_NOT_COUNTED -DWAKES=0|what finds the ring full is not counted
long |delivery|W1_unread_is_notified|-DBREAK_NO_FULL -DWAKES=0|no look at whether the slot is still unread
long |delivery|W1_unread_is_notified|-DBREAK_COUNT_AFTER_NOTIFY -DWAKES=0|an overflow is counted after the handler notified
long |delivery|W1_unread_is_notified|-DBREAK_OVERFLOWED_BEFORE_COUNT -DWAKES=0|overflowed is set before the count
long |delivery|W1_unread_is_notified|-DBREAK_REST_IS_FORGOTTEN -DTHREADS=2 -DEACH=2 -DWAKES=0|overflowed is not set again for the signals that found no room
both |delivery|W2_notified_is_heard|-DBREAK_CLEAR_BEFORE_DRAIN -DTHREADS=2|notified is cleared before the pipe is emptied
both |delivery|W2_notified_is_heard|-DBREAK_WRITE_BEFORE_FLAG -DTHREADS=2|notified is set after the byte is written
both |delivery|W2_wake_writes|-DBREAK_WAKE_WRITES_ONCE -DTHREADS=1 -DREADERS=0|csigshim_wake writes no byte where notified was set
both |delivery|W3_read_never_blocks|-DBREAK_COUNT_BEFORE_WRITE -DTHREADS=2|a byte is counted before it is written
both |delivery|W3_read_never_blocks|-DBREAK_NO_SUBTRACT -DTHREADS=2|what was read stays counted
both |delivery|W3_read_never_blocks|-DBREAK_NO_READER_MUTEX -DTHREADS=2 -DREADERS=2|two readers at a time
both |delivery|W3_write_never_blocks|-DBREAK_NO_PLENTY -DTHREADS=1 -DWAKES=5|bytes are written without an end
both |delivery|W3_write_never_blocks|-DBREAK_PLENTY_FILLS_PIPE -DTHREADS=1 -DWAKES=5|no room in the pipe for bytes that are not counted yet
both |delivery|W3_late_byte_is_removed|-DBREAK_NEVER_THOROUGH -DTHREADS=2|a reader that finds nothing leaves the byte that is not counted yet
long |delivery|non-progress|-DBREAK_WAIT_FOR_SLOT -DTHREADS=2 -DWAKES=0 -DCYCLES|Q1: a reader waits for a slot to be filled
long |delivery|non-progress|-DBREAK_WRITER_WAITS -DWAKES=0 -DCYCLES|Q3: a writer waits for another
both |sleep|whole|-DWAKES=0|a handler, a thread that sleeps on the futex, one that asks for the descriptor and polls
long |sleep|whole||and a wake-up
long |sleep|whole|-DWAKES=0 -DEACH=2|two deliveries
long |sleep|whole|-DWAKES=0 -DHANDLERS=2|two handlers
long |sleep|whole|-DWAKES=0 -DWAITERS=2|two that sleep
long |sleep|whole|-DASKERS=0 -DHANDLERS=2 -DWAITERS=2|two that sleep, two handlers, a wake-up, and nobody polls
long |sleep|whole|-DWAKES=0 -DASKERS=2|two that ask for the descriptor
long |sleep|whole|-DFAILURES=1|a write fails
long |sleep|whole|-DWAKES=0 -DEACH=2 -DFAILURES=2|two writes fail
both |sleep|F1_nobody_sleeps_on|-DBREAK_WAITER_COUNTS_LATE -DWAKES=0|a waiter is counted after the kernel compared
both |sleep|F1_nobody_sleeps_on|-DBREAK_FUTEX_WAKE_BEFORE_FLAG -DWAKES=0|a handler looks for waiters before it sets notified
both |sleep|F1_nobody_sleeps_on|-DBREAK_NO_FUTEX_WAKE -DWAKES=0|nobody wakes the waiter
both |sleep|F1_nobody_sleeps_on|-DBREAK_NO_COMPARE -DWAKES=0|the kernel does not compare
both |sleep|F1_nobody_sleeps_on|-DBREAK_FD_GIVES_UP -DWAKES=0 -DEACH=2 -DFAILURES=1|csigshim_fd whose write fails clears fd_in_use while a poller has it
both |sleep|W1_unread_is_notified|-DBREAK_NOTIFY_BEFORE_STORE -DWAKES=0|a handler notifies before it publishes
both |sleep|W1_unread_is_notified|-DBREAK_LEFT_IS_NOT_NOTIFIED -DWAKES=0 -DEACH=3|what a small buffer leaves is not notified again
both |sleep|W2_notified_is_heard|-DBREAK_CLEAR_BEFORE_DRAIN -DWAKES=0 -DEACH=2|notified is cleared before the pipe is emptied
both |sleep|W2_notified_is_heard|-DBREAK_FD_FLAG_AFTER_LOOK -DWAKES=0|csigshim_fd looks at notified, then sets fd_in_use
both |sleep|W2_notified_is_heard|-DBREAK_FD_NO_LOOK -DWAKES=0|csigshim_fd does not look at notified
both |sleep|W2_notified_is_heard|-DBREAK_FD_IN_USE_BEFORE_FLAG -DWAKES=0|a handler looks at fd_in_use, then sets notified
both |sleep|W2_notified_is_heard|-DBREAK_FAILED_STAYS_NOTIFIED -DWAKES=0 -DFAILURES=1|notified stays set although the write failed
both |sleep|W2_descriptor_tells|-DBREAK_FD_NO_LOOK -DDESCRIPTOR_ALONE -DWAKES=0|so the descriptor does not tell of what is there
both |sleep|W2_no_spinning|-DBREAK_NO_DRAIN_WHEN_EMPTY -DWAKES=0|a reader that found nothing leaves the pipe as it is
long |sleep|W2_wake_is_heard|-DBREAK_WAKE_BY_PIPE_ALONE|csigshim_wake writes, and does not wake a thread that slept before fd_in_use
both |sleep|D1_pipe_was_looked_at|-DBREAK_RECORD_WITHOUT_LOOK -DWAKES=0|a handler writes without a look at the pipe
both |sleep|D1_pipe_was_looked_at|-DBREAK_FD_LOOKS_LATE -DWAKES=0|csigshim_fd looks at the pipe after it set fd_in_use
both |lifetime|whole|-DTHREADS=1 -DUSED=1 -DCALLS=3|one thread, one bridge, a host that closes descriptors
both |lifetime|whole|-DTHREADS=1 -DUSED=1 -DCALLS=3 -DTWO_ENDS|a descriptor for each end of the pipe
long |lifetime|whole|-DTHREADS=1 -DEACH=2 -DCHANGES=0|all sequences of five calls, two bridges, two deliveries
long |lifetime|whole|-DTHREADS=2 -DUSED=1 -DCHANGES=0|two threads
long |lifetime|whole|-DTHREADS=2 -DCALLS=3 -DCHANGES=0|two threads, two bridges
long |lifetime|whole|-DTHREADS=1 -DCALLS=4|two bridges, and a host that closes descriptors
long |lifetime|whole|-DTHREADS=1 -DCALLS=4 -DTWO_ENDS|with a descriptor for each end
long |lifetime|whole|-DTHREADS=2 -DUSED=1 -DCALLS=4 -DCHANGES=0 -DOLD_ACTION=TERMINATES|the default action terminates the process
long |lifetime|whole|-DTHREADS=1 -DCALLS=4 -DOLD_ACTION=STOPS|it stops the process, which continues later
long |lifetime|whole|-DTHREADS=2 -DCALLS=3 -DCHANGES=0 -DOLD_ACTION=STOPS|it stops two threads
both |lifetime|R1_ring_is_mapped|-DBREAK_NO_WAIT_FOR_HANDLERS -DTHREADS=1 -DUSED=1|remove does not wait for handlers
both |lifetime|R1_ring_is_mapped|-DBREAK_WAIT_BEFORE_DEACTIVATE -DTHREADS=1 -DUSED=1|it waits before it clears the flags
both |lifetime|R1_ring_is_mapped|-DBREAK_CLOSE_BEFORE_REMOVE -DTHREADS=1 -DUSED=1|close before the handlers have left
both |lifetime|R1_ring_is_mapped|-DBREAK_LOOK_ONCE -DTHREADS=1 -DUSED=1|a handler looks at flags once
both |lifetime|R1_ring_is_mapped|-DBREAK_LOOK_BEFORE_COUNT -DTHREADS=1 -DUSED=1|a handler looks a second time before it counts itself
both |lifetime|R2_live_signal_is_recorded|-DBREAK_NO_ADD_COUNT -DTHREADS=1 -DCHANGES=0|a handler does not look again after an add
both |lifetime|R2_live_signal_is_recorded|-DBREAK_FIRST_LOOK_RELAXED -DTHREADS=1 -DCHANGES=0|the first look at flags is relaxed
both |lifetime|U1_handler_has_a_subscription|-DBREAK_RESTORE_AFTER_DEACTIVATE -DTHREADS=1 -DUSED=1 -DCHANGES=0|flags are cleared before the action is restored
both |lifetime|U1_handler_has_a_subscription|-DBREAK_RESTORE_AFTER_WAIT -DTHREADS=1 -DUSED=1 -DCHANGES=0|the action is restored after the wait
both |lifetime|U1_handler_has_a_subscription|-DBREAK_INSTALL_BEFORE_ACTIVATE -DTHREADS=1 -DUSED=1 -DCHANGES=0|add installs the handler before the subscription is active
both |lifetime|U1_handler_is_installed|-DBREAK_STOP_PUTS_BACK_WHATEVER -DTHREADS=1 -DUSED=1 -DCALLS=4 -DCHANGES=0 -DOLD_ACTION=STOPS|O6: a handler puts back SIG_DFL that was restored just before it came
both |lifetime|U1_saved_action_is_restored|-DBREAK_COME_BACK_UNSEEN -DTHREADS=1 -DUSED=1 -DCALLS=4 -DCHANGES=0 -DOLD_ACTION=STOPS|O6: it puts the library's handler back, and does not look who wants it
both |lifetime|U1_saved_action_is_restored|-DBREAK_RESTORE_ONCE -DTHREADS=1 -DUSED=1 -DCALLS=4 -DCHANGES=0 -DOLD_ACTION=STOPS|O6: remove looks at the action once
both |lifetime|S2_never_saves_itself|-DBREAK_SAVES_ITSELF -DTHREADS=1 -DUSED=1 -DCALLS=4 -DCHANGES=0 -DOLD_ACTION=STOPS|add saves the handler that came back between its look and its call
both |lifetime|D1_lost_bridge_records_nothing|-DBREAK_RECORD_BEFORE_LOOK -DTHREADS=1 -DUSED=1|a bridge that lost its pipe records
both |lifetime|D1_no_foreign_file|-DBREAK_NO_FSTAT -DLOST_BRIDGES_TOO -DTHREADS=1 -DUSED=1|no fstat(2) before the write
both |lifetime|D1_no_foreign_file|-DBREAK_CLOSE_WITHOUT_LOOK -DTHREADS=1 -DUSED=1|none before close(2)
both |lifetime|D1_no_SIGPIPE|-DBREAK_LOOK_AT_ONE_END -DLOST_BRIDGES_TOO -DTHREADS=1 -DUSED=1 -DTWO_ENDS|fstat(2) of the write end alone
both |lifetime|W2_unread_is_heard|-DBREAK_OPEN_KEEPS_NOTIFIED -DTHREADS=1 -DEACH=2 -DUSED=1 -DCHANGES=0|open leaves notified set
both |lifetime|W3_count_is_no_more_than_bytes|-DBREAK_OPEN_KEEPS_PIPE_BYTES -DTHREADS=1 -DEACH=2 -DUSED=1 -DCHANGES=0|open keeps the count of the last pipe
long |disposition|whole||a careful host
both |disposition|whole|-DCALLS=3 -DCHANGES=3|a careful host, three calls
long |disposition|whole|-DCARELESS|a careless host
both |disposition|S1_saved_is_published_first|-DBREAK_PUBLISH_AFTER_INSTALL|the old action is published after the handler is installed
both |disposition|S1_saved_is_what_was_replaced|-DBREAK_PUBLISH_ONCE|what another thread installed in between is not saved
both |disposition|S2_saved_never_leads_back|-DBREAK_SAVE_REACHABLE|a function that may call this library's handler is saved
both |disposition|S2_saved_never_leads_back|-DBREAK_SAVE_INSTALLED|a function that displaced the handler is saved by the next add
both |disposition|S2_first_stays_saved|-DBREAK_REARM_SAVES|rearm saves what displaced the handler
both |disposition|S2_never_saves_itself|-DBREAK_SAVES_ITSELF -DCARELESS|the handler that another thread put back in between is saved as the old action
both |disposition|O5_entered_once|-DBREAK_NO_MARKER -DCARELESS|no marker in the siginfo
both |fork|whole|-DSENT=1 -DREADERS=0 -DCLOSERS=0 -DCALLS=2|one delivery to the parent, two calls of the child
long |fork|whole|-DSENT=1 -DCALLS=2|meanwhile csigshim_read and csigshim_close in the parent
long |fork|whole|-DSENT=1 -DREADERS=0 -DCLOSERS=0|three calls of the child
long |fork|whole|-DREADERS=0 -DCLOSERS=0 -DCALLS=2|two deliveries to the parent
long |fork|whole|-DSENT=1 -DREADERS=0 -DCLOSERS=0 -DCALLS=2 -DDISPLACED|another handler calls this library's in the child
both |fork|P1_parents_memory_is_untouched|-DBREAK_NO_PID_CHECK -DSENT=1 -DMADE=vforked|a handler does not look at the pid
both |fork|P1_parents_memory_is_untouched|-DBREAK_LOCK_BEFORE_ROLE -DSENT=1 -DMADE=vforked|a vforked child takes the lock
both |fork|P1_parents_handler_stays|-DBREAK_SHARED_HANDLERS_CHANGED -DSENT=1 -DMADE=vforked_sharing_handlers|a child that shares the dispositions changes one
both |fork|C1_as_if_never_installed|-DBREAK_NO_OWNER_PAGE -DSENT=1 -DCALLS=0|no page that fork wipes
both |fork|C1_as_if_never_installed|-DBREAK_ACTIVE_IN_CHILD -DSENT=1 -DMADE=forked -DDISPLACED|a child's subscriptions stay active
both |fork|C1_child_can_exec|-DBREAK_NO_UNINSTALL -DSENT=1 -DMADE=forked|fork leaves the handler installed in the child
both |fork|C2_parents_pipe_is_unused|-DBREAK_SHARED_PIPE -DSENT=1 -DMADE=forked|after_fork keeps the parent's pipe
both |fork|C2_parents_pipe_is_unused|-DBREAK_READS_INHERITED -DSENT=1 -DMADE=forked|a child reads from the parent's pipe
both |fork|C2_waits_for_no_lost_thread|-DBREAK_LOCK_BEFORE_ROLE -DSENT=1 -DMADE=cloned -DREADERS=0 -DCALLS=1|a cloned child takes a lock that is held
both |fork|C2_waits_for_no_lost_thread|-DBREAK_FORK_WITHOUT_LOCK -DSENT=1 -DMADE=forked -DREADERS=0 -DCALLS=1|L3: fork does not hold the lock
long |fork|C2_waits_for_no_lost_thread|-DBREAK_READER_MUTEX_STAYS -DSENT=1 -DMADE=forked -DCLOSERS=0|a reader's mutex that is held stays so
long |fork|C2_waits_for_no_lost_thread|-DBREAK_COUNTS_STAY -DSENT=1 -DMADE=forked -DREADERS=0 -DCLOSERS=0|counts of handlers that the child does not have
long |fork|C2_waits_for_no_lost_thread|-DBREAK_OPEN_BRIDGES_ONLY -DSENT=1 -DMADE=forked -DREADERS=0|such a count of a closed bridge
both |fork|C3_nothing_from_before|-DBREAK_EVENTS_STAY -DSENT=1 -DMADE=forked -DREADERS=0 -DCLOSERS=0|after_fork keeps the parent's records
both |fork|C3_failure_changes_nothing|-DBREAK_CLOSE_INHERITED_FIRST -DSENT=1 -DMADE=forked|after_fork closes before it opens
both |fork|C3_failure_changes_nothing|-DBREAK_FAILURE_KEEPS_FRESH -DSENT=1 -DMADE=forked|it fails, and does not put the inherited pipe back
both |fork|C3_inherited_is_closed|-DBREAK_INHERITED_STAYS_OPEN -DSENT=1 -DMADE=forked|it leaves the inherited pipe open
both |fork|C3_child_has_its_own|-DBREAK_CLOSE_WITHOUT_LOOK -DSENT=1 -DMADE=forked -DREADERS=0 -DCLOSERS=0|it closes the inherited number, whatever it is now
long |fork|W2_child_is_woken|-DBREAK_NOTIFIED_STAYS -DSENT=1 -DMADE=forked -DREADERS=0 -DCLOSERS=0|after_fork leaves notified set
long |fork|W3_count_is_no_more_than_bytes|-DBREAK_PIPE_BYTES_STAY -DSENT=1 -DMADE=forked -DREADERS=0 -DCLOSERS=0|it keeps the count of the parent's pipe
END
[ "$quick" != quick ] || sed -i '/^long/d' "$work/table"

# check NUMBER MODEL CLAIM OPTIONS TEXT: checks one line of the table, and writes "ok" or "FAIL" into the file
# NUMBER/said.
check() {
    mkdir "$work/$1" && cd "$work/$1" || return
    search=-DSAFETY flags= optimize=-O0
    [ "$3" != whole ] || [ "$quick" = quick ] || optimize=-O2
    case $4 in *-DCYCLES*) search=-DNP flags=-l ;; esac
    # shellcheck disable=SC2086
    spin -P"$compiler -E -x c" $4 -a "$here/$2.pml" >spin 2>&1 &&
        "$compiler" -w $optimize $search -DCOLLAPSE -DMEMLIM=2048 -o pan pan.c >>spin 2>&1 && nice ./pan -m100000 $flags >out 2>&1
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' out)
    depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' out)
    verdict=FAIL
    if [ "$3" != whole ]; then
        grep -q "^pan:1: .*$3" out && verdict=ok
        text="refuted: $(expr "$4" : '.*-D\(BREAK_[A-Z_]*\)'): $5: $(sed -n 's/^pan:1: \(.*\) (at.*/\1/p' out)"
    elif grep -q 'errors: 0$' out && ! grep -q -e 'not completed' -e 'too small' -e '^pan:1' out; then
        verdict=ok text="$5: all of ${states:-0} states, ${depth:-0} deep"
        echo "${states:-0}" >states
    else
        text=$5
    fi
    echo "$verdict $2 $text" >said
    [ $verdict = ok ] || grep -h -e '^pan:1' -e rror -e depth spin out >>said
}

# Each job takes every second line; a single one takes all.
jobs=${JOBS:-2}
share() {
    i=0
    while IFS='|' read -r when model claim options text; do
        i=$((i + 1))
        [ $((i % jobs)) != "$1" ] || (check "$i" "$model" "$claim" "$options" "$text")
    done <"$work/table"
}
for job in $(seq 0 $((jobs - 1))); do share "$job" & done
wait

lines=$(wc -l <"$work/table")
for i in $(seq "$lines"); do cat "$work/$i/said"; done | tee "$work/said"
failed=$(grep -c '^FAIL' "$work/said")
refuted=$(grep -c '^ok .*refuted' "$work/said")
states=$(cat "$work"/*/states | awk '{ n += $1 } END { print n }' | sed -e :a -e 's/^\([0-9][0-9]*\)\([0-9]\{3\}\)/\1,\2/;ta')
found=nothing
[ "$failed" = 0 ] || found="$failed failures (see above)"
echo "RESULT $name|5 models, $states states; $refuted broken variants, each refuted|$found"
[ "$failed" = 0 ]
