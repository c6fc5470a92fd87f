/* One sequence in a process of its own, because dispositions, masks and descriptors belong to the process. Before an
 * operation the model predicts its effects. Afterwards all of these must match: result and errno, each disposition, the
 * mask, the descriptors, the host's files, and how often the host's handlers ran and the process stopped. An operation
 * by which the process must die takes place only if its last byte is MAY_DIE or more; then the process that waits knows
 * the signal. */
#define _GNU_SOURCE
#include "interpret.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 3 };
struct outcome *outcome;
int present_step, depth;
void (*before_end)(void);
static const uint8_t *sequence;
static int length;
static struct model before;
static const struct operation *table[256];

/* Each operation has as many of the 256 codes as it weighs. */
static void make_table(void) {
    int filled = 0, total = 0;
    const struct operation *const lists[] = {bridge_operations, host_operations};
    for (int i = 0; i < 2; i++)
        for (const struct operation *o = lists[i]; o->name != NULL; o++)
            total += o->weight;
    if (table[0] != NULL)
        return;
    for (int i = 0, sum = 0; i < 2; i++)
        for (const struct operation *o = lists[i]; o->name != NULL; o++)
            for (sum += o->weight; filled < sum * 256 / total; filled++)
                table[filled] = o;
}

uint8_t code_of(const char *name) {
    make_table();
    int code = 0;
    while (code < 256 && strcmp(table[code]->name, name) != 0)
        code++;
    if (code == 256)
        abort();
    return (uint8_t)code;
}

struct op op_at(const uint8_t *bytes, size_t index) {
    const uint8_t *const at = bytes + index * OP_SIZE;
    return (struct op){at[0], at[1], at[2], at[3]};
}

void print_sequence(const uint8_t *bytes, size_t size, int marked) {
    make_table();
    for (size_t i = 0; i < size / OP_SIZE; i++) {
        char text[200] = "";
        const struct op op = op_at(bytes, i);
        table[op.code]->describe(op, text, sizeof text);
        printf("  %s %2zu  %s%s\n", (int)i == marked ? "->" : "  ", i, table[op.code]->name, text);
    }
}

_Noreturn void end_process(void) {
    if (before_end != NULL)
        before_end();
    _exit(outcome->failed ? FAILED : 0);
}

_Noreturn void failed(const char *format, ...) {
    va_list arguments;
    if (!outcome->failed) {
        const int used = snprintf(outcome->text, sizeof outcome->text, depth > 0 ? "in a forked child: " : "");
        outcome->failed = true;
        outcome->step = present_step;
        va_start(arguments, format);
        vsnprintf(outcome->text + used, sizeof outcome->text - (size_t)used, format, arguments);
        va_end(arguments);
    }
    end_process();
}

bool in_scope(void) {
    bool in = false;
    for (int i = 0; i < m.scope_count; i++)
        in |= !m.scopes[i].inherited;
    return in;
}

bool goes_ahead(struct op op) {
    if (m.deadly == 0)
        return true;
    if (op.z < MAY_DIE) {
        m = before;
        return false;
    }
    outcome->deadly[depth] = m.deadly;
    if (before_end != NULL)
        before_end();
    return true;
}

static const char *names_of(unsigned refusals) {
    static const char *const names[] = {"EINVAL", "ENOTSUP", "EEXIST", "ENOENT", "EBUSY", "EBADF", "EPERM"};
    static char text[100];
    text[0] = '\0';
    for (int i = 0; i < 7; i++)
        if (refusals & 1u << i)
            strcat(strcat(text, text[0] ? " or " : ""), names[i]);
    return text;
}

void expect_or(struct answer answer, int also, long result) {
    static const int codes[] = {EINVAL, ENOTSUP, EEXIST, ENOENT, EBUSY, EBADF, EPERM};
    const int code = errno;
    if (m.deadly != 0)
        failed("the process lives, and should have died (signals %#x of the model's)", m.deadly);
    if (answer.refusals == 0) {
        if (result != answer.result && result != also)
            failed("the result is %ld (%s), not %d", result, result < 0 ? strerror(code) : "no error", answer.result);
        return;
    }
    for (int i = 0; i < 7; i++)
        if (result == -1 && (answer.refusals & 1u << i) && code == codes[i])
            return;
    failed("the result is %ld (%s), not -1 with %s", result, result < 0 ? strerror(code) : "no error",
           names_of(answer.refusals));
}

void expect(struct answer answer, long result) {
    expect_or(answer, answer.result, result);
}

void check_everything(void) {
    static const char *const names[] = {"default", "ignored", "plain", "detailed", "top 0", "top 1", "the library's"};
    if (m.deadly != 0)
        failed("the process lives, and should have died (signals %#x of the model's)", m.deadly);
    for (int s = 0; s < SIGNALS; s++) {
        const struct action now = action_now(s), should = m.kernel[s];
        if (now.handler != should.handler || now.flags != should.flags || now.masked != should.masked)
            failed("the action of %s is %s, flags %d, mask %#x; not %s, flags %d, mask %#x", signal_name(s),
                   names[now.handler], now.flags, now.masked, names[should.handler], should.flags, should.masked);
        for (int h = PLAIN; h < LIBRARY; h++)
            if (calls[h][s] != m.calls[h][s])
                failed("the host's handler \"%s\" has run %u times for %s, not %u times", names[h], calls[h][s],
                       signal_name(s), m.calls[h][s]);
    }
    if (mask_now() != m.mask)
        failed("the mask is %#x, not %#x", mask_now(), m.mask);
    if (m.deliveries == 1 && m.first_seen && (unsigned)seen.mask != m.first_mask)
        failed("the host's handler ran under the mask %#x, not %#x", (unsigned)seen.mask, m.first_mask);
    if (outcome->stops[depth] != m.stops)
        failed("the process has stopped %u times, not %u times", outcome->stops[depth], m.stops);
    const char *const wrong = wrong_descriptors();
    if (wrong != NULL)
        failed("%s", wrong);
}

int wait_for_process(int pid, int of_depth) {
    for (int status = 0;;) {
        const pid_t waited = waitpid(pid, &status, WUNTRACED);
        if (waited < 0 && errno != EINTR)
            abort();
        if (waited < 0)
            continue;
        if (!WIFSTOPPED(status))
            return status;
        outcome->stops[of_depth]++;
        kill(pid, SIGCONT);
    }
}

void run_rest(int first, int count) {
    for (int i = first; i < length && i < first + count; i++) {
        const struct op op = op_at(sequence, (size_t)i);
        present_step = i;
        model_begin_step();
        seen = (struct seen){0, 0, 0};
        before = m;
        errno = ERRNO_BEFORE;
        table[op.code]->run(op);
        check_everything();
        outcome->operations++;
    }
}

static _Noreturn void in_the_child(void) {
    const struct rlimit none = {0, 0}, many = {100000, 100000};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_SIGPENDING, &many); /* all processes of the user share it */
    setpgid(0, 0);                       /* a group that is not orphaned: SIGTSTP stops it */
    alarm(SECONDS);
    world_start();
    run_rest(0, length);
    present_step = length - 1;
    drain();
    end_process();
}

bool run_sequence(const uint8_t *bytes, size_t size) {
    if (outcome == NULL) {
        outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (outcome == MAP_FAILED)
            abort();
        make_table();
    }
    sequence = bytes;
    length = (int)(size / OP_SIZE < MOST_OPS ? size / OP_SIZE : MOST_OPS);
    outcome->failed = false;
    outcome->step = -1;
    memset(outcome->deadly, 0, sizeof outcome->deadly);
    memset(outcome->stops, 0, sizeof outcome->stops);
    const pid_t child = fork();
    if (child == 0)
        in_the_child();
    if (child < 0)
        abort();
    const int status = wait_for_process(child, 0);
    if (outcome->failed)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    const int s = WIFSIGNALED(status) ? signal_of(WTERMSIG(status)) : -1;
    if (s >= 0 && (outcome->deadly[0] & 1u << s))
        return true;
    snprintf(outcome->text, sizeof outcome->text, "the process ended with status %#x (%s)", status,
             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
    return !(outcome->failed = true);
}
