/// The effect of an error of a task or a thread on its daemon.
public enum FailureBehavior: Hashable, Sendable {
    /// The daemon shuts down gracefully.
    case shutDown
    /// The error is reported, and the daemon continues.
    case report
}
