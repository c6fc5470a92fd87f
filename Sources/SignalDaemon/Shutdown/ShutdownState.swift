/// The state of a daemon's life, with the values that only this state has.
enum ShutdownState {
    enum Purpose {
        case shutdown
        /// A reload replaces the body. `overdue`: the wait for the old body was reported.
        case restart(isOverdue: Bool)

        var isShutdown: Bool { if case .shutdown = self { true } else { false } }
    }

    /// The current clean-up. When its time is up, the next one starts, and this one is cancelled if its user set a
    /// limit.
    struct Cleanup {
        let id: Int
        var deadline: Duration
        let hasLimit: Bool
    }

    struct CleanupTimes {
        /// `nil`: a restart, which waits without a deadline.
        var deadline: Duration?
        /// The time at which all running clean-ups are cancelled; `nil`: they were.
        var cancels: Duration?
        var current: Cleanup?

        /// Gives a clean-up its turn. Without a limit it has an equal share of the time that the limits of the waiting
        /// ones leave.
        mutating func begin(
            _ id: Int, _ limit: Duration?, waiting: (limits: Duration, unlimited: Int), at now: Duration,
            of period: Duration
        ) {
            let left = (cancels ?? deadline ?? now + period) - now
            let share = max(.zero, left - waiting.limits) / (waiting.unlimited + 1)
            current = Cleanup(
                id: id, deadline: now + min(left, limit ?? share), hasLimit: limit != nil || cancels == nil)
        }
    }

    /// The body loads its first configuration, so no work could drain yet.
    case loading
    case running
    case draining(Purpose, deadline: Duration)
    /// `nil`: a restart, which waits without a deadline.
    case cancelling(Purpose, deadline: Duration?)
    /// One clean-up has its turn at a time. An earlier one that overran its time may still run.
    case cleaningUp(Purpose, CleanupTimes)
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
        case .draining(let purpose, _), .cancelling(let purpose, _), .cleaningUp(let purpose, _): purpose
        }
    }

    var deadline: Duration? {
        switch self {
        case .loading, .running, .over: nil
        case .draining(_, let deadline): deadline
        case .cancelling(_, let deadline): deadline
        case .cleaningUp(_, let times):
            [times.deadline, times.cancels, times.current?.deadline].compactMap { $0 }.min()
        }
    }

    /// Returns the same purpose in another phase, for at most this time. A running clean-up continues.
    func entering(_ phase: DaemonPhase, _ purpose: Purpose, at now: Duration, for period: Duration) -> ShutdownState {
        let deadline = now + period
        switch phase {
        case .draining: return .draining(purpose, deadline: deadline)
        case .cancelling: return .cancelling(purpose, deadline: deadline)
        default:
            var times = CleanupTimes(deadline: deadline, cancels: now + period * 9 / 10)  // a tenth to notice that
            if case .cleaningUp(_, let earlier) = self { times.current = earlier.current }
            return .cleaningUp(purpose, times)
        }
    }

    /// Ends the turn of a clean-up, because it ended, or its time is up.
    func leaving(cleanup id: Int) -> ShutdownState {
        guard case .cleaningUp(let purpose, var times) = self, times.current?.id == id else { return self }
        times.current = nil
        return .cleaningUp(purpose, times)
    }

    /// Returns the state with deadlines no later than these.
    func shortened(at now: Duration, to period: Duration) -> ShutdownState {
        let end = now + period
        switch self {
        case .cancelling(let purpose, let deadline):
            return .cancelling(purpose, deadline: deadline.map { min($0, end) })
        case .cleaningUp(let purpose, var times):
            times.deadline = times.deadline.map { min($0, end) }
            times.cancels = times.cancels.map { min($0, now + period * 9 / 10) }
            if let deadline = times.current?.deadline {
                times.current?.deadline = min(deadline, times.cancels ?? end)
            }
            return .cleaningUp(purpose, times)
        default: return self
        }
    }

    /// Returns the state with its deadline anew, for a part that waits with a restart around it.
    func renewed(at now: Duration, to period: Duration) -> ShutdownState {
        let deadline = now + max(period, .milliseconds(10))  // later than now, or `tick` would not return
        guard case .cleaningUp(let purpose, var times) = self else { return .cancelling(purpose!, deadline: deadline) }
        times.deadline = deadline
        return .cleaningUp(purpose, times)
    }

    /// A restart that waits without limit, because a new configuration never forces an exit.
    var overdue: ShutdownState {
        if case .cleaningUp(_, var times) = self {
            times.deadline = nil
            return .cleaningUp(.restart(isOverdue: true), times)
        }
        return .cancelling(.restart(isOverdue: true), deadline: nil)
    }
}
