import SignalBridge

/// The reason why a daemon ends.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum ShutdownReason: Hashable, Sendable, CustomStringConvertible {
    /// A signal requested the shutdown.
    case signal(SignalEvent)
    /// The program called ``Daemon/shutdown(exitCode:)``.
    case requested
    /// The task that runs the daemon was cancelled.
    case cancelled
    /// The body, or a task, of this name failed.
    case failure(of: String)
    /// A reload replaces the body. Only in transitions.
    case restart
    /// The body returned, and all work had ended.
    case finished

    /// A phrase such as "SIGTERM from pid 1 (uid 0)" or "failure of consumer".
    public var description: String {
        switch self {
        case .signal(let event): "\(event)"
        case .requested: "requested by the program"
        case .cancelled: "cancellation of its task"
        case .failure(let name): "failure of \(name)"
        case .restart: "restart with a new configuration"
        case .finished: "all work was done"
        }
    }
}
