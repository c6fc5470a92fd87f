/* Listens to no signal: the cost of a process without any of the other contestants. */
#include "contestant.h"

int main(int argc, char **argv) {
    if (*start(argc, argv, "nothing") != PING)
        cannot("listens to nothing");
    ready();
    for (;;)
        pause();
}
