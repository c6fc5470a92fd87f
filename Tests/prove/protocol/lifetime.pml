/* Lifetime: csigshim_open, _add, _remove and _close while handlers run, a signal that moves from one bridge to another,
 * and descriptors that the host closes and opens again as other files. R1, R2 (handler.c), U1 (subscription.c), O6
 * (old_action.c), D1 (notify.c), and what a bridge forgets when it is opened (resources.c).
 *
 * One thread of the host calls the library; all these calls hold one lock, so one thread stands for all. Other threads
 * take signals (handler.c, old_action.c), and one more closes descriptors and opens files. Of the ring only "something
 * is in it" is left, and its memory, which close unmaps: the rest is in delivery.pml. No thread reads, and every bridge
 * is polled, so a record without a byte in the pipe would never be read.
 *
 * Each statement is one access to shared memory or one system call. All accesses are sequentially consistent, but the
 * first look at `flags`, which acquires. An old "active" there only leads to the second look. An old "inactive" is as if
 * the look had come earlier; it cannot be later than the second load of `add_count`. BREAK_FIRST_LOOK_RELAXED is what
 * a relaxed look could do.
 *
 * While a handler has SIG_DFL installed for a moment (O6), other deliveries meet that too ("stopping"). Handlers that the
 * host installs over the library's are in disposition.pml.
 *
 * fstat(2) tells which file a number is now, and not what it will be at the next instruction. So the host does not close
 * a descriptor between a look and its use ("using"); the library itself must never do so, which is R1. */
#ifndef THREADS
#define THREADS 2 /* that take signals */
#endif
#ifndef EACH
#define EACH 1 /* deliveries to each of them, at most */
#endif
#ifndef CALLS
#define CALLS 5 /* of open, add, remove and close */
#endif
#ifndef CHANGES
#define CHANGES 2 /* that the host makes to descriptors */
#endif
/* The old action: a function of the host, or the default action, which terminates or stops the process. */
#define FUNCTION   0
#define TERMINATES 1
#define STOPS      2
#ifndef OLD_ACTION
#define OLD_ACTION FUNCTION
#endif
#ifndef USED
#define USED 2 /* of the two bridges, those that the caller uses */
#endif
#define BRIDGES 2
#define PIPES   3
#ifdef TWO_ENDS /* where there is no /proc */
#define NUMBERS 5
#else
#define NUMBERS 3
#endif

/* The kernel. A descriptor: 0 free, 1 another file, else 1 + the number of a pipe. */
byte file[NUMBERS], pipes;
byte bytes[PIPES + 1];
bool mapped[PIPES + 1];     /* the ring that was made together with this pipe */
bool shim_installed = true; /* else the old action is */

bool open[BRIDGES], wanted[BRIDGES], notified[BRIDGES], unread[BRIDGES], installed = true;
byte active_handlers[BRIDGES], pipe_bytes[BRIDGES], read_end[BRIDGES], write_end[BRIDGES], has[BRIDGES];
byte bridge_count = 1, add_count;

/* For the claims. */
byte using, changes;       /* threads between a look at a descriptor and its use; changes by the host so far */
bool running[THREADS];     /* a delivery is in the handler */
byte uncovered[THREADS];   /* bridges that were not subscribed for all of it */
bool gap[THREADS];         /* at some moment of it no bridge could have taken it */
bool added[BRIDGES];       /* `add` has returned, and `remove` has not cleared the flags */
bool subscribed[BRIDGES];  /* `add` has returned, and `remove` was not called */
byte stopping;             /* handlers that have installed SIG_DFL for a moment */
bool stopped;              /* some handler has */
bool terminated;
bool R1_ring_is_mapped = true, R1_no_foreign_file = true, R2_live_signal_is_recorded = true;
bool U1_handler_has_a_subscription = true, U1_each_subscriber_has_it = true, U1_handler_is_installed = true;
bool S2_never_saves_itself = true, U1_saved_action_is_restored = true, U1_no_delivery_vanishes = true, D1_no_foreign_file = true, D1_no_SIGPIPE = true;
bool D1_lost_bridge_records_nothing = true, W2_unread_is_heard = true, W3_count_is_no_more_than_bytes = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)
#define FOREIGN 1
#define REALLY_USABLE(b) (file[write_end[b]] == 1 + has[b] && file[read_end[b]] == 1 + has[b])
#ifdef BREAK_LOOK_AT_ONE_END
#define USABLE(b) (file[write_end[b]] == 1 + has[b])
#elif defined(BREAK_NO_FSTAT)
#define USABLE(b) true
#else
#define USABLE(b) REALLY_USABLE(b)
#endif
#define COVERED (added[0] && REALLY_USABLE(0) || added[1] && REALLY_USABLE(1))
#define NOT_THERE uncovered[me] = !(added[0] && REALLY_USABLE(0)) + 2 * !(added[1] && REALLY_USABLE(1))
#define SUBSCRIBED (subscribed[0] && REALLY_USABLE(0) || subscribed[1] && REALLY_USABLE(1))

/* Some thread takes a subscription or a descriptor away: deliveries that are on their way may miss it. */
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

inline store()
{
    CLAIM(R1_ring_is_mapped, mapped[k]);
    recorded = recorded | (1 << i);
    unread[i] = true;
#ifndef LOST_BRIDGES_TOO /* without this claim, others are seen to fail too */
    CLAIM(D1_lost_bridge_records_nothing, REALLY_USABLE(i))
#endif
}

inline notify()
{
    d_step {
        CLAIM(R1_ring_is_mapped, mapped[k]);
        sees = notified[i];
        notified[i] = true;
        using = using - sees
    }
    if
    :: !sees ->
        d_step { /* write(2) */
            k = file[write_end[i]];
#if defined(BREAK_NO_FSTAT) || defined(BREAK_LOOK_AT_ONE_END)
            CLAIM(D1_no_foreign_file, k != FOREIGN);
#else
            CLAIM(R1_no_foreign_file, k != FOREIGN);
#endif
            CLAIM(D1_no_SIGPIPE, k < 2 || file[read_end[i]] == k);
            if
            :: k > 1 -> bytes[k - 1]++; sees = true
            :: else
            fi;
            using--
        }
        if
        :: sees -> pipe_bytes[i]++
        :: else
        fi
    :: else
    fi
}

inline record()
{
    sees = wanted[i];
    if
    :: sees ->
#ifdef BREAK_LOOK_BEFORE_COUNT
        sees = wanted[i];
        active_handlers[i]++;
#else
        active_handlers[i]++; /* R1 */
#ifndef BREAK_LOOK_ONCE
        sees = wanted[i];
#endif
#endif
        if
        :: sees ->
#ifdef BREAK_RECORD_BEFORE_LOOK
            d_step { k = has[i]; store() }
#endif
            d_step { /* csigshim__can_record */
                sees = USABLE(i);
                k = has[i];
                using = using + sees
            }
            if
            :: sees -> d_step { store() } notify()
            :: else
            fi
        :: else
        fi;
        d_step { active_handlers[i]--; sees = false; k = 0 }
    :: else
    fi
}

inline record_in_each_bridge()
{
    do
    :: before = add_count;
        limit = bridge_count;
        do
#ifdef BREAK_FIRST_LOOK_RELAXED
        :: i < limit -> after = add_count; record(); i++
#else
        :: i < limit -> record(); i++
#endif
        :: else -> break
        od;
        i = 0;
#ifndef BREAK_FIRST_LOOK_RELAXED
        after = add_count;
#endif
#ifdef BREAK_NO_ADD_COUNT
        break
#else
        if
        :: recorded > 0 || after == before -> break /* R2 */
        :: else
        fi
#endif
    od
}

/* The old action happens to this delivery. */
inline meets()
{
    CLAIM(R2_live_signal_is_recorded, gap[me]);
    met = true;
    terminated = terminated || OLD_ACTION == TERMINATES
}

inline raise_unblocked() /* the handler may be installed again: then the delivery comes to it once more */
{
    if
    :: atomic { !shim_installed -> meets() }
    :: d_step { shim_installed -> gap[me] = !COVERED; NOT_THERE }
        goto again
    fi
}

inline is_wanted() { sees = wanted[0]; sees = sees || wanted[1] } /* one bridge after the other */

inline run_old_action()
{
    sees = shim_installed; /* whether the kernel called the handler */
    if
    :: OLD_ACTION == FUNCTION -> atomic { meets() }
    :: OLD_ACTION == TERMINATES && sees -> atomic { shim_installed = false; meets() }
    :: OLD_ACTION == STOPS && sees -> /* stop: SIG_DFL for a moment */
        d_step { found[depth] = shim_installed; shim_installed = false; depth++; stopping++; stopped = true; sees = false }
#ifndef BREAK_STOP_PUTS_BACK_WHATEVER
        if
        :: !found[depth - 1] -> d_step { depth--; stopping-- } /* it was restored just now: nothing to put back */
        :: else
        fi;
#endif
        raise_unblocked()
    :: OLD_ACTION != FUNCTION && !sees -> raise_unblocked()
    fi
}

inline come_back()
{
    do
    :: depth > 0 ->
        d_step { depth--; sees = false }
        do
        :: shim_installed = found[depth]; /* O6 */
#ifdef BREAK_COME_BACK_UNSEEN
            break
#else
            is_wanted();
            if
            :: sees -> break
            :: else -> shim_installed = false
            fi;
            is_wanted();
            if
            :: !sees -> break
            :: else
            fi
#endif
        od;
        atomic { found[depth] = false; stopping--; sees = false }
    :: else -> break
    od
}

proctype thread(byte me)
{
    byte n, i, before, after, limit, k, recorded; /* by which bridges */
    byte depth;
    bool sees, met, found[3];
    do
    :: d_step { n < EACH && !terminated ->
            n++;
            if
            :: shim_installed ->
                CLAIM(U1_handler_has_a_subscription, wanted[0] || wanted[1] || stopped);
                running[me] = true;
                gap[me] = !COVERED;
                NOT_THERE
            :: else -> CLAIM(U1_handler_is_installed, !SUBSCRIBED || stopping)
            fi
        }
        if
        :: running[me] -> /* deliver */
again:
            record_in_each_bridge();
            if
            :: recorded == 0 -> run_old_action()
            :: else
            fi;
            come_back();
            atomic {
                CLAIM(U1_no_delivery_vanishes, recorded > 0 || met);
                CLAIM(U1_each_subscriber_has_it, (recorded | uncovered[me]) == 3 || terminated);
                running[me] = false;
                recorded = 0;
                uncovered[me] = 0;
                gap[me] = false;
                met = false;
                sees = false;
                before = 0;
                after = 0;
                limit = 0
            }
        :: else
        fi
    :: break
    od
}

#define FREE(n) (file[n] == 0)
#ifdef TWO_ENDS
#define ROOM (FREE(0) + FREE(1) + FREE(2) + FREE(3) + FREE(4) >= 2)
#else
#define ROOM (FREE(0) || FREE(1) || FREE(2))
#endif

inline open_bridge(b)
{
    if
    :: atomic { pipes < PIPES && ROOM ->
            pipes++;
            k = 0; do :: !FREE(k) -> k++ :: else -> break od; /* the lowest, as POSIX says */
            file[k] = 1 + pipes;
            read_end[b] = k;
#ifdef TWO_ENDS
            do :: !FREE(k) -> k++ :: else -> break od;
            file[k] = 1 + pipes;
#endif
            write_end[b] = k;
            k = 0;
            mapped[pipes] = true;
            has[b] = pipes
        }
        d_step { /* csigshim__forget_events: no thread looks */
            unread[b] = false;
#ifndef BREAK_OPEN_KEEPS_NOTIFIED
            notified[b] = false;
#endif
#ifndef BREAK_OPEN_KEEPS_PIPE_BYTES
            pipe_bytes[b] = 0
#endif
        }
        open[b] = true;
        if
        :: bridge_count <= b -> bridge_count = b + 1
        :: else
        fi
    :: else
    fi
}

inline activate(b) { wanted[b] = true; add_count++ }

inline install(b) /* a look, and the call */
{
    if
    :: shim_installed -> installed = true
    :: else ->
        if
        :: !installed ->
            d_step {
#ifdef BREAK_SAVES_ITSELF /* what was replaced is saved, even if it is this library's handler */
                CLAIM(S2_never_saves_itself, !shim_installed);
#endif
                shim_installed = true
            }
            installed = true
        :: else
        fi
    fi
}

inline add(b)
{
    if
    :: USABLE(b) ->
#ifdef BREAK_INSTALL_BEFORE_ACTIVATE
        install(b);
        activate(b);
#else
        activate(b); /* U1 */
        install(b);
#endif
        d_step { added[b] = true; subscribed[b] = true }
    :: else /* EBADF */
    fi
}

inline uninstall(b)
{
    if
    :: !wanted[1 - b] && installed ->
        if
        :: shim_installed -> shim_installed = false
        :: else
        fi;
        installed = false
    :: else
    fi
}

inline clear_flags(b) { d_step { wanted[b] = false; added[b] = false; missed(b) } }
inline wait_for_handlers(b) { active_handlers[b] == 0 }

inline remove(b) /* deactivate */
{
    subscribed[b] = false;
    last = !wanted[1 - b];
#if defined(BREAK_RESTORE_AFTER_DEACTIVATE)
    clear_flags(b);
    uninstall(b);
    wait_for_handlers(b)
#elif defined(BREAK_RESTORE_AFTER_WAIT)
    clear_flags(b);
    wait_for_handlers(b);
    uninstall(b)
#elif defined(BREAK_WAIT_BEFORE_DEACTIVATE)
    uninstall(b);
    wait_for_handlers(b);
    clear_flags(b)
#else
    uninstall(b); /* U1 */
    clear_flags(b);
#ifndef BREAK_NO_WAIT_FOR_HANDLERS
    wait_for_handlers(b) /* R1 */
#endif
#endif
    ;
#ifndef BREAK_RESTORE_ONCE
    if
    :: last && shim_installed -> shim_installed = false /* O6 */
    :: else
    fi;
#endif
    last = false
}

inline close_end(b, number)
{
    d_step {
#ifdef BREAK_CLOSE_WITHOUT_LOOK
        CLAIM(D1_no_foreign_file, file[number] != FOREIGN);
        file[number] = 0;
        missed(b)
#else
        if
        :: file[number] == 1 + has[b] -> file[number] = 0; missed(b)
        :: else
        fi
#endif
    }
}

inline close_resources(b)
{
#ifdef TWO_ENDS
    close_end(b, write_end[b]);
#endif
    close_end(b, read_end[b]);
    mapped[has[b]] = false
}

inline close(b)
{
    subscribed[b] = false;
#ifdef BREAK_CLOSE_BEFORE_REMOVE
    close_resources(b);
#endif
    if
    :: wanted[b] -> remove(b)
    :: else
    fi;
#ifndef BREAK_CLOSE_BEFORE_REMOVE
    close_resources(b);
#endif
    open[b] = false
}

proctype caller()
{
    byte n, k, t, b;
    bool last;
    do
    :: atomic { n < CALLS && !terminated ->
            n++;
            if
            :: b = 0
            :: USED == 2 -> b = 1
            fi
        }
        if
        :: !open[b] && (b == 0 || open[0]) -> open_bridge(b)
        :: open[b] && !wanted[b] -> add(b)
        :: wanted[b] -> remove(b)
        :: open[b] -> close(b)
        :: else /* the lowest place comes first */
        fi;
        b = 0
    :: break
    od
}

/* Somewhere else in the host. The lowest free number comes first. */
proctype host()
{
    byte t;
    do
    :: d_step { changes < CHANGES && !using && file[0] > 1 -> changes++; file[0] = 0; missed(0); missed(1) }
    :: d_step { changes < CHANGES && !using && file[1] > 1 -> changes++; file[1] = 0; missed(0); missed(1) }
    :: d_step { changes < CHANGES && file[0] == 0 -> changes++; file[0] = FOREIGN }
    :: d_step { changes < CHANGES && file[0] != 0 && file[1] == 0 -> changes++; file[1] = FOREIGN }
    :: break
    od
}

#define HEARD(b) (!open[b] || !unread[b] || !REALLY_USABLE(b) || bytes[has[b]])
#define COUNTED(b) (!open[b] || pipe_bytes[b] <= bytes[has[b]])

/* Nothing moves any more. */
proctype quiet()
{
    timeout;
    if
    :: !terminated ->
        CLAIM(W2_unread_is_heard, HEARD(0) && HEARD(1));
        CLAIM(W3_count_is_no_more_than_bytes, COUNTED(0) && COUNTED(1));
        CLAIM(U1_saved_action_is_restored, wanted[0] || wanted[1] || !shim_installed);
        CLAIM(U1_handler_is_installed, !SUBSCRIBED || shim_installed)
    :: else
    fi
}

init { /* the first bridge is open, and has the signal */
    atomic {
        byte i;
        pipes = 1;
        mapped[1] = true;
        file[0] = 2;
#ifdef TWO_ENDS
        file[1] = 2;
        write_end[0] = 1;
#endif
        has[0] = 1;
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
