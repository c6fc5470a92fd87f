import SignalBridge

/// The signals of a daemon's policy. One waiter has them all, so they come in the order of their capture.
struct DaemonSignals: Sendable {
    /// The number of unread requests at which the C handler ends the process, because the monitor thread must be stuck.
    /// It would have forced the exit at the third, and this many do not accumulate while a thread wakes.
    private static let backstop = 100

    let waiter: SignalWaiter
    private let policy: SignalPolicy
    /// The events of an earlier subscription, and the newest delivery of each signal in it. This subscription also has
    /// the last of them, if they came while there were both.
    private var early: [SignalEvent] = []
    private var newest: [SignalNumber: UInt64] = [:]

    init(_ policy: SignalPolicy) {
        self.policy = policy
        waiter = SignalWaiter(options: policy.keepsIgnored ? [.everyDelivery, .keepIgnored] : .everyDelivery)
    }

    /// - Parameter hasBackstop: `false` in a simulation, which has no monitor thread.
    func subscribeToEnd(hasBackstop: Bool) throws(SignalBridgeError) {
        let signals = Set(policy.endingSignals)
        try waiter.prepare()  // a part has no signals
        // A burst of reloads is not a request to end, however many of them are unread.
        let terminating = signals.filter(\.terminatesByDefault).subtracting(policy.reload)
        try waiter.insert(terminating, escalateAfterUnread: hasBackstop ? Self.backstop : nil)
        try waiter.insert(signals.subtracting(terminating), escalateAfterUnread: nil)
    }

    /// Ends the earlier subscription. `take` returns its captured events first.
    mutating func takeOver(_ earlier: SignalEvents) {
        early = earlier.finishAndTakeAll().filter { policy.meaningfulSignals.contains($0.signal) }
        for event in early { newest[event.signal] = event.newestDelivery }
    }

    /// The next event, in the order of capture.
    mutating func take() -> SignalEvent? {
        if !early.isEmpty { return early.removeFirst() }
        while let event = waiter.take() {
            if event.newestDelivery > newest[event.signal] ?? 0 { return event }
        }
        return nil
    }

    /// Returns when the signals are subscribed, even if another call subscribes them.
    func subscribeToReload() throws(SignalBridgeError) {
        try waiter.insert(policy.reload, escalateAfterUnread: nil)
        waiter.wake()  // the monitor thread unblocks them
    }

    /// Throws if the policy has no reload signals.
    func checkReload() throws(SignalBridgeError) {
        if !policy.reload.isEmpty { return }
        throw SignalBridgeError(
            .noSignals, nil, "the policy names no signals that reload; give it one, such as SIGHUP")
    }

    /// Throws if the signal has a meaning for the daemon already.
    func checkIsFree(_ signal: SignalNumber) throws(SignalBridgeError) {
        if !policy.meaningfulSignals.contains(signal) { return }
        throw SignalBridgeError(
            .duplicateSignal, signal, "the policy gives \(signal) a meaning; use onGracefulShutdown or onReload")
    }
}
