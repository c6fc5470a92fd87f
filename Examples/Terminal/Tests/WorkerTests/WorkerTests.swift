import SignalBridge
import SignalDaemon
import Testing
import Worker

@Suite struct WorkerTests {
    @Test("A job that is not done when the drain is over is cancelled")
    func drainIsOver() async throws {
        try await withSimulatedSignals { simulator in
            async let ending = Worker(clock: simulator.clock, job: .seconds(100)).run()
            await simulator.clock.waitForSleeper()
            try simulator.send(.sigterm)
            simulator.advance(by: .seconds(20))  // no real time passes
            let report = try await ending
            #expect(report.task("body")?.outcome.description == "cancelled")
            #expect(report.exitStatus == .code(0))
        }
    }

    @Test("A second Ctrl-C cancels the job that has begun")
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
