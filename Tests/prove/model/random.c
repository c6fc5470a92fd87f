/* The random driver: it runs the fixed sequences, and then sequences from a seed, for so many seconds. It cuts the
 * first one that fails down to the operations that the failure needs. It prints them, with the command that runs them
 * again.
 *
 *     random SECONDS [SEED]    or    random 0 0 BYTES-IN-HEX: that sequence alone
 *
 * SEED is printed; the nth sequence depends on it and on n alone. */
#define _GNU_SOURCE
#include "fixed.h"
#include "shrink.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t state;

static uint64_t next(void) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static time_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Operations that meet on the same bridge and signal find more than others. So a sequence keeps to few bridges, few
 * signals and few kinds of operations, more often than not, and begins with a bridge and a signal. */
static size_t make(uint8_t *bytes) {
    enum { KINDS = 12, ALWAYS = 4, TOGETHER = 3 };
    static const char *const groups[][TOGETHER] = {
        {"spawn_begin", "spawn_end", "the host installs"},
        {"the host puts on top: handler", "rearm", "the host takes away: handler"},
        {"the host's mask:", "remove", "fork"},
        {"escalate_after", "set_chain", "the host installs"},
        {"the host closes", "fork", "after_fork"},
        {"add_set", "the host's mask:", "remove"},
        {"the host puts on top: handler", "remove", "the host takes away: handler"},
        {"flood", "remove", "escalate_after"},
    };
    const size_t count = 6 + next() % (MOST_OPS - 5);
    const unsigned bridges = 1 + next() % (1 + next() % BRIDGES), signals = 1 + next() % (1 + next() % 4);
    const unsigned first_signal = (unsigned)(next() % SIGNALS),
                   kinds = ALWAYS + TOGETHER + next() % (KINDS - ALWAYS - TOGETHER + 1);
    uint8_t kind[KINDS] = {code_of("open"), code_of("add"), code_of("send"), code_of("read")};
    for (size_t i = ALWAYS; i < KINDS; i++)
        kind[i] = (uint8_t)next();
    for (size_t i = 0, which = next() % 11; i < TOGETHER && which < sizeof groups / sizeof *groups; i++)
        kind[ALWAYS + i] = code_of(groups[which][i]);
    for (size_t i = 0; i < count; i++) {
        const uint64_t r = next();
        uint8_t *const op = bytes + i * OP_SIZE;
        memcpy(op, &r, OP_SIZE);
        if (r >> 61 != 0)
            op[0] = i < 2 ? kind[i] : kind[(r >> 32 & 0xffff) % kinds];
        if (r >> 58 & 7)
            op[2] = (uint8_t)(op[2] / SIGNALS * SIGNALS + ((r >> 48 & 0xff) % signals + first_signal) % SIGNALS);
        if (r >> 55 & 7)
            op[1] = (uint8_t)((op[1] & ~3u) + (op[1] & 3u) % bridges);
    }
    return count * OP_SIZE;
}

static size_t from_hex(const char *hex, uint8_t *bytes) {
    size_t size = 0;
    for (unsigned byte; size < MOST_OPS * OP_SIZE && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[size++] = (uint8_t)byte;
    return size;
}

static void save(const char *directory, unsigned long number, const uint8_t *bytes, size_t size) {
    char name[4096];
    snprintf(name, sizeof name, "%s/random-%lu", directory, number);
    FILE *const file = fopen(name, "w");
    if (file != NULL) {
        fwrite(bytes, 1, size, file);
        fclose(file);
    }
}

int main(int argc, char **argv) {
    uint8_t bytes[MOST_OPS * OP_SIZE];
    const char *const corpus = getenv("CORPUS"); /* some of the sequences, for the fuzzer to start from */
    if (argc > 3) {
        const size_t size = from_hex(argv[3], bytes);
        const bool fine = run_sequence(bytes, size);
        print_sequence(bytes, size, outcome->step);
        printf("%s\n", fine ? "as it should be" : outcome->text);
        return !fine;
    }
    if (argc < 2)
        return 2;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
    const time_t end = seconds() + atoi(argv[1]);
    unsigned long count = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    if (!run_fixed())
        return 1;
    while (seconds() < end) {
        state = seed + count * 0xd1342543de82ef95u;
        const size_t size = make(bytes);
        if (!run_sequence(bytes, size)) {
            printf("sequence %lu fails\n", count);
            shrink_and_print(bytes, size);
            return 1;
        }
        if (corpus != NULL && count < 60)
            save(corpus, count, bytes, size);
        count++;
    }
    printf("%lu sequences, %lu operations, seed %llu\n", count, outcome->operations, (unsigned long long)seed);
    return 0;
}
