/* Runs the actions that this library's handler replaced, as the kernel would have done.
 *
 * O1  A saved action is never freed and does not change, so a handler may use one without a lock. `reset` is set once,
 *     when a handler with SA_RESETHAND has had its one call. Tests/c/restore_and_chain.c.
 * O2  As in the kernel, only the handler's value decides whether an action is a function: {SA_SIGINFO, SIG_IGN}
 *     ignores. Tests/c/siginfo_flag_actions.c.
 * O3  The old handler runs last, when no count is held and no slot is half filled, so it may leave by siglongjmp. It
 *     runs under the mask that the kernel would have given it, except for a temporary mask of sigsuspend or ppoll.
 *     Tests/c/jumps.c.
 * O4  A signal is never sent to another process (csigshim__send_to_thread). Tests/c/sandbox.c.
 * O5  A delivery enters this library once. While the old handler runs, the siginfo carries a marker, and a nested call
 *     returns at once. Otherwise, handlers that call each other in a circle would never end. Tests/library/copies.c. */
#include "shim.h"

/* The marker is in the last bytes of siginfo_t, which no signal uses. It names the handlers of up to two copies. It
 * also holds the siginfo's address, because an emulator does not zero these bytes, and stacks contain code
 * addresses. */
struct marker {
    uintptr_t kind, handlers[2];
};

static struct marker *marker_of(siginfo_t *info) {
    return (struct marker *)(void *)((char *)(info + 1) - sizeof(struct marker));
}

static uintptr_t marker_kind(const siginfo_t *info) {
    return (uintptr_t)info ^ 0x5349474d;
}

bool csigshim__is_reentry(siginfo_t *info) {
    const struct marker *const marker = marker_of(info);
    const uintptr_t handler = (uintptr_t)csigshim__handler;
    return marker->kind == marker_kind(info) && (marker->handlers[0] == handler || marker->handlers[1] == handler);
}

/* Sets this copy's entry and returns its address, to be cleared after the call. */
static uintptr_t *mark_entry(siginfo_t *info) {
    struct marker *const marker = marker_of(info);
    if (marker->kind != marker_kind(info))
        marker->handlers[0] = marker->handlers[1] = 0;
    marker->kind = marker_kind(info);
    uintptr_t *const place = &marker->handlers[marker->handlers[0] != 0];
    *place = (uintptr_t)csigshim__handler;
    return place;
}

static bool is_shim_handler(void (*handler)(int)) {
    return (uintptr_t)handler == (uintptr_t)csigshim__handler;
}

bool csigshim__is_installed(int signo) {
    void (*handler)(int);
    return csigshim__get_handler(signo, &handler) != 0 || is_shim_handler(handler);
}

/* If another handler called this library's, and not the kernel, the mask stays as it is. */
bool csigshim__call_old_handler(struct csigshim__delivery *delivery, bool kernel_called) {
    const int signo = delivery->signo;
    struct csigshim__action *const old = atomic_load(&csigshim__dispositions[signo].old_action);
    const struct sigaction *const saved = &old->saved;
    if (!csigshim__is_function(saved)) /* O2 */
        return false;
    if (((unsigned)saved->sa_flags & (unsigned)SA_RESETHAND) && /* O1, P1 */
        (delivery->is_owner ? atomic_exchange(&old->reset, true) : atomic_load(&old->reset)))
        return false;
    uintptr_t *const entry = mark_entry(delivery->info); /* O5 */
    if (kernel_called)                                   /* O3 */
        csigshim__set_handler_mask(saved, signo, delivery->context);
    errno = delivery->interrupted_errno;
    if (saved->sa_flags & SA_SIGINFO)
        saved->sa_sigaction(signo, delivery->info, delivery->context);
    else
        saved->sa_handler(signo);
    *entry = 0;
    return true;
}

/* Unblocks signo and sends it to this thread, so that the installed action happens now. It is blocked afterwards. */
long csigshim__raise_unblocked(int signo) {
    long result = csigshim__change_mask(SIG_UNBLOCK, signo);
    if (result == 0)
        result = csigshim__send_to_thread(signo); /* O4 */
    (void)csigshim__change_mask(SIG_BLOCK, signo);
    return result;
}

/* Tries more than once, because another thread may install this library's handler again at the same time. */
void csigshim__terminate(int signo) {
    for (int tries = 0; tries < 100; tries++)
        if (csigshim__set_plain(signo, false, NULL) == 0 || signo == SIGKILL)
            (void)csigshim__raise_unblocked(signo);
    csigshim__exit(128 + signo); /* the init of a PID namespace, which no signal kills; or a sandbox refuses */
}

/* O6  To stop the process by SIG_DFL, that must be installed for a moment. Then this library's handler is installed
 *     again if a bridge wants the signal. A remover does not wait for this function and may find SIG_DFL installed. So
 *     it checks the action again after it has cleared the subscription, and this function checks the subscription after
 *     it has reinstalled the handler. One of the two uninstalls it. lifetime.pml refutes BREAK_COME_BACK_UNSEEN. */
static void stop_by_default_action(int signo) {
    struct csigshim__action_now replaced;
    if (csigshim__set_plain(signo, false, &replaced) != 0)
        return;
    const bool was_shim = is_shim_handler(replaced.csigshim__handler_field);
    const bool was_default = replaced.csigshim__handler_field == SIG_DFL; /* csigshim_remove was quicker */
    if (was_shim || was_default)
        (void)csigshim__raise_unblocked(signo);
    while (!was_default && csigshim__exchange_action(signo, &replaced, NULL) == 0 && was_shim &&
           !csigshim__is_wanted(signo) && csigshim__set_plain(signo, false, NULL) == 0 && csigshim__is_wanted(signo))
        ;
}

/* No bridge recorded the delivery: it meets the old action. */
void csigshim__run_old_action(struct csigshim__delivery *delivery) {
    const int signo = delivery->signo, action = csigshim__default_action(signo);
    const struct csigshim__action *const old = atomic_load(&csigshim__dispositions[signo].old_action);
    void (*installed)(int) = SIG_DFL;
    const bool is_known = csigshim__get_handler(signo, &installed) == 0; /* else a sandbox refuses */
    const bool kernel_called = !is_known || is_shim_handler(installed);
    if (csigshim__call_old_handler(delivery, kernel_called) || old->saved.sa_handler == SIG_IGN)
        return;
    if (kernel_called && action == CSIGSHIM_ACTION_TERMINATE)
        csigshim__terminate(signo);
    else if (kernel_called && action == CSIGSHIM_ACTION_STOP)
        stop_by_default_action(signo);
    else if (!kernel_called && installed == SIG_DFL) /* csigshim_remove has just restored it */
        (void)csigshim__raise_unblocked(signo);
    /* else another handler called this one, and decides what happens */
}

/* Handles a signal in a child that has not called csigshim_after_fork. It writes only to its stack (P1). It calls an
 * old handler each time. Otherwise it installs SIG_DFL or SIG_IGN again and raises the signal, which the kernel
 * delivers when this handler returns. A child of clone(2) with CLONE_SIGHAND shares the parent's handlers, so it
 * installs nothing. */
void csigshim__pass_on_in_child(struct csigshim__delivery *delivery, enum csigshim__role role) {
    const int signo = delivery->signo;
    const struct csigshim__action *const old = atomic_load(&csigshim__dispositions[signo].old_action);
    const pid_t self = csigshim__getpid();
    const bool kernel_called = csigshim__is_installed(signo), is_ignored = old->saved.sa_handler == SIG_IGN;
    if (csigshim__call_old_handler(delivery, kernel_called) || !kernel_called)
        return;
    const bool may_share = role == CSIGSHIM__VFORK_CHILD && csigshim__may_share_handlers(self, csigshim_owner());
    const bool is_sent = !may_share && csigshim__set_plain(signo, is_ignored, NULL) == 0 && /* O4 */
                         csigshim__send_to_thread(signo) == 0;
    if (!is_sent && !is_ignored && csigshim__default_action(signo) == CSIGSHIM_ACTION_TERMINATE)
        csigshim__exit(128 + signo);
}

/* Returns the default action, as in signal(7). */
int csigshim__default_action(int signo) {
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
        return CSIGSHIM__IGNORED_HERE(signo) ? CSIGSHIM_ACTION_IGNORE : CSIGSHIM_ACTION_TERMINATE;
    }
}
