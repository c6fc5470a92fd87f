#ifndef SHRINK_H
#define SHRINK_H

#include "interpret.h"

/* Takes a sequence that fails: drops the operations without which it still fails, and prints the rest, what is wrong,
 * and how to run it again. */
void shrink_and_print(const uint8_t *bytes, size_t size);

#endif
