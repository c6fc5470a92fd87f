#ifndef FIXED_H
#define FIXED_H

#include <stdbool.h>

/* Runs each fixed sequence; prints the one that fails. */
bool run_fixed(void);

#endif
