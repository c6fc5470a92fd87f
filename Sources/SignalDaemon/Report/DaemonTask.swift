/// One piece of a daemon's work, and how it ended.
public struct DaemonTask: Sendable, CustomStringConvertible {
    /// The name with which the work was added; "body" for the body.
    public let name: String
    /// The kind of the work.
    public let kind: Kind
    /// The way in which the work ended.
    public let outcome: Outcome
    /// The time that the work ran.
    public let duration: Duration
    /// Whether it counts as a failure, which turns a clean stop into exit code 1.
    var countsAsFailure = false

    /// A kind of work.
    #if hasAttribute(nonexhaustive)
        @nonexhaustive
    #endif
    public enum Kind: String, Hashable, Sendable {
        /// The closure that ``Daemon/run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)`` was given.
        case body
        /// Work of ``Daemon/addTask(_:onShutdown:onFailure:after:operation:)``.
        case task
        /// Work of ``Daemon/shield(_:operation:)``, or a task with ``ShutdownBehavior/complete``.
        case shielded
        /// Work of ``Daemon/addThread(_:onShutdown:onFailure:after:operation:)``.
        case thread
        /// A part, which is a daemon inside the daemon: ``Daemon/addPart(_:onFailure:after:_:)``.
        case part
        /// An action of ``Daemon/onGracefulShutdown(_:_:)``.
        case action
        /// A clean-up of ``Daemon/addCleanup(_:within:_:)``.
        case cleanup
    }

    /// The way in which work ended.
    #if hasAttribute(nonexhaustive)
        @nonexhaustive
    #endif
    public enum Outcome: Sendable, CustomStringConvertible {
        /// The work returned.
        case finished
        /// The work threw `CancellationError` because of the shutdown, or
        /// ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` because the daemon refused more work.
        case cancelled
        /// The work threw this error.
        case failed(any Error)
        /// The work still ran when the process was forced to end, or was a clean-up that had not started.
        case abandoned

        var isFailure: Bool { if case .failed = self { true } else { false } }

        /// The outcome in words: "finished", "cancelled", "failed: …" or "abandoned".
        public var description: String {
            switch self {
            case .finished: "finished"
            case .cancelled: "cancelled"
            case .failed(let error): "failed: \(error)"
            case .abandoned: "abandoned"
            }
        }
    }

    /// A phrase such as "task consumer: finished".
    public var description: String {
        kind == .body && name == "body" ? "body: \(outcome)" : "\(kind.rawValue) \(name): \(outcome)"
    }
}
