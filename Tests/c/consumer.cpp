// A C++17 program that includes only the header.
#include <CSignalShimSupport.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

static bool round_trip(int mechanism) {
    csigshim_bridge *bridge = nullptr;
    if (csigshim_open(&bridge, mechanism) != 0 || csigshim_add(bridge, SIGTERM, CSIGSHIM_KEEP_IGNORED) != 0)
        return false;
    kill(getpid(), SIGTERM);
    csigshim_event event{};
    return csigshim_wait(bridge, 5000) == 1 && csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGTERM &&
           event.pid == getpid() && event.uid == getuid() && event.count == 1 && csigshim_close(bridge) == 0 &&
           csigshim_disposition(SIGTERM) == CSIGSHIM_DISPOSITION_DEFAULT;
}

int main() {
    const char *name = std::getenv("CSIGSHIM_MECHANISM");
    const bool signalfd = name != nullptr && std::string(name) == "signalfd";
    const bool fine = round_trip(signalfd ? CSIGSHIM_SIGNALFD : CSIGSHIM_HANDLER);
    std::printf("%s consumer%s\n", fine ? "ok" : "FAIL", signalfd ? " (signalfd)" : "");
    return fine ? 0 : 1;
}
