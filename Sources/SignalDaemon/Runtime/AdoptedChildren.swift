import SignalBridge

/// The children that a forced exit takes along: ``Daemon/adoptChild(_:)``.
final class AdoptedChildren: Sendable {
    private struct State {
        var children: Set<Int32> = []
        var areKilled = false
    }
    private let state = Lock(State())

    func add(_ child: Int32) throws(SignalBridgeError) {
        guard isUnreapedChild(child) else {
            throw SignalBridgeError(.invalidArgument, nil, "\(child) is not a child of this process, or was waited for")
        }
        let isTooLate = state.withLock { state in
            state.children = state.children.filter(isUnreapedChild)  // so that it does not grow for years
            state.children.insert(child)
            return state.areKilled
        }
        if isTooLate { killChild(child) }  // a forced exit has begun
    }

    /// Kills those that still are children: a process id is not used again before it was waited for. A child that leads a process
    /// group takes its group along.
    func killAll() {
        let children = state.withLock { state in
            state.areKilled = true
            return state.children
        }
        for child in children where isUnreapedChild(child) { killChild(child) }
    }
}
