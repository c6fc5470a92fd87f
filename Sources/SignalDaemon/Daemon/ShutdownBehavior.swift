/// The effect of a shutdown on a task or a thread.
public enum ShutdownBehavior: Hashable, Sendable {
    /// The work is asked to finish, and is cancelled after the grace period.
    case drain
    /// The work is cancelled when the shutdown begins.
    case cancel
    /// The work is never cancelled. The daemon waits for it until the process is forced to end.
    case complete
}
