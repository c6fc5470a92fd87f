import SignalBridge

/// Calls the user's closure with transitions, in order. The closure may be slow or hang: ten thousand transitions wait
/// for it, and further ones are counted.
final class TransitionReporter: Sendable {
    private enum Item: Sendable {
        case transition(DaemonTransition)
        case call(@Sendable () -> Void)
    }

    private struct Backlog {
        var waiting = 0
        var dropped = 0
    }
    private static let limit = 10_000
    private let backlog = Lock(Backlog())
    private let worker: SerialWorker<Item>
    private let hasListener: Bool

    /// Makes a reporter, which has a thread only if there is a closure.
    init(_ onTransition: (@Sendable (DaemonTransition) -> Void)?, isInline: Bool) throws(SignalBridgeError) {
        hasListener = onTransition != nil
        worker = try SerialWorker(isInline: isInline || onTransition == nil) { [backlog] item in
            switch item {
            case .transition(let transition):
                backlog.withLock { $0.waiting -= 1 }
                onTransition?(transition)
            case .call(let call): call()
            }
        }
    }

    /// Adds a transition. May be called under a lock.
    func append(_ transition: DaemonTransition) {
        guard hasListener else { return }
        let isLast =
            switch transition {
            case .finished, .forced: true
            default: false
            }
        let (isFull, dropped) = backlog.withLock { backlog in
            if backlog.waiting >= Self.limit, !isLast {
                backlog.dropped += 1
                return (true, 0)
            }
            backlog.waiting += backlog.dropped > 0 ? 2 : 1
            return (false, exchange(&backlog.dropped, with: 0))
        }
        if isFull { return }
        if dropped > 0 { worker.append(.transition(.dropped(dropped))) }
        worker.append(.transition(transition))
    }

    /// Calls the closure when all earlier transitions have been reported.
    func append(call: @escaping @Sendable () -> Void) { worker.append(.call(call)) }

    func runInline(waits: Bool = false) { worker.runInline(waits: waits) }

    func stop() { worker.stop() }
}
