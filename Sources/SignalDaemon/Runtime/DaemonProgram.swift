import SignalBridge

/// The closures that the user gave a daemon to run, without their types.
struct DaemonProgram: Sendable {
    /// The body; `nil`: the caller runs it on its own thread.
    var body: (@Sendable (Daemon) async throws -> Void)?
    /// Loads the configuration again. A body with a configuration loads the first one itself.
    var load: (@Sendable () async throws -> Void)?
    /// Applies the loaded configuration. Without it, a reload restarts the body.
    var apply: (@Sendable () async throws -> Void)?
    var onForcedExit: (@Sendable (DaemonSummary) -> Void)?
    /// An earlier subscription, whose signals the daemon takes over.
    var early: SignalEvents?
    /// Whether the process ends with the daemon, so that its signals stay subscribed.
    var endsProcess = false

    var restartsOnReload: Bool { load != nil && apply == nil }
}
