import SignalBridge

/// The actions that run last, even at a forced exit: ``Daemon/atExit(_:)``.
final class ExitActions: Sendable {
    private let actions = Lock<[@Sendable () -> Void]>([])

    func add(_ action: @escaping @Sendable () -> Void) { actions.withLock { $0.append(action) } }

    /// Runs each action that has not run, the last registered first.
    func run() {
        while let action = actions.withLock({ $0.popLast() }) { action() }
    }
}
