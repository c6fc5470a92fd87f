/* Sleep: bridges that nobody polls, until somebody does. G1 and G9 of one bridge that stays subscribed.
 *
 * Handlers record and ring (handler.c), threads call csigshim_wait and read, somebody calls csigshim_wake, somebody
 * csigshim_fd, and polls from then on (reader.c). Whoever reads may leave after any read. Each statement is one access
 * to shared memory, or one system call; all of them are seq_cst. A futex compares the word and queues the thread in one
 * step, and wakes all. Of the ring remains how many records are ready: delivery.pml has the rest, and edges.
 *
 * The first handlers run on the threads that wait: such a sleep ends with EINTR. That those threads do nothing else
 * meanwhile is not here: without it more can happen, and all of it must hold. Who calls csigshim_wake may leave from
 * it by siglongjmp, half-way; not where csigshim_fd comes within that call, which nobody else would make up for.
 */
#ifndef HANDLERS
#define HANDLERS 1
#endif
#ifndef EACH
#define EACH 1 /* deliveries to each of them, at most */
#endif
#ifndef WAITERS
#define WAITERS 1
#endif
#ifndef WAKES
#define WAKES 1
#endif
#ifndef ASKERS
#define ASKERS 1 /* who call csigshim_fd */
#endif
#define PIPE 2

bool rung, polled, woken, lock, asleep[2]; /* asleep: in the futex's queue */
byte sleepers, ready, bytes; /* bytes: in the pipe */

byte busy = HANDLERS + ASKERS + 1; /* who may still ring */
byte waiting;                                /* threads in csigshim_wait or poll */
bool unanswered;                             /* a wake-up that no read has taken away */
bool G1_unread_is_rung = true, G1_rung_is_heard = true, G1_nobody_sleeps_on = true, G1_wake_up = true;
bool G1_descriptor_tells = true, G1_no_spinning = true, G9_no_unseen_pipe = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)

inline pull() /* csigshim__pull */
{
    d_step {
        CLAIM(G9_no_unseen_pipe, looked);
        if
        :: bytes < PIPE -> bytes++
        :: else
        fi
    }
}

inline ring(proven) /* csigshim__ring */
{
    d_step { first = !rung; rung = true }
    if
#ifdef BREAK_POLLED_EARLY
    :: first && proven ->
#else
    :: first && polled ->
#endif
#ifndef BREAK_NO_PROOF
        looked = looked || !proven; /* both_intact */
#endif
        pull()
    :: else
    fi;
    if
#ifdef BREAK_NO_WAKE
    :: false ->
#elif defined(BREAK_FIRST_WAKES)
    :: first && sleepers ->
#else
    :: sleepers ->
#endif
        d_step { asleep[0] = false; asleep[1] = false } /* csigshim__wake_sleepers */
    :: else
    fi;
    d_step { first = false; looked = false }
}

proctype handler(byte me)
{
    byte n;
    bool proven, looked, first;
    do
    :: d_step { n < EACH ->
            n++;
            if
            :: me < WAITERS -> asleep[me] = false /* EINTR */
            :: else
            fi
        }
        d_step { proven = polled; looked = proven } /* record */
#ifdef BREAK_RING_FIRST
        ring(proven);
        ready++
#else
        ready++;
        ring(proven)
#endif
    :: break
    od;
    busy--
}

proctype waker() /* csigshim_wake */
{
    byte n;
    bool through_pipe, looked, first;
    do
    :: n < WAKES ->
        d_step { n++; unanswered = true }
#ifdef BREAK_WAKE_LOOKS_LATE
        looked = polled; /* check_bell */
        through_pipe = polled;
#else
        d_step { through_pipe = polled; looked = through_pipe }
#endif
        if
        :: through_pipe -> woken = true; pull()
        :: else
        fi;
        if
#ifdef BREAK_WAKE_BY_PIPE_ALONE
        :: !through_pipe -> ring(false)
#else
        :: !through_pipe || sleepers -> ring(false)
#endif
        :: else
        fi;
        d_step { through_pipe = false; looked = false }
    :: d_step { n < WAKES && !polled -> n++; rung = true } /* and has left */
    :: break
    od;
    busy--
}

inline pop() /* pop_both */
{
    d_step {
        do
        :: count < capacity && ready -> count++; ready--
        :: else -> break
        od
    }
}

inline silence()
{
#ifndef WOKEN_LATE
    woken = false;
#endif
    through_pipe = polled;
#ifdef BREAK_CLEAR_FIRST
    rung = false;
#endif
    if
    :: through_pipe -> bytes = 0
    :: else
    fi;
#ifdef WOKEN_LATE
    woken = false;
#endif
#ifdef BREAK_CLEAR_FIRST
    unanswered = false
#else
    d_step { rung = false; unanswered = false }
#endif
}

inline read() /* csigshim_read */
{
    atomic {
        !lock -> lock = true; /* csigshim__enter */
        calm = !busy;
        if :: capacity = 1 :: capacity = 2 fi
    }
    pop();
    if
    :: count < capacity ->
#ifdef BREAK_SKIP
        first = rung;
#else
        first = !count || rung;
#endif
        first = first || woken;
        if
        :: first ->
            silence();
            pop();
            if
#ifdef BREAK_NOTHING_LEFT
            :: false -> skip
#else
            :: ready -> ring(false) /* something_left */
#endif
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    d_step {
        CLAIM(G1_no_spinning, !calm || count || !bytes && !rung);
        lock = false;
        calm = false;
        through_pipe = false;
        count = 0;
        capacity = 0;
        first = false
    }
}

proctype waiter(byte me)
{
    byte count, capacity;
    bool through_pipe, looked, first, calm;
    do
    :: waiting++;
again: /* csigshim_wait */
        through_pipe = polled;
        if
        :: through_pipe ->
end_poll:   bytes > 0
        :: else -> /* wait_on_word */
            if
            :: rung
            :: else ->
#ifndef BREAK_COUNT_LATE
                sleepers++;
#endif
                if
#ifdef BREAK_SLEEP_UNSEEN
                :: true ->
#else
                :: !polled ->
#endif
#ifdef BREAK_NO_COMPARE
                    asleep[me] = true;
#else
                    asleep[me] = !rung; /* csigshim__sleep */
#endif
#ifdef BREAK_COUNT_LATE
                    sleepers++;
#endif
end_asleep:         !asleep[me];
#ifdef BREAK_COUNT_LATE
                    sleepers--
#endif
                :: else
                fi;
#ifndef BREAK_COUNT_LATE
                sleepers--;
#endif
                if
                :: rung
                :: else -> goto again
                fi
            fi
        fi;
        waiting--;
        read()
    :: break
    od
}

proctype asker() /* csigshim_fd; and then a poller */
{
    byte count, capacity;
    bool through_pipe, looked, first, calm;
    /* become_polled */
#ifdef BREAK_POLLED_LATE
    through_pipe = rung;
    polled = true;
#elif defined(BREAK_NO_LOOK)
    polled = true;
#else
    d_step { through_pipe = polled; polled = true }
    through_pipe = !through_pipe && rung;
#endif
    looked = true;
    if
    :: through_pipe -> pull()
    :: else
    fi;
    d_step {
        busy--;
        looked = false;
        through_pipe = false;
        CLAIM(G1_descriptor_tells, busy || lock || !ready || bytes)
    }
    do
    :: waiting++;
end_poll:
        bytes > 0;
        waiting--;
        read()
    :: break
    od
}

/* Where nothing moves any more, whoever has left. */
proctype quiet()
{
    timeout;
    CLAIM(G1_unread_is_rung, !ready || rung);
#ifndef DESCRIPTOR_ALONE /* that claim apart, so that it is seen to fail too */
    CLAIM(G1_rung_is_heard, !polled || !rung || bytes);
#endif
    CLAIM(G1_nobody_sleeps_on, !waiting || !ready);
    CLAIM(G1_wake_up, !waiting || !unanswered)
}

init {
    atomic {
        byte i;
        do :: i < HANDLERS -> run handler(i); i++ :: else -> break od;
        i = 0;
        do :: i < WAITERS -> run waiter(i); i++ :: else -> break od;
        i = 0;
        do :: i < ASKERS -> run asker(); i++ :: else -> break od;
        run waker();
        run quiet();
        i = 0
    }
}
