/* Lifetimes: open, add, remove and close while handlers run, a signal that goes from one bridge to another, and
 * descriptors that the host closes and gets again for something else. G1, G5 and G9.
 *
 * One thread of the host calls us (bridge.c, doorbell.c, disposition.c: they share one lock, so one stands for all),
 * others take signals (handler.c: record, offer, fall_back), and somebody in the host closes our numbers and opens
 * files of his own. Of the ring remains whether something is in it: delivery.pml has the rest. Nobody reads here, so
 * what is ready and has no byte in the pipe would never be read. All bridges are polled: one that is not looks at no
 * descriptor and writes to none, and sleep.pml has those who sleep on `rung`, and how it becomes polled.
 *
 * Each statement is one access to shared memory or one system call. The accesses that decide (`flags`, `inside`,
 * `additions`, `used`) are seq_cst in C, but for the first look at `flags`, which acquires. An old "active" there leads
 * to the second look. An old "inactive" is as if the look had come earlier, and it cannot come before `additions` is
 * loaded the first time, nor after it is loaded again: the one is seq_cst, the other is what acquiring is for. (Relaxed,
 * it could be late: BREAK_LATE_LOOK.)
 *
 * Two things are as the code has them, and less than one could wish. While a handler has ours out, for a delivery that
 * nobody could take and that the process survived, another delivery meets the default action too ("striking"). And
 * handlers that the host installs over ours are not here: whose call of ours it is, only the host knows.
 *
 * fstat tells which pipe a number is, and not which end of it. What it does not tell is what the number will be at the
 * next instruction, so the host's own closing falls out of the time between a look and its use ("busy": beyond any
 * handler, says G9); ours does not, which is what `inside` is for.
 */
#ifndef THREADS
#define THREADS 2 /* that take signals */
#endif
#ifndef EACH
#define EACH 1 /* deliveries to each of them, at most */
#endif
#ifndef CALLS
#define CALLS 5 /* of open, add, remove and close */
#endif
#ifndef TRICKS
#define TRICKS 2 /* things that the host does to descriptors */
#endif
/* What is underneath: a function of the host's, or SIG_DFL, which ends the process or stops it for a while. */
#define FUNCTION 0
#define ENDS 1
#define STOPS 2
#ifndef UNDERNEATH
#define UNDERNEATH FUNCTION
#endif
#ifndef PLACES
#define PLACES 2 /* of the two for bridges, those that the caller uses */
#endif
#define BRIDGES 2
#define PIPES 3
#define NUMBERS 5

/* The kernel's. A descriptor: 0 free, 1 a stranger's, 2k and 2k+1 the read and the write end of pipe k. */
byte file[NUMBERS], pipes;
bool bytes[PIPES + 1];
bool ours = true; /* the action of the signal; else what is underneath */

bool open[BRIDGES], wanted[BRIDGES], rung[BRIDGES], ready[BRIDGES];
byte inside[BRIDGES], read_fd[BRIDGES], write_fd[BRIDGES], inode[BRIDGES];
byte used = 1, additions;
bool installed = true;

byte busy;                                  /* threads between a look at a descriptor and its use */
bool running[THREADS];                      /* a delivery is on its way there */
byte uncovered[THREADS];                    /* bridges that were not there for all of it */
bool gap[THREADS];                          /* at some moment of it nobody could have taken it */
bool added[BRIDGES];      /* `add` has returned, and `remove` has not cleared the flags */
bool subscribed[BRIDGES]; /* `add` has returned, and `remove` was not called */
byte tricks;              /* what the host has done to descriptors */
byte striking;            /* threads that have taken ours out for a moment, for a delivery that nobody could take */
bool ended;
bool G1_each_subscriber_has_it = true, G1_wake_up = true, G1_armed_while_subscribed = true;
bool G5_live_signal_meets_no_other_action = true, G5_saved_action_is_back = true, G5_never_vanishes = true;
bool G5_ours_goes_only_for_a_reason = true;
bool G9_no_strangers_descriptor = true, G9_no_SIGPIPE = true, G9_lost_bridge_has_nothing = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)
#define STRANGER 1
#define IS(number, k) (file[number] / 2 == (k)) /* fstat: csigshim__end_intact */
#ifdef BREAK_ONE_END
#define INTACT(b) IS(write_fd[b], inode[b])
#elif defined(BREAK_NO_FSTAT)
#define INTACT(b) true
#else
#define INTACT(b) (IS(write_fd[b], inode[b]) && IS(read_fd[b], inode[b]))
#endif
#define REALLY_INTACT(b) (IS(write_fd[b], inode[b]) && IS(read_fd[b], inode[b]))
#define COVERED (added[0] && REALLY_INTACT(0) || added[1] && REALLY_INTACT(1))
#define NOT_THERE uncovered[me] = !(added[0] && REALLY_INTACT(0)) + 2 * !(added[1] && REALLY_INTACT(1))
#define SUBSCRIBED (subscribed[0] && REALLY_INTACT(0) || subscribed[1] && REALLY_INTACT(1))
#define UNREAD_END(k) (file[0] != 2 * (k) && file[1] != 2 * (k) && file[2] != 2 * (k) && file[3] != 2 * (k) && file[4] != 2 * (k))

/* Whoever takes a subscription or a descriptor away: deliveries on their way may miss it. */
inline missed(bridge)
{
    for (t : 0 .. THREADS - 1) {
        if
        :: running[t] -> uncovered[t] = uncovered[t] | (1 << bridge); gap[t] = gap[t] || !COVERED
        :: else
        fi
    }
    t = 0
}

inline write_byte(number) /* csigshim__write_byte */
{
    d_step {
        e = file[number];
        CLAIM(G9_no_strangers_descriptor, e != STRANGER);
        CLAIM(G9_no_SIGPIPE, e < 2 || e % 2 == 0 || !UNREAD_END(e / 2));
        if
        :: e > 1 && e % 2 == 1 -> bytes[e / 2] = true
        :: else
        fi;
        e = 0;
        busy--
    }
}

inline keep() /* csigshim__keep */
{
    recorded = recorded | (1 << i);
    ready[i] = true;
#ifndef LOST_ONES_TOO /* that claim apart, so that others are seen to fail too */
    CLAIM(G9_lost_bridge_has_nothing, REALLY_INTACT(i))
#endif
}

inline record()
{
    sees = wanted[i];
    if
    :: sees ->
#ifdef BREAK_INSIDE_LATE
        sees = wanted[i];
        inside[i]++;
#else
        inside[i]++;
#ifndef BREAK_ONE_LOOK
        sees = wanted[i];
#endif
#endif
        if
        :: sees ->
#ifdef BREAK_RECORDED_BEFORE_LOOK
            d_step { keep() }
#endif
            d_step { /* both_intact */
                sees = INTACT(i);
                if
                :: sees -> busy++; keep()
                :: else
                fi
            }
            if
            :: sees -> /* csigshim__ring */
                d_step { sees = rung[i]; rung[i] = true; busy = busy - sees }
                if
                :: !sees -> write_byte(write_fd[i])
                :: else
                fi
            :: else
            fi
        :: else
        fi;
        d_step { inside[i]--; sees = false }
    :: else
    fi
}

inline offer()
{
    do
    :: before = additions;
        limit = used;
        do
        #ifdef BREAK_LATE_LOOK
        :: i < limit -> after = additions; record(); i++
#else
        :: i < limit -> record(); i++
#endif
        :: else -> break
        od;
        i = 0;
#ifndef BREAK_LATE_LOOK
        after = additions;
#endif
#ifdef BREAK_NO_ADDITIONS
        break
#else
        if
        :: recorded > 0 || after == before -> break
        :: else
        fi
#endif
    od
}

/* The action that is underneath happens to this delivery. */
inline meets()
{
    atomic {
        CLAIM(G5_live_signal_meets_no_other_action, gap[me]);
        met = true;
        if
        :: UNDERNEATH == ENDS -> ended = true
        :: else
        fi
    }
}

inline fall_back()
{
    if
    :: UNDERNEATH == FUNCTION -> meets() /* run */
    :: UNDERNEATH != FUNCTION ->
        if
        :: ours -> /* "a bridge that lost its pipe" */
            d_step {
                CLAIM(G5_ours_goes_only_for_a_reason, additions != before || tricks || striking);
                ours = false;
                ours_again = true;
                striking++
            }
        :: else
        fi;
        if /* csigshim__strike */
        :: !ours -> meets()
        :: else -> d_step { gap[me] = !COVERED; NOT_THERE } goto struck /* it came back to us: the same once more */
        fi
    fi;
    do /* come_back */
    :: ours_again ->
        ours = true;
#ifndef BREAK_BACK_UNSEEN
        if
        :: wanted[0] || wanted[1] -> ours_again = false
        :: else ->
            if
            :: ours -> ours = false; ours_again = wanted[0] || wanted[1] /* csigshim__put_back */
            :: else -> ours_again = false
            fi
        fi;
#else
        ours_again = false;
#endif
        striking = striking - !ours_again
    :: else -> break
    od;
    ours_again = false
}

proctype thread(byte me)
{
    byte n, i, before, after, limit, e, recorded; /* by which bridges */
    bool sees, met, ours_again;
    do
    :: d_step { n < EACH && !ended ->
            n++;
            if
            :: ours ->
                running[me] = true;
                gap[me] = !COVERED;
                NOT_THERE
            :: else -> CLAIM(G1_armed_while_subscribed, !SUBSCRIBED || striking)
            fi
        }
        if
        :: running[me] -> /* csigshim__handler; in_owner */
struck:
            offer();
            if
            :: recorded == 0 -> fall_back()
            :: else
            fi;
            d_step {
                CLAIM(G5_never_vanishes, recorded > 0 || met);
                CLAIM(G1_each_subscriber_has_it, (recorded | uncovered[me]) == 3 || ended);
                running[me] = false;
                recorded = 0;
                uncovered[me] = 0;
                gap[me] = false;
                met = false;
                before = 0;
                after = 0;
                limit = 0
            }
        :: else
        fi
    :: break
    od
}

#define FREE(k) (file[k] == 0)
inline open_bell(b)
{
    if
    :: atomic { pipes < PIPES && FREE(0) + FREE(1) + FREE(2) + FREE(3) + FREE(4) >= 2 ->
            pipes++;
            k = 0; do :: !FREE(k) -> k++ :: else -> break od; /* the lowest, as POSIX says */
            file[k] = 2 * pipes;
            read_fd[b] = k;
            do :: !FREE(k) -> k++ :: else -> break od;
            file[k] = 2 * pipes + 1;
            write_fd[b] = k;
            k = 0;
            inode[b] = pipes
        }
        open[b] = true;
        if
        :: used <= b -> used = b + 1
        :: else
        fi
    :: else
    fi
}

inline add(b)
{
    if
    :: INTACT(b) ->
        wanted[b] = true;
        additions++;
        if /* csigshim__install: a look, and the call */
        :: ours -> installed = true
        :: else ->
            if
            :: !installed -> ours = true; installed = true
            :: else
            fi
        fi;
        d_step { added[b] = true; subscribed[b] = true }
    :: else /* EBADF */
    fi
}

inline restore(b) /* csigshim__restore */
{
    if
    :: !wanted[1 - b] && installed ->
        installed = false;
        if
        :: ours -> ours = false
        :: else
        fi
    :: else
    fi
}

inline clear_flags(b) { d_step { wanted[b] = false; added[b] = false; missed(b) } }
inline wait_until_empty(b) { inside[b] == 0 }

inline remove(b) /* remove_locked; withdraw */
{
    subscribed[b] = false;
#ifdef BREAK_FLAGS_FIRST
    clear_flags(b);
    restore(b);
    wait_until_empty(b);
#elif defined(BREAK_RESTORE_LAST)
    clear_flags(b);
    wait_until_empty(b);
    restore(b);
#else
    restore(b);
    clear_flags(b);
#ifndef BREAK_NO_WAIT
    wait_until_empty(b);
#endif
#endif
#ifndef BREAK_NO_SECOND_RESTORE
    if /* csigshim__put_back */
    :: !wanted[1 - b] ->
        if
        :: ours -> ours = false
        :: else
        fi
    :: else
    fi
#endif
}

inline close_end(b, number, k)
{
    d_step {
        if
        :: IS(number, k) -> file[number] = 0; missed(b)
        :: else
        fi
    }
}

inline close_bell(b)
{
    close_end(b, write_fd[b], inode[b]);
    close_end(b, read_fd[b], inode[b])
}

inline close(b)
{
    subscribed[b] = false;
#ifdef BREAK_CLOSE_FIRST
    close_bell(b);
#endif
    if
    :: wanted[b] -> remove(b)
    :: else
    fi;
#ifndef BREAK_CLOSE_FIRST
    close_bell(b);
#endif
    ready[b] = false; /* csigshim__discard */
#ifndef BREAK_DISCARD_FORGETS_RUNG
    rung[b] = false;
#endif
    open[b] = false
}

proctype caller()
{
    byte n, k, t, b;
    do
    :: atomic { n < CALLS && !ended ->
            n++;
            if
            :: b = 0
            :: PLACES == 2 -> b = 1
            fi
        }
        if
        :: !open[b] && (b == 0 || open[0]) -> open_bell(b)
        :: open[b] && !wanted[b] -> add(b)
        :: wanted[b] -> remove(b)
        :: open[b] -> close(b)
        :: else /* the lowest place comes first */
        fi;
        b = 0
    :: break
    od
}

/* Somewhere else in the host. */
proctype host()
{
    byte t;
    do
    :: d_step { tricks < TRICKS && !busy && file[0] > 1 -> tricks++; file[0] = 0; missed(0); missed(1) }
    :: d_step { tricks < TRICKS && !busy && file[1] > 1 -> tricks++; file[1] = 0; missed(0); missed(1) }
    :: d_step { tricks < TRICKS && file[0] == 0 -> tricks++; file[0] = STRANGER } /* the lowest number comes first */
    :: d_step { tricks < TRICKS && file[0] != 0 && file[1] == 0 -> tricks++; file[1] = STRANGER }
    :: break
    od
}

#define SLEEPS_WELL(b) (!open[b] || !ready[b] || !REALLY_INTACT(b) || bytes[inode[b]])

proctype quiet()
{
    timeout;
    if
    :: !ended ->
        CLAIM(G1_wake_up, SLEEPS_WELL(0) && SLEEPS_WELL(1));
        CLAIM(G5_saved_action_is_back, wanted[0] || wanted[1] || !ours)
    :: else
    fi
}

init { /* the first bridge is open, and has the signal */
    atomic {
        byte i;
        pipes = 1;
        file[0] = 2;
        file[1] = 3;
        write_fd[0] = 1;
        inode[0] = 1;
        open[0] = true;
        wanted[0] = true;
        added[0] = true;
        subscribed[0] = true;
        for (i : 0 .. THREADS - 1) { run thread(i) }
        run caller();
        run host();
        run quiet();
        i = 0
    }
}
