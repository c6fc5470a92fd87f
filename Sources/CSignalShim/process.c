/* The lock, and what fork does to it.
 *
 * One lock guards all that handlers do not touch. It is taken with all signals blocked: a host's handler that leaves
 * by siglongjmp must not leave with the lock. pthread_atfork holds it across a fork, so a child finds the tables whole.
 *
 * `owner` says whose memory this is. fork wipes it (the kernel on Linux and BSD; elsewhere the atfork handler, before
 * which the pid alone tells), and the first call in the child that needs the lock makes the copy the child's own: its
 * bridges are inherited, so no signal is recorded for them, and the counts of handlers inside, of threads that the
 * child does not have, are cleared. What our handler finds without a subscription, it passes on. A vforked child
 * shares the memory, so it is refused.
 */
#include "internal.h"
#include <dlfcn.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sigset_t forking_mask; /* the forking thread's, while it holds the lock across fork */

static void block_all(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    const int faults[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGABRT};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static void before_fork(void)
{
    sigset_t mask;
    block_all(&mask);
    pthread_mutex_lock(&lock);
    forking_mask = mask;
}

static void after_fork_in_parent(void)
{
    const sigset_t mask = forking_mask;
    csigshim__leave(&mask);
}

static void after_fork_in_child(void)
{
    atomic_store(csigshim__owner, 0);
    after_fork_in_parent();
}

/* No signal is recorded for the bridge until csigshim_after_fork. */
void csigshim__make_dormant(struct csigshim_bridge *bridge)
{
    for (int signo = 1; signo < CSIGSHIM__NSIG; signo++) {
        struct csigshim__subscription *subscription = &bridge->subscriptions[signo];
        const unsigned flags = atomic_load(&subscription->flags);
        if (flags & CSIGSHIM__ACTIVE)
            atomic_store(&subscription->flags, (flags & ~(unsigned)CSIGSHIM__ACTIVE) | CSIGSHIM__DORMANT);
        atomic_store(&subscription->inside, 0);
    }
    atomic_store(&bridge->inherited, true);
}

/* The child's own from here on. Where our handler ran in it already, it has put the saved action back. */
static void adopt(void)
{
    for (unsigned i = 0; i < atomic_load(&csigshim__bridges_used); i++)
        if (atomic_load(&csigshim__bridges[i].open))
            csigshim__make_dormant(&csigshim__bridges[i]);
    csigshim__review_installed();
    atomic_store(csigshim__owner, getpid());
}

static int result_of_start;

static void start(void)
{
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (page == MAP_FAILED || pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
        result_of_start = errno;
        return;
    }
    (void)csigshim__wipe_on_fork(page, (size_t)sysconf(_SC_PAGESIZE));
    /* Handlers point into this code: whatever contains it (a plugin, say) stays loaded from now on. */
    Dl_info here;
    if (dladdr((void *)&lock, &here) != 0)
        (void)dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    csigshim__owner = page;
    atomic_store(csigshim__owner, getpid());
}

int csigshim__start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    if (result_of_start == 0)
        return 0;
    errno = result_of_start;
    return -1;
}

int csigshim__enter(sigset_t *mask)
{
    if (csigshim__start() != 0)
        return -1;
    block_all(mask);
    if (csigshim__whose() == CSIGSHIM__BORROWED) {
        pthread_sigmask(SIG_SETMASK, mask, NULL);
        errno = EPERM;
        return -1;
    }
    pthread_mutex_lock(&lock);
    if (csigshim__whose() == CSIGSHIM__FORKED)
        adopt();
    return 0;
}

void csigshim__leave(const sigset_t *mask)
{
    const int saved_errno = errno;
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    errno = saved_errno;
}
