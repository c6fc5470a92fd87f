import SignalBridge

/// A piece of work that runs in a daemon. A shutdown would wait for it.
public struct RunningWork: Hashable, Sendable, CustomStringConvertible {
    /// The name with which the work was added; "body" for the body.
    public let name: String
    /// The kind of work.
    public let kind: DaemonTask.Kind
    /// The time that the work has run.
    public let since: Duration
    /// Whether the daemon has cancelled the work.
    public let isCancelled: Bool

    /// A phrase such as "task consumer for 120 ms, cancelled".
    public var description: String {
        "\(kind.rawValue) \(name) for \(since.roundedUpToMilliseconds) ms\(isCancelled ? ", cancelled" : "")"
    }
}
