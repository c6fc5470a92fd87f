/* Delivery: the queue, the notification and the reader of one bridge whose descriptor is polled from the beginning.
 * Q1-Q3 (ring.c), W1-W3 (notify.c). sleep.pml has the bridges that threads wait for by a futex.
 *
 * Threads of the host take signals at any time (store, notify), readers poll and read (read.c), and a thread calls
 * csigshim_wake. Each statement is one access to shared memory or one system call. The host has cleared O_NONBLOCK, so
 * a read of the empty pipe, or a write to the full one, would block.
 *
 * The model interleaves sequentially consistent accesses. Two accesses are weaker in C. For `sequence` a release pairs
 * with an acquire, so a thread that sees the number sees the record. The first look at `tail` is relaxed and may give
 * any earlier value, as it does here.
 *
 * Small numbers stand for large ones. There are 2 slots, so that few deliveries go round the ring several times. An
 * event has two halves, which are written and read one after the other. One overflow event counts at most 1. A
 * compare_exchange_weak that fails for no reason would only look again, so here it fails only for a reason. */
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
#define SLOTS   2
#define SIGNALS 2
#define CHUNK   2 /* bytes that one read(2) takes; 64 in read.c */
#define PLENTY  2 /* bytes after which no more are written; 4096 in notify.c */
#define MOST    1 /* deliveries in one overflow event; UINT32_MAX in read.c */
/* Bytes that the pipe holds: PLENTY, and one for each thread but the first that may be about to write. */
#ifdef BREAK_PLENTY_FILLS_PIPE
#define PIPE PLENTY
#else
#define PIPE (PLENTY + THREADS + READERS)
#endif

byte tail, head, sequence[SLOTS], half1[SLOTS], half2[SLOTS];
byte overflow[SIGNALS];
bool overflowed, notified, mutex;
byte bytes; /* in the pipe */
short pipe_bytes;
bool edge; /* a byte came into an empty pipe: this wakes an edge-triggered poller */

byte delivered, received, last[THREADS]; /* for the claims */
bool written;                            /* since the present read began */
bool Q1_whole_records = true, Q1_in_order = true, Q2_full_when_full = true;
bool W1_unread_is_notified = true, W2_notified_is_heard = true, W2_wake_writes = true;
bool W3_read_never_blocks = true, W3_write_never_blocks = true, W3_late_byte_is_removed = true;

#define CLAIM(claim, condition) claim = (condition); assert(claim)

inline write_wakeup()
{
    if
#ifndef BREAK_NO_PLENTY
    :: pipe_bytes >= PLENTY
    :: else ->
#else
    :: true ->
#endif
#ifdef BREAK_COUNT_BEFORE_WRITE
        pipe_bytes++;
#endif
        d_step {
            CLAIM(W3_write_never_blocks, bytes < PIPE);
            edge = edge || bytes == 0;
            bytes++;
            written = true
        }
#ifndef BREAK_COUNT_BEFORE_WRITE
        pipe_bytes++ /* W3 */
#endif
    fi
}

inline notify()
{
#ifdef BREAK_WRITE_BEFORE_FLAG
    if
    :: notified
    :: else -> write_wakeup(); notified = true
    fi;
#else
    d_step { was = notified; notified = true } /* [A] */
    if
    :: was
    :: else -> write_wakeup() /* [B] */
    fi;
#endif
    was = false
}

inline publish() { sequence[at % SLOTS] = free + 1 }

inline store() /* push, and the count for what finds the ring full */
{
    atomic { at = tail; do :: at > 0 -> at-- :: break od } /* relaxed: any value that it ever had */
look:
    atomic {
        free = at - at % SLOTS;
        seen = sequence[at % SLOTS];
        if
        :: seen < free -> CLAIM(Q2_full_when_full, tail - head >= SLOTS)
        :: else
        fi
    }
    if
#ifdef BREAK_NO_FULL
    :: seen <= free ->
#else
    :: seen == free ->
#endif
        if
        :: d_step { tail == at -> tail++ } /* compare_exchange */
        :: d_step { tail != at -> at = tail }; goto look
        fi;
#ifdef BREAK_PUBLISH_BEFORE_FILL
        publish();
#endif
        half1[at % SLOTS] = me * EACH + n;
        half2[at % SLOTS] = me * EACH + n;
#ifndef BREAK_PUBLISH_BEFORE_FILL
        publish() /* Q1 */
#endif
#ifndef BREAK_NO_FULL
    :: seen < free ->
#if defined(BREAK_WRITER_WAITS)
        at = tail; goto look
#elif defined(BREAK_COUNT_AFTER_NOTIFY)
        counts = true
#elif defined(BREAK_OVERFLOWED_BEFORE_COUNT)
        overflowed = true;
        overflow[me % SIGNALS]++
#elif defined(BREAK_NOT_COUNTED)
        skip
#else
        overflow[me % SIGNALS]++; /* Q2 */
        overflowed = true
#endif
#endif
    :: seen > free -> at = tail; goto look
    fi;
    d_step { at = 0; free = 0; seen = 0 } /* not used any more: fewer states */
}

proctype thread(byte me)
{
    byte n, at, free, seen;
    bool was;
#ifdef BREAK_COUNT_AFTER_NOTIFY
    bool counts;
#endif
    do
    :: n < EACH -> /* record */
        d_step { n++; delivered++ }
#ifdef BREAK_NOTIFY_BEFORE_STORE
        notify();
        store()
#else
        store();
        notify()
#endif
#ifdef BREAK_COUNT_AFTER_NOTIFY
        if
        :: counts -> overflow[me % SIGNALS]++; overflowed = true; counts = false
        :: else
        fi
#endif
    :: break /* so everything may come to rest after any number of deliveries */
    od
}

proctype waker() /* csigshim_wake */
{
    byte n, before;
    bool was;
    do
    :: n < WAKES ->
        d_step { n++; was = notified; notified = true; before = bytes }
#ifdef BREAK_WAKE_WRITES_ONCE
        if
        :: was
        :: else -> edge = false; write_wakeup()
        fi;
#else
        edge = false;
        write_wakeup();
#endif
        d_step { CLAIM(W2_wake_writes, READERS || bytes > before || bytes >= PLENTY); before = 0; was = false }
    :: break
    od
}

inline take_records()
{
    do
    :: count < capacity ->
        d_step { free = head - head % SLOTS; seen = sequence[head % SLOTS] }
        if
        :: seen != free + 1 -> break
        :: else
        fi;
#ifdef BREAK_FREE_BEFORE_COPY
        sequence[head % SLOTS] = free + SLOTS;
        a = half1[head % SLOTS];
        b = half2[head % SLOTS];
#else
        a = half1[head % SLOTS];
        b = half2[head % SLOTS];
        sequence[head % SLOTS] = free + SLOTS;
#endif
        d_step {
            head++;
            count++;
            received++;
            CLAIM(Q1_whole_records, a == b && a > 0);
            CLAIM(Q1_in_order, a > last[(a - 1) / EACH]);
            last[(a - 1) / EACH] = a;
            a = 0;
            b = 0
        }
    :: else -> break
    od;
    atomic { free = 0; seen = 0 }
}

inline take_overflow()
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
                :: count == capacity ->
#ifndef BREAK_REST_IS_FORGOTTEN
                    overflowed = true;
#endif
                    break
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

inline empty_pipe() /* [C] */
{
    do
    :: pipe_bytes > 0 -> take_bytes()
#ifndef BREAK_NEVER_THOROUGH
    :: pipe_bytes <= 0 && thorough ->
        if
        :: bytes > 0 -> take_bytes() /* FIONREAD */
        :: else -> break
        fi
    :: pipe_bytes <= 0 && !thorough -> break
#else
    :: else -> break
#endif
    od
}

inline take_bytes() /* one read(2) */
{
    d_step {
        CLAIM(W3_read_never_blocks, bytes > 0);
        deliveries = (bytes > CHUNK -> CHUNK : bytes);
        bytes = bytes - deliveries
    }
#ifdef BREAK_NO_SUBTRACT
    deliveries = 0
#else
    d_step { pipe_bytes = pipe_bytes - deliveries; deliveries = 0 }
#endif
}

inline read() /* read_locked, with the reader's mutex held */
{
#ifndef BREAK_NO_READER_MUTEX
    atomic { !mutex -> mutex = true; written = false }
#endif
    take_records();
    take_overflow();
    was = count < capacity && (count == 0 || notified);
    if
    :: was ->
        d_step { thorough = count == 0; was = false }
#ifdef BREAK_CLEAR_BEFORE_DRAIN
        notified = false;
        empty_pipe();
#else
        empty_pipe();     /* [C] */
        notified = false; /* [D] */
#endif
#ifndef BREAK_TAKE_BEFORE_CLEAR
        take_records(); /* [E] */
        take_overflow();
#ifndef BREAK_LEFT_IS_NOT_NOTIFIED
#ifdef BREAK_WAIT_FOR_SLOT
        was = head != tail;
#else
        was = sequence[head % SLOTS] == head - head % SLOTS + 1; /* has_events */
#endif
        if
        :: was || overflowed -> notify()
        :: else
        fi;
        was = false
#endif
#endif
    :: else
    fi;
    d_step {
        CLAIM(W3_late_byte_is_removed, count || written || !bytes);
        thorough = false;
#ifndef BREAK_NO_READER_MUTEX
        mutex = false
#endif
    }
}

proctype reader()
{
    byte capacity, count, free, seen, a, b, signal, deliveries;
    bool was, thorough;
end:
    do
#ifdef EDGE
    :: d_step { edge -> edge = false } /* epoll_wait with EPOLLET: reads until 0 */
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

/* Nothing moves any more, whatever came before: the readers sleep on an empty pipe. */
proctype quiet()
{
    timeout;
    if
    :: READERS ->
        CLAIM(W1_unread_is_notified, received == delivered || notified);
        CLAIM(W2_notified_is_heard, !notified || bytes > 0)
    :: else
    fi
}

init {
    atomic {
        byte i;
        for (i : 0 .. THREADS - 1) { run thread(i) }
        i = 0;
        do :: i < READERS -> run reader(); i++ :: else -> break od;
        run waker();
        run quiet();
        i = 0
    }
}
