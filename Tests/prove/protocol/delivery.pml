/* Delivery: the ring, its doorbell and the reader. G1, G2, G3 and G13 of one bridge that stays subscribed, and that is
 * polled from the beginning: sleep.pml has those who sleep on `rung`.
 *
 * Threads of the host take signals at any time (handler.c: push, csigshim__keep, csigshim__ring), readers sleep in poll
 * and read (reader.c), somebody calls csigshim_wake. Each statement is one access to shared memory, or one system call.
 *
 * Interleavings are what seq_cst gives, and all that decides here is seq_cst: `tail`'s exchange, `rung`, `overflow`,
 * `overflowed`. Weaker are `turn` (release to publish and to free, acquire to look: a pair, so whoever sees the turn sees
 * the event; and an event that is published before `rung` is exchanged is seen by who exchanges it later) and the first
 * look at `tail` (relaxed), which may give any older value: so it does here.
 *
 * Small: the ring has 2 slots, so that a few deliveries go through it lap after lap; the pipe holds 2 bytes, so that it
 * is full at times; an event has two halves, which are written and read one after the other; an overflow event counts 1
 * at most in place of 2^32 - 1. compare_exchange_weak fails only for a reason: without one it would look again.
 */
#ifndef THREADS
#define THREADS 3 /* that take signals */
#endif
#ifndef EACH
#define EACH 1 /* deliveries to each of them, at most */
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef WAKES
#define WAKES 1 /* calls of csigshim_wake */
#endif
#define SLOTS 2
#define SIGNALS 2
#define PIPE 2
#define CHUNK 2 /* that one read(2) takes from the pipe; silence's 64 */
#define MOST 1  /* that one overflow event counts; pop_overflow's UINT32_MAX */

byte tail, head, turn[SLOTS], half1[SLOTS], half2[SLOTS];
byte overflow[SIGNALS];
bool overflowed, rung, woken, lock;
byte bytes; /* in the pipe */
bool edge;  /* what an edge-triggered poller is woken by: a byte came into an empty pipe */

byte delivered, received, last[THREADS]; /* what the claims are about */
bool G1_all_received = true, G2_full_when_full = true, G2_whole_events = true, G3_in_order = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)

inline write_byte() /* csigshim__write_byte: EAGAIN if it is full */
{
    d_step {
        if
        :: bytes < PIPE -> edge = edge || bytes == 0; bytes++
        :: else
        fi
    }
}

inline ring() /* csigshim__ring, where nobody sleeps on the word */
{
#ifdef BREAK_FLAG_AFTER_WRITE
    if
    :: rung
    :: else -> write_byte(); rung = true
    fi
#else
    d_step { was = rung; rung = true }
    if
    :: was
    :: else -> write_byte()
    fi
#endif
    was = false
}

inline publish() { turn[at % SLOTS] = vacant + 1 }

inline keep() /* push; and what csigshim__keep does when that says "full" */
{
    atomic { at = tail; do :: at > 0 -> at-- :: break od } /* relaxed: any value that it ever had */
look:
    atomic {
        vacant = at - at % SLOTS;
        seen = turn[at % SLOTS];
        if
        :: seen < vacant -> CLAIM(G2_full_when_full, tail - head >= SLOTS)
        :: else
        fi
    }
    if
#ifdef BREAK_NO_FULL
    :: seen <= vacant ->
#else
    :: seen == vacant ->
#endif
        if
        :: d_step { tail == at -> tail++ } /* compare_exchange */
        :: d_step { tail != at -> at = tail }; goto look
        fi;
#ifdef BREAK_PUBLISH_FIRST
        publish();
#endif
        half1[at % SLOTS] = me * EACH + n;
        half2[at % SLOTS] = me * EACH + n;
#ifndef BREAK_PUBLISH_FIRST
        publish()
#endif
#ifndef BREAK_NO_FULL
    :: seen < vacant ->
#ifdef BREAK_COUNT_AFTER_RING
        counts = true
#elif defined(BREAK_OVERFLOWED_FIRST)
        overflowed = true;
        overflow[me % SIGNALS]++
#else
        overflow[me % SIGNALS]++;
        overflowed = true
#endif
#endif
    :: seen > vacant -> at = tail; goto look
    fi;
    d_step { at = 0; vacant = 0; seen = 0 } /* dead from here on: fewer states */
}

proctype thread(byte me)
{
    byte n, at, vacant, seen;
    bool was;
#ifdef BREAK_COUNT_AFTER_RING
    bool counts;
#endif
    do
    :: n < EACH -> /* csigshim__handler; record */
        d_step { n++; delivered++ }
#ifdef BREAK_RING_FIRST
        ring();
        keep()
#else
        keep();
        ring()
#endif
#ifdef BREAK_COUNT_AFTER_RING
        if
        :: counts -> overflow[me % SIGNALS]++; overflowed = true; counts = false
        :: else
        fi
#endif
    :: break /* so it is quiet after any number of deliveries */
    od
}

proctype waker() /* csigshim_wake */
{
    byte n;
    do
    :: n < WAKES -> n++; woken = true; write_byte()
    :: break
    od
}

inline pop()
{
    do
    :: count < capacity ->
        d_step { vacant = head - head % SLOTS; seen = turn[head % SLOTS] }
        if
        :: seen != vacant + 1 -> break
        :: else
        fi;
#ifdef BREAK_FREE_FIRST
        turn[head % SLOTS] = vacant + SLOTS;
        a = half1[head % SLOTS];
        b = half2[head % SLOTS];
#else
        a = half1[head % SLOTS];
        b = half2[head % SLOTS];
        turn[head % SLOTS] = vacant + SLOTS;
#endif
        d_step {
            head++;
            count++;
            received++;
            CLAIM(G2_whole_events, a == b && a > 0);
            CLAIM(G3_in_order, a > last[(a - 1) / EACH]);
            last[(a - 1) / EACH] = a;
            a = 0;
            b = 0
        }
    :: else -> break
    od;
    atomic { vacant = 0; seen = 0 }
}

inline pop_overflow()
{
    if
    :: count == capacity
    :: else ->
        d_step { was = overflowed; overflowed = false }
        do
        :: !was || signal == SIGNALS -> break
        :: was && signal < SIGNALS ->
            if
            :: overflow[signal] == 0 -> signal++
            :: overflow[signal] > 0 ->
                if
                :: count == capacity -> overflowed = true; break
                :: else
                fi;
                d_step { deliveries = overflow[signal]; overflow[signal] = 0 }
                if
                :: deliveries > MOST ->
                    overflow[signal] = overflow[signal] + deliveries - MOST;
                    overflowed = true;
                    deliveries = MOST
                :: else
                fi;
                d_step { count++; received = received + deliveries; deliveries = 0; signal++ }
            fi
        od
    fi;
    atomic { signal = 0; was = false }
}

inline empty_pipe() /* silence's loop */
{
    do
    :: d_step { bytes >= CHUNK -> bytes = bytes - CHUNK }
    :: d_step { bytes < CHUNK -> bytes = 0 }; break
    od
}

inline read() /* csigshim_read */
{
    atomic { !lock -> lock = true } /* csigshim__enter */
    pop();
    pop_overflow();
    was = count < capacity && (count == 0 || rung);
    was = was || count < capacity && woken;
    if
    :: was -> /* silence */
        d_step { woken = false; was = false }
#ifdef BREAK_CLEAR_FIRST
        rung = false;
        empty_pipe();
#else
        empty_pipe();
        rung = false;
#endif
#ifndef BREAK_NO_SECOND_LOOK
        pop();
        pop_overflow();
#ifndef BREAK_NOTHING_LEFT
#ifdef BREAK_BUSY
        was = head != tail;
#else
        was = turn[head % SLOTS] == head - head % SLOTS + 1; /* something_left */
#endif
        if
        :: was || overflowed -> ring()
        :: else
        fi;
        was = false
#endif
#endif
    :: else
    fi;
    lock = false
}

proctype reader()
{
    byte capacity, count, vacant, seen, a, b, signal, deliveries;
    bool was;
end:
    do
#ifdef EDGE
    :: d_step { edge -> edge = false } /* epoll_wait, EPOLLET: reads until 0 */
        do
        :: count = 0; if :: capacity = 1 :: capacity = 2 fi; read(); if :: count == 0 -> break :: else fi
        od;
#else
    :: bytes > 0 -> /* poll */
        if :: capacity = 1 :: capacity = 2 fi;
        read();
#endif
        atomic { count = 0; capacity = 0 }
    od
}

/* Where nothing moves any more, whatever came before: the readers sleep. */
proctype quiet()
{
    timeout;
    CLAIM(G1_all_received, received == delivered)
}

init {
    atomic {
        byte i;
        for (i : 0 .. THREADS - 1) { run thread(i) }
        for (i : 1 .. READERS) { run reader() }
        run waker();
        run quiet();
        i = 0
    }
}
