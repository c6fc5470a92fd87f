// The program c-poll in C++17.
#include <CSignalShim.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <memory>
#include <poll.h>
#include <string>

static_assert(__cplusplus >= 201703L);

namespace {

struct Close {
    void operator()(csigshim_bridge *bridge) const {
        csigshim_close(bridge);
    }
};

std::string name(int signo) {
    if (signo == SIGRTMIN + 3)
        return "SIGRTMIN+3";
    return signo == SIGHUP ? "SIGHUP" : signo == SIGUSR1 ? "SIGUSR1" : "SIGTERM";
}

void report(const csigshim_event &event) {
    std::cout << name(event.signo) << " x" << event.count << " from " << event.pid << "/" << event.uid;
    if (event.code == SI_QUEUE)
        std::cout << " queue " << static_cast<std::intptr_t>(event.value) << std::endl;
    else
        std::cout << (event.code == SI_USER ? " kill -" : " ? -") << std::endl;
}

} // namespace

int main() {
    csigshim_bridge *opened = nullptr;
    if (csigshim_open(&opened, CSIGSHIM_HANDLER) != 0)
        return 2;
    const std::unique_ptr<csigshim_bridge, Close> bridge(opened);
    for (const int signo : {SIGHUP, SIGUSR1, SIGTERM, SIGRTMIN + 3})
        if (csigshim_add(bridge.get(), signo, 0) != 0)
            return 3;
    std::cout << "ready" << std::endl;
    for (;;) {
        pollfd descriptor{csigshim_fd(bridge.get()), POLLIN, 0};
        if (poll(&descriptor, 1, -1) < 0 && errno != EINTR)
            return 4;
        std::array<csigshim_event, 16> events;
        ssize_t count;
        while ((count = csigshim_read(bridge.get(), events.data(), events.size())) > 0)
            for (ssize_t i = 0; i < count; i++) {
                report(events[static_cast<size_t>(i)]);
                if (events[static_cast<size_t>(i)].signo == SIGTERM)
                    return 0;
            }
    }
}
