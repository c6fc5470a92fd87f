/* Operations with children. A forked child runs a part of the sequence, against a copy of the model, while the parent
 * waits. The parent then finds its state unchanged. Other children only call csigshim_reset_for_exec. There are also
 * scopes of csigshim_spawn_begin, and refused arguments, which change nothing. */
#define _GNU_SOURCE
#include "process_ops.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static csigshim_spawn scopes[SCOPES];

static int waited_for(pid_t child) {
    if (child < 0)
        failed("fork: %s", strerror(errno));
    return wait_for_process(child, depth + 1 < DEPTH ? depth + 1 : depth);
}

static int length_of(struct op op) {
    return op.y < 64 ? MOST_OPS : op.y % 16;
}

void say_fork(struct op op, char *text, size_t size) {
    if (length_of(op) == MOST_OPS)
        snprintf(text, size, "%s, the child goes on with the rest", op.x & 1 ? " and after_fork" : "");
    else
        snprintf(text, size, "%s, the child goes on with %d", op.x & 1 ? " and after_fork" : "", length_of(op));
}

static void ask_for_bridges(void) {
    struct op op = {0, 0, 0, 0};
    for (op.x = 0; op.x < BRIDGES; op.x++)
        for (const struct operation *o = bridge_operations; o->name != NULL; o++)
            if (strcmp(o->name, "after_fork") == 0)
                o->run(op);
}

static _Noreturn void go_on_in_child(struct op op) {
    const int step = present_step;
    depth++;
    alarm(SECONDS);
    model_fork_child();
    check_everything();
    if (op.x & 1)
        ask_for_bridges();
    check_everything();
    run_rest(step + 1, length_of(op));
    drain();
    end_process();
}

void op_fork(struct op op) {
    if (depth + 1 >= DEPTH)
        return;
    outcome->deadly[depth + 1] = 0;
    outcome->stops[depth + 1] = 0;
    const pid_t child = fork();
    if (child == 0)
        go_on_in_child(op);
    const int status = waited_for(child);
    if (outcome->failed)
        end_process();
    const int s = WIFSIGNALED(status) ? signal_of(WTERMSIG(status)) : -1;
    const bool expected = s >= 0 && (outcome->deadly[depth + 1] & 1u << s);
    if (!expected && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        failed("the forked child ended with status %#x", status);
}

enum way { BY_CLONE, BY_VFORK, BY_FORK, WAYS };

void say_reset_for_exec(struct op op, char *text, size_t size) {
    static const char *const names[WAYS] = {"clone", "vfork", "fork"};
    snprintf(text, size, ", in a child by %s", names[op.x % WAYS]);
}

/* Runs in the child, and calls only functions that a vforked child may call. */
static int check_reset(void) {
    if (csigshim_reset_for_exec() != 0)
        return 1;
    for (int s = 0; s < SIGNALS; s++) {
        const struct action now = action_now(s), should = model_without_bridges(s);
        if (now.handler != should.handler || now.flags != should.flags || now.masked != should.masked)
            return 10 + s;
    }
    /* It unblocks what a bridge once blocked, also if the host has blocked that since. */
    const unsigned should = model_mask_without_bridges();
    return ((mask_now() ^ should) & ~(should & m.ever_blocked)) == 0 ? 0 : 2;
}

static pid_t reset_after_vfork(void) {
    const pid_t child = vfork();
    if (child == 0)
        _exit(check_reset());
    return child;
}

void op_reset_for_exec(struct op op) {
    const enum way way = (enum way)(op.x % WAYS);
    pid_t child;
    if (way == BY_VFORK) {
        child = reset_after_vfork();
    } else {
        child = way == BY_CLONE ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
        if (child == 0)
            _exit(check_reset());
    }
    const int status = waited_for(child);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code >= 10)
        failed("after reset_for_exec, the action of %s is not the one from before the bridges", signal_name(code - 10));
    if (code != 0)
        failed("reset_for_exec: %s (status %#x)", code == 2 ? "the mask is not that from before the bridges" : "failed",
               status);
}

void say_spawn_begin(struct op op, char *text, size_t size) {
    snprintf(text, size, "%s", op.x & 1 ? ", the original mask" : "");
}

void op_spawn_begin(struct op op) {
    if (m.scope_count == SCOPES)
        return;
    const int scope = m.scope_count;
    model_spawn_begin(op.x & 1);
    if (goes_ahead(op))
        expect((struct answer){0, 0}, csigshim_spawn_begin(&scopes[scope], op.x & 1 ? CSIGSHIM_SPAWN_ORIGINAL : 0));
}

void say_nothing(struct op op, char *text, size_t size) {
    (void)op;
    snprintf(text, size, "%s", "");
}

void op_spawn_end(struct op op) {
    if (m.scope_count == 0)
        return;
    model_spawn_end();
    if (goes_ahead(op))
        expect((struct answer){0, 0}, csigshim_spawn_end(&scopes[m.scope_count]));
}

static csigshim_event event;
static csigshim_bridge *none;

/* A call that must be refused, with or without an open bridge b. */
static long refused_call(int which, csigshim_bridge *b, int *code, const char **name) {
    char nothing[64];
    csigshim_bridge *const invalid = (csigshim_bridge *)(void *)nothing;
#define CALL(n, expected, call)                                                                                        \
    case n:                                                                                                            \
        *name = #call;                                                                                                 \
        *code = expected;                                                                                              \
        return b == NULL && strstr(#call, "(b,") != NULL ? (errno = expected, -1) : (long)(call)
    switch (which) {
        CALL(0, EINVAL, csigshim_open(NULL, CSIGSHIM_HANDLER));
        CALL(1, EINVAL, csigshim_open(&none, 2));
        CALL(2, EINVAL, csigshim_open(&none, -1));
        CALL(3, EINVAL, csigshim_close(NULL));
        CALL(4, EINVAL, csigshim_close(invalid));
        CALL(5, EINVAL, csigshim_fd(invalid));
        CALL(6, EINVAL, csigshim_capacity(NULL));
        CALL(7, EINVAL, csigshim_add(NULL, SIGUSR1, 0));
        CALL(8, EINVAL, csigshim_add(b, 0, 0));
        CALL(9, EINVAL, csigshim_add(b, -1, 0));
        CALL(10, EINVAL, csigshim_add(b, SIGRTMAX + 1, 0));
        CALL(11, EINVAL, csigshim_add(b, INT_MAX, 0));
        CALL(12, EINVAL, csigshim_add(b, 32, 0));
        CALL(13, EINVAL, csigshim_add(b, SIGWINCH, 8));
        CALL(14, EINVAL, csigshim_add(b, SIGWINCH, ~0u));
        CALL(15, ENOTSUP, csigshim_add(b, SIGKILL, 0));
        CALL(16, ENOTSUP, csigshim_add(b, SIGSTOP, CSIGSHIM_KEEP_IGNORED));
        CALL(17, ENOTSUP, csigshim_add(b, SIGSEGV, CSIGSHIM_CHAIN));
        CALL(18, ENOTSUP, csigshim_remove(b, SIGSYS));
        CALL(19, EINVAL, csigshim_remove(b, 33));
        CALL(20, ENOENT, csigshim_remove(b, SIGALRM));
        CALL(21, EINVAL, csigshim_remove(invalid, SIGUSR1));
        CALL(22, ENOTSUP, csigshim_set_chain(b, SIGFPE, 1));
        CALL(23, EINVAL, csigshim_read(b, NULL, 1));
        CALL(24, EINVAL, csigshim_read(b, &event, (size_t)SSIZE_MAX + 1));
        CALL(25, EINVAL, csigshim_read(NULL, &event, 1));
        CALL(26, EINVAL, csigshim_wait(invalid, 0));
        CALL(27, EINVAL, csigshim_wake(NULL));
        CALL(28, ENOTSUP, csigshim_escalate_after(b, SIGKILL, 1));
        CALL(29, EINVAL, csigshim_escalate_after(NULL, SIGTERM, 1));
        CALL(30, EINVAL, csigshim_state(0));
        CALL(31, ENOTSUP, csigshim_state(SIGBUS));
        CALL(32, ENOENT, csigshim_mechanism(SIGALRM));
        CALL(33, EINVAL, csigshim_mechanism(-5));
        CALL(34, ENOENT, csigshim_rearm(SIGALRM));
        CALL(35, ENOTSUP, csigshim_rearm(SIGKILL));
        CALL(36, EINVAL, csigshim_after_fork(NULL));
        CALL(37, EINVAL, csigshim_spawn_begin(NULL, 0));
        CALL(38, EINVAL, csigshim_spawn_begin(&(csigshim_spawn){0}, 2));
        CALL(39, EINVAL, csigshim_spawn_end(NULL));
        CALL(40, EINVAL, csigshim_disposition(0));
        CALL(41, EINVAL, csigshim_disposition(32));
        CALL(42, EINVAL, csigshim_set_disposition(SIGUSR1, CSIGSHIM_DISPOSITION_HANDLED));
        CALL(43, EINVAL, csigshim_set_disposition(65, CSIGSHIM_DISPOSITION_IGNORED));
        CALL(44, ENOTSUP, csigshim_set_disposition(SIGKILL, CSIGSHIM_DISPOSITION_IGNORED));
        CALL(45, EINVAL, csigshim_take_default_action(0));
        CALL(46, EINVAL, csigshim_default_of(65));
        CALL(47, EINVAL, csigshim_open(&none, 0x10000));
        CALL(48, EINVAL, csigshim_open_sized(NULL, CSIGSHIM_HANDLER, 16));
        CALL(49, EINVAL, csigshim_open_sized(&none, CSIGSHIM_HANDLER, 0));
        CALL(50, EINVAL, csigshim_open_sized(&none, CSIGSHIM_SIGNALFD, 8));
        CALL(51, EINVAL, csigshim_open_sized(&none, CSIGSHIM_HANDLER, 24));
        CALL(52, EINVAL, csigshim_open_sized(&none, CSIGSHIM_HANDLER, 32768));
        CALL(53, EINVAL, csigshim_open_sized(&none, 2, 16));
        CALL(54, EINVAL, csigshim_add_set(b, NULL, 0));
        CALL(55, EINVAL, csigshim_add_set(invalid, &(sigset_t){{0}}, 0));
        CALL(56, EINVAL, csigshim_add_set(NULL, &(sigset_t){{1}}, 0));
        CALL(57, EINVAL, csigshim_add(b, SIGUSR1, 128));
    }
#undef CALL
    return 0;
}
enum { REFUSED_CALLS = 58 };

void say_bad_argument(struct op op, char *text, size_t size) {
    snprintf(text, size, " number %d, bridge %d", op.y % REFUSED_CALLS, bridge_of(op));
}

/* A closed bridge is invalid until another one is opened in its place. */
static csigshim_bridge *closed_bridge(int b) {
    for (int i = 0; i < BRIDGES; i++)
        if (m.bridges[i].open && bridges[i] == bridges[b])
            return NULL;
    return m.bridges[b].open ? NULL : bridges[b];
}

void op_bad_argument(struct op op) {
    const int b = bridge_of(op), which = op.y % REFUSED_CALLS;
    csigshim_bridge *const open = m.bridges[b].open ? bridges[b] : NULL, *const closed = closed_bridge(b);
    const char *name = "";
    int code = 0;
    const long result = refused_call(which, open, &code, &name);
    /* A bridge that a child inherited may refuse for that reason first. */
    if (result != -1 || (errno != code && !(open != NULL && m.bridges[b].inherited && errno == EPERM)))
        failed("%s gives %ld and errno %d, not -1 and %d", name, result, errno, code);
    if (closed != NULL &&
        (csigshim_add(closed, SIGUSR1, 0) != -1 || errno != EINVAL || csigshim_read(closed, &event, 1) != -1 ||
         errno != EINVAL || csigshim_close(closed) != -1 || errno != EINVAL || csigshim_fd(closed) != -1))
        failed("a closed bridge is taken for an open one");
}
