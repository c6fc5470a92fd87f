/* csigshim_run_init_if_needed in PID namespaces: the signals that the init forwards, the children that it reaps, the
 * status that it returns, and the program's view of all that. I1 to I8 are the invariants in
 * Sources/CSignalInit/init.c. */
#include "container.h"

static void does_nothing_here(void) {
    const sigset_t before = present_mask();
    const pid_t me = getpid(), group = getpgrp();
    CHECK(csigshim_run_init_if_needed() == 0 && csigshim_run_init_if_needed() == 0);
    const sigset_t after = present_mask();
    CHECK(getpid() == me && getpgrp() == group && same_masks(&before, &after));
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void *does_nothing_on_a_thread(void *unused) {
    does_nothing_here();
    return unused;
}

TEST(other_processes_are_left_alone) {
    HANDLER_ONLY("no bridge");
    does_nothing_here();
    CHECK(pthread_join(started(does_nothing_on_a_thread, NULL), NULL) == 0);
}

#if defined(__linux__)
#define IN_CONTAINER()                                                                                                 \
    do {                                                                                                               \
        HANDLER_ONLY("no bridge");                                                                                     \
        if (UNDER_TSAN)                                                                                                \
            SKIP("the thread sanitizer has a thread of its own");                                                      \
    } while (0)

static int chosen; /* by the test, before it starts a container */

/* The end of the program. */

static void exits_as_chosen(void) {
    exit(chosen);
}

static void dies_as_chosen(void) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (chosen != SIGKILL)
        install(chosen, SIG_DFL, 0);
    kill(getpid(), chosen);
    pause();
}

TEST(init_exits_with_the_status_of_the_program) {
    IN_CONTAINER();
    const int codes[] = {0, 1, 3, 127, 255}, deadly[] = {SIGTERM, SIGKILL, SIGSEGV, SIGRTMAX};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        chosen = codes[i];
        start(no_preparation, exits_as_chosen);
        CHECK(exits_with(chosen));
    }
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        chosen = deadly[i];
        start(no_preparation, dies_as_chosen);
        CHECK(exits_with(128 + chosen));
    }
}

static void writes_at_exit(void) {
    container->said[0]++;
}

static void registers_an_exit_handler(void) {
    CHECK(atexit(writes_at_exit) == 0);
    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
    CHECK(dup2(chosen, STDOUT_FILENO) == STDOUT_FILENO);
    printf("once");
}

static void exits_at_once(void) {
    exit(0);
}

/* I5 */
TEST(atexit_and_stdio_are_the_programs) {
    IN_CONTAINER();
    char text[20];
    int ends[2];
    CHECK(pipe(ends) == 0);
    chosen = ends[1];
    start(registers_an_exit_handler, exits_at_once);
    CHECK(exits_with(0) && container->said[0] == 1);
    CHECK(close(ends[1]) == 0 && read(ends[0], text, sizeof text) == 4);
}

/* Starting. */

static void reports_its_place(void) {
    container->said[0] = getppid();
    container->said[1] = getpgrp() == getpid();
    container->said[2] = csigshim_run_init_if_needed() == 0 && waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

TEST(program_is_a_child_that_leads_its_group) {
    IN_CONTAINER();
    start(no_preparation, reports_its_place);
    CHECK(exits_with(0) && container->said[0] == 1 && container->said[1] && container->said[2]);
}

static struct sigaction odd_action(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    action.sa_flags = SA_NOCLDWAIT | SA_RESTART;
    sigaddset(&action.sa_mask, SIGUSR2);
    return action;
}

static sigset_t unusual_mask(void) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMIN + 1);
    return mask;
}

static void inherits_unusual_state(void) {
    const struct sigaction action = odd_action();
    const sigset_t mask = unusual_mask();
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0 && sigaction(SIGHUP, &action, NULL) == 0);
    CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
}

static void finds_unusual_state(void) {
    const sigset_t expected = unusual_mask(), mask = present_mask();
    const struct sigaction action = odd_action(), child = present_action(SIGCHLD), hup = present_action(SIGHUP);
    CHECK(same_actions(&action, &child) && same_actions(&action, &hup));
    CHECK(same_masks(&mask, &expected));
    exit(3);
}

/* I2, I3: with an ignored SIGCHLD the kernel would discard the status 3. */
TEST(program_has_the_inherited_mask_and_actions) {
    IN_CONTAINER();
    start(inherits_unusual_state, finds_unusual_state);
    CHECK(exits_with(3));
}

static void names_the_init(void) {
    CHECK(setenv("LISTEN_PID", "1", 1) == 0 && setenv("LISTEN_FDS", "1", 1) == 0 &&
          setenv("WATCHDOG_PID", "1", 1) == 0);
}

static void names_others(void) {
    CHECK(setenv("LISTEN_PID", "17", 1) == 0 && unsetenv("WATCHDOG_PID") == 0);
}

static void finds_itself_named(void) {
    CHECK(atoi(getenv("LISTEN_PID")) == getpid() && atoi(getenv("WATCHDOG_PID")) == getpid());
    CHECK(strcmp(getenv("LISTEN_FDS"), "1") == 0);
}

static void finds_others_named(void) {
    CHECK(strcmp(getenv("LISTEN_PID"), "17") == 0 && getenv("WATCHDOG_PID") == NULL);
}

TEST(environment_names_the_program) {
    IN_CONTAINER();
    start(names_the_init, finds_itself_named);
    CHECK(exits_with(0));
    start(names_others, finds_others_named);
    CHECK(exits_with(0));
}

/* Children. */

static void leaves_an_orphan(useconds_t life) {
    const pid_t parent = fork();
    CHECK(parent >= 0);
    if (parent == 0) {
        if (fork() == 0) {
            usleep(life);
            _exit(0);
        }
        _exit(5);
    }
    CHECK(exited(parent, 5));
}

static void leaves_orphans(void) {
    for (int i = 0; i < 100; i++)
        leaves_an_orphan(i % 2 ? 300000 : 0); /* many at the same time, and each alone */
    container->ready++;
    while (!container->stop)
        usleep(1000);
}

/* I2 */
TEST(orphans_are_reaped) {
    IN_CONTAINER();
    start(no_preparation, leaves_orphans);
    CHECK(HOLDS_SOON(container->ready == 1));
    CHECK(HOLDS_SOON(children_of(container->init, 0, NULL) == 1)); /* the program alone */
    container->stop = true;
    CHECK(exits_with(0));
}

static void has_children_already(void) {
    siginfo_t info;
    for (int i = 0; i < 3; i++) {
        const pid_t ended = fork();
        if (ended == 0)
            _exit(9);
        CHECK(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT) == 0);
    }
    if (chosen && fork() == 0) {
        while (container->ready == 0)
            usleep(1000);
        _exit(9);
    }
}

static void waits_for_stop(void) {
    container->ready++;
    while (!container->stop)
        usleep(1000);
}

/* I2: the kernel sends no SIGCHLD any more for children that have ended. */
TEST(children_from_before_the_call_are_reaped) {
    IN_CONTAINER();
    for (chosen = 0; chosen < 2; chosen++) {
        start(has_children_already, waits_for_stop);
        CHECK(HOLDS_SOON(container->ready == 1));
        CHECK(HOLDS_SOON(children_of(container->init, 0, NULL) == 1));
        container->stop = true;
        CHECK(exits_with(0));
    }
}

static void waits_for_its_own(void) {
    for (int code = 0; code < 50; code++) {
        const pid_t child = fork();
        if (child == 0)
            _exit(code);
        kill(getppid(), SIGCHLD); /* so that the init looks for children */
        CHECK(exited(child, code));
    }
}

TEST(children_of_the_program_are_its_own) {
    IN_CONTAINER();
    start(no_preparation, waits_for_its_own);
    CHECK(exits_with(0));
}

/* Forwarding. */

static void counts_beside_others(void) {
    start_counting(WORKER);
    start_counting(OUTSIDER);
    count_signals(PROGRAM);
}

static bool is_forwarded(int signo) {
    return signo != SIGKILL && signo != SIGSTOP && signo != SIGCHLD && (signo < 32 || signo >= SIGRTMIN);
}

/* I4 */
TEST(each_signal_reaches_the_group_once) {
    IN_CONTAINER();
    start(no_preparation, counts_beside_others);
    CHECK(HOLDS_SOON(container->ready == 3));
    CHECK(kill(container->init, SIGCHLD) == 0);
    for (int signo = 1; signo <= SIGRTMAX; signo++) /* one by one: the kernel lets CONT and TSTP replace one another */
        if (is_forwarded(signo)) {
            CHECK(kill(container->init, signo) == 0);
            CHECK(HOLDS_SOON(container->counts[PROGRAM][signo] > 0 && container->counts[WORKER][signo] > 0));
        }
    pause_ms(50);
    for (int signo = 1; signo <= SIGRTMAX; signo++) {
        CHECK(container->counts[PROGRAM][signo] == is_forwarded(signo));
        CHECK(container->counts[WORKER][signo] == is_forwarded(signo));
        CHECK(container->counts[OUTSIDER][signo] == 0);
    }
    container->stop = true;
    CHECK(exits_with(0));
}

static void sends_from_within(void) {
    const pid_t me = getpid();
    if (fork() == 0) {
        container->said[0] = getpid();
        while (container->ready < 2)
            usleep(1000);
        CHECK(getppid() == me);
        for (int i = 0; i < VALUES / 2; i++)
            CHECK(sigqueue(1, SIGRTMIN + 3, (union sigval){.sival_int = i}) == 0);
        CHECK(sigqueue(1, SIGUSR1, (union sigval){.sival_int = 77}) == 0);
        while (!container->stop)
            usleep(1000);
        _exit(0);
    }
    start_counting(WORKER);
    count_signals(PROGRAM);
}

/* I4 */
TEST(values_reach_the_program_with_their_sender) {
    IN_CONTAINER();
    start(no_preparation, sends_from_within);
    CHECK(HOLDS_SOON(container->received == VALUES / 2 + 1));
    int next = 0, standard = 0;
    for (int i = 0; i < container->received; i++) {
        CHECK(container->senders[i] == container->said[0]);
        if (container->values[i] == 77 && next != 77)
            standard++;
        else
            CHECK(container->values[i] == next++);
    }
    CHECK(standard == 1 && next == VALUES / 2 && container->counts[PROGRAM][SIGUSR1] == 1);
    CHECK(container->counts[WORKER][SIGRTMIN + 3] == 0 && container->counts[WORKER][SIGUSR1] == 0);
    container->stop = true;
    CHECK(exits_with(0));
}

static void has_a_full_queue(void) {
    const struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
    count_signals(PROGRAM);
}

TEST(value_is_lost_where_the_queue_is_full_and_the_signal_is_not) {
    IN_CONTAINER();
    start(no_preparation, has_a_full_queue);
    CHECK(HOLDS_SOON(container->ready == 1));
    CHECK(sigqueue(container->init, SIGRTMIN, (union sigval){.sival_int = 1}) == 0);
    CHECK(HOLDS_SOON(container->counts[PROGRAM][SIGRTMIN] == 1) && container->received == 0);
    container->stop = true;
    CHECK(exits_with(0));
}

static void blocks_all_and_waits(void) {
    sigset_t all;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0 && raise(SIGUSR1) == 0);
    container->said[0] = true;
    while (!container->said[1])
        usleep(1000);
}

/* I1: signals that were pending in PID 1 before the call, and signals that come while it runs. */
TEST(signals_of_the_start_are_not_lost) {
    IN_CONTAINER();
    for (int round = 0; round < 10; round++) {
        start(blocks_all_and_waits, counts_beside_others);
        CHECK(HOLDS_SOON(container->said[0]));
        for (int i = 0; i < VALUES; i++) {
            CHECK(sigqueue(container->init, SIGRTMIN, (union sigval){.sival_int = i}) == 0);
            container->said[1] = i > 100;
        }
        CHECK(HOLDS_SOON(container->received == VALUES && container->counts[PROGRAM][SIGUSR1] == 1));
        for (int i = 0; i < VALUES; i++)
            CHECK(container->values[i] == i);
        container->stop = true;
        CHECK(exits_with(0));
    }
}

static void count_handled(int signo) {
    container->said[getpid() == 1 ? 0 : 1]++;
    (void)signo;
}

static void has_a_handler(void) {
    install(SIGUSR1, count_handled, SA_RESTART);
}

/* I1: a library's constructor has installed it. */
TEST(handlers_run_in_the_program_alone) {
    IN_CONTAINER();
    start(has_a_handler, waits_for_stop);
    CHECK(HOLDS_SOON(container->ready == 1));
    for (int i = 1; i <= 20; i++) {
        CHECK(kill(container->init, SIGUSR1) == 0);
        CHECK(HOLDS_SOON(container->said[1] == i));
    }
    CHECK(container->said[0] == 0);
    container->stop = true;
    CHECK(exits_with(0));
}

static void moves_to_another_group(void) {
    const pid_t outsider = start_counting(OUTSIDER);
    while (container->ready == 0)
        usleep(1000);
    start_counting(WORKER); /* keeps the old group alive */
    CHECK(setpgid(0, outsider) == 0);
    count_signals(PROGRAM);
}

/* I4 */
TEST(program_that_left_its_group_is_reached_once) {
    IN_CONTAINER();
    start(no_preparation, moves_to_another_group);
    CHECK(HOLDS_SOON(container->ready == 3));
    CHECK(kill(container->init, SIGTERM) == 0);
    CHECK(HOLDS_SOON(container->counts[PROGRAM][SIGTERM] == 1 && container->counts[WORKER][SIGTERM] == 1));
    pause_ms(50);
    CHECK(container->counts[PROGRAM][SIGTERM] == 1 && container->counts[OUTSIDER][SIGTERM] == 0);
    container->stop = true;
    CHECK(exits_with(0));
}

TEST(stopped_program_is_continued_and_ends) {
    IN_CONTAINER();
    pid_t program = 0;
    start(no_preparation, waits_for_stop);
    CHECK(HOLDS_SOON(container->ready == 1));
    CHECK(kill(container->init, SIGTSTP) == 0);
    CHECK(HOLDS_SOON(children_of(container->init, 'T', &program) == 1));
    CHECK(kill(container->init, SIGTERM) == 0);
    pause_ms(50);
    CHECK(container->status == RUNNING && children_of(container->init, 'T', NULL) == 1);
    CHECK(kill(container->init, SIGCONT) == 0);
    CHECK(exits_with(128 + SIGTERM));
}

static void ignores_term(void) {
    install(SIGTERM, SIG_IGN, 0);
    waits_for_stop();
}

TEST(kill_from_outside_ends_all) {
    IN_CONTAINER();
    pid_t program = 0;
    start(no_preparation, ignores_term);
    CHECK(HOLDS_SOON(container->ready == 1) && children_of(container->init, 0, &program) == 1);
    CHECK(kill(container->init, SIGTERM) == 0);
    pause_ms(50);
    CHECK(container->status == RUNNING && kill(program, 0) == 0);
    CHECK(kill(container->init, SIGKILL) == 0);
    CHECK(HOLDS_SOON(container->status != RUNNING) && WIFSIGNALED(container->status));
    CHECK(WTERMSIG(container->status) == SIGKILL && HOLDS_SOON(kill(program, 0) == -1 && errno == ESRCH));
}

/* The terminal. */

static int master, slave;

static void open_terminal(void) {
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(slave >= 0);
}

/* The session of PID 1 has the terminal, as a container's runtime arranges it. */
static void controls_terminal(void) {
    CHECK(close(master) == 0 && ioctl(slave, TIOCSCTTY, 0) == 0);
    for (int fd = chosen; fd < 3; fd++)
        CHECK(dup2(slave, fd) == fd);
    CHECK(close(slave) == 0);
}

static void reads_terminal_and_counts(void) {
    char line[20];
    container->said[0] = tcgetpgrp(chosen) == getpgrp() && getpgrp() == getpid();
    container->said[1] = read(2, line, sizeof line) == 4 && memcmp(line, "abc\n", 4) == 0;
    start_counting(WORKER);
    count_signals(PROGRAM);
}

/* I3, I4 */
TEST(terminal_belongs_to_the_program) {
    IN_CONTAINER();
    const struct winsize size = {.ws_row = 20, .ws_col = 70};
    for (chosen = 0; chosen < 3; chosen++) { /* from this descriptor on, the terminal is there */
        open_terminal();
        start(controls_terminal, reads_terminal_and_counts);
        CHECK(close(slave) == 0 && write(master, "abc\n", 4) == 4);
        CHECK(HOLDS_SOON(container->ready == 2));
        CHECK(container->said[0] && container->said[1]);
        CHECK(write(master, "\003", 1) == 1 && ioctl(master, TIOCSWINSZ, &size) == 0);
        const int expected[] = {SIGINT, SIGWINCH, SIGHUP};
        for (size_t i = 0; i < 3; i++) {
            if (expected[i] == SIGHUP)
                CHECK(close(master) == 0); /* the kernel tells the session's leader, which is the init */
            CHECK(
                HOLDS_SOON(container->counts[PROGRAM][expected[i]] > 0 && container->counts[WORKER][expected[i]] > 0));
            pause_ms(50);
            CHECK(container->counts[PROGRAM][expected[i]] == 1 && container->counts[WORKER][expected[i]] == 1);
        }
        container->stop = true;
        CHECK(exits_with(0));
    }
}

static void has_own_group(void) {
    CHECK(setpgid(0, 0) == 0 && getpgrp() == 1);
}

/* I3: the session is an outer one, such as that of a shell that runs `unshare -pf program &`. */
TEST(terminal_of_others_is_left_alone) {
    IN_CONTAINER();
    for (int own_group = 0; own_group < 2; own_group++) {
        const pid_t shell = fork();
        CHECK(shell >= 0);
        if (shell == 0) {
            CHECK(setsid() == getpid());
            open_terminal();
            CHECK(ioctl(slave, TIOCSCTTY, 0) == 0 && dup2(slave, 0) == 0 && tcgetpgrp(0) == getpgrp());
            start_in(true, own_group ? has_own_group : no_preparation, waits_for_stop);
            CHECK(HOLDS_SOON(container->ready == 1) && tcgetpgrp(0) == getpgrp());
            container->stop = true;
            CHECK(exits_with(0));
            _exit(0);
        }
        const int status = status_of(shell);
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
            _exit(SKIPPED);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* The resources of the init. */

static int pipe_ends[2];

static void refuses_close_range(void) {
    const long number = 436;
    if (chosen)
        refuse_calls(&number, 1, ENOSYS);
}

static void closes_its_end(void) {
    CHECK(close(pipe_ends[1]) == 0 && close(STDIN_FILENO) == 0);
    waits_for_stop();
}

/* I6 */
TEST(init_keeps_no_descriptor) {
    IN_CONTAINER();
    char byte, target[300];
    CHECK(chdir("/proc") == 0);
    for (chosen = 0; chosen < 2; chosen++) {
        CHECK(pipe(pipe_ends) == 0);
        start(refuses_close_range, closes_its_end);
        CHECK(close(pipe_ends[1]) == 0);
        struct pollfd reader = {.fd = pipe_ends[0], .events = POLLIN};
        CHECK(poll(&reader, 1, 10000) == 1 && read(pipe_ends[0], &byte, 1) == 0);
        char path[50];
        snprintf(path, sizeof path, "/proc/%d/fd", (int)container->init);
        DIR *descriptors = opendir(path);
        CHECK(descriptors != NULL);
        for (const struct dirent *entry; (entry = readdir(descriptors)) != NULL;)
            CHECK(entry->d_name[0] == '.');
        closedir(descriptors);
        snprintf(path, sizeof path, "/proc/%d/cwd", (int)container->init);
        CHECK(HOLDS_SOON(readlink(path, target, sizeof target) == 1 && target[0] == '/'));
        container->stop = true;
        CHECK(exits_with(0));
    }
}

static long status_field(const char *name, char *text, size_t size) {
    char path[50], line[200], *value = NULL;
    snprintf(path, sizeof path, "/proc/%d/status", (int)container->init);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    while (value == NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = line + strlen(name) + 2;
    fclose(file);
    CHECK(value != NULL);
    if (text != NULL)
        snprintf(text, size, "%.*s", (int)strcspn(value, "\n"), value);
    return atol(value);
}

/* I8, and it sleeps while nothing comes. */
TEST(init_has_a_name_of_its_own_and_sleeps) {
    IN_CONTAINER();
    char name[50];
    start(no_preparation, waits_for_stop);
    CHECK(HOLDS_SOON(container->ready == 1));
    CHECK(HOLDS_SOON((status_field("Name", name, sizeof name), strcmp(name, "init") == 0)));
    pause_ms(50);
    const long before = status_field("voluntary_ctxt_switches", NULL, 0);
    pause_ms(1500);
    CHECK(status_field("voluntary_ctxt_switches", NULL, 0) == before && status_field("Threads", NULL, 0) == 1);
    container->stop = true;
    CHECK(exits_with(0));
}

/* Processes that cannot become an init. The process is still PID 1, and the call has changed nothing. */

static void *waits_for_ever(void *unused) {
    for (;;)
        pause();
    return unused;
}

static long refused_call[3];

static void is_refused(int code) {
    struct sigaction action, now;
    sigset_t before, after;
    const bool knows_action = sigaction(SIGCHLD, NULL, &action) == 0;
    const bool knows_mask = sigprocmask(SIG_SETMASK, NULL, &before) == 0;
    FAILS(csigshim_run_init_if_needed(), code);
    CHECK(getpid() == 1 && waitpid(-1, NULL, WNOHANG) == -1 && errno == (refused_call[0] == SYS_wait4 ? code : ECHILD));
    CHECK(!knows_action || (sigaction(SIGCHLD, NULL, &now) == 0 && same_actions(&action, &now)));
    CHECK(!knows_mask || (sigprocmask(SIG_SETMASK, NULL, &after) == 0 && same_masks(&before, &after)));
    _exit(42);
}

static void has_a_thread(void) {
    started(waits_for_ever, NULL);
    is_refused(EBUSY);
}

TEST(process_with_threads_is_refused) {
    IN_CONTAINER();
    start(has_a_thread, no_preparation);
    CHECK(exits_with(42));
}

static void *ends(void *unused) {
    return unused;
}

static void had_a_thread(void) {
    struct stat tasks;
    CHECK(pthread_join(started(ends, NULL), NULL) == 0);
    CHECK(HOLDS_SOON(stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == 3)); /* the kernel is not done with it */
}

TEST(thread_that_has_ended_does_not_count) {
    IN_CONTAINER();
    start(had_a_thread, reports_its_place);
    CHECK(exits_with(0) && container->said[0] == 1);
}

static void meets_a_sandbox(void) {
    inherits_unusual_state();
    refuse_calls(refused_call, 3, chosen);
    is_refused(chosen);
}

#if defined(SYS_fork)
#define FORK SYS_fork
#else
#define FORK -1
#endif

/* I7 */
TEST(refused_calls_are_errors) {
    IN_CONTAINER();
#if defined(SANITIZED)
    SKIP("a sanitizer makes system calls of its own");
#endif
    const long calls[][3] = {{SYS_rt_sigtimedwait, -1, -1}, {SYS_wait4, SYS_waitid, -1}, {SYS_kill, -1, -1},
                             {SYS_clone, FORK, 435},        {SYS_rt_sigaction, -1, -1},  {SYS_rt_sigprocmask, -1, -1}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int k = 0; k < 2; k++) {
            memcpy(refused_call, calls[i], sizeof refused_call);
            chosen = k == 0 ? EPERM : ENOSYS;
            start(meets_a_sandbox, no_preparation);
            CHECK(exits_with(42));
        }
}
#endif
