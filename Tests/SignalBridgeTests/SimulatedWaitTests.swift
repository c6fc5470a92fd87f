// The source of a simulated SignalWaiter: when its threads sleep.
import TestSupport
import Testing

@testable import SignalBridge

@Suite("The wait of a simulated waiter") struct SimulatedWaitTests {
    @Test("A wait sleeps until it is woken, and not at all if that was before it")
    func wakeBeforeWait() async throws {
        try await withSimulatedSignals { simulator in
            let source = SimulatedWait(simulator)
            let returned = Shared(0)
            source.wake()
            startThread {
                _ = source.wait(until: nil)
                returned { $0 += 1 }
            }
            #expect(await eventually(within: 20) { returned.now == 1 }, "it was woken before")
            source.wake()  // where it does sleep, it ends now
            #expect(await eventually { returned.now == 1 })

            #expect(!source.collectPending())
            startThread {
                _ = source.wait(until: nil)
                returned { $0 += 1 }
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(returned.now == 1, "the wake-up was read")
            source.wake()
            #expect(await eventually { returned.now == 2 })
        }
    }
}
