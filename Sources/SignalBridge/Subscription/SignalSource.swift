/// A source of events for subscriptions: a bridge (`SignalHub`), the bridge of a loop (`SignalLoop`), or a
/// `SignalSimulator`.
protocol SignalSource: AnyObject, Sendable {
    /// Subscribes to all of the signals or to none, and calls `Subscription.begin` under the source's lock. Skips signals
    /// that the subscription has. `limit` is its `escalateAfterUnread`.
    func subscribe(_ subscription: Subscription, to signals: [SignalNumber], limit: Int?) throws(SignalBridgeError)
    /// Ends the subscription to all of its signals, and restores their dispositions. All captured events are then in
    /// the buffer. Does nothing the second time.
    func unsubscribe(_ subscription: Subscription)
    /// The rule for unread signals of a subscription. All sources that get the same signals share it.
    var resendRule: Lock<ResendRule> { get }
    /// S5: held while a source ends a subscription, and while a subscription is discarded.
    var endings: Lock<Void> { get }
    /// Sends an unread signal to the process again.
    func raiseAgain(_ signal: SignalNumber)
}

/// The source of subscriptions that the calling task or thread makes, with or without a loop.
func currentSource(on loop: SignalLoop? = nil) -> any SignalSource {
    if let simulator = SignalSimulator.current { return simulator }
    if let loop { return loop }
    return SignalHub.shared
}
