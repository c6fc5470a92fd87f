// snippet.hide
// Testing code that sleeps, in no time.
import SignalBridge

// snippet.show
func poll(_ clock: some Clock<Duration>) async throws -> Int {
    try await clock.sleep(for: .seconds(3600))
    return 1
}

try await withSimulatedSignals { simulator in
    async let polls = poll(simulator.clock)
    await simulator.clock.waitForSleeper()
    simulator.advance(by: .seconds(3600))
    let count = try await polls
    precondition(count == 1)
}
