import SignalBridge

/// The children that a forced exit takes along: ``Daemon/adoptChild(_:)``.
final class AdoptedChildren: Sendable {
    private let children = Lock<Set<Int32>>([])

    func add(_ child: Int32) throws(SignalBridgeError) {
        guard isUnreapedChild(child) else {
            throw SignalBridgeError(.invalidArgument, nil, "\(child) is not a child of this process, or was waited for")
        }
        children.withLock { children in
            children = children.filter(isUnreapedChild)  // so that it does not grow for years
            children.insert(child)
        }
    }

    /// Kills those that still are children: a process id is not used again before it was waited for. A child that leads a process
    /// group takes its group along.
    func killAll() {
        for child in children.withLock({ $0 }) where isUnreapedChild(child) { killChild(child) }
    }
}
