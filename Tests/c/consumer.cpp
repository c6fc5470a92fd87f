// A C++17 program that knows nothing but the header.
#include <CSignalShim.h>

#include <csignal>
#include <cstdio>
#include <unistd.h>

static bool round_trip()
{
    csigshim_bridge *bridge = nullptr;
    if (csigshim_open(&bridge, CSIGSHIM_HANDLER) != 0 || csigshim_add(bridge, SIGTERM, CSIGSHIM_KEEP_IGNORED) != 0)
        return false;
    kill(getpid(), SIGTERM);
    csigshim_event event{};
    return csigshim_wait(bridge, 5000) == 1 && csigshim_read(bridge, &event, 1) == 1 && event.signo == SIGTERM &&
           event.pid == getpid() && event.uid == getuid() && event.count == 1 && csigshim_close(bridge) == 0 &&
           csigshim_disposition(SIGTERM) == CSIGSHIM_DEFAULT;
}

int main()
{
    const bool fine = round_trip();
    std::puts(fine ? "ok consumer" : "FAIL consumer");
    return fine ? 0 : 1;
}
