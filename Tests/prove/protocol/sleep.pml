/* Sleep: a bridge that threads wait for by a futex, until one asks for its descriptor and polls that. F1
 * (futex_wait.c), W1 and W2 (notify.c), D1, and what csigshim_fd does (use_fd in wait.c).
 *
 * Handlers record and notify, and threads call csigshim_wait and csigshim_read. One thread calls csigshim_wake, and
 * another calls csigshim_fd and polls from then on. A thread may stop reading after any read. A few writes to the pipe
 * may fail. Each statement is one access to shared memory, or one system call; all of them are sequentially consistent.
 * A futex compares the word and queues the thread in one step, and wakes all. Of the ring only the number of unread
 * records is left, and of the pipe the number of its bytes: the rest is in delivery.pml.
 *
 * The first handlers run on the threads that wait, and end their sleep with EINTR. In the model those threads also do
 * other things meanwhile. So more can happen than in a program, and the claims must hold for all of it. */
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
#define ASKERS 1 /* threads that call csigshim_fd */
#endif
#ifndef FAILURES
#define FAILURES 0 /* writes that fail, at most */
#endif
#define PIPE 2

bool notified, fd_in_use, mutex, asleep[2]; /* asleep: in the futex's queue */
byte futex_waiters, unread, bytes;

byte busy = HANDLERS + ASKERS + 1; /* threads that may still notify */
byte waiting;                      /* threads in csigshim_wait or poll */
byte failures;
bool failed;     /* a write failed, and no delivery has begun since */
bool unanswered; /* a wake-up that no read has taken */
bool fd_looked;  /* csigshim_fd has looked at the pipe */
bool W1_unread_is_notified = true, W2_notified_is_heard = true, W2_wake_is_heard = true, W2_descriptor_tells = true;
bool W2_no_spinning = true, F1_nobody_sleeps_on = true, D1_pipe_was_looked_at = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)

inline write_wakeup()
{
    if
    :: d_step {
            CLAIM(D1_pipe_was_looked_at, looked || fd_looked && !was_in_use);
            if
            :: bytes < PIPE -> bytes++
            :: else
            fi
        }
    :: d_step { failures < FAILURES -> failures++; refused = true }
    fi
}

inline futex_wake()
{
    if
#ifdef BREAK_NO_FUTEX_WAKE
    :: false ->
#else
    :: futex_waiters ->
#endif
        d_step { asleep[0] = false; asleep[1] = false }
    :: else
    fi
}

inline notify()
{
#ifdef BREAK_FUTEX_WAKE_BEFORE_FLAG
    futex_wake();
#endif
#ifdef BREAK_FD_IN_USE_BEFORE_FLAG
    uses_fd = fd_in_use;
#endif
    d_step { first = !notified; notified = true } /* [A] */
#ifndef BREAK_FD_IN_USE_BEFORE_FLAG
    uses_fd = fd_in_use;
#endif
    if
    :: first && uses_fd -> /* [B] */
        write_wakeup();
        if
        :: refused ->
#ifdef BREAK_FAILED_STAYS_NOTIFIED
            refused = false
#else
            d_step { notified = false; failed = true; refused = false }
#endif
        :: else
        fi
    :: else
    fi;
#ifndef BREAK_FUTEX_WAKE_BEFORE_FLAG
    futex_wake();
#endif
    d_step { first = false; looked = false; was_in_use = false; uses_fd = false }
}

inline can_record() /* looks at the pipe if the descriptor is in use */
{
#ifdef BREAK_RECORD_WITHOUT_LOOK
    was_in_use = fd_in_use
#else
    d_step { was_in_use = fd_in_use; looked = fd_in_use }
#endif
}

proctype handler(byte me)
{
    byte n;
    bool looked, was_in_use, first, uses_fd, refused;
    do
    :: d_step { n < EACH ->
            n++;
            failed = false;
            if
            :: me < WAITERS -> asleep[me] = false /* EINTR */
            :: else
            fi
        }
        can_record();
#ifdef BREAK_NOTIFY_BEFORE_STORE
        notify();
        unread++
#else
        unread++;
        notify()
#endif
    :: break
    od;
    busy--
}

proctype waker() /* csigshim_wake */
{
    byte n;
    bool looked, was_in_use, first, uses_fd, refused;
    do
    :: n < WAKES ->
        d_step { n++; unanswered = true; failed = false }
        can_record();
        d_step { first = !notified; notified = true }
        uses_fd = fd_in_use;
        if
        :: uses_fd ->
            write_wakeup();
            if
            :: refused ->
                d_step { notified = notified && !first; unanswered = false; failed = true }
            :: else
            fi
        :: else
        fi;
        if
#ifdef BREAK_WAKE_BY_PIPE_ALONE
        :: !refused && !uses_fd -> futex_wake()
#else
        :: !refused -> futex_wake()
#endif
        :: else
        fi;
        d_step { refused = false; looked = false; was_in_use = false; first = false; uses_fd = false }
    :: break
    od;
    busy--
}

inline take()
{
    d_step {
        do
        :: count < capacity && unread -> count++; unread--
        :: else -> break
        od
    }
}

inline read() /* read_locked, with the reader's mutex held */
{
    atomic {
        !mutex -> mutex = true;
        calm = !busy;
        if :: capacity = 1 :: capacity = 2 fi
    }
    take();
    if
    :: count < capacity ->
#ifdef BREAK_NO_DRAIN_WHEN_EMPTY
        first = notified;
#else
        first = !count || notified;
#endif
        if
        :: first ->
            uses_fd = fd_in_use;
#ifdef BREAK_CLEAR_BEFORE_DRAIN
            notified = false;
#endif
            if
            :: uses_fd -> bytes = 0 /* [C] */
            :: else
            fi;
#ifdef BREAK_CLEAR_BEFORE_DRAIN
            unanswered = false;
#else
            d_step { notified = false; unanswered = false } /* [D] */
#endif
            take(); /* [E] */
            if
#ifdef BREAK_LEFT_IS_NOT_NOTIFIED
            :: false -> skip
#else
            :: unread -> can_record(); notify() /* has_events */
#endif
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    d_step {
        CLAIM(W2_no_spinning, !calm || count || !bytes && !notified);
        mutex = false;
        calm = false;
        uses_fd = false;
        count = 0;
        capacity = 0;
        first = false
    }
}

proctype waiter(byte me)
{
    byte count, capacity;
    bool looked, was_in_use, first, uses_fd, calm, refused;
    do
    :: waiting++;
again: /* csigshim_wait */
        uses_fd = fd_in_use;
        if
        :: uses_fd ->
end_poll:   bytes > 0
        :: else -> /* csigshim__futex_wait */
            if
            :: notified
            :: else ->
#ifndef BREAK_WAITER_COUNTS_LATE
                futex_waiters++; /* F1 */
#endif
#ifdef BREAK_NO_COMPARE
                asleep[me] = true;
#else
                asleep[me] = !notified;
#endif
#ifdef BREAK_WAITER_COUNTS_LATE
                futex_waiters++;
#endif
end_asleep:     !asleep[me];
                futex_waiters--;
                if
                :: notified
                :: else -> goto again
                fi
            fi
        fi;
        waiting--;
        read()
    :: break
    od
}

proctype asker() /* csigshim_fd, and then a poller */
{
    byte count, capacity;
    bool looked, was_in_use, first, uses_fd, calm, refused;
#ifndef BREAK_FD_LOOKS_LATE
    fd_looked = true; /* is_pipe_usable */
#endif
#ifdef BREAK_FD_FLAG_AFTER_LOOK
    first = notified;
    fd_in_use = true;
#elif defined(BREAK_FD_NO_LOOK)
    fd_in_use = true;
#else
    d_step { first = !fd_in_use; fd_in_use = true }
    first = first && notified;
#endif
#ifdef BREAK_FD_LOOKS_LATE
    fd_looked = true;
#endif
    if
    :: first -> write_wakeup()
    :: else
    fi;
    if
    :: refused -> /* -1 */
#ifdef BREAK_FD_GIVES_UP
        fd_in_use = false;
        d_step { failed = true; busy-- }
#else
        d_step { notified = false; failed = true }
        busy--
#endif
    :: else ->
        d_step {
            busy--;
            first = false;
            CLAIM(W2_descriptor_tells, busy || mutex || failed || !unread || bytes)
        }
        do
        :: waiting++;
end_poll:   bytes > 0;
            waiting--;
            read()
        :: break
        od
    fi
}

/* Nothing moves any more, whichever threads have left. */
proctype quiet()
{
    timeout;
    CLAIM(W1_unread_is_notified, failed || !unread || notified);
#ifndef DESCRIPTOR_ALONE /* without this claim, others are seen to fail too */
    CLAIM(W2_notified_is_heard, !fd_in_use || !notified || bytes);
#endif
    CLAIM(F1_nobody_sleeps_on, failed || !waiting || !unread);
    CLAIM(W2_wake_is_heard, failed || !waiting || !unanswered)
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
