/* The handler's own use of the stack is bounded (G4). A thread's alternate stack also holds the kernel's frame, which
 * differs by processor. So each test paints a stack, and compares the library's handler with an empty one. */
#include "bounded.h"

#if defined(__linux__) && !defined(SANITIZED)
#include <sys/auxv.h>
#include <sys/syscall.h>
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum { LARGE = 65536, PAINT = 0x5a, OWN = 384, OWN_CHAINED = 640, SPARE = 1024 };

static unsigned char *stack; /* with a guard below: code that overruns it dies of SEGV */
static size_t stack_size;

static size_t kernels_minimum(void) {
    const size_t told = (size_t)getauxval(AT_MINSIGSTKSZ);
#if defined(_SC_MINSIGSTKSZ)
    const size_t minimum = (size_t)sysconf(_SC_MINSIGSTKSZ);
#else
    const size_t minimum = MINSIGSTKSZ;
#endif
    return told > minimum ? told : minimum;
}

static void use_alternate_stack(size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
    unsigned char *memory = mmap(NULL, whole + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && mprotect(memory + page, whole, PROT_READ | PROT_WRITE) == 0);
    stack = memory + page;
    stack_size = size;
    const stack_t alternate = {.ss_sp = stack, .ss_size = size};
    CHECK(sigaltstack(&alternate, NULL) == 0);
}

static void empty(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
}

/* Returns how much stack one delivery of signo takes, the kernel's frame included. */
static size_t depth(int signo) {
    memset(stack, PAINT, stack_size);
    CHECK(raise(signo) == 0);
    size_t untouched = 0;
    while (untouched < stack_size && stack[untouched] == PAINT)
        untouched++;
    CHECK(untouched < stack_size); /* the handler has run there */
    return stack_size - untouched;
}

static size_t depth_of_empty_handler(int signo) {
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = empty;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigfillset(&action.sa_mask);
    CHECK(sigaction(signo, &action, &before) == 0);
    const size_t result = depth(signo);
    CHECK(sigaction(signo, &before, NULL) == 0);
    return result;
}

static void expect_at_most(const char *situation, int signo, size_t empty_depth, size_t most) {
    for (int i = 0; i < 3; i++) { /* also when the loader has nothing left to look up */
        const size_t whole = depth(signo), own = whole > empty_depth ? whole - empty_depth : 0;
        if (own > most)
            printf("%s: %zu bytes of its own beside %zu of the kernel's frame\n", situation, own, empty_depth);
        CHECK(own <= most);
    }
}

static void *waits(void *bridge) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (;;)
        (void)csigshim_wait(bridge, -1);
    return NULL;
}

TEST(delivery_needs_little_stack) {
    use_alternate_stack(LARGE);
    const size_t kernels = depth_of_empty_handler(SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    change_mask(SIG_UNBLOCK, SIGUSR1); /* over signalfd, so that the handler runs */
    expect_at_most("no thread waits", SIGUSR1, kernels, OWN);
    started(waits, bridge);
    pause_ms(100);
    expect_at_most("a thread waits", SIGUSR1, kernels, OWN);
    polled(bridge);
    expect_at_most("polled", SIGUSR1, kernels, OWN);
    for (int i = 0; i < 17000; i++)
        CHECK(raise(SIGUSR1) == 0);
    expect_at_most("full", SIGUSR1, kernels, OWN);
    if (test_is_handler()) {
        polled(opened_on(SIGUSR1, 0));
        opened_on(SIGUSR1, 0);
        expect_at_most("three bridges", SIGUSR1, kernels, OWN);
    }
    const int kinds[] = {SIGCHLD, SIGIO, SIGRTMIN + 1};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        CHECK(csigshim_add(bridge, kinds[i], 0) == 0);
        change_mask(SIG_UNBLOCK, kinds[i]);
        expect_at_most("a signal with details of another layout", kinds[i], kernels, OWN);
    }
}

TEST(chained_delivery_needs_little_stack) {
    HANDLER_ONLY("chaining");
    use_alternate_stack(LARGE);
    const size_t kernels = depth_of_empty_handler(SIGUSR1);
    const int flags[] = {SA_SIGINFO, SA_SIGINFO | SA_NODEFER, SA_SIGINFO | (int)SA_RESETHAND, SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = empty;
        action.sa_flags = flags[i];
        CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
        csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_CHAIN);
        expect_at_most("chained", SIGUSR1, kernels, OWN_CHAINED);
        polled(bridge);
        expect_at_most("chained and polled", SIGUSR1, kernels, OWN_CHAINED);
        CHECK(csigshim_close(bridge) == 0);
    }
}

static void empty_handler(int signo) {
    (void)signo;
}

TEST(delivery_that_no_bridge_takes_needs_little_stack) {
    HANDLER_ONLY("a blocked signal stays pending");
    use_alternate_stack(LARGE);
    const size_t kernels = depth_of_empty_handler(SIGUSR1);
    install(SIGUSR1, empty_handler, SA_RESTART);
    install(SIGUSR2, SIG_IGN, 0);
    csigshim_bridge *bridge = polled(opened_on(SIGUSR1, 0));
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && csigshim_add(bridge, SIGURG, 0) == 0);
    close_all_descriptors();
    expect_at_most("closed, over a function", SIGUSR1, kernels, OWN_CHAINED);
    expect_at_most("closed, ignored", SIGUSR2, kernels, OWN_CHAINED);
    expect_at_most("closed, ignored by default", SIGURG, kernels, OWN_CHAINED);
}

static csigshim_bridge *woken;

static void wakes(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info, (void)context;
    (void)csigshim_wake(woken);
}

TEST(wake_in_a_handler_needs_little_stack) {
    use_alternate_stack(LARGE);
    const size_t kernels = depth_of_empty_handler(SIGUSR2);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = wakes;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    woken = opened();
    expect_at_most("csigshim_wake", SIGUSR2, kernels, OWN);
    polled(woken);
    expect_at_most("csigshim_wake, polled", SIGUSR2, kernels, OWN);
}

/* The stack that the manual recommends, with a guard directly below. */
static unsigned flags_of_add;

static void delivered_on_a_small_stack(void) {
    if (flags_of_add & CSIGSHIM_CHAIN)
        put_on_top(SIGUSR1, empty, NULL);
    csigshim_bridge *bridge = opened_on(SIGUSR1, flags_of_add);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    use_alternate_stack(kernels_minimum() + SPARE);
    for (int i = 0; i < 4; i++) {
        CHECK(raise(SIGUSR1) == 0 && drained(bridge, SIGUSR1) == 1);
        if (i == 1)
            polled(bridge);
    }
    for (int i = 0; i < 17000; i++)
        CHECK(raise(SIGUSR1) == 0);
    CHECK(drained(bridge, SIGUSR1) == 17000);
}

static void escalates_on_a_small_stack(void) {
    csigshim_bridge *bridge = opened_on(SIGTERM, 0);
    CHECK(csigshim_escalate_after(bridge, SIGTERM, 1) == 0);
    use_alternate_stack(kernels_minimum() + SPARE);
    raise(SIGTERM);
}

static void terminated_on_a_small_stack(void) {
    polled(opened_on(SIGTERM, 0));
    use_alternate_stack(kernels_minimum() + SPARE);
    close_all_descriptors();
    raise(SIGTERM);
}

static void child_terminated_on_a_small_stack(void) {
    opened_on(SIGTERM, 0);
    change_mask(SIG_UNBLOCK, SIGTERM);
    use_alternate_stack(kernels_minimum() + SPARE);
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGTERM);
        _exit(1);
    }
    CHECK(died_of(child, SIGTERM));
}

TEST(minimum_and_a_kilobyte_are_enough) {
    for (flags_of_add = 0; flags_of_add <= chain_if_possible(); flags_of_add++)
        CHECK(finishes(delivered_on_a_small_stack));
    CHECK(finishes(child_terminated_on_a_small_stack));
    if (!test_is_handler())
        return;
    CHECK(dies_of(escalates_on_a_small_stack, SIGTERM));
    CHECK(dies_of(terminated_on_a_small_stack, SIGTERM));
}
#else
TEST(delivery_needs_little_stack) {
    SKIP("a sanitizer's frames are larger, and other systems' frames differ");
}
#endif
