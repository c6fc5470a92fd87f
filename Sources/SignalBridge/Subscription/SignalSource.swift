/// What feeds subscriptions: a bridge (`SignalHub`), the bridge of a loop (`SignalLoop`), or a `SignalSimulator`.
protocol SignalSource: AnyObject, Sendable {
    /// Subscribes to all of the signals or to none, and calls `Subscription.begin` under the source's lock. Skips signals
    /// that the subscription has. `limit` is its `escalateAfterUnread`.
    func subscribe(_ subscription: Subscription, to signals: [SignalNumber], limit: Int?) throws(SignalBridgeError)
    /// Ends the subscription to all of its signals, and restores their dispositions. What was captured until then is in
    /// the buffer. Does nothing the second time.
    func unsubscribe(_ subscription: Subscription)
    /// The rule for what a subscription leaves unread: one for all sources that get the same signals.
    var resendRule: Lock<ResendRule> { get }
    /// S5: held while a source ends a subscription, and while a subscription is discarded.
    var endings: Lock<Void> { get }
    /// Sends an unread signal to the process once more.
    func raiseAgain(_ signal: SignalNumber)
}

/// The source of subscriptions that the calling task or thread makes, on a loop or on none.
func currentSource(on loop: SignalLoop? = nil) -> any SignalSource {
    if let simulator = SignalSimulator.current { return simulator }
    if let loop { return loop }
    return SignalHub.shared
}

/// What the threads that call a `SignalWaiter` sleep on: its bridge, or a stand-in for that.
protocol Waitable: Sendable {
    /// The time by which `wait` measures.
    var now: Duration { get }
    /// Opens what is waited on, which `wait` would do otherwise without an error.
    func prepareToWait() throws(SignalBridgeError)
    /// Blocks until there may be something to read, `wake` is called, or the deadline has come: then it returns `false`.
    /// Returns at once after a `wake` that no `collectPending` has followed.
    func wait(until deadline: Duration?) -> Bool
    /// Makes all that wait return.
    func wake()
    /// Brings what was captured into the buffers, without a call of `Subscription.onChange`. Returns whether there was
    /// anything.
    func collectPending() -> Bool
}
