/* Children: what a process that was made by fork, _Fork, clone or vfork does to memory, pipe and dispositions, while
 * handlers and calls of its parent may be anywhere. P1 (table.c), C1-C3 (fork.c), L3 (lock.c), and D1 in the child.
 *
 * Memory 0 is the parent's, memory 1 the copy of a forked child; a child of vfork uses memory 0. Dispositions and
 * descriptors belong to each process, but a child of clone(2) with CLONE_SIGHAND shares the dispositions. There is one
 * bridge, polled, with one descriptor for both ends of its pipe. Its ring is shortened to two counts: slots that a
 * handler has claimed and not yet filled, and records. A fork in between leaves the child a slot that no thread will
 * fill.
 *
 * The child takes signals, closes descriptors, opens files and calls the library, in any order. A child of fork(2) has
 * a second thread that takes signals while the first is inside a call. The others have one thread, which takes signals
 * between its calls. A pid is the parent's, or another, or once more the parent's: the child of PID 1 that is PID 1 of
 * a new namespace. A child of vfork with its parent's pid is the exception that table.c names; it is left out.
 *
 * `owner` is loaded with acquire and relaxed: it changes only in the kernel, and in a child before the first signal can
 * come. All else is sequentially consistent. */
#ifndef SENT
#define SENT 2 /* deliveries to the parent, at most */
#endif
#ifndef EACH
#define EACH 1 /* deliveries to each thread of the child, at most */
#endif
#ifndef CALLS
#define CALLS 3 /* of what the child does beside taking signals */
#endif
#ifndef READERS
#define READERS 1 /* threads of the parent in csigshim_read */
#endif
#ifndef CLOSERS
#define CLOSERS 1 /* threads of the parent that call csigshim_close */
#endif
#define PIPES   4
#define NUMBERS 3
#define PARENT  0
#define CHILD   1
#define FOREIGN 1
mtype = { none, active_, dormant };
mtype = { forked, forked_as_pid_1, forked_without_wipe, cloned, cloned_as_pid_1, cloned_without_wipe, vforked,
          vforked_sharing_handlers };

typedef memory {
    byte owner, active_handlers, claimed, records, pipe_bytes;
    byte fd, has; /* the descriptor, and the pipe that it is */
    bool locked, mutex, open, notified, inherited, installed;
    mtype flags
}
memory mem[2];
typedef process {
    byte id, file[NUMBERS]; /* 0 free, 1 another file, else 1 + the number of a pipe */
    bool shim               /* the library's handler is installed; else the old action is */
}
process proc[2];
byte bytes[PIPES + 1], pipes = 1; /* pipe 1 is the parent's */

/* For the claims. */
mtype made = none;
byte sent;              /* deliveries to the parent while it is subscribed */
byte kept;              /* records of the child that it has not read */
bool asked;             /* the child has asked for a bridge */
byte removals;          /* by the child */
bool closing;           /* the parent has begun csigshim_close */
bool subscribed, child_has_ended = true;
bool W2_parent_is_woken = true, W2_child_is_woken = true, W3_count_is_no_more_than_bytes = true;
bool P1_parents_memory_is_untouched = true, P1_parents_handler_stays = true, P1_parent_has_all = true;
bool C1_as_if_never_installed = true, C1_child_can_exec = true, C2_parents_pipe_is_unused = true;
bool C2_waits_for_no_lost_thread = true, C3_subscribed_again = true, C3_nothing_from_before = true;
bool C3_child_has_its_own = true, C3_failure_changes_nothing = true, C3_inherited_is_closed = true;
bool D1_no_foreign_file = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)
#define USABLE(p) (proc[p].file[mem[m].fd] == 1 + mem[m].has)
#ifdef DISPLACED /* another handler was installed over the library's, and calls it */
#define IS_CALLED(p) true
#else
#define IS_CALLED(p) proc[p].shim
#endif
#define OWN_MEMORY(p) CLAIM(P1_parents_memory_is_untouched, p == PARENT || m == 1) /* before each write by a child */

inline record(p)
{
    if
    :: mem[m].flags == active_ ->
        d_step { OWN_MEMORY(p); mem[m].active_handlers++ }
        if
        :: mem[m].flags == active_ && USABLE(p) ->
            d_step { CLAIM(C1_as_if_never_installed, p == PARENT || asked); mem[m].claimed++ }
            d_step { mem[m].claimed--; mem[m].records++ }
            d_step { was = mem[m].notified; mem[m].notified = true }
            if
            :: !was ->
                d_step {
                    at = proc[p].file[mem[m].fd];
                    CLAIM(D1_no_foreign_file, at != FOREIGN);
                    CLAIM(C2_parents_pipe_is_unused, p == PARENT || at != 1 + 1);
                    if
                    :: at > 1 -> bytes[at - 1]++
                    :: else
                    fi;
                    at = 0
                }
                mem[m].pipe_bytes++
            :: else
            fi;
            d_step { recorded = true; was = false; kept = kept + (p == CHILD) }
        :: else
        fi;
        mem[m].active_handlers--
    :: else
    fi
}

#define ROLE_IS_SELF(p) (mem[m].owner == proc[p].id)

inline handler(p)
{
#ifdef BREAK_NO_PID_CHECK
    is_self = mem[m].owner != 0;
#else
    is_self = ROLE_IS_SELF(p); /* P1 */
#endif
    if
    :: is_self -> record(p)
    :: else -> /* csigshim__pass_on_in_child, where the old action is the default */
        if
#ifdef BREAK_SHARED_HANDLERS_CHANGED
        :: true -> proc[d].shim = false
#else
        :: made != vforked_sharing_handlers -> proc[d].shim = false
#endif
        :: else
        fi
    fi;
    d_step {
        CLAIM(C3_subscribed_again, recorded || p == PARENT && mem[0].flags != active_ ||
            p == CHILD && (!subscribed || missing || since != removals));
        recorded = false;
        missing = false;
        since = 0;
        is_self = false
    }
}

proctype parent_thread()
{
    byte n, at, since, m, d;
    bool is_self, was, recorded, missing;
    do
    :: d_step { n < SENT && !closing ->
            CLAIM(P1_parents_handler_stays, proc[PARENT].shim);
            n++
        }
        handler(PARENT);
        sent++
    :: break
    od
}

proctype parent_reader() /* csigshim_read; what it takes does not matter here */
{
    atomic { !mem[0].mutex -> mem[0].mutex = true }
    mem[0].mutex = false
}

proctype parent_closer() /* csigshim_close */
{
    atomic { !mem[0].locked -> mem[0].locked = true; closing = true }
    d_step { proc[PARENT].shim = false; mem[0].installed = false }
    mem[0].flags = none;
    mem[0].active_handlers == 0;
    d_step {
        mem[0].open = false;
        if
        :: proc[PARENT].file[mem[0].fd] == 1 + mem[0].has -> proc[PARENT].file[mem[0].fd] = 0
        :: else
        fi
    }
    mem[0].locked = false
}

proctype child_thread() /* of a child of fork(2) */
{
    byte n, at, since, m = 1, d = CHILD;
    bool is_self, was, recorded, missing;
    do
    :: d_step { n < EACH && IS_CALLED(CHILD) -> n++; missing = !subscribed; since = removals } handler(CHILD)
    :: break
    od
}

/* csigshim__lock: a process that does not own the memory does not get it */
#ifdef BREAK_LOCK_BEFORE_ROLE
#define REFUSED false
#else
#define REFUSED (!ROLE_IS_SELF(CHILD))
#endif
inline take_lock() { atomic { !mem[m].locked -> OWN_MEMORY(CHILD); mem[m].locked = true } }
inline release_lock() { mem[m].locked = false }

inline after_fork_in_child() /* with all signals blocked */
{
    if
#ifdef BREAK_OPEN_BRIDGES_ONLY
    :: mem[1].open ->
#else
    :: true ->
#endif
        d_step {
#ifndef BREAK_COUNTS_STAY
            mem[1].active_handlers = 0;
#endif
#ifndef BREAK_READER_MUTEX_STAYS
            mem[1].mutex = false
#endif
        }
        if
        :: mem[1].open ->
            mem[1].inherited = true;
#ifndef BREAK_ACTIVE_IN_CHILD
            if
            :: mem[1].flags == active_ -> mem[1].flags = dormant
            :: else
            fi
#endif
        :: else
        fi
    :: else
    fi;
#ifndef BREAK_NO_UNINSTALL
    d_step { proc[CHILD].shim = false; mem[1].installed = false }
#endif
#ifndef BREAK_NO_OWNER_PAGE
    mem[1].owner = proc[CHILD].id;
#endif
#ifndef BREAK_FORK_WITHOUT_LOCK
    mem[1].locked = false;
#endif
    d_step { CLAIM(C1_child_can_exec, !proc[CHILD].shim) }
}

inline open_pipe() /* by the lowest free number */
{
    d_step {
        pipes++;
        at = 0; do :: proc[CHILD].file[at] != 0 -> at++ :: else -> break od;
        proc[CHILD].file[at] = 1 + pipes;
        mem[m].fd = at;
        mem[m].has = pipes;
        at = 0
    }
}

inline close_pipe(number, pipe)
{
    d_step {
#ifdef BREAK_CLOSE_WITHOUT_LOOK
        CLAIM(D1_no_foreign_file, proc[CHILD].file[number] != FOREIGN);
        proc[CHILD].file[number] = 0
#else
        if
        :: proc[CHILD].file[number] == 1 + pipe -> proc[CHILD].file[number] = 0
        :: else
        fi
#endif
    }
}

inline forget_events()
{
    d_step { /* while no handler can be inside the bridge */
        kept = 0;
#ifndef BREAK_EVENTS_STAY
        mem[m].claimed = 0;
        mem[m].records = 0;
#endif
#ifndef BREAK_NOTIFIED_STAYS
        mem[m].notified = false;
#endif
#ifndef BREAK_PIPE_BYTES_STAY
        mem[m].pipe_bytes = 0;
#endif
        CLAIM(C3_nothing_from_before, !mem[m].claimed && !mem[m].records)
    }
}

inline activate()
{
    d_step { asked = true; mem[m].flags = active_ }
    d_step { mem[m].installed = true; proc[CHILD].shim = true }
}

inline deactivate()
{
    d_step { subscribed = false; removals++ }
    d_step { mem[m].installed = false; proc[CHILD].shim = false }
    mem[m].flags = none;
    mem[m].active_handlers == 0
}

inline after_fork()
{
    take_lock();
    if
    :: mem[m].inherited && mem[m].open ->
        d_step { old_fd = mem[m].fd; old_pipe = mem[m].has }
        was_usable = USABLE(CHILD);
#ifdef BREAK_CLOSE_INHERITED_FIRST
        close_pipe(old_fd, old_pipe);
#endif
        if
        :: true -> /* the pipe cannot be opened */
            d_step { CLAIM(C3_failure_changes_nothing, USABLE(CHILD) == was_usable) }
        :: pipes < PIPES ->
#ifndef BREAK_SHARED_PIPE
            open_pipe();
#endif
            forget_events();
            mem[m].inherited = false;
            if
            :: mem[m].flags == none
            :: mem[m].flags != none -> activate(); subscribed = true
            :: mem[m].flags != none -> /* the handler of a later signal cannot be installed */
                activate();
                mem[m].inherited = true;
                deactivate();
                d_step { mem[m].flags = dormant; kept = 0 }
            fi;
            if
            :: !mem[m].inherited ->
#ifndef BREAK_SHARED_PIPE
#ifndef BREAK_INHERITED_STAYS_OPEN
                close_pipe(old_fd, old_pipe); /* C3 */
#endif
#endif
                d_step {
                    CLAIM(C3_inherited_is_closed, mem[m].has == 1 || proc[CHILD].file[0] != 2 && proc[CHILD].file[1] != 2);
                    CLAIM(C3_child_has_its_own, USABLE(CHILD))
                }
            :: else ->
                d_step { fresh = mem[m].fd; at = mem[m].has }
#ifndef BREAK_FAILURE_KEEPS_FRESH
                d_step { mem[m].fd = old_fd; mem[m].has = old_pipe }
#endif
                close_pipe(fresh, at);
                d_step {
                    CLAIM(C3_failure_changes_nothing, USABLE(CHILD) == was_usable && mem[m].has == old_pipe);
                    fresh = 0;
                    at = 0
                }
            fi
        fi;
        d_step { was_usable = false; old_fd = 0; old_pipe = 0 }
    :: else
    fi;
    release_lock()
}

inline remove()
{
    take_lock();
    if
    :: mem[m].open && mem[m].flags != none -> deactivate()
    :: else
    fi;
    release_lock()
}

inline close()
{
    take_lock();
    if
    :: mem[m].open ->
        if
        :: mem[m].flags != none -> deactivate()
        :: else
        fi;
        close_pipe(mem[m].fd, mem[m].has);
        d_step { mem[m].inherited = false; mem[m].open = false }
    :: else
    fi;
    release_lock()
}

inline open_and_add() /* a bridge of the child's own, in the place of the parent's */
{
    take_lock();
    if
    :: !mem[m].open && pipes < PIPES ->
        open_pipe();
        forget_events();
        d_step { mem[m].mutex = false; mem[m].open = true }
        activate();
        subscribed = true
    :: else
    fi;
    release_lock()
}

inline read()
{
    if
#ifdef BREAK_READS_INHERITED
    :: mem[m].owner && mem[m].open ->
#else
    :: mem[m].owner && mem[m].open && !mem[m].inherited ->
#endif
        atomic { !mem[m].mutex -> OWN_MEMORY(CHILD); mem[m].mutex = true }
        d_step {
            CLAIM(C2_parents_pipe_is_unused, proc[CHILD].file[mem[m].fd] != 1 + 1);
            if
            :: USABLE(CHILD) && mem[m].pipe_bytes ->
                CLAIM(W3_count_is_no_more_than_bytes, bytes[mem[m].has] >= mem[m].pipe_bytes);
                bytes[mem[m].has] = bytes[mem[m].has] - mem[m].pipe_bytes;
                mem[m].pipe_bytes = 0
            :: else
            fi
        }
        mem[m].notified = false;
        mem[m].mutex = false;
        /* what is left is notified again */
        d_step {
            if
            :: mem[m].records && !mem[m].notified && USABLE(CHILD) ->
                mem[m].notified = true;
                bytes[mem[m].has]++;
                mem[m].pipe_bytes++
            :: else
            fi
        }
    :: else
    fi
}

proctype child()
{
    byte n, calls, at, since, old_fd, old_pipe, fresh, m = 1, d = CHILD;
    bool is_self, was, was_usable, recorded, missing;
    if
    :: made == forked || made == forked_as_pid_1 || made == forked_without_wipe ->
        after_fork_in_child();
        run child_thread()
    :: made == vforked -> m = 0
    :: made == vforked_sharing_handlers -> m = 0; d = PARENT
    :: else
    fi;
    do
    :: d_step { n < EACH && IS_CALLED(d) -> n++; missing = !subscribed; since = removals } handler(CHILD)
    :: atomic { calls < CALLS -> calls++ }
        if
        :: !REFUSED -> after_fork()
        :: !REFUSED -> remove()
        :: !REFUSED -> close()
        :: !REFUSED -> open_and_add()
        :: ROLE_IS_SELF(CHILD) -> read() /* of vfork's child: misuse */
        :: d == CHILD && !ROLE_IS_SELF(CHILD) -> proc[CHILD].shim = false /* csigshim_reset_for_exec */
        :: !asked -> proc[CHILD].file[0] = 0 /* the host closes everything, as daemons do */
        :: !asked && proc[CHILD].file[0] == 0 -> proc[CHILD].file[0] = FOREIGN
        :: REFUSED /* EPERM */
        fi
    :: break
    od;
    child_has_ended = true
}

inline copy() /* what fork(2) does to memory and descriptors */
{
    mem[1].locked = mem[0].locked;
    mem[1].mutex = mem[0].mutex;
    mem[1].open = mem[0].open;
    mem[1].flags = mem[0].flags;
    mem[1].installed = mem[0].installed;
    mem[1].active_handlers = mem[0].active_handlers;
    mem[1].claimed = mem[0].claimed;
    mem[1].records = mem[0].records;
    mem[1].notified = mem[0].notified;
    mem[1].pipe_bytes = mem[0].pipe_bytes;
    mem[1].owner = mem[0].owner;
    proc[1].file[0] = proc[0].file[0];
    proc[1].shim = proc[0].shim
}

#define IS_FORK (made == forked || made == forked_as_pid_1 || made == forked_without_wipe)
proctype forker()
{
    if
#ifdef MADE
    :: made = MADE
#else
    :: made = forked
    :: made = forked_as_pid_1
    :: made = forked_without_wipe
    :: made = cloned
    :: made = cloned_as_pid_1
    :: made = cloned_without_wipe
    :: made = vforked
    :: made = vforked_sharing_handlers
#endif
    fi;
#ifndef BREAK_FORK_WITHOUT_LOCK
    if
    :: IS_FORK -> atomic { !mem[0].locked -> mem[0].locked = true } /* L3 */
    :: else
    fi;
#endif
    d_step {
        copy();
        child_has_ended = false;
        if
#ifdef BREAK_NO_OWNER_PAGE
        :: true
#endif
        :: made == forked_without_wipe || made == cloned_without_wipe
        :: else -> mem[1].owner = 0 /* the kernel wipes it */
        fi;
        if
        :: made == forked_as_pid_1 || made == cloned_as_pid_1 -> proc[CHILD].id = 1
        :: else -> proc[CHILD].id = 2
        fi
    }
    run child();
#ifndef BREAK_FORK_WITHOUT_LOCK
    if
    :: IS_FORK -> mem[0].locked = false
    :: else
    fi
#endif
}

proctype quiet()
{
    timeout;
    CLAIM(C2_waits_for_no_lost_thread, child_has_ended);
    if
    :: mem[0].flags == active_ ->
        CLAIM(P1_parent_has_all, mem[0].records == sent && !mem[0].claimed);
        CLAIM(W2_parent_is_woken, sent == 0 || bytes[1]);
        CLAIM(P1_parents_handler_stays, proc[PARENT].shim)
    :: else
    fi;
    CLAIM(C3_child_has_its_own, !subscribed || mem[1].records == kept && !mem[1].claimed);
    CLAIM(W2_child_is_woken, !subscribed || kept == 0 || bytes[mem[1].has])
}

init {
    atomic {
        byte m;
        for (m : 0 .. 1) {
            mem[m].owner = 1;
            mem[m].has = 1;
            mem[m].open = true;
            mem[m].flags = active_;
            mem[m].installed = true;
            proc[m].id = 1;
            proc[m].file[0] = 2;
            proc[m].shim = true
        }
        m = 0;
        run parent_thread();
        if :: READERS -> run parent_reader() :: else fi;
        if :: CLOSERS -> run parent_closer() :: else fi;
        run forker();
        run quiet()
    }
}
