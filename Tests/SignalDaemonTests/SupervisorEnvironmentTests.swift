// The supervisor's variables in the environment, which children inherit.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

private func set(_ inbox: Inbox) {
    setenv("NOTIFY_SOCKET", inbox.name, 1)
    setenv("WATCHDOG_USEC", "100000", 1)
    setenv("WATCHDOG_PID", "\(getpid())", 1)
}

/// The variables that are set.
private func variables() -> [String] {
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].filter { getenv($0) != nil }
}

@Suite("The supervisor's environment") struct SupervisorEnvironmentTests {
    @Test("A daemon takes the variables out of the environment, and a later one of the process knows them")
    func taken() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            set(inbox)
            for run in 1...2 {
                _ = try await Daemon.run { daemon in
                    #expect(variables().isEmpty, "in run \(run)")
                    let child = spawnShell(#"test -z "$NOTIFY_SOCKET$WATCHDOG_USEC$WATCHDOG_PID""#)
                    var status: Int32 = -1
                    while waitpid(child, &status, 0) < 0, errno == EINTR {}
                    #expect(status == 0, "a child has none of them")
                    daemon.notifyReady()
                    try await inbox.wait(for: "READY=1", times: run)
                    let earlier = inbox.count("WATCHDOG=1")
                    try await inbox.wait(for: "WATCHDOG=1", times: earlier + 1)
                }
                #expect(inbox.count("STOPPING=1") == run)
            }
            #expect(variables().isEmpty)
        }
    }

    @Test("The variables stay for children that notify the supervisor themselves")
    func kept() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            set(inbox)
            _ = try await Daemon.run(supervisor: .fromEnvironmentForChildrenToo) { daemon in
                #expect(variables().count == 3)
                daemon.notifyReady()
                try await inbox.wait(for: "READY=1")
                try await inbox.wait(for: "WATCHDOG=1")
            }
            #expect(variables().count == 3)
            #expect(inbox.count("STOPPING=1") == 1)
        }
    }

    @Test("A daemon that has no use for the variables leaves them alone")
    func unused() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            set(inbox)
            _ = try await Daemon.run(supervisor: .disabled) { daemon in daemon.notifyReady() }
            #expect(variables().count == 3)
            try await withSimulatedSignals { _ in
                _ = try await Daemon.run { daemon in daemon.notifyReady() }
            }
            #expect(variables().count == 3, "nor does one in a simulation")
            #expect(inbox.lines.isEmpty)
        }
    }
}
