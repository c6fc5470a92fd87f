#ifndef SHRINK_H
#define SHRINK_H

#include "interpret.h"

/* Of a sequence that fails: drops what it fails without, and prints the rest, what is wrong, and how to run it again.
 */
void shrink_and_print(const uint8_t *bytes, size_t size);

#endif
