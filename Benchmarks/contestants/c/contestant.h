/* Shared by the contestants in C: their command line, their output, and the accounting of `storm`.
 *
 *     PROGRAM NAME pingpong   listens to PING: `R` when armed, then `s` for each event
 *     PROGRAM NAME storm      listens to COUNTED and END: `R` when armed, and one line at the first END
 *
 * A value of COUNTED is (sender << 24) | n, with a sender of 0 to 3 that counts n up from 0. */
#ifndef CONTESTANT_H
#define CONTESTANT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PING = SIGUSR1, COUNTED = 40, END = SIGUSR2, SENDERS = 4, NUMBERS = 1 << 24 };

static unsigned long received, merged, disorder, duplicates;

/* The signals to listen to, and a 0. */
static inline const int *start(int argc, char **argv, const char *name) {
    static const int pingpong[] = {PING, 0}, storm[] = {COUNTED, END, 0};
    if (argc == 3 && strcmp(argv[1], name) == 0 && strcmp(argv[2], "pingpong") == 0)
        return pingpong;
    if (argc == 3 && strcmp(argv[1], name) == 0 && strcmp(argv[2], "storm") == 0)
        return storm;
    fprintf(stderr, "usage: %s %s pingpong|storm\n", argv[0], name);
    exit(2);
}

static inline _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static inline _Noreturn void cannot(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(3);
}

static inline void say(char byte) {
    if (write(STDOUT_FILENO, &byte, 1) != 1)
        fail("write");
}

static inline void ready(void) {
    say('R');
}

/* A signal mask with the signals, which are blocked. */
static inline sigset_t block(const int *signals) {
    sigset_t set;
    sigemptyset(&set);
    while (*signals != 0)
        sigaddset(&set, *signals++);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        fail("sigprocmask");
    return set;
}

static inline void account(uint32_t value) {
    static uint32_t expected[SENDERS];
    static uint8_t seen[SENDERS * NUMBERS / 8]; /* only storm touches it, so elsewhere it costs no memory */
    const uint32_t at = value % (SENDERS * NUMBERS), n = at % NUMBERS;
    uint32_t *next = &expected[at / NUMBERS];
    received++;
    if (n >= *next)
        *next = n + 1;
    else if (seen[at / 8] & 1u << at % 8)
        duplicates++;
    else
        disorder++;
    seen[at / 8] |= 1u << at % 8;
}

/* Deliveries that came as a count, without their values. */
static inline void account_merged(unsigned long count) {
    received += count;
    merged += count;
}

enum { NO_VALUES, VALUES };
static inline _Noreturn void report(int values) {
    if (values == VALUES)
        printf("received=%lu disorder=%lu duplicates=%lu merged=%lu\n", received, disorder, duplicates, merged);
    else
        printf("received=%lu disorder=- duplicates=-\n", received);
    exit(fflush(stdout) == 0 ? 0 : 1);
}

#endif
