/* What runs in signal context (but for csigshim_wake, which a host's handler may call: reader.c). `make check` reads
 * this file's undefined symbols from the object file, and compares them with Tests/expected/handler-symbols. It makes
 * these system calls: getpid, fstat, clock_gettime (where there is no vDSO), write (of one byte, no cancellation
 * point), futex, and, off the usual path, rt_sigaction, rt_sigprocmask, gettid, tgkill, kill, exit_group.
 *
 * A delivery, in order: whose memory is this; a record in the ring of each bridge that wants the signal; the doorbell;
 * and when all that is behind us, the previous handler. The argument:
 *
 * A handler on another thread while `remove` or `close` runs. `inside` is raised between two looks at `flags`, and all
 * four accesses (ours, and remover's store to flags and load of inside) are seq_cst: either we see the subscription
 * gone, or the remover sees us inside and waits. The first look keeps `inside` from rising once it is gone, so a flood
 * cannot hold a remover up. Nothing of a bridge but `flags` and `inside` is touched outside of the two, so its
 * descriptors are closed only when no handler can write to them.
 *
 * Slots out of turn. A handler claims a position by moving `tail`, fills the slot, then publishes its turn. The reader
 * stops at the first slot that is claimed and not filled; who fills it rings afterwards, so the reader comes again. A
 * slot whose turn is a lap behind is unread or still being filled: full.
 *
 * Full ring. Count first, then ring: the reader that answers the ring sees the count. Full pipe: write fails with
 * EAGAIN, and the pipe is readable, which is all that we wanted of it. A write that fails for want of memory is tried
 * again; at last `rung` is cleared, so that the next delivery rings.
 *
 * Lost wake-up. A handler publishes, then sets `rung`; if it was clear and the bridge is `polled`, writes to the pipe;
 * and wakes who sleeps, if `sleepers` says so. All of these are seq_cst. The reader empties the pipe, then clears
 * `rung`, then looks at the ring: a handler that found `rung` set did so before the clearing, which is an exchange too,
 * so the look that follows sees its record. (Cleared before the pipe is emptied, a byte could be taken away with `rung`
 * set, and nobody would ever ring again.) Where a read found something and nobody rang, that is left out: who published
 * rings yet. Whoever sleeps is counted before futex(2) compares `rung` with 0 and queues it: so either we see it
 * counted, and our waking comes after its queueing, or it sees `rung`. We wake also where `rung` was set: who set it
 * may have left csigshim_wake half-way. csigshim_fd sets `polled`, then looks at `rung`; we set `rung`, then look at
 * `polled`: so one of the two writes. What we saw of `polled` before is for the proof of the pipe alone, which is made
 * up for where it was clear. csigshim_wake on a polled bridge writes, and wakes by the word whoever was counted before
 * it could see `polled`.
 *
 * Nested handlers. All signals are blocked but the synchronous faults, whose handlers are not ours. (A host whose
 * handler of SEGV leaves by siglongjmp, and who gets a SEGV from another process while we run, leaves us half-way.)
 *
 * A signal that goes from one bridge to another. The bridges are looked at one by one, so `add` to one and `remove`
 * from another may both fall between two looks: if nobody took the delivery and `additions` has moved, we look again.
 * (The first look at `flags` acquires, so that who sees the remove sees the addition before it.)
 *
 * Children. fork(2) puts the previous actions back itself (process.c); what is said here is for a child of vfork,
 * clone(2) or _Fork(3), and for one that asks for its bridges. A forked child finds `owner` wiped to zero by the
 * kernel; a vforked child shares our memory but not our pid; so neither gets past the first look, and neither writes to
 * memory (which a vforked child would leave dirty if it died half-way). It puts the previous action back and obeys it,
 * as if ours had never been there. Not caught: a process with pid 1 that enters a new PID namespace by unshare(2) and
 * vforks.
 *
 * Closed descriptors. Before a bridge counts as having the delivery, fstat says that both ends of its pipe are still
 * the pipe that we made (both: a pipe without readers raises SIGPIPE). If no bridge could take the delivery, it meets
 * the previous action, so a process that closed all its descriptors can still be ended. An fstat that is refused by a
 * sandbox proves nothing, and is taken for intact.
 *
 * Leaving by siglongjmp. The previous handler runs last, with no count held and no slot half filled, under the mask
 * that the kernel would have given it (but for the temporary one of sigsuspend, ppoll or pselect, which a handler
 * cannot see).
 *
 * A thread cancelled in here. There is no cancellation point, and asynchronous cancellation is a signal too, which the
 * mask holds off. But a host's handler may call ours without that mask, and to set cancellation off and on again acts
 * upon one that was asked for: so it is off from the first look at a bridge until the last that is ours to do, be that
 * the record, the escalation or the default action, and on again for a handler of the host. (Not in a child: that of
 * vfork has the parent's thread in its hands.)
 *
 * The same delivery twice. Somebody who installed a handler over ours and was then put under ours by `rearm` may call
 * ours from his. While a previous handler runs, its siginfo carries a mark in padding that the kernel zeroes for each
 * delivery; a call of ours that finds the mark records nothing, and goes on to what was under us before. He may be
 * another copy of this library, that marks as well, in a place of its own; a copy that called us, and has nothing below
 * us, is not called again, whatever `add` or `rearm` on another thread have just put where. And where his call of ours
 * has no mark, because `rearm` put him under ours while he ran, the mask tells that it is not the kernel who calls.
 *
 * A signalfd bridge has this handler too, for signals that reach a thread which does not block them. Nothing here
 * knows which kind a bridge is.
 */
#include "internal.h"
#include <time.h>

struct csigshim__disposition csigshim__dispositions[CSIGSHIM__NSIG];
struct csigshim_bridge csigshim__bridges[CSIGSHIM__BRIDGES];
_Atomic unsigned csigshim__bridges_used;

_Atomic(_Atomic pid_t *) csigshim__owner;
_Atomic unsigned csigshim__additions;

enum { RECORDED = 1 << 16, ESCALATE = 1 << 17 };

/* What signal(7) says of the default action. */
int csigshim__default_of(int signo)
{
    switch (signo) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
        return CSIGSHIM_ACTION_IGNORE;
    case SIGCONT:
        return CSIGSHIM_ACTION_CONTINUE;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return CSIGSHIM_ACTION_STOP;
    default:
        return csigshim__ignored_here(signo) ? CSIGSHIM_ACTION_IGNORE : CSIGSHIM_ACTION_TERMINATE;
    }
}

/* The page that a fork wipes, and the pid that a vfork does not share. */
enum csigshim__whose csigshim__whose(void)
{
    _Atomic pid_t *const page = atomic_load_explicit(&csigshim__owner, memory_order_acquire);
    const pid_t owner = page == NULL ? getpid() : atomic_load_explicit(page, memory_order_relaxed);
    if (owner == 0)
        return CSIGSHIM__FORKED;
    return owner == getpid() ? CSIGSHIM__OURS : CSIGSHIM__BORROWED;
}

pid_t csigshim_owner(void)
{
    _Atomic pid_t *const page = atomic_load(&csigshim__owner);
    return page == NULL ? getpid() : atomic_load(page);
}

bool csigshim__is_end(const struct csigshim__end *end, const struct stat *status)
{
    return status->st_ino == end->inode && status->st_dev == end->device && status->st_mode == end->mode &&
           csigshim__birth(status) == end->birth;
}

bool csigshim__end_intact(const struct csigshim__end *end)
{
    struct stat status;
    return fstat(end->fd, &status) == 0 ? csigshim__is_end(end, &status) : errno != EBADF && errno != EOVERFLOW;
}

static bool both_intact(const struct csigshim_bridge *bridge)
{
    return csigshim__end_intact(&bridge->write_end) && csigshim__end_intact(&bridge->read_end);
}

bool csigshim__bell_intact(const struct csigshim_bridge *bridge)
{
    return !atomic_load(&bridge->polled) || both_intact(bridge);
}

bool csigshim__pull(const struct csigshim_bridge *bridge)
{
    for (int tries = 0; tries < 10; tries++)
        if (csigshim__write_byte(bridge->write_end.fd) == 1 || errno == EAGAIN)
            return true;
    return false;
}

void csigshim__ring(struct csigshim_bridge *bridge, bool proven)
{
    const bool first = atomic_exchange(&bridge->rung, 1) == 0;
    if (first && atomic_load(&bridge->polled) && (proven || both_intact(bridge)) && !csigshim__pull(bridge))
        atomic_store(&bridge->rung, 0);
    if (atomic_load(&bridge->sleepers) != 0)
        csigshim__wake_sleepers(&bridge->rung);
}

uint64_t csigshim__now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void csigshim__describe(csigshim_event *event, int signo, const siginfo_t *info)
{
    memset(event, 0, sizeof *event);
    event->signo = signo;
    event->code = info->si_code;
    event->count = 1;
    event->time_ns = csigshim__now();
    event->fd = -1;
    csigshim__details(event, info);
}

static bool push(struct csigshim_bridge *bridge, const csigshim_event *event)
{
    struct csigshim__slot *const slots = atomic_load_explicit(&bridge->slots, memory_order_relaxed);
    size_t at = atomic_load_explicit(&bridge->tail, memory_order_relaxed);
    for (;;) {
        struct csigshim__slot *slot = csigshim__slot_of(slots, at);
        const size_t empty = csigshim__empty_turn(at);
        const size_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        if (turn == empty) {
            if (atomic_compare_exchange_weak(&bridge->tail, &at, at + 1)) {
                slot->event = *event;
                atomic_store_explicit(&slot->turn, empty + 1, memory_order_release);
                return true;
            }
        } else if ((ptrdiff_t)(turn - empty) < 0) {
            return false;
        } else {
            at = atomic_load(&bridge->tail);
        }
    }
}

void csigshim__keep(struct csigshim_bridge *bridge, const csigshim_event *event)
{
    if (push(bridge, event))
        return;
    atomic_fetch_add(&bridge->subscriptions[event->signo].overflow, 1);
    atomic_store(&bridge->overflowed, true);
}

static unsigned record(struct csigshim_bridge *bridge, int signo, const csigshim_event *event)
{
    struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
    if (!(atomic_load_explicit(&subscription->flags, memory_order_acquire) & CSIGSHIM__ACTIVE))
        return 0;
    atomic_fetch_add(&subscription->inside, 1);
    unsigned verdict = atomic_load(&subscription->flags);
    const bool polled = atomic_load(&bridge->polled);
    if ((verdict & CSIGSHIM__ACTIVE) && (!polled || both_intact(bridge))) {
        verdict |= RECORDED;
        csigshim_event mine = *event;
        mine.reserved[0] = atomic_load(&subscription->epoch);
        const unsigned unread = atomic_fetch_add(&subscription->unread, 1) + 1;
        const unsigned limit = atomic_load(&subscription->escalate_at);
        if (limit != 0 && unread >= limit)
            verdict |= ESCALATE;
        csigshim__keep(bridge, &mine);
        csigshim__ring(bridge, polled);
    } else {
        verdict = 0;
    }
    atomic_fetch_sub(&subscription->inside, 1);
    return verdict;
}

/* How far ours has come with this delivery, in one of the last places of its siginfo, for a call of ours from within.
 * Another copy of this library has a place of its own. */
struct mark {
    void (*handler)(int, siginfo_t *, void *); /* whose it is; null: nobody's */
    struct csigshim__action *next;             /* what he has not run yet */
};

/* As it is kept: with the siginfo's address in it. An emulator (qemu-user) does not zero the padding, and our handler's
 * address lies about on any stack. */
static struct mark sealed(struct mark mark, const siginfo_t *info)
{
    if (mark.handler != NULL)
        mark.handler = (void (*)(int, siginfo_t *, void *))((uintptr_t)mark.handler ^ (uintptr_t)info);
    return mark;
}

static struct mark mark_at(siginfo_t *info, int place)
{
    struct mark mark;
    memcpy(&mark, (char *)info + sizeof *info - (size_t)(place + 1) * sizeof mark, sizeof mark);
    return sealed(mark, info);
}

static void set_mark(siginfo_t *info, int place, struct mark mark)
{
    mark = sealed(mark, info);
    memcpy((char *)info + sizeof *info - (size_t)(place + 1) * sizeof mark, &mark, sizeof mark);
}

/* Whether there is one of ours, and its place, or one for it. */
static bool is_marked(siginfo_t *info, int *place)
{
    int free_place = CSIGSHIM__MARKS - 1;
    for (*place = CSIGSHIM__MARKS - 1; *place >= 0; --*place) {
        const struct mark mark = mark_at(info, *place);
        if (mark.handler == csigshim__handler)
            return true;
        if (mark.handler == NULL)
            free_place = *place;
    }
    *place = free_place;
    return false;
}

static bool is_function(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* The mask that the kernel would have given to the action's handler. */
static void take_its_mask(const struct sigaction *action, int signo, const void *context)
{
    sigset_t mask;
    csigshim__interrupted_mask(context, &mask);
    for (size_t i = 0; i < (CSIGSHIM__NSIG + 6) / 8; i++)
        ((unsigned char *)&mask)[i] |= ((const unsigned char *)&action->sa_mask)[i];
    if (!(action->sa_flags & SA_NODEFER))
        sigaddset(&mask, signo);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* One call of ours: what it was called with, the errno that it interrupts, and what is under ours, looked up once. */
struct delivery {
    int signo;
    siginfo_t *info;
    void *context;
    int interrupted_errno;
    bool is_owner; /* of this memory: a child's handler writes none */
    struct csigshim__action *previous;
    int cancellation; /* the state that it had before us, or NOT_OURS: it is as the host has it */
};

enum { NOT_OURS = -1 };

/* Once all is done that is ours to do: to set the state back can be a cancellation itself. */
static void allow_cancellation(struct delivery *delivery)
{
    int ours = delivery->cancellation;
    delivery->cancellation = NOT_OURS;
    if (ours != NOT_OURS)
        pthread_setcancelstate(ours, &ours);
}

/* Calls a handler that is not ours as the kernel would have. If it is not the kernel who called ours, but somebody's
 * handler, the mask is that one's affair. */
static void call(struct csigshim__action *action, struct delivery *delivery, bool kernel_called)
{
    const struct sigaction *saved = &action->saved;
    int place;
    (void)is_marked(delivery->info, &place);
    const struct mark before = mark_at(delivery->info, place);
    set_mark(delivery->info, place, (struct mark){csigshim__handler, action->below});
    if (kernel_called)
        take_its_mask(saved, delivery->signo, delivery->context);
    allow_cancellation(delivery);
    errno = delivery->interrupted_errno;
    if (saved->sa_flags & SA_SIGINFO)
        saved->sa_sigaction(delivery->signo, delivery->info, delivery->context);
    else
        saved->sa_handler(delivery->signo);
    set_mark(delivery->info, place, before);
}

/* Whether it is another copy that called us, and has nothing below us. */
static bool is_done(siginfo_t *info, const struct sigaction *action)
{
    bool done = false;
    for (int place = 0; place < CSIGSHIM__MARKS && is_function(action); place++) {
        const struct mark mark = mark_at(info, place);
        done |= mark.handler == action->sa_sigaction && mark.next == NULL;
    }
    return done;
}

/* Runs an action's handler. False: it is no function, or one with SA_RESETHAND that has had its one call. */
static bool run(struct csigshim__action *action, struct delivery *delivery, bool kernel_called)
{
    while (action != NULL && is_done(delivery->info, &action->saved)) {
        if (action->below == NULL)
            return true;
        action = action->below;
    }
    if (action == NULL || !is_function(&action->saved))
        return false;
    if ((action->saved.sa_flags & SA_RESETHAND) &&
        (delivery->is_owner ? atomic_exchange(&action->spent, true) : atomic_load(&action->spent)))
        return false;
    call(action, delivery, kernel_called);
    return true;
}

/* What SA_RESETHAND leaves of an action. */
static struct sigaction defaulted(struct sigaction action)
{
    action.sa_flags &= ~SA_SIGINFO;
    action.sa_handler = SIG_DFL;
    return action;
}

struct sigaction csigshim__underneath(struct csigshim__action *previous)
{
    if ((previous->saved.sa_flags & SA_RESETHAND) && atomic_load(&previous->spent))
        return defaulted(previous->saved);
    return previous->saved;
}

/* Sends signo to this thread with nothing blocking it, so that what is installed now happens here and now. */
void csigshim__strike(int signo)
{
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, signo);
    pthread_sigmask(SIG_UNBLOCK, &one, &before);
    csigshim__raise(signo);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* More than once, because another thread may be installing ours again at the same time. */
void csigshim__die(int signo)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int tries = 0; tries < 100; tries++)
        if (sigaction(signo, &action, NULL) == 0 || signo == SIGKILL)
            csigshim__strike(signo);
    _exit(128 + signo); /* the init of a PID namespace, whom no signal kills, or a sandbox that refuses */
}

/* The kernel's action. What a sandbox does not let us see is taken for ours, for it is we who were called. */
static struct sigaction present(int signo)
{
    struct sigaction now;
    if (sigaction(signo, NULL, &now) == 0)
        return now;
    memset(&now, 0, sizeof now);
    now.sa_sigaction = csigshim__handler;
    now.sa_flags = SA_SIGINFO;
    return now;
}

bool csigshim__wanted(int signo)
{
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++)
        if (atomic_load(&csigshim__bridges[i].subscriptions[signo].flags) & CSIGSHIM__ACTIVE)
            return true;
    return false;
}

/* Ours, which a handler took out, comes back for those who want it. `remove` does not wait for that handler: its look
 * may have found ours out. So it looks again after it has cleared `flags`, and here `flags` are looked at after ours is
 * in: one of the two takes it out again. */
static void come_back(int signo, const struct sigaction *ours)
{
    do
        sigaction(signo, ours, NULL);
    while (!csigshim__wanted(signo) && csigshim__put_back(signo) == 1 && csigshim__wanted(signo));
}

/* No bridge took the delivery: it meets what is underneath. The kernel's action is as before, if we come back. */
static void fall_back(struct delivery *delivery, const struct sigaction *now)
{
    const int signo = delivery->signo, action = csigshim__default_of(signo);
    if (run(delivery->previous, delivery, csigshim__is_ours(now)))
        return;
    const struct sigaction under = csigshim__underneath(delivery->previous);
    if (under.sa_handler == SIG_IGN || action == CSIGSHIM_ACTION_IGNORE || action == CSIGSHIM_ACTION_CONTINUE)
        return;
    if (csigshim__is_ours(now)) { /* a bridge that lost its pipe, or one that was added since we looked */
        struct sigaction ours;
        if (sigaction(signo, &under, &ours) == 0) {
            csigshim__strike(signo);
            come_back(signo, &ours);
        } else if (action == CSIGSHIM_ACTION_TERMINATE) {
            csigshim__die(signo);
        }
    } else if (!is_function(now)) { /* what `remove` has just put back */
        csigshim__strike(signo);
    } /* else: somebody's handler calls ours for what it was, and the decision is his */
}

/* Full, the C library's own signals included: asynchronous cancellation is one of them. Not the synchronous faults: the
 * host's crash reporter must see ours too. (KILL and STOP cannot be.) With an empty mask, signals that are pending
 * together would run nested, last first. */
void csigshim__our_mask(sigset_t *mask)
{
    const int unmasked[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGKILL, SIGSTOP};
    memset(mask, 0xff, sizeof *mask);
    for (size_t i = 0; i < sizeof unmasked / sizeof *unmasked; i++)
        sigdelset(mask, unmasked[i]);
}

/* Whether the thread's mask is what the kernel gives to ours. (The standard signals tell enough.) */
static bool has_our_mask(void)
{
    sigset_t ours, mask;
    csigshim__our_mask(&ours);
    if (pthread_sigmask(SIG_BLOCK, NULL, &mask) != 0)
        return true;
    for (int signo = 1; signo < 32; signo++)
        if (sigismember(&ours, signo) && !sigismember(&mask, signo))
            return false;
    return true;
}

/* Whether what is first under ours called it, was put there by `rearm` in the meantime, and so has run already. Another
 * copy of this library would say so itself, by its mark, and go on with what it has not run. */
static bool has_run(const struct delivery *delivery, const struct sigaction *now)
{
    const struct csigshim__action *const first = delivery->previous;
    bool may_have = first->below != NULL; /* rearm puts something over something */
    for (int place = 0; place < CSIGSHIM__MARKS && may_have; place++)
        may_have = mark_at(delivery->info, place).handler != first->saved.sa_sigaction;
    if (!may_have)
        return false;
    if (csigshim__is_ours(now))
        return atomic_load(&csigshim__dispositions[delivery->signo].previous) == first && !has_our_mask();
    return is_function(now) && now->sa_sigaction == first->saved.sa_sigaction;
}

/* In a child, before it asks for its bridges. Writes no memory but this stack. */
static void in_child(struct delivery *delivery)
{
    const int signo = delivery->signo;
    const struct sigaction under = csigshim__underneath(delivery->previous);
    const struct sigaction now = present(signo);
    const bool kernel_called = csigshim__is_ours(&now);
    struct csigshim__action *next = delivery->previous;
    bool is_back = false;
    if (kernel_called) {
        const struct sigaction back = (under.sa_flags & SA_RESETHAND) ? defaulted(under) : under;
        is_back = sigaction(signo, &back, NULL) == 0;
    } else if (is_function(&now) && now.sa_sigaction == next->saved.sa_sigaction) {
        next = next->below; /* his is in the kernel again, and calls ours for what was below */
    }
    if (run(next, delivery, kernel_called) || !kernel_called)
        return;
    if (is_back)
        csigshim__strike(signo); /* all of it is the kernel's from here on */
    else if (under.sa_handler != SIG_IGN && csigshim__default_of(signo) == CSIGSHIM_ACTION_TERMINATE)
        csigshim__die(signo);
}

/* Again, if nobody took it and somebody subscribed while we looked: a signal that goes from one bridge to another is
 * one's or the other's, though neither had it at each of our looks. */
static unsigned offer(int signo, const csigshim_event *event)
{
    unsigned verdict, additions;
    do {
        additions = atomic_load(&csigshim__additions);
        verdict = 0;
        const unsigned used = atomic_load(&csigshim__bridges_used);
        for (unsigned i = 0; i < used; i++)
            verdict |= record(&csigshim__bridges[i], signo, event);
    } while (!(verdict & RECORDED) && atomic_load(&csigshim__additions) != additions);
    return verdict;
}

/* In the process whose bridges they are. */
static void in_owner(struct delivery *delivery)
{
    const int signo = delivery->signo;
    csigshim_event event;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &delivery->cancellation);
    csigshim__describe(&event, signo, delivery->info);
    const unsigned verdict = offer(signo, &event);
    if (verdict & ESCALATE)
        csigshim__die(signo);
    if ((verdict & (RECORDED | CSIGSHIM_CHAIN)) == RECORDED)
        return;
    const struct sigaction now = present(signo);
    const bool again = has_run(delivery, &now);
    if (verdict & RECORDED)
        (void)run(again ? delivery->previous->below : delivery->previous, delivery, csigshim__is_ours(&now) && !again);
    else
        fall_back(delivery, &now);
}

void csigshim__handler(int signo, siginfo_t *info, void *context)
{
    struct delivery delivery = {signo, info, context, errno, csigshim__whose() == CSIGSHIM__OURS, NULL, NOT_OURS};
    int place;
    delivery.previous = atomic_load(&csigshim__dispositions[signo].previous);
    if (is_marked(info, &place)) /* called from the handler that we are just calling */
        (void)run(mark_at(info, place).next, &delivery, false);
    else if (delivery.is_owner)
        in_owner(&delivery);
    else
        in_child(&delivery);
    allow_cancellation(&delivery);
    errno = delivery.interrupted_errno;
}

/* Calls once what a handler calls, so that the dynamic linker need not look it up on a small signal stack. */
void csigshim__bind_symbols(void)
{
    csigshim_event event;
    siginfo_t info;
    sigset_t mask;
    struct csigshim__end none = {.fd = -1};
    memset(&info, 0, sizeof info);
    csigshim__describe(&event, 0, &info);
    (void)csigshim__end_intact(&none);
    (void)csigshim__write_byte(-1);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigdelset(&mask, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
    (void)sigaction(SIGTERM, NULL, NULL);
}

int csigshim__put_back(int signo)
{
    struct sigaction now;
    struct csigshim__action *const previous = atomic_load(&csigshim__dispositions[signo].previous);
    if (previous == NULL)
        return 0;
    if (sigaction(signo, NULL, &now) != 0)
        return -1;
    if (!csigshim__is_ours(&now))
        return 0;
    const struct sigaction under = csigshim__underneath(previous);
    return sigaction(signo, &under, NULL) == 0 ? 1 : -1;
}

void csigshim__unblock_blocked(sigset_t *mask)
{
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (atomic_load(&csigshim__dispositions[signo].blocked))
            sigdelset(mask, signo);
}

int csigshim_reset_for_exec(void)
{
    const int saved_errno = errno;
    int failure = 0;
    sigset_t mask;
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++)
        if (csigshim__put_back(signo) < 0)
            failure = errno;
    int refused = pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (refused == 0) {
        csigshim__unblock_blocked(&mask);
        refused = pthread_sigmask(SIG_SETMASK, &mask, NULL);
    }
    failure = refused != 0 ? refused : failure;
    errno = failure != 0 ? failure : saved_errno;
    return failure != 0 ? -1 : 0;
}
