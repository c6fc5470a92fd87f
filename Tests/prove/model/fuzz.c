/* libFuzzer drives the same interpreter. Each input runs in a process of its own, as with the random driver, so nothing
 * of libFuzzer's process changes. The coverage counters would end with that process. So each process of a sequence adds
 * its counters to a shared copy before it ends or dies, and this file copies them back. (This file is compiled without
 * counters: in a file that has some, the compiler has other names for where they begin and end.) */
#define _GNU_SOURCE
#include "shrink.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern uint8_t counters[] __asm("__start___sancov_cntrs"), counters_end[] __asm("__stop___sancov_cntrs");
static uint8_t *kept;

static void keep_counters(void) {
    const size_t count = (size_t)(counters_end - counters);
    for (size_t i = 0; i < count; i++)
        kept[i] = counters[i] > kept[i] ? counters[i] : kept[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const size_t count = (size_t)(counters_end - counters);
    if (kept == NULL) {
        kept = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (kept == MAP_FAILED)
            abort();
        before_end = keep_counters;
    }
    memset(kept, 0, count);
    if (!run_sequence(bytes, size)) {
        printf("an input of libFuzzer fails\n");
        shrink_and_print(bytes, size);
        _exit(1); /* libFuzzer would print a stack that says nothing */
    }
    memcpy(counters, kept, count);
    return 0;
}
