/// A phase in the life of a daemon.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum DaemonPhase: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// No shutdown was requested.
    case running
    /// Work was asked to finish, and has ``SignalPolicy/gracePeriod`` for it.
    case draining
    /// Work that had not finished was cancelled, and has ``SignalPolicy/cancelPeriod`` to end.
    case cancelling
    /// Clean-ups run, and have ``SignalPolicy/cleanupPeriod`` together.
    case cleaningUp

    /// The phase in words: "running", "draining", "cancelling" or "cleaning up".
    public var description: String {
        switch self {
        case .running: "running"
        case .draining: "draining"
        case .cancelling: "cancelling"
        case .cleaningUp: "cleaning up"
        }
    }
}
