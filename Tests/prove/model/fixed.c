/* Sequences that once failed, or that random ones seldom make. They are given by the names of operations, so they stay
 * the same when the encoding changes. The three numbers are those of struct op; the describe function of each operation
 * says what they mean. */
#include "fixed.h"
#include "interpret.h"
#include <stdio.h>
#include <string.h>

enum { MOST_FIXED = 24 };
enum { IGNORED_KIND = 5, DEFAULT_KIND = 7 }; /* x of "the host installs" */
enum { UNBLOCK_SET = 128 };                  /* x of "add_set" */

struct fixed {
    const char *name;
    struct {
        const char *operation;
        uint8_t x, y, z;
    } steps[MOST_FIXED];
};

static const struct fixed sequences[] = {
    {"a displaced handler with SA_RESETHAND runs once",
     {{"open", 0, 0, 0},
      {"add", 0, HUP, 0},
      {"the host puts on top: handler", 1, HUP, 1},
      {"set_chain", 0, HUP, 1},
      {"rearm", 0, HUP, 0},
      {"the host installs", 0, HUP, RESTART | RESETHAND},
      {"rearm", 0, HUP, 0},
      {"send", BY_KILL, HUP, 0},
      {"the host puts on top: handler", 1, HUP, 1},
      {"rearm", 0, HUP, 0},
      {"send", BY_KILL, HUP, 0}}},
    {"the last removal restores the action where a handler that was left installed has gone by itself",
     {{"open", 0, 0, 0},
      {"add", 0, USR1, 0},
      {"the host puts on top: handler", 0, USR1, 0},
      {"remove", 0, USR1, 0},
      {"add", 0, USR1, 0},
      {"disposition, state, mechanism", 0, USR1, 1},
      {"the host takes away: handler", 0, USR1, 0},
      {"disposition, state, mechanism", 0, USR1, 1},
      {"send", BY_KILL, USR1, 0},
      {"remove", 0, USR1, 0}}},
    {"a forked child has the action from before the bridges where a handler that was left installed has gone by itself",
     {{"open", 0, 0, 0},
      {"the host installs", IGNORED_KIND, USR1, 0},
      {"add", 0, USR1, 0},
      {"the host puts on top: handler", 0, USR1, 0},
      {"remove", 0, USR1, 0},
      {"add", 0, USR1, 0},
      {"the host takes away: handler", 0, USR1, 0},
      {"fork", 0, 0, 0},
      {"after_fork", 0, 0, 0},
      {"send", BY_KILL, USR1, 0}}},
    {"a second add leaves a signal displaced where a handler was left installed",
     {{"open", 0, 0, 0},
      {"open", 1, 0, 0},
      {"add", 0, USR1, 0},
      {"the host puts on top: handler", 0, USR1, 0},
      {"remove", 0, USR1, 0},
      {"add", 0, USR1, 0},
      {"the host installs", DEFAULT_KIND, USR1, 0},
      {"add", 1, USR1, 0},
      {"disposition, state, mechanism", 0, USR1, 1}}},
    {"a second add leaves a signal displaced",
     {{"open", 0, 0, 0},
      {"open", 1, 0, 0},
      {"add", 0, USR1, 0},
      {"the host installs", DEFAULT_KIND, USR1, 0},
      {"add", 1, USR1, 1},
      {"disposition, state, mechanism", 0, USR1, 1},
      {"rearm", 0, USR1, 0},
      {"send", BY_KILL, USR1, 0}}},
    {"an add_set over signalfd that is refused leaves a pending signal pending",
     {{"open", 0, 0, 1},
      {"the host's mask:", 0, USR1, 0},
      {"send", BY_KILL, USR1, 0},
      {"add", 0, USR2, 0},
      {"add_set", 0, USR1, 9},
      {"read", 0, 0, 6},
      {"the host installs", 0, USR1, 0},
      {"the host's mask:", 1, USR1, 0}}},
    {"an add_set that is refused does not unblock",
     {{"open", 0, 0, 0},
      {"the host's mask:", 0, USR1, 0},
      {"add", 0, USR2, 0},
      {"add_set", UNBLOCK_SET, USR1, 9},
      {"add_set", UNBLOCK_SET, USR1, 0}}},
    {"an add_set with a signal that cannot be caught changes nothing",
     {{"open", 0, 0, 0}, {"add_set", 0, RT1, 15}, {"send", BY_KILL, WINCH, 0}, {"add_set", 0, RT1, 14}}},
    {"an after_fork that is refused leaves a pending signal pending",
     {{"open", 0, 0, 1},
      {"open", 1, 0, 0},
      {"add", 0, USR1, 0},
      {"add", 0, USR2, 0},
      {"fork", 0, 0, 0},
      {"after_fork", 1, 0, 0},
      {"add", 1, USR2, 0},
      {"the host installs", 0, USR1, 0},
      {"the host's mask:", 0, USR1, 0},
      {"send", BY_KILL, USR1, 0},
      {"after_fork", 0, 0, 0},
      {"the host's mask:", 1, USR1, 0}}},
    {"unread deliveries from before a removal count for escalation",
     {{"open", 0, 0, 0},
      {"add", 0, TERM, 0},
      {"send", BY_KILL, TERM, 0},
      {"send", BY_KILL, TERM, 0},
      {"remove", 0, TERM, 0},
      {"add", 0, TERM, 0},
      {"escalate_after", 0, TERM, 3},
      {"read", 0, 0, 1},
      {"send", BY_KILL, TERM, 0},
      {"send", BY_KILL, TERM, MAY_DIE}}},
    {"the removal of one bridge does not block what another one unblocked",
     {{"open", 0, 0, 0},
      {"open", 1, 0, 0},
      {"the host's mask:", 0, USR1, 0},
      {"add", 0, USR1, 32},
      {"add", 1, USR1, 32},
      {"remove", 1, USR1, 0},
      {"send", BY_KILL, USR1, 0},
      {"remove", 0, USR1, 0},
      {"reset_for_exec", 0, 0, 0}}},
    {"a stop signal that finds the pipe lost stops the process",
     {{"open", 0, 0, 0},
      {"fd", 0, 0, 0},
      {"add", 0, TSTP, 0},
      {"send", BY_KILL, TSTP, 0},
      {"the host closes", 0, PIPE_END, 128},
      {"send", BY_KILL, TSTP, 0},
      {"read", 0, 0, 1},
      {"read", 0, 0, 1},
      {"close", 0, 0, 0},
      {"send", BY_KILL, TSTP, 0},
      {"take_default_action", 0, TSTP, 0}}},
    {"SIG_IGN with SA_SIGINFO counts as ignored, and is restored as it was",
     {{"open", 0, 0, 0},
      {"the host installs", IGNORED_KIND, USR1, 4},
      {"add", 0, USR1, 2},
      {"add", 0, USR1, 1},
      {"send", BY_KILL, USR1, 0},
      {"fork", 0, 0, 0},
      {"remove", 0, USR1, 0},
      {"send", BY_KILL, USR1, 0}}},
    {"a bridge that nobody polls records without its pipe",
     {{"open", 0, 0, 0},
      {"add", 0, USR1, 0},
      {"the host closes", 0, PIPE_END, 132},
      {"send", BY_KILL, USR1, 0},
      {"fd", 0, 0, 0},
      {"wait", 0, 0, 0},
      {"read", 0, 0, 6}}},
    {"handlers that the host installs again by itself come to an end",
     {{"open", 0, 0, 0},
      {"add", 0, USR1, 1},
      {"the host puts on top: handler", 0, USR1, 0},
      {"the host puts on top: handler", 1, USR1, 0},
      {"the host installs", DEFAULT_KIND, USR1, 0},
      {"remove", 0, USR1, 0},
      {"add", 0, USR1, 1},
      {"remove", 0, USR1, 0},
      {"the host takes away: handler", 1, USR1, 192},
      {"add", 0, USR1, 1},
      {"send", BY_KILL, USR1, 0},
      {"the host puts on top: handler", 1, USR1, 0},
      {"send", BY_KILL, USR1, 0}}},
    {"spawn_end returns to the mask where the first bridge was opened in between",
     {{"the host's mask:", 0, USR1, 0}, {"spawn_begin", 1, 0, 0}, {"open", 0, 0, 0}, {"spawn_end", 0, 0, 0}}},
    {"SIGCHLD, over the handler mechanism",
     {{"a child ends", 0, 0, 0},
      {"a child ends", 0, 0, 4},
      {"a child ends", 0, 0, 8},
      {"a child ends", 0, 1, 0},
      {"a child ends", 0, 1, 4},
      {"a child ends", 0, 1, 12},
      {"a child ends", 0, 2, 0},
      {"a child ends", 0, 2, 4}}},
    {"SIGCHLD, over signalfd",
     {{"a child ends", 0, 0, 1},
      {"a child ends", 0, 0, 5},
      {"a child ends", 0, 1, 1},
      {"a child ends", 0, 1, 9},
      {"a child ends", 0, 2, 13}}},
};

bool run_fixed(void) {
    bool fine = true;
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        uint8_t bytes[MOST_FIXED * OP_SIZE];
        size_t size = 0;
        for (int k = 0; k < MOST_FIXED && sequences[i].steps[k].operation != NULL; k++, size += OP_SIZE) {
            bytes[size] = code_of(sequences[i].steps[k].operation);
            bytes[size + 1] = sequences[i].steps[k].x;
            bytes[size + 2] = sequences[i].steps[k].y;
            bytes[size + 3] = sequences[i].steps[k].z;
        }
        if (run_sequence(bytes, size))
            continue;
        fine = false;
        printf("the fixed sequence fails: %s\n", sequences[i].name);
        print_sequence(bytes, size, outcome->step);
        printf("%s\n", outcome->text);
    }
    fflush(stdout);
    return fine;
}
