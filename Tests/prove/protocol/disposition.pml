/* Disposition: installing the library's handler and restoring the old action, while the host installs and removes
 * handlers of its own. S1, S2 (disposition.c), O5 (old_action.c).
 *
 * One thread calls csigshim_add, _remove and _rearm for one signal, under the lock. Another thread of the host calls
 * sigaction(2). Its handlers call what they replaced. A careful host (the default) takes a handler out only while it is
 * the installed one, and installs none twice. A careless host (-DCARELESS) also puts back an action that it found
 * earlier, whatever is installed now: libraries do so when they clean up, or around a raise(3) with SIG_DFL.
 *
 * Each statement is one access or one system call. sigaction(2) has no compare-and-swap, so what the host installs
 * between a look of the library and its call is lost (S1). The model leaves out this one case ("looking"). */
#ifndef CALLS
#define CALLS 5 /* of the library */
#endif
#ifndef CHANGES
#define CHANGES 4 /* by the host */
#endif
#ifndef EACH
#define EACH 2 /* deliveries */
#endif
/* Actions. FIRST, G and H are functions of the host. */
#define DEFAULT 0
#define FIRST   1
#define SHIM    2
#define G       3
#define H       4
#define NOTHING 5

byte action = FIRST, saved = NOTHING, replaced_by[5]; /* replaced_by[G]: what G replaced, and calls */
bool wanted, installed, reachable;

bool looking;             /* the library is between a look and its call */
bool put_back;            /* the host put the library's handler back by itself */
bool S1_saved_is_published_first = true, S1_saved_is_what_was_replaced = true, S2_saved_never_leads_back = true;
bool S2_never_saves_itself = true, S2_first_stays_saved = true, O5_entered_once = true;
bool U1_saved_action_is_restored = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)
#define IS_FUNCTION(a) ((a) != DEFAULT)

inline publish(a)
{
    d_step {
        saved = a;
        CLAIM(S2_never_saves_itself, saved != SHIM);
        x = saved;
        do
        :: x == G || x == H -> x = replaced_by[x]
        :: else -> break
        od;
#ifndef CARELESS
        CLAIM(S2_saved_never_leads_back, x != SHIM);
#endif
        x = 0
    }
}

inline save_and_install()
{
    is_in = false;
    do
    :: true ->
#ifdef BREAK_PUBLISH_AFTER_INSTALL
        if
        :: is_in -> publish(now); break
        :: else
        fi;
#else
        publish(now); /* S1 */
        if
        :: is_in -> break
        :: else
        fi;
#endif
        d_step { replaced = action; action = SHIM }
        if
#ifdef BREAK_PUBLISH_ONCE
        :: true -> break
#elif defined(BREAK_PUBLISH_AFTER_INSTALL)
        :: false
#elif defined(BREAK_SAVES_ITSELF)
        :: replaced == now -> break
#else
        :: replaced == now || replaced == SHIM -> break
#endif
        :: else -> now = replaced; is_in = true
        fi
    od;
    atomic { CLAIM(S1_saved_is_what_was_replaced, saved == replaced || replaced == SHIM) }
    d_step { installed = true; reachable = false; is_in = false }
}

#if defined(BREAK_SAVE_REACHABLE)
#define DISPLACED installed
#elif defined(BREAK_SAVE_INSTALLED)
#define DISPLACED (reachable && IS_FUNCTION(now))
#else
#define DISPLACED (installed || reachable && IS_FUNCTION(now))
#endif
inline install()
{
    d_step { now = action; looking = now == SHIM }
    if
    :: now == SHIM -> d_step { action = SHIM; installed = true; looking = false }
    :: now != SHIM && DISPLACED -> installed = true /* S2: beneath another handler */
    :: now != SHIM && !DISPLACED -> save_and_install()
    fi;
    d_step { now = 0; replaced = 0 }
}

inline uninstall()
{
    d_step { now = action; looking = now == SHIM }
    if
    :: now == SHIM -> d_step { action = saved; looking = false; reachable = false }
    :: else ->
        reachable = true /* S2 */
    fi;
    d_step {
        installed = false;
        now = 0;
        CLAIM(U1_saved_action_is_restored, action != SHIM || put_back)
    }
}

inline rearm()
{
    d_step { now = action; is_in = true; replaced = saved }
    if
    :: now == SHIM
    :: else ->
#ifdef BREAK_REARM_SAVES
        publish(now);
#endif
        d_step { action = SHIM; installed = true }
    fi;
    d_step { CLAIM(S2_first_stays_saved, saved == replaced); now = 0; replaced = 0; is_in = false }
}

proctype library()
{
    byte n, now, replaced, x;
    bool is_in;
    do
    :: n < CALLS ->
        n++;
        if
        :: !wanted -> wanted = true; install()
        :: wanted -> uninstall(); wanted = false
        :: wanted -> install() /* another bridge */
        :: wanted -> rearm()
        fi
    :: break
    od
}

proctype host()
{
    byte n, found = NOTHING;
    bool was[5];
    do
    :: d_step { n < CHANGES && !looking && !was[G] -> n++; was[G] = true; replaced_by[G] = action; action = G }
    :: d_step { n < CHANGES && !looking && !was[H] -> n++; was[H] = true; replaced_by[H] = action; action = H }
    :: d_step { n < CHANGES && action == G -> n++; action = replaced_by[G]; put_back = put_back || action == SHIM }
    :: d_step { n < CHANGES && action == H -> n++; action = replaced_by[H]; put_back = put_back || action == SHIM }
#ifdef CARELESS
    :: d_step { n < CHANGES && !looking && was[G] -> n++; action = replaced_by[G]; put_back = put_back || action == SHIM }
    :: d_step { n < CHANGES && !looking && was[G] -> n++; action = G }
    :: d_step { n < CHANGES && !looking && found == NOTHING -> n++; found = action; action = DEFAULT }
    :: d_step { n < CHANGES && !looking && found != NOTHING ->
            n++;
            action = found;
            found = NOTHING;
            put_back = put_back || action == SHIM
        }
#else
    :: d_step { n < CHANGES && !looking -> n++; action = DEFAULT }
#endif
    :: break
    od
}

/* A delivery that no bridge has recorded, or that is chained: each handler calls what it replaced. */
proctype delivery()
{
    byte n, x, entries;
    do
    :: n < EACH ->
        d_step {
            n++;
            x = action;
            do
            :: x == G || x == H -> x = replaced_by[x]
            :: x == SHIM ->
                entries++;
#ifndef BREAK_NO_MARKER
                if
                :: entries == 2 -> break /* O5 */
                :: else
                fi;
#endif
                CLAIM(O5_entered_once, entries == 1);
                CLAIM(S1_saved_is_published_first, saved != NOTHING);
                x = saved
            :: else -> break
            od;
            x = 0;
            entries = 0
        }
    :: break
    od
}

init { atomic { run library(); run host(); run delivery() } }
