import SignalBridge

/// One ``Daemon/onSignal(_:_:)``: a subscription, and the task that calls the action with its events, one at a time. It is no
/// work of the daemon's: nothing waits for it.
final class SignalAction: Sendable {
    private let events: SignalEvents
    private let task: Task<Void, Never>

    init(_ signal: SignalNumber, _ action: @escaping @Sendable (SignalEvent) async -> Void) throws(SignalBridgeError) {
        let events = try SignalEvents(signal, options: .everyDelivery)
        self.events = events
        task = Task {
            for await event in events { await action(event) }
        }
    }

    /// Restores the disposition. What was captured still comes.
    func unsubscribe() { events.finish() }

    /// Cancels the action, if it runs. It may run code of the user's.
    func cancel() { task.cancel() }
}
