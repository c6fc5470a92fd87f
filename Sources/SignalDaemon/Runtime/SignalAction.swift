import SignalBridge

/// One ``Daemon/onSignal(_:_:)``: a subscription, and the task that calls the action with its events, one at a time.
/// The daemon does not wait for it.
final class SignalAction: Sendable {
    let signal: SignalNumber
    private let events: SignalEvents
    private let task: Task<Void, Never>

    init(_ signal: SignalNumber, _ action: @escaping @Sendable (SignalEvent) async -> Void) throws(SignalBridgeError) {
        let events = try SignalEvents(signal, options: .everyDelivery)
        self.signal = signal
        self.events = events
        task = Task {
            for await event in events { await action(event) }
        }
    }

    /// Stops calling the action. The signal stays subscribed.
    func silence() { task.cancel() }

    /// Restores the disposition. Runs no user code.
    func unsubscribe() { events.finish() }

    /// Restores the disposition, after `silence`. What was not read has no effect.
    func drop() { _ = events.finishAndTakeAll() }

    /// Restores the disposition. An action that runs is cancelled.
    func end() {
        unsubscribe()
        task.cancel()
    }
}
