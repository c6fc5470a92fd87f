// snippet.hide
// Testing a shutdown, its deadlines and its forced exit, in no time and without a signal.
import SignalBridge
import SignalDaemon

// snippet.show
@Sendable func serve() async throws -> DaemonReport<Void> {
    try await Daemon.run { daemon in
        try daemon.addTask("stubborn", onShutdown: .complete) { try await Task.sleep(for: .seconds(3600)) }
        daemon.notifyReady()
        await daemon.shutdownRequested()
    }
}

try await withSimulatedSignals { simulator in
    async let result = serve()
    await simulator.waitUntilReady()  // and not earlier: what the body adds is there
    try simulator.send(.sigterm)
    simulator.advance(by: .seconds(60))  // past every deadline on the way, in order
    let report = try await result
    precondition(report.forcedExit == .deadline(.cancelling))
    precondition(report.task("stubborn")?.outcome.description == "abandoned")
    precondition(report.exitStatus == .signal(.sigterm))
    precondition(simulator.forcedExit == .sigterm)
}
