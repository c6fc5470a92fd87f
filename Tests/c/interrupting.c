/* CSIGSHIM_INTERRUPT: a blocking call ends with EINTR when the signal comes. Without it the call goes on. */
#include "bounded.h"
#include <netinet/in.h>
#include <sys/socket.h>

static bool restarts(int signo) {
    return (present_action(signo).sa_flags & SA_RESTART) != 0;
}

TEST(interrupt_takes_sa_restart_away) {
    HANDLER_ONLY("over signalfd no call is interrupted");
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_INTERRUPT);
    CHECK(!restarts(SIGUSR1));
    CHECK(csigshim_add(bridge, SIGUSR2, 0) == 0 && restarts(SIGUSR2));
    CHECK(csigshim_add(bridge, SIGTERM, CSIGSHIM_INTERRUPT | CSIGSHIM_CHAIN | CSIGSHIM_KEEP_IGNORED) == 0);
    CHECK(!restarts(SIGTERM));
}

TEST(interrupt_is_refused_over_signalfd) {
    SIGNALFD_ONLY("no call is interrupted");
    csigshim_bridge *bridge = opened();
    const struct sigaction before = present_action(SIGUSR1);
    FAILS(csigshim_add(bridge, SIGUSR1, CSIGSHIM_INTERRUPT), ENOTSUP);
    FAILS(csigshim_add(bridge, SIGUSR1, CSIGSHIM_INTERRUPT | CSIGSHIM_KEEP_IGNORED), ENOTSUP);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    FAILS(csigshim_add_set(bridge, &set, CSIGSHIM_INTERRUPT), ENOTSUP);
    const struct sigaction after = present_action(SIGUSR1);
    CHECK(same_actions(&before, &after) && !is_blocked(SIGUSR1));
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
    CHECK(csigshim_add(bridge, SIGUSR1, 0) == 0);
}

TEST(unknown_flags_are_refused) {
    csigshim_bridge *bridge = opened();
    const unsigned known = CSIGSHIM_CHAIN | CSIGSHIM_KEEP_IGNORED | CSIGSHIM_INTERRUPT | CSIGSHIM_UNBLOCK;
    for (unsigned bit = 1; bit != 0; bit <<= 1)
        if (!(known & bit))
            FAILS(csigshim_add(bridge, SIGUSR1, bit), EINVAL);
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
}

/* One subscriber with the flag is enough. Removing the last of them restores SA_RESTART. */
TEST(interrupt_lasts_as_long_as_its_subscriber) {
    HANDLER_ONLY("over signalfd no call is interrupted");
    csigshim_bridge *asks = opened(), *other = opened_on(SIGUSR1, 0), *third = opened();
    CHECK(restarts(SIGUSR1));
    CHECK(csigshim_add(asks, SIGUSR1, CSIGSHIM_INTERRUPT) == 0 && !restarts(SIGUSR1));
    CHECK(csigshim_add(third, SIGUSR1, CSIGSHIM_INTERRUPT) == 0 && !restarts(SIGUSR1));
    CHECK(csigshim_remove(asks, SIGUSR1) == 0 && !restarts(SIGUSR1));
    CHECK(csigshim_close(third) == 0 && restarts(SIGUSR1));
    CHECK(csigshim_add(asks, SIGUSR1, CSIGSHIM_INTERRUPT) == 0 && !restarts(SIGUSR1));
    CHECK(csigshim_remove(other, SIGUSR1) == 0 && !restarts(SIGUSR1)); /* the other order */
    CHECK(csigshim_add(other, SIGUSR1, 0) == 0 && !restarts(SIGUSR1));
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(asks, SIGUSR1, 1);
    collect(other, SIGUSR1, 1);
    CHECK(csigshim_remove(asks, SIGUSR1) == 0 && restarts(SIGUSR1));
}

static void function(int signo) {
    (void)signo;
}

TEST(interrupt_survives_chaining_and_rearming) {
    HANDLER_ONLY("over signalfd no call is interrupted");
    install(SIGUSR1, function, SA_RESTART);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_INTERRUPT);
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 1) == 0 && !restarts(SIGUSR1));
    CHECK(csigshim_set_chain(bridge, SIGUSR1, 0) == 0 && !restarts(SIGUSR1));
    install(SIGUSR1, function, SA_RESTART);
    CHECK(csigshim_rearm(SIGUSR1) == 0 && !restarts(SIGUSR1));
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(restarts(SIGUSR1)); /* the host's, as it was */
        CHECK(csigshim_after_fork(bridge) == 0 && !restarts(SIGUSR1));
        _exit(0);
    }
    CHECK(exited(child, 0));
    CHECK(csigshim_remove(bridge, SIGUSR1) == 0 && restarts(SIGUSR1));
}

/* The signal is sent until the call has ended: one that comes before the call interrupts nothing. */
static _Atomic bool *call_ended;

static pid_t start_sender(void) {
    call_ended = shared(sizeof *call_ended);
    const pid_t target = getpid();
    fflush(stdout);
    const pid_t sender = fork();
    if (sender == 0) {
        for (int tries = 0; !*call_ended && tries < 10000; tries++) {
            pause_ms(5);
            kill(target, SIGUSR1);
        }
        _exit(0);
    }
    CHECK(sender > 0);
    return sender;
}

static void end_sender(pid_t sender) {
    const int code = errno;
    *call_ended = true;
    CHECK(exited(sender, 0));
    errno = code;
}

static int listening(void) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 5) == 0);
    return fd;
}

static void blocking_calls_end(void) {
    char byte;
    int ends[2];
    CHECK(pipe(ends) == 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, CSIGSHIM_INTERRUPT);
    const int fd = listening();
    pid_t sender = start_sender();
    const int connection = accept(fd, NULL, NULL);
    end_sender(sender);
    CHECK(connection == -1 && errno == EINTR && csigshim_read(bridge, &(csigshim_event){0}, 1) == 1);
    sender = start_sender();
    const ssize_t size = read(ends[0], &byte, 1);
    end_sender(sender);
    CHECK(size == -1 && errno == EINTR);
    sender = start_sender();
    FILE *file = fdopen(ends[0], "r");
    CHECK(file != NULL);
    char *line = NULL;
    size_t room = 0;
    const ssize_t length = getline(&line, &room, file);
    end_sender(sender);
    CHECK(length == -1);
    sender = start_sender();
    const pid_t ended_child = waitpid(sender, NULL, 0);
    const int code = errno;
    end_sender(sender);
    CHECK(ended_child == -1 && code == EINTR);
    CHECK(drained(bridge, SIGUSR1) >= 3);
}

TEST(interrupt_ends_accept_read_getline_and_waitpid) {
    HANDLER_ONLY("over signalfd no call is interrupted");
    CHECK(finishes(blocking_calls_end));
}

static volatile sig_atomic_t interrupts_first;

/* Without the flag, and after the subscriber with the flag was removed, a read waits for its byte through many signals.
 */
static void blocking_calls_go_on(void) {
    char byte;
    int ends[2];
    CHECK(pipe(ends) == 0);
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    if (interrupts_first) {
        csigshim_bridge *other = opened_on(SIGUSR1, CSIGSHIM_INTERRUPT);
        CHECK(csigshim_remove(other, SIGUSR1) == 0);
    }
    fflush(stdout);
    const pid_t target = getpid(), sender = fork();
    if (sender == 0) {
        for (int i = 0; i < 20; i++) {
            pause_ms(10);
            kill(target, SIGUSR1);
        }
        pause_ms(50);
        _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    CHECK(exited(sender, 0) && drained(bridge, SIGUSR1) >= 1);
}

TEST(calls_are_restarted_without_interrupt) {
    for (interrupts_first = 0; interrupts_first <= (test_is_handler() ? 1 : 0); interrupts_first++)
        CHECK(finishes(blocking_calls_go_on));
}
