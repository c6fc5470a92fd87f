/* A daemon re-executes itself on HUP, as sshd does, while more HUPs come. The new image begins with the pending
 * signals, so none is lost, and none kills the daemon in between. This program is also the daemon: with GENERATION in
 * the environment, main runs the daemon. */
#define main check_main
#include "bounded.h"
#undef main
#include <sys/syscall.h>

enum { STORM = 39 }; /* the descriptor of `struct storm` across all images */

struct storm {
    _Atomic int generations, hups_sent, hups_seen; /* seen: as many as had been sent when a HUP was read */
    _Atomic int values_sent, values_read;
    _Atomic int disorder;
    _Atomic bool over;
};

static struct storm *storm_at(int fd) {
    void *memory = mmap(NULL, sizeof(struct storm), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static int queued_signal(void) {
    return SIGRTMIN + 3;
}

enum recipe { HOST_UNBLOCKS, LIBRARY_UNBLOCKS };

/* Returns true if it was a HUP. */
static bool take(struct storm *storm, const csigshim_event *event) {
    if (event->signo == queued_signal()) { /* one by one and in order */
        if (event->count != 1 || (int)event->value != storm->values_read)
            storm->disorder = 1 + storm->values_read;
        storm->values_read++;
    }
    return event->signo == SIGHUP;
}

static void daemon_image(int generation, enum recipe recipe) {
    struct storm *storm = storm_at(STORM);
    csigshim_event event;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, queued_signal());
    CHECK(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0); /* before csigshim_add; later images have inherited it */
    csigshim_bridge *bridge = opened();
    const unsigned flags = test_is_handler() && recipe == LIBRARY_UNBLOCKS ? CSIGSHIM_UNBLOCK : 0;
    CHECK(csigshim_add(bridge, SIGHUP, flags) == (flags ? 2 : 0));
    CHECK(csigshim_add(bridge, queued_signal(), flags) == (flags ? 2 : 0));
    if (test_is_handler() && recipe == HOST_UNBLOCKS)
        CHECK(pthread_sigmask(SIG_UNBLOCK, &signals, NULL) == 0);
    storm->generations = generation;
    bool again = false;
    while (!again && !storm->over) {
        CHECK(csigshim_wait(bridge, 100) >= 0);
        const int sent = storm->hups_sent;
        while (csigshim_read(bridge, &event, 1) == 1)
            again |= take(storm, &event);
        if (again)
            storm->hups_seen = sent; /* a HUP that was sent before the read was read, or is pending, or recorded */
    }
    if (!again)
        _exit(storm->disorder == 0 ? 0 : 3);
    CHECK(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    CHECK(csigshim_reset_for_exec() == 0);
    CHECK(is_blocked(SIGHUP) && is_blocked(queued_signal()));
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT);
    if (test_is_handler()) /* what was captured; over signalfd it waits in the kernel */
        while (csigshim_read(bridge, &event, 1) == 1)
            (void)take(storm, &event);
    char number[16];
    snprintf(number, sizeof number, "%d", generation + 1);
    CHECK(setenv("GENERATION", number, 1) == 0);
    execl("/proc/self/exe", "reexec", (char *)NULL);
    _exit(4);
}

int main(int argc, char **argv) {
    if (getenv("GENERATION") != NULL)
        daemon_image(atoi(getenv("GENERATION")), atoi(getenv("RECIPE")) ? LIBRARY_UNBLOCKS : HOST_UNBLOCKS);
    return check_main(argc, argv);
}

#if defined(__linux__)
static void storm_of_hups(enum recipe recipe) {
    const int wanted = SCALED(200), fd = memfd_create("storm", 0);
    CHECK(fd >= 0 && dup2(fd, STORM) == STORM && ftruncate(STORM, sizeof(struct storm)) == 0);
    struct storm *storm = storm_at(STORM);
    int status = -1;
    change_mask(SIG_BLOCK, SIGHUP); /* the first image begins with both blocked, like the others */
    change_mask(SIG_BLOCK, queued_signal());
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(setenv("GENERATION", "1", 1) == 0 && setenv("RECIPE", recipe == LIBRARY_UNBLOCKS ? "1" : "0", 1) == 0);
        execl("/proc/self/exe", "reexec", (char *)NULL);
        _exit(4);
    }
    CHECK(child > 0);
    const int64_t deadline = milliseconds() + 40000;
    while (storm->generations < wanted && milliseconds() < deadline && waitpid(child, &status, WNOHANG) == 0) {
        storm->hups_sent++;
        CHECK(kill(child, SIGHUP) == 0);
        if (storm->values_sent - storm->values_read < 200)
            post(child, queued_signal(), storm->values_sent++);
        if (storm->hups_sent % 3 == 0)
            pause_ms(1);
    }
    if (storm->generations < wanted)
        printf("generation %d, status 0x%x\n", storm->generations, (unsigned)status);
    CHECK(storm->generations >= wanted);
    const int last = ++storm->hups_sent; /* the last one is seen too, whenever it comes */
    CHECK(kill(child, SIGHUP) == 0);
    /* An image that looked at hups_sent just before the last HUP may have read the last one together with an earlier
     * one. */
    int64_t next = milliseconds() + 3000;
    while ((storm->hups_seen < last || storm->values_read < storm->values_sent) && milliseconds() < deadline &&
           waitpid(child, &status, WNOHANG) == 0) {
        pause_ms(1);
        if (storm->hups_seen < last && milliseconds() > next) {
            next += 3000;
            CHECK(kill(child, SIGHUP) == 0);
        }
    }
    storm->over = true;
    if (storm->values_read != storm->values_sent || storm->disorder != 0)
        printf("%d of %d values, disorder at %d\n", storm->values_read, storm->values_sent, storm->disorder - 1);
    CHECK(storm->values_read == storm->values_sent && storm->disorder == 0 && storm->hups_seen >= last);
    CHECK(ended(child, &status) && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(reexec_in_a_storm_loses_and_dies_of_nothing) {
    SKIP_IF_MERGED();
    storm_of_hups(HOST_UNBLOCKS);
}

TEST(reexec_in_a_storm_with_the_flag_that_unblocks) {
    SKIP_IF_MERGED();
    HANDLER_ONLY("over signalfd nothing is unblocked");
    storm_of_hups(LIBRARY_UNBLOCKS);
}
#endif

/* The host blocked the signal before csigshim_add, so it stays blocked. */
static void blocked_before(void) {
    change_mask(SIG_BLOCK, SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2) == !test_is_handler());
    change_mask(SIG_BLOCK, SIGALRM);       /* and what the library does not have */
    CHECK(csigshim_reset_for_exec() == 0); /* in the process itself, the mask stays as it is */
    CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2) == !test_is_handler() && is_blocked(SIGALRM));
    CHECK(csigshim_disposition(SIGUSR1) == CSIGSHIM_DISPOSITION_DEFAULT);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* pending, for the next image */
}

TEST(reset_for_exec_leaves_what_the_host_blocked) {
    CHECK(finishes(blocked_before));
}

/* Two bridges, a removal and a second addition do not change that the host blocked the signal. */
static void blocked_before_several_additions(void) {
    change_mask(SIG_BLOCK, SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && is_blocked(SIGUSR1));
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
    if (test_is_handler())
        opened_on(SIGUSR1, 0);
    csigshim_spawn spawn;
    CHECK(csigshim_spawn_begin(&spawn, 0) == 0 && is_blocked(SIGUSR1));
    CHECK(csigshim_spawn_end(&spawn) == 0 && is_blocked(SIGUSR1));
    CHECK(csigshim_reset_for_exec() == 0 && is_blocked(SIGUSR1));
}

TEST(additions_again_leave_what_the_host_blocked) {
    CHECK(finishes(blocked_before_several_additions));
}

static void children_of_blocked_before(void) {
    change_mask(SIG_BLOCK, SIGUSR1);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0);
    for (int kind = 0; kind < (UNDER_TSAN ? 1 : 3); kind++) {
        fflush(stdout);
        pid_t child;
        if (kind == 2)
            child = vfork();
        else
            child = kind == 0 ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            sigset_t mask;
            if (csigshim_reset_for_exec() != 0 || sigprocmask(SIG_BLOCK, NULL, &mask) != 0)
                _exit(1);
            _exit(sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGUSR2) == 0 ? 0 : 2);
        }
        CHECK(exited(child, 0));
        CHECK(is_blocked(SIGUSR1) && is_blocked(SIGUSR2) == !test_is_handler());
    }
}

TEST(children_for_exec_have_what_the_host_blocked) {
    CHECK(finishes(children_of_blocked_before));
}

/* An exec that fails is not the end: the program re-arms and goes on. */
static void goes_on_after_a_failed_exec(void) {
    csigshim_bridge *bridge = opened_on(SIGHUP, 0);
    CHECK(csigshim_reset_for_exec() == 0 && csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT);
    execl("/nonexistent", "x", (char *)NULL);
    CHECK(errno == ENOENT);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0 && csigshim_add(bridge, SIGHUP, 0) == 0);
    CHECK(csigshim_state(SIGHUP) == CSIGSHIM_ARMED && kill(getpid(), SIGHUP) == 0);
    collect(bridge, SIGHUP, 1);
    CHECK(csigshim_remove(bridge, SIGHUP) == 0);
    CHECK(csigshim_disposition(SIGHUP) == CSIGSHIM_DISPOSITION_DEFAULT && !is_blocked(SIGHUP));
}

TEST(failed_exec_can_be_undone) {
    CHECK(finishes(goes_on_after_a_failed_exec));
}
