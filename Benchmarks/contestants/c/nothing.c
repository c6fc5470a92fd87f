/* Listens to nothing: what a process costs before it has any of the others. */
#include "contestant.h"

int main(int argc, char **argv) {
    if (*start(argc, argv, "nothing") != PING)
        cannot("listens to nothing");
    ready();
    for (;;)
        pause();
}
