import SignalBridge

/// The children that a forced exit kills: ``Daemon/adoptChild(_:)``.
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

    /// Kills those that are still children. Their ids cannot belong to other processes, because a process id is not
    /// reused before it was waited for. If a child leads a process group, its group is killed.
    func killAll() {
        let children = state.withLock { state in
            state.areKilled = true
            return state.children
        }
        for child in children where isUnreapedChild(child) { killChild(child) }
    }
}
