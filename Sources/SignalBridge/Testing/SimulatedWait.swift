import Dispatch

/// A simulated bridge of a `SignalWaiter`. Its threads sleep on semaphores, and use the simulated clock.
final class SimulatedWait: Waitable {
    private let simulator: SignalSimulator
    /// A latch in place of a descriptor: `wake` opens it, and `collectPending` replaces it by a closed one.
    private let readable = Lock(Latch())

    init(_ simulator: SignalSimulator) {
        self.simulator = simulator
    }

    var now: Duration { simulator.now }

    func prepareToWait() {}

    func wait(until deadline: Duration?) -> Bool {
        if let deadline, now >= deadline { return false }
        let semaphore = DispatchSemaphore(value: 0)
        let forget = readable.withLock { $0 }.onOpen { semaphore.signal() }
        defer { forget() }
        simulator.block(on: semaphore, until: deadline)
        return true
    }

    func wake() {
        readable.withLock { $0.openDeferringWakeups() }()
    }

    /// The simulator delivers to the buffers itself.
    func collectPending() -> Bool {
        readable.withLock { if $0.isOpen { $0 = Latch() } }
        return false
    }
}
