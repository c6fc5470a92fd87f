/// What a shutdown does to a task or a thread.
public enum ShutdownBehavior: Hashable, Sendable {
    /// The work is asked to finish what it has, and is cancelled after the grace period.
    case drain
    /// The work is cancelled when the shutdown begins.
    case cancel
    /// The work is never cancelled. The daemon waits for it until the process is forced to end.
    case complete
}

/// What an error of a task or a thread does to its daemon.
public enum FailureBehavior: Hashable, Sendable {
    /// The daemon shuts down gracefully.
    case shutDown
    /// The error is reported, and the daemon runs on.
    case report
}
