import SignalBridge
import SignalDaemon
import Testing
import Worker

@Suite struct WorkerTests {
    @Test("A second Ctrl-C drops the job in hand")
    func secondInterrupt() async throws {
        try await withSimulatedSignals { simulator in
            async let ending = Worker(clock: simulator.clock).run()
            await simulator.clock.waitForSleeper()
            try simulator.send(.sigint, sender: nil)  // as from the terminal
            try simulator.send(.sigint, sender: nil)
            let report = try await ending
            #expect(report.task("body")?.outcome.description == "cancelled")
            #expect(report.exitStatus == .signal(.sigint))
            #expect(simulator.forcedExit == nil)
        }
    }
}
