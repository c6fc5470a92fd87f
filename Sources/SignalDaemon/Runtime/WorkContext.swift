import SignalBridge

/// What the calling task or thread is a part of.
struct WorkContext: Sendable {
    @TaskLocal static var current: WorkContext?

    let daemon: Daemon
    /// Opens when the shutdown reaches this work; `nil`: when it begins.
    let latch: Latch?
}
