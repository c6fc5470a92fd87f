/* Children: what a process that was made by fork, _Fork or clone, or vfork does to memory, pipe and dispositions, with
 * handlers of its parent anywhere on their way. G7, and G9 of the child's descriptors.
 *
 * Memory 0 is the parent's, memory 1 a forked child's copy; a vforked child uses memory 0. Dispositions and descriptors
 * are each process's own. Ring and doorbell are those of delivery.pml, of a polled bridge, written shorter: claiming
 * and filling a slot are two steps, for a fork that comes between them leaves the child a slot that nobody will fill.
 *
 * The child does what it likes: takes signals, closes our descriptors, opens files of its own, calls us. One made by
 * fork(2) has a second thread that takes signals while the first is inside a call (POSIX allows neither, hosts do it);
 * the others have one thread, which takes signals between its calls (csigshim__enter blocks them meanwhile). pids are
 * the parent's, another one, or the parent's once more: the child of PID 1 that is PID 1 in a new namespace. A vforked
 * child with its parent's pid is the exception that handler.c names, so it is not here.
 *
 * `owner` is loaded with acquire and relaxed: it changes only before the first signal can come, in the kernel, and in a
 * child's first call before install, which is a system call. All else is seq_cst.
 */
#ifndef SENT
#define SENT 2 /* deliveries to the parent, at most */
#endif
#ifndef EACH
#define EACH 1 /* to each thread of the child */
#endif
#ifndef CALLS
#define CALLS 3 /* of what the child does beside taking signals */
#endif
#define SLOTS 2
#define NUMBERS 4
#define PARENT 0
#define CHILD 1
#define STRANGER 1
mtype = { none, active_, dormant };
mtype = { forked, forked_as_pid_1, cloned, cloned_as_pid_1, cloned_without_wipe, vforked };

typedef memory {
    byte owner, inside, tail, head, turn[SLOTS], extra; /* extra: overflow */
    byte read_fd, write_fd, inode;
    bool rung, inherited, installed;
    mtype flags
}
memory mem[2];
typedef process {
    byte id, file[NUMBERS]; /* 0 free, 1 a stranger's, 2k and 2k+1 the read and the write end of pipe k */
    bool ours                /* the action; else what was there before */
}
process proc[2];
bool bytes[3]; /* in pipe 1, the parent's, and 2, the child's */

mtype made = none;
byte sent, kept; /* deliveries to the parent; to the child since after_fork */
bool asked, subscribed, child_has_ended = true;
bool G1_parent_has_all = true, G1_parent_is_woken = true, G7_child_has_its_own = true, G7_child_is_woken = true;
bool G7_borrowed_memory_is_untouched = true, G7_parents_pipe_is_untouched = true, G7_nothing_from_before = true;
bool G7_as_if_never_installed = true, G7_child_waits_for_no_ghost = true, G7_child_can_exec = true;
bool G7_subscribed_again = true, G9_no_strangers_descriptor = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)
#define IS(p, number) (proc[p].file[number] / 2 == mem[m].inode)
#define INTACT(p) (IS(p, mem[m].write_fd) && IS(p, mem[m].read_fd))
#define READY(m) mem[m].turn[mem[m].head % SLOTS] == mem[m].head - mem[m].head % SLOTS + 1

/* A child's write to memory. */
#define MINE(p) CLAIM(G7_borrowed_memory_is_untouched, p == PARENT || m == 1)

inline record(p)
{
    if
    :: mem[m].flags == active_ ->
        d_step { MINE(p); mem[m].inside++ }
        if
        :: mem[m].flags == active_ && INTACT(p) ->
            d_step { /* push: claim */
                CLAIM(G7_as_if_never_installed, p == PARENT || asked);
                at = mem[m].tail;
                if
                :: mem[m].turn[at % SLOTS] == at - at % SLOTS -> mem[m].tail++; claimed = true
                :: else -> mem[m].extra++
                fi
            }
            if
            :: claimed -> d_step { mem[m].turn[at % SLOTS] = at - at % SLOTS + 1; claimed = false } /* filled */
            :: else
            fi;
            d_step { was = mem[m].rung; mem[m].rung = true; at = 0 } /* csigshim__ring */
            if
            :: !was ->
                d_step {
                    at = proc[p].file[mem[m].write_fd];
                    CLAIM(G9_no_strangers_descriptor, at != STRANGER);
                    CLAIM(G7_parents_pipe_is_untouched, p == PARENT || at != 3);
                    bytes[at / 2] = true;
                    at = 0
                }
            :: else
            fi;
            d_step { recorded = true; was = false; kept = kept + (p == CHILD) }
        :: else
        fi;
        mem[m].inside--
    :: else
    fi
}

inline handler(p) /* csigshim__handler, with csigshim__whose in front */
{
    d_step {
        who = mem[m].owner;
#ifdef BREAK_NO_PID
        mine = who != 0
#else
        mine = who == proc[p].id
#endif
    }
    if
    :: mine -> /* in_owner; fall_back with a function underneath */
        record(p)
    :: else -> /* in_child */
        if
        :: proc[p].ours -> proc[p].ours = false
        :: else
        fi
    fi;
    d_step {
        CLAIM(G7_subscribed_again, recorded || p == CHILD && (!subscribed || missing));
        recorded = false;
        missing = false;
        mine = false;
        who = 0
    }
}

proctype parent_thread()
{
    byte n, at, who, m;
    bool mine, was, claimed, recorded, missing;
    do
    :: d_step { n < SENT -> n++; sent++ } handler(PARENT)
    :: break
    od
}

proctype child_thread() /* of a child that was made by fork(2) */
{
    byte n, at, who, m = 1;
    bool mine, was, claimed, recorded, missing;
    do
    :: d_step { n < EACH && proc[CHILD].ours -> n++; missing = !subscribed} handler(CHILD)
    :: break
    od
}

inline put_back() { proc[CHILD].ours = false } /* csigshim__put_back, for the one signal there is */

inline adopt()
{
#ifndef BREAK_NO_DORMANT
    if
    :: mem[m].flags == active_ -> mem[m].flags = dormant
    :: else
    fi;
#endif
#ifndef BREAK_INSIDE_STAYS
    mem[m].inside = 0;
#endif
    mem[m].inherited = true;
    mem[m].installed = false; /* csigshim__review_installed */
    mem[m].owner = proc[CHILD].id
}

/* csigshim__enter: who does not get in has EPERM */
#ifdef BREAK_NO_ENTER_CHECK
#define MAY_ENTER true
#else
#define MAY_ENTER (mem[m].owner == 0 || mem[m].owner == proc[CHILD].id)
#endif
inline enter()
{
    d_step { MINE(CHILD) }
    if
    :: mem[m].owner == 0 -> adopt()
    :: else
    fi
}

inline close_end(number)
{
    d_step {
        if
        :: IS(CHILD, number) -> proc[CHILD].file[number] = 0
        :: else
        fi
    }
}

inline onto(number, end) /* csigshim__dup_onto */
{
    d_step {
        CLAIM(G9_no_strangers_descriptor, proc[CHILD].file[number] != STRANGER);
        proc[CHILD].file[number] = end
    }
}

inline renew_bell() /* the new pipe's first numbers are 2 and 3 */
{
    if
#ifdef BREAK_DUP_BLIND
    :: true ->
#else
    :: INTACT(CHILD) ->
#endif
        onto(mem[m].read_fd, 4);
        onto(mem[m].write_fd, 5)
#ifndef BREAK_DUP_BLIND
    :: !INTACT(CHILD) ->
        close_end(mem[m].read_fd);
        close_end(mem[m].write_fd);
        d_step { mem[m].read_fd = 2; mem[m].write_fd = 3; proc[CHILD].file[2] = 4; proc[CHILD].file[3] = 5 }
#endif
    fi;
    mem[m].inode = 2
}

inline discard()
{
    d_step {
        do
        :: mem[m].head != mem[m].tail ->
            mem[m].turn[mem[m].head % SLOTS] = mem[m].head - mem[m].head % SLOTS + SLOTS;
            mem[m].head++
        :: else -> break
        od;
        mem[m].extra = 0;
#ifndef BREAK_DISCARD_FORGETS_RUNG
        mem[m].rung = false
#endif
    }
}

inline after_fork()
{
    enter();
    if
    :: mem[m].inherited && mem[m].flags != none ->
#ifndef BREAK_SHARED_PIPE
        renew_bell();
#endif
#ifndef BREAK_NO_DISCARD
        discard();
#endif
        d_step { CLAIM(G7_nothing_from_before, !(READY(m)) && mem[m].extra == 0 && mem[m].head == mem[m].tail) }
        asked = true;
        mem[m].flags = active_; /* revive */
        proc[CHILD].ours = true;
        mem[m].installed = true;
        mem[m].inherited = false;
        subscribed = true
    :: else
    fi
}

inline remove() /* and close, if it is one */
{
    subscribed = false;
    enter();
    if
    :: mem[m].flags != none ->
        if
        :: mem[m].installed && proc[CHILD].ours -> proc[CHILD].ours = false
        :: else
        fi;
        mem[m].flags = none;
        mem[m].inside == 0 /* wait_until_empty */
    :: else
    fi
}

proctype child()
{
    byte n, calls, at, who, m = 1;
    bool mine, was, claimed, recorded, missing, single = true;
    if
    :: made == forked || made == forked_as_pid_1 -> /* after_fork_in_child; all signals are blocked until it ends */
        single = false;
#ifndef BREAK_NO_PUT_BACK
        put_back();
#endif
#ifndef BREAK_NO_OWNER
        mem[1].owner = 0;
#endif
        d_step { CLAIM(G7_child_can_exec, !proc[CHILD].ours) }
        run child_thread()
    :: made == vforked -> m = 0
    :: else
    fi;
    do
    :: d_step { n < EACH && proc[CHILD].ours -> n++; missing = !subscribed } handler(CHILD)
    :: atomic { calls < CALLS -> calls++ }
        if
        :: MAY_ENTER -> after_fork()
        :: MAY_ENTER -> remove()
        :: MAY_ENTER -> enter() /* any other call */
        :: MAY_ENTER -> remove(); close_end(mem[m].write_fd); close_end(mem[m].read_fd); break
        :: !asked -> d_step { proc[CHILD].file[0] = 0; proc[CHILD].file[1] = 0 } /* the host does, as daemons do */
        :: !asked -> d_step { proc[CHILD].file[1] = 0 }
        :: !asked && proc[CHILD].file[0] == 0 -> proc[CHILD].file[0] = STRANGER
        :: !asked && proc[CHILD].file[1] == 0 -> proc[CHILD].file[1] = STRANGER
        :: !MAY_ENTER /* EPERM */
        fi
    :: break
    od;
    child_has_ended = true
}

inline copy()
{
    mem[1].tail = mem[0].tail;
    mem[1].turn[0] = mem[0].turn[0];
    mem[1].turn[1] = mem[0].turn[1];
    mem[1].extra = mem[0].extra;
    mem[1].inside = mem[0].inside;
    mem[1].rung = mem[0].rung
}

proctype forker()
{
    if
#ifdef MADE
    :: made = MADE
#else
    :: made = forked
    :: made = forked_as_pid_1
    :: made = cloned
    :: made = cloned_as_pid_1
    :: made = cloned_without_wipe
    :: made = vforked
#endif
    fi;
    d_step {
        copy();
        child_has_ended = false;
#ifndef BREAK_NO_OWNER
        if
        :: made != cloned_without_wipe -> mem[1].owner = 0 /* the kernel wipes it */
        :: else
        fi;
#endif
        if
        :: made == forked_as_pid_1 || made == cloned_as_pid_1 -> proc[CHILD].id = 1
        :: else -> proc[CHILD].id = 2
        fi
    }
    run child()
}

proctype quiet()
{
    timeout;
    CLAIM(G7_child_waits_for_no_ghost, child_has_ended);
    CLAIM(G1_parent_has_all, mem[0].tail + mem[0].extra == sent && (mem[0].tail == 0 || mem[0].turn[0] == 1));
    CLAIM(G1_parent_is_woken, sent == 0 || bytes[1]);
    CLAIM(G7_child_has_its_own, !subscribed || mem[1].tail - mem[1].head + mem[1].extra == kept);
    CLAIM(G7_child_is_woken, !subscribed || kept == 0 || bytes[mem[1].inode])
}

init {
    atomic {
        byte m;
        for (m : 0 .. 1) {
            mem[m].owner = 1;
            mem[m].write_fd = 1;
            mem[m].inode = 1;
            mem[m].flags = active_;
            mem[m].installed = true;
            proc[m].id = 1;
            proc[m].file[0] = 2;
            proc[m].file[1] = 3;
            proc[m].ours = true
        }
        m = 0;
        run parent_thread();
        run forker();
        run quiet()
    }
}
