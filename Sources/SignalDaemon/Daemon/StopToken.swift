import SignalBridge

/// The request to a thread of a daemon to stop: the counterpart of a task's cancellation.
public struct StopToken: Sendable {
    private let stop: Latch
    private let cancel: Latch

    init(stop: Latch, cancel: Latch) {
        self.stop = stop
        self.cancel = cancel
    }

    /// Whether a shutdown was requested, or the thread was cancelled: then finish the work that you have.
    public var isRequested: Bool { stop.isOpen || cancel.isOpen }

    /// Whether the thread was cancelled: then drop the work that you have.
    public var isCancelled: Bool { cancel.isOpen }

    /// Blocks the thread until a shutdown is requested, the thread is cancelled, or the time is over.
    ///
    /// - Parameter timeout: `nil`: for ever.
    /// - Returns: ``isRequested``.
    @available(*, noasync, message: "it blocks the thread; use Daemon.shutdownRequested()")
    @discardableResult
    public func wait(timeout: Duration? = nil) -> Bool {
        stop.block(or: cancel, timeout: timeout)
        return isRequested
    }

    /// Throws `CancellationError` if the thread was cancelled.
    public func checkCancellation() throws {
        if isCancelled { throw CancellationError() }
    }
}
