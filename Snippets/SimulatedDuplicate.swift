// snippet.hide
// Testing a drain that takes a second, and a request that arrives twice.
import SignalBridge
import SignalDaemon

// snippet.show
@Sendable func serve(_ clock: some Clock<Duration>) async throws -> DaemonReport<Void> {
    try await Daemon.run { daemon in
        daemon.notifyReady()
        await daemon.shutdownRequested()
        try await clock.sleep(for: .seconds(1))  // the last request
    }
}

try await withSimulatedSignals { simulator in
    async let ending = serve(simulator.clock)
    await simulator.waitUntilReady()
    try simulator.send(.sigterm)
    try simulator.send(.sigterm)  // as timeout(1) does
    await simulator.clock.waitForSleeper()
    simulator.advance(by: .seconds(1))
    let report = try await ending
    precondition(report.duplicateSignals == 1)
    precondition(report.exitStatus == .code(0))
}
