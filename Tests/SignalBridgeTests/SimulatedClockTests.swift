// The simulated time as a clock.
import SignalBridge
import TestSupport
import Testing

@Suite("The clock of a simulation") struct SimulatedClockTests {
    @Test("A sleeper wakes when the clock has come to its deadline, and not before")
    func deadline() async throws {
        try await withSimulatedSignals { simulator in
            let clock = simulator.clock
            let isAwake = Shared(false)
            async let slept: Void = {
                try await clock.sleep(for: .seconds(3600))
                isAwake { $0 = true }
            }()
            await clock.waitForSleeper()
            simulator.advance(by: .seconds(3599))
            #expect(clock.now.offset == .seconds(3599))
            try await Task.sleep(for: .milliseconds(50))
            #expect(!isAwake.now)
            simulator.advance(by: .seconds(1))
            try await slept
            #expect(isAwake.now)
        }
    }

    @Test("A loop that sleeps after each step can be driven step by step")
    func steps() async throws {
        await withSimulatedSignals { simulator in
            let steps = Shared(0)
            let loop = Task { [clock = simulator.clock] in
                while true {
                    try await clock.sleep(for: .seconds(60))
                    steps { $0 += 1 }
                }
            }
            for step in 0..<100 {
                await simulator.clock.waitForSleeper()
                #expect(steps.now == step)
                simulator.advance(by: .seconds(60))
            }
            loop.cancel()
            await #expect(throws: CancellationError.self) { try await loop.value }
            #expect(steps.now == 99 || steps.now == 100, "the last step may have been cancelled")
        }
    }

    @Test("A cancelled sleeper throws, and no longer counts as one")
    func cancellation() async throws {
        try await withSimulatedSignals { simulator in
            let clock = simulator.clock
            let sleeper = Task { try await clock.sleep(for: .seconds(1)) }
            await clock.waitForSleeper()
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
            let waits = Task {
                await clock.waitForSleeper()
                return Task.isCancelled
            }
            try await Task.sleep(for: .milliseconds(50))
            waits.cancel()
            #expect(await waits.value, "there was no sleeper, so it waited until it was cancelled")
        }
    }

    @Test("A deadline that has passed does not suspend")
    func past() async throws {
        try await withSimulatedSignals { simulator in
            simulator.advance(by: .seconds(10))
            try await simulator.clock.sleep(until: simulator.clock.now)
            try await simulator.clock.sleep(for: .seconds(-5))
            try await simulator.clock.sleep(until: simulator.clock.now.advanced(by: .seconds(-1)))
            #expect(simulator.clock.now.duration(to: .init(offset: .seconds(12))) == .seconds(2))
        }
    }
}
