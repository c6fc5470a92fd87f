/* Delta debugging. Leaves out halves, then quarters, ... then single operations, as long as the rest still fails. Then
 * sets bytes to 0. The rest need not fail in the same way: a smaller failure is as good. A sequence that does not fail
 * each time is printed whole, with a note. */
#include "shrink.h"
#include <stdio.h>
#include <string.h>

static bool fails(const uint8_t *bytes, size_t size) {
    return !run_sequence(bytes, size);
}

static bool drop(uint8_t *bytes, size_t *size, size_t at, size_t count) {
    uint8_t shorter[MOST_OPS * OP_SIZE];
    const size_t from = at * OP_SIZE, to = from + count * OP_SIZE;
    if (to > *size)
        return false;
    memcpy(shorter, bytes, from);
    memcpy(shorter + from, bytes + to, *size - to);
    if (!fails(shorter, *size - (to - from)))
        return false;
    *size -= to - from;
    memcpy(bytes, shorter, *size);
    return true;
}

static void clear(uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        const uint8_t before = bytes[i];
        if (before == 0 || i % OP_SIZE == 0)
            continue;
        bytes[i] = 0;
        if (!fails(bytes, size))
            bytes[i] = before;
    }
}

void shrink_and_print(const uint8_t *given, size_t size) {
    uint8_t bytes[MOST_OPS * OP_SIZE];
    if (size > sizeof bytes)
        size = sizeof bytes;
    size -= size % OP_SIZE;
    memcpy(bytes, given, size);
    int again = 0;
    for (int i = 0; i < 5; i++)
        again += fails(bytes, size);
    if (again == 5) {
        for (size_t count = size / OP_SIZE / 2; count > 0; count /= 2)
            for (size_t at = 0; at + count <= size / OP_SIZE;)
                at += drop(bytes, &size, at, count) ? 0 : 1;
        for (size_t at = 0; at < size / OP_SIZE;)
            at += drop(bytes, &size, at, 1) ? 0 : 1;
        clear(bytes, size);
    } else {
        printf("of 5 more times it failed %d times: not cut down\n", again);
    }
    for (int i = 0; i < 20 && !fails(bytes, size); i++)
        ;
    print_sequence(bytes, size, outcome->step);
    printf("%s\nrun it again: Tests/prove/model/run.sh ",
           outcome->failed ? outcome->text : "(this time it did not fail)");
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
    printf("\n");
    fflush(stdout);
}
