import SignalBridge

/// The daemon and the work to which the calling task or thread belongs.
struct WorkContext: Sendable {
    @TaskLocal static var current: WorkContext?

    let daemon: Daemon
    /// A latch that opens when the shutdown reaches this work; `nil`: when the shutdown begins.
    let latch: Latch?
}
