/// The object on which the callers of a `SignalWaiter` sleep: its bridge, or a simulation of that.
protocol Waitable: Sendable {
    /// The clock of `wait`.
    var now: Duration { get }
    /// Opens the bridge. `wait` would open it too, but could not report an error.
    func prepareToWait() throws(SignalBridgeError)
    /// Blocks until there may be something to read, or `wake` is called. Returns `false` if the deadline has come.
    /// Returns at once after a `wake` that no `collectPending` has followed.
    func wait(until deadline: Duration?) -> Bool
    /// Makes all waiting threads return.
    func wake()
    /// Moves captured events into the buffers, without a call of `Subscription.onChange`. Returns whether there were
    /// any.
    func collectPending() -> Bool
}
