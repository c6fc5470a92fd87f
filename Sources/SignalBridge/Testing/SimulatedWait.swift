import Dispatch

/// A simulator as the source of a `SignalWaiter`: its threads sleep on semaphores, and measure by the simulated clock.
///
/// `isNotified` stands for what makes a bridge readable: `wake` sets it, `drain` clears it, and no thread sleeps while it is
/// set.
final class SimulatedWait: WaitableSource {
    private struct State {
        var isNotified = false
        var sleeping: [DispatchSemaphore] = []
    }
    private let state = Lock(State())
    private let simulator: SignalSimulator

    init(_ simulator: SignalSimulator) {
        self.simulator = simulator
    }

    var now: Duration { simulator.now }

    func wait(until deadline: Duration?) -> Bool {
        if let deadline, now >= deadline { return false }
        let semaphore = DispatchSemaphore(value: 0)
        let sleeps = state.withLock { state in
            if state.isNotified { return false }
            state.sleeping.append(semaphore)
            return true
        }
        if sleeps { simulator.block(on: semaphore, until: deadline) }
        state.withLock { $0.sleeping.removeAll { $0 === semaphore } }
        return true
    }

    func wake() {
        let sleeping = state.withLock { state in
            state.isNotified = true
            return state.sleeping
        }
        for semaphore in sleeping { semaphore.signal() }
    }

    /// The simulator delivers to the buffers itself.
    func drain() -> Bool {
        state.withLock { $0.isNotified = false }
        return false
    }

    func subscribe(
        _ subscription: Subscription, to signals: [SignalNumber], escalateAfterUnread: Int?
    ) throws(SignalBridgeError) {
        try simulator.subscribe(subscription, to: signals, escalateAfterUnread: escalateAfterUnread)
    }

    func unsubscribe(_ subscription: Subscription) { simulator.unsubscribe(subscription) }
    var resendRule: Lock<ResendRule> { simulator.resendRule }
    func raiseAgain(_ signal: SignalNumber) { simulator.raiseAgain(signal) }
}
