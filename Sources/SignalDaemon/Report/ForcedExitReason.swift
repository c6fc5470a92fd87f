import SignalBridge

/// The reason why a process was forced to end.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum ForcedExitReason: Hashable, Sendable, CustomStringConvertible {
    /// Another signal requested the forced exit.
    case signal(SignalEvent)
    /// The period of a phase was over.
    case deadline(DaemonPhase)

    /// A phrase such as "by SIGINT from the kernel" or "timed out while cancelling".
    public var description: String {
        switch self {
        case .signal(let event): "by \(event)"
        case .deadline(let phase): "timed out while \(phase)"
        }
    }
}
