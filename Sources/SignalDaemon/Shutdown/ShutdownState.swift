import SignalBridge

/// Where a daemon is in its life, with what only that place has.
enum ShutdownState {
    enum Purpose {
        case shutdown
        /// A reload replaces the body. Overdue: the wait for the old body was reported.
        case restart(isOverdue: Bool)

        var isShutdown: Bool { if case .shutdown = self { true } else { false } }
    }

    struct Cleanup {
        let id: Int
        var deadline: Duration
    }

    /// The body loads its first configuration: there is nothing yet that could drain.
    case loading
    case running
    case draining(Purpose, deadline: Duration)
    /// No deadline: a restart that waits.
    case cancelling(Purpose, deadline: Duration?)
    /// One clean-up at a time has a deadline of its own. One that overran its deadline may still run beside it.
    case cleaningUp(Purpose, deadline: Duration?, current: Cleanup?)
    case over

    var isLoading: Bool { if case .loading = self { true } else { false } }

    /// `nil`: over.
    var phase: DaemonPhase? {
        switch self {
        case .loading, .running: .running
        case .draining: .draining
        case .cancelling: .cancelling
        case .cleaningUp: .cleaningUp
        case .over: nil
        }
    }

    /// `nil`: nothing ends it.
    var purpose: Purpose? {
        switch self {
        case .loading, .running, .over: nil
        case .draining(let purpose, _), .cancelling(let purpose, _), .cleaningUp(let purpose, _, _): purpose
        }
    }

    var deadline: Duration? {
        switch self {
        case .loading, .running, .over: nil
        case .draining(_, let deadline): deadline
        case .cancelling(_, let deadline): deadline
        case .cleaningUp(_, let deadline, let current): [deadline, current?.deadline].compactMap { $0 }.min()
        }
    }

    /// The same purpose in another phase. A clean-up that runs goes on.
    func entering(_ phase: DaemonPhase, _ purpose: Purpose, deadline: Duration) -> ShutdownState {
        switch (phase, self) {
        case (.draining, _): .draining(purpose, deadline: deadline)
        case (.cancelling, _): .cancelling(purpose, deadline: deadline)
        case (_, .cleaningUp(_, _, let current)): .cleaningUp(purpose, deadline: deadline, current: current)
        default: .cleaningUp(purpose, deadline: deadline, current: nil)
        }
    }

    /// The clean-up no longer counts: it ended, or its time is up.
    func leaving(cleanup id: Int) -> ShutdownState {
        guard case .cleaningUp(let purpose, let deadline, let current) = self, current?.id == id else { return self }
        return .cleaningUp(purpose, deadline: deadline, current: nil)
    }

    /// With deadlines no later than these.
    func shortened(to end: Duration, cleanupTo cleanupEnd: Duration) -> ShutdownState {
        switch self {
        case .cancelling(let purpose, let deadline):
            return .cancelling(purpose, deadline: deadline.map { min($0, end) })
        case .cleaningUp(let purpose, let deadline, var current):
            if let deadline = current?.deadline { current?.deadline = min(deadline, cleanupEnd) }
            return .cleaningUp(purpose, deadline: deadline.map { min($0, end) }, current: current)
        default: return self
        }
    }

    /// A restart that waits for ever: nothing is forced for the sake of a new configuration.
    var overdue: ShutdownState {
        if case .cleaningUp(_, _, let current) = self {
            return .cleaningUp(.restart(isOverdue: true), deadline: nil, current: current)
        }
        return .cancelling(.restart(isOverdue: true), deadline: nil)
    }
}
