/* Makes system calls fail by a short seccomp filter, for the calling thread and for good. Only forked children may use
 * it. A filter that refuses getpid, kill or tgkill is only for the children that refuge.h makes. */
#ifndef SECCOMP_FILTER_H
#define SECCOMP_FILTER_H

#include "check.h"

#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LOAD(member)               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, member))
#define SKIP_UNLESS(number, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(number), 0, (count))
#define ANSWER(action)             BPF_STMT(BPF_RET | BPF_K, (action))

static inline void install_filter(struct sock_filter *program, size_t length) {
    const struct sock_fprog filter = {(unsigned short)length, program};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        SKIP("no seccomp filters here");
}

/* Fails each of `numbers` with `code`; -1 is no number. */
static inline void refuse_calls(const long *numbers, size_t count, int code) {
    struct sock_filter program[32];
    size_t length = 0;
    program[length++] = (struct sock_filter)LOAD(nr);
    for (size_t i = 0; i < count && length < 29; i++)
        if (numbers[i] >= 0) {
            program[length++] = (struct sock_filter)SKIP_UNLESS(numbers[i], 1);
            program[length++] = (struct sock_filter)ANSWER(SECCOMP_RET_ERRNO | (unsigned)code);
        }
    program[length++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    install_filter(program, length);
}

/* Fails rt_sigaction(2) for one signal. */
static inline void refuse_actions_of(int signo, int code) {
    struct sock_filter program[] = {
        LOAD(nr),
        SKIP_UNLESS(SYS_rt_sigaction, 3),
        LOAD(args[0]),
        SKIP_UNLESS(signo, 1),
        ANSWER(SECCOMP_RET_ERRNO | (unsigned)code),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    install_filter(program, sizeof program / sizeof *program);
}

/* Sends SYS at each call that is none of `numbers`. */
static inline void permit_only(const long *numbers, size_t count) {
    static struct sock_filter program[256];
    size_t length = 0;
    CHECK(2 * count + 2 <= sizeof program / sizeof *program);
    program[length++] = (struct sock_filter)LOAD(nr);
    for (size_t i = 0; i < count; i++) {
        program[length++] = (struct sock_filter)SKIP_UNLESS(numbers[i], 1);
        program[length++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    }
    program[length++] = (struct sock_filter)ANSWER(SECCOMP_RET_TRAP);
    install_filter(program, length);
}
#endif
#endif
