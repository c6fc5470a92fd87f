// Every decision of a daemon's life, as a plain value. What happened goes in with the time; what is to be done comes out,
// as actions in their order. It knows no thread, no clock and no closure, so a test can walk all of its states
// (ShutdownStateMachineTests, which refutes the opposite of each invariant).
//
//     loading → running → draining → cancelling → cleaning up → over
//
// M1  It is over once, by `finish` or by `force`. Then every input has no effect.
// M2  Outside of `loading` and `running` there is a deadline, except where a restart waits for work of the old body.
// M3  Work that completes (`ShutdownBehavior.complete`) and clean-ups within their time are never cancelled.
// M4  Clean-ups run after all other work has ended, one at a time, the last registered first.
// M5  At most one reload runs. Requests during one lead to exactly one more. A shutdown cancels the one that runs.
// M6  Actions run if a shutdown or a restart was requested, and never if all work ended by itself.
import SignalBridge

struct ShutdownStateMachine {
    enum Action {
        /// Starts work that was registered: an action or a clean-up.
        case start(Int)
        case startReload(Int)
        case cancel(Int)
        /// `shutdownRequested()` returns.
        case signalShutdown
        case announce(DaemonTransition)
        /// Everything of the old body has ended: start the new body as this work.
        case startBody(Int)
        case finish
        case force(ForcedExitReason)
    }

    private let policy: SignalPolicy
    private let restarts: Bool
    private(set) var state: ShutdownState
    private(set) var reloads: ReloadState
    private(set) var work = WorkTable()
    private var phaseBegan: Duration
    /// One more with each restart: work of an old body is refused.
    private(set) var generation = 0
    private(set) var summary = DaemonSummary()

    /// Begins with its body, whose id is 0. If that loads a configuration first, `loaded` follows.
    init(_ policy: SignalPolicy, loads: Bool = false, restarts: Bool = false, at now: Duration) {
        self.policy = policy
        self.restarts = restarts
        state = loads ? .loading : .running
        reloads = loads ? .running(again: false) : .unavailable
        phaseBegan = now
        _ = work.add(WorkTable.Item(name: "body", kind: .body), at: now)
    }

    // MARK: what it is doing

    var isOver: Bool { if case .over = state { true } else { false } }
    var isShuttingDown: Bool { purpose?.isShutdown ?? false }
    var restartsOnReload: Bool { restarts }

    /// When `tick` must be called.
    var deadline: Duration? { state.deadline }

    private var phase: DaemonPhase? { state.phase }
    private var purpose: ShutdownState.Purpose? { state.purpose }

    func isRunning(_ id: Int) -> Bool { work.running[id] != nil }
    func isCancelled(_ id: Int) -> Bool { work.running[id]?.isCancelled ?? isOver }
    func takesWork(of generation: Int) -> Bool { phase == .running && generation == self.generation }

    /// What the summary no longer keeps. Release it outside of every lock: an error may have a `deinit`.
    mutating func takeDropped() -> [any Sendable] { summary.takeDropped() }

    // MARK: work

    /// Adds work, which the caller starts; `nil` if it is refused.
    mutating func add(_ item: WorkTable.Item, generation: Int, at now: Duration) -> Int? {
        takesWork(of: generation) ? work.add(item, at: now) : nil
    }

    /// Adds a part of work that runs already, so a shutdown does not refuse it.
    mutating func addShield(_ name: String, at now: Duration) -> Int? {
        if isOver { return nil }
        return work.add(
            WorkTable.Item(
                name: name, kind: .shielded, onShutdown: .complete, onFailure: .report, isErrorHandled: true), at: now)
    }

    /// Registers an action or a clean-up; `nil`: it will not run.
    mutating func register(
        _ kind: DaemonTask.Kind, _ name: String, generation: Int, at now: Duration
    ) -> (id: Int, actions: [Action])? {
        guard let phase, generation == self.generation else { return nil }
        let isByItself = phase != .running && summary.reason == .finished
        if kind == .action, isByItself { return nil }  // M6
        let id = work.register(WorkTable.Item(name: name, kind: kind))
        switch phase {
        case .running: return (id, [])
        case .cleaningUp where kind == .cleanup: return (id, settle(at: now))
        case _ where kind == .cleanup: return (id, [])
        default: return (id, startActions(at: now) + (phase == .draining ? [] : cancel(id)))
        }
    }

    /// The caller could not start what it added.
    mutating func withdraw(_ id: Int, at now: Duration) -> [Action] {
        _ = work.end(id)
        return settle(at: now)
    }

    mutating func ended(_ id: Int, _ error: (any Error)?, at now: Duration) -> [Action] {
        guard !isOver, let item = work.end(id) else { return [] }
        let isRefusal = purpose != nil && (error as? SignalBridgeError)?.code == .shuttingDown
        let isCancellation = isRefusal || (item.isCancelled && error is CancellationError)
        let outcome = error.map { isCancellation ? DaemonTask.Outcome.cancelled : .failed($0) } ?? .finished
        guard let kind = item.kind else { return reloadEnded(outcome, at: now) + settle(at: now) }
        var task = DaemonTask(name: item.name, kind: kind, outcome: outcome, duration: now - item.since)
        task.countsAsFailure = kind == .cleanup && item.isCancelled  // its time was up
        if case .failed = outcome, !item.isErrorHandled { task.countsAsFailure = true }
        summary.record(task, isLast: isShuttingDown)
        state = state.leaving(cleanup: id)
        var actions: [Action] = [.announce(.ended(task))]
        if case .failed = outcome, item.onFailure == .shutDown, purpose == nil {
            actions += begin(.failure(of: item.name), at: now)
        }
        return actions + settle(at: now)
    }

    // MARK: signals and requests

    mutating func receive(_ event: SignalEvent, at now: Duration) -> [Action] {
        guard let phase else { return [] }
        if policy.reload.contains(event.signal) { return receiveReload(event, at: now) }
        let isHard = policy.hardExit.contains(event.signal)
        let isFirst = summary.signals.isEmpty
        summary.record(event)
        guard isShuttingDown else {
            if isHard { summary.hardExit = event }
            return [.announce(.received(event, isHard ? .stoppedImmediately : .beganShutdown))]
                + begin(.signal(event), at: now) + settle(at: now)
        }
        if isFirst, !isHard { return [.announce(.received(event, .joinedShutdown))] }
        guard isFirst || (policy.secondSignal == .escalate && phase == .draining) else {
            return [.announce(.received(event, .forcedExit))] + force(.signal(event), at: now)
        }
        if isHard { summary.hardExit = event }
        let response: DaemonTransition.Response = isHard ? .stoppedImmediately : .escalated
        if phase != .draining {  // its period is the hard exit's from here on
            let (end, share) = (period(of: phase), period(of: .cleaningUp) / (work.cleanups.count + 2))
            state = state.shortened(
                to: now + min(end, .seconds(1 << 40)), cleanupTo: now + min(share, .seconds(1 << 40)))
        }
        return [.announce(.received(event, response))]
            + (phase == .draining ? enter(.cancelling, .shutdown, at: now) : []) + settle(at: now)
    }

    mutating func shutdown(_ reason: ShutdownReason, at now: Duration) -> [Action] {
        if isOver { return [] }
        guard isShuttingDown else { return begin(reason, at: now) + settle(at: now) }
        // The task that waits for the daemon was cancelled, so it does not wait for draining.
        guard reason == .cancelled, phase == .draining else { return [] }
        return enter(.cancelling, .shutdown, at: now) + settle(at: now)
    }

    mutating func tick(at now: Duration) -> [Action] {
        var actions: [Action] = []
        while let deadline, deadline <= now {
            switch state {
            case .cleaningUp(_, let end, let current?) where current.deadline < end ?? .seconds(Int64.max):
                state = state.leaving(cleanup: current.id)
                actions.append(.announce(.cleanupTimedOut(work.running[current.id]!.name)))
                actions += cancel(current.id) + settle(at: now)
            case .draining(let purpose, _):
                actions += enter(.cancelling, purpose, at: now) + settle(at: now)
            case .cancelling(.restart(let isOverdue), _), .cleaningUp(.restart(let isOverdue), _, _):
                state = state.overdue
                if !isOverdue {
                    actions.append(.announce(.restartWaits(for: work.running.values.map(\.name).sorted())))
                }
            default:
                actions += force(.deadline(phase!), at: now)
            }
        }
        return actions
    }

    // MARK: phases

    /// A shutdown begins.
    private mutating func begin(_ reason: ShutdownReason, at now: Duration) -> [Action] {
        let isInterruptedRestart = purpose != nil
        summary.reason = reason
        let cancelled = work.reloadIDs.flatMap { cancel($0) }  // M5
        if isInterruptedRestart, let phase, phase != .draining {
            return cancelled + enter(phase, .shutdown, at: now)  // as far as it is, with the time of a shutdown
        }
        let isImmediate = reason == .cancelled || summary.hardExit != nil
        return cancelled + enter(isImmediate ? .cancelling : .draining, .shutdown, at: now)
    }

    private mutating func enter(
        _ wanted: DaemonPhase, _ purpose: ShutdownState.Purpose, at now: Duration
    ) -> [Action] {
        let next = wanted == .draining && period(of: .draining) == .zero ? .cancelling : wanted
        let deadline = now + min(period(of: next), .seconds(1 << 40))  // M2
        let (wasRunning, wasLoading) = (phase == .running, state.isLoading)
        endPhase(at: now)
        state = state.entering(next, purpose, deadline: deadline)
        var actions: [Action] = [.announce(.entered(next, summary.reason))]
        if wasRunning {
            actions.append(.signalShutdown)
            if summary.reason == .finished { work.dropActions() }  // M6
            actions += startActions(at: now)
        }
        for id in work.runningIDs {
            let item = work.running[id]!
            let isDue = next == .cancelling || wasLoading || item.onShutdown == .cancel
            // M3
            if next != .cleaningUp, item.kind != .cleanup, item.onShutdown != .complete, isDue { actions += cancel(id) }
        }
        return actions
    }

    /// Moves on if all work, or all clean-ups, have ended. Every input ends here.
    private mutating func settle(at now: Duration) -> [Action] {
        var actions: [Action] = []
        if phase == .running, !work.hasWork {
            summary.reason = .finished
            actions += work.reloadIDs.flatMap { cancel($0) }
            actions += enter(work.running.isEmpty ? .cleaningUp : .cancelling, .shutdown, at: now)
        }
        if phase == .running || isOver || work.delaysCleanup { return actions }
        if phase != .cleaningUp { actions += enter(.cleaningUp, purpose!, at: now) }
        guard case .cleaningUp(let purpose, let deadline, let current) = state else { return actions }
        if current == nil, let id = work.startCleanup(at: now) {  // M4
            let left = deadline.map { $0 - now } ?? period(of: .cleaningUp)
            let share = left / (work.cleanups.count + 2)
            state = .cleaningUp(purpose, deadline: deadline, current: .init(id: id, deadline: now + share))
            actions.append(.start(id))
        }
        if work.running.isEmpty { actions += purpose.isShutdown ? finish(at: now) : restart(at: now) }
        return actions
    }

    private func period(of phase: DaemonPhase) -> Duration {
        let period =
            switch phase {
            case .cancelling: policy.cancelPeriod
            case .cleaningUp: policy.cleanupPeriod
            default: policy.gracePeriod
            }
        return max(.zero, summary.hardExit == nil ? period : min(period, policy.hardExitPeriod))
    }

    private mutating func startActions(at now: Duration) -> [Action] {
        work.startActions(at: now).map { .start($0) }
    }

    private mutating func cancel(_ id: Int) -> [Action] { work.cancel(id) ? [.cancel(id)] : [] }

    private mutating func endPhase(at now: Duration) {
        summary.add(now - phaseBegan, to: phase!)
        phaseBegan = now
    }

    // MARK: the end

    private mutating func finish(at now: Duration) -> [Action] {
        endPhase(at: now)
        state = .over  // M1
        return [.announce(.finished(summary.exitStatus)), .finish]
    }

    private mutating func force(_ reason: ForcedExitReason, at now: Duration) -> [Action] {
        endPhase(at: now)
        let abandoned = work.unfinished
        summary.recordForcedExit(reason, abandoning: abandoned, at: now)
        state = .over  // M1
        return [.announce(.forced(reason, abandoned: abandoned.map(\.name))), .force(reason)]
    }

    // MARK: reloads

    mutating func allowReloads(_ areAllowed: Bool) { reloads.allow(areAllowed) }

    mutating func reload(at now: Duration) -> [Action] {
        if isOver || isShuttingDown { return [] }
        return reloads.request() == .starts ? startReload(at: now) : []
    }

    private mutating func receiveReload(_ event: SignalEvent, at now: Duration) -> [Action] {
        switch isShuttingDown ? .unavailable : reloads.request() {
        case .unavailable: [.announce(.received(event, .ignoredDuringShutdown))]
        case .starts: [.announce(.received(event, .beganReload))] + startReload(at: now)
        case .queues: [.announce(.received(event, .queuedReload))]
        case .joins: []
        }
    }

    private mutating func startReload(at now: Duration) -> [Action] {
        [.announce(.reloading), .startReload(work.add(WorkTable.Item(name: "reload", kind: nil), at: now))]
    }

    /// The first configuration is there.
    mutating func loaded(at now: Duration) -> [Action] {
        guard state.isLoading else { return [] }
        state = .running
        return [.announce(.started)] + finishReload(at: now)
    }

    /// The work of a reload has ended: loading, the actions, and applying.
    private mutating func reloadEnded(_ outcome: DaemonTask.Outcome, at now: Duration) -> [Action] {
        switch outcome {
        case .failed(let error):
            summary.record(failedReload: error)
            return [.announce(.reloadFailed(error))] + finishReload(at: now)
        case .finished where restarts && isShuttingDown: return finishReload(at: now)  // loaded, and never used
        case .finished where restarts:
            summary.reason = .restart
            return enter(.draining, .restart(isOverdue: false), at: now)  // `settle` follows
        case .finished:
            summary.reloads += 1
            return [.announce(.reloaded)] + finishReload(at: now)
        default: return finishReload(at: now)
        }
    }

    private mutating func restart(at now: Duration) -> [Action] {
        endPhase(at: now)
        summary.reloads += 1
        state = .running
        generation += 1
        let id = work.add(WorkTable.Item(name: "body", kind: .body), at: now)
        return [.announce(.started), .startBody(id), .announce(.reloaded)] + finishReload(at: now)
    }

    private mutating func finishReload(at now: Duration) -> [Action] {
        let again = reloads.finish()
        return again && !isOver && !isShuttingDown && reloads.request() == .starts ? startReload(at: now) : []
    }
}
