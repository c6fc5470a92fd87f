/* A C program that leaves its signals to Swift. */
#include "signals.h"
#include <stdio.h>

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    const int sender = wait_for_shutdown();
    printf("asked to end by pid %d\n", sender);
    return sender < 0;
}
