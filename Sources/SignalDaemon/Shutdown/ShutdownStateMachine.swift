// Every decision of a daemon's life, as a plain value. Events go in with the time, and actions come out in order. It
// uses no thread, clock or closure, so ShutdownExplorationTests can visit all of its states.
//
//     loading → running → draining → cancelling → cleaning up → over
//
// M1  It ends once, by `finish` or by `force`. After that, inputs have no effect.
// M2  Outside of `loading` and `running` there is a deadline, except where a restart waits for work of the old body.
// M3  Work that completes (`ShutdownBehavior.complete`) and clean-ups within their time are never cancelled.
// M4  Clean-ups run after all other work, one at a time, the last first. One that overran its share runs on beside the next.
// M5  At most one reload runs. Requests during one lead to exactly one more. A shutdown cancels the one that runs.
// M6  Actions run if a shutdown or a restart was requested, and never if all work ended by itself.
// M7  One request may arrive twice. A signal within the duplicate window of the last request only changes counts.
// M8  Draining reaches work only when the work that it comes after has ended. Cancelling reaches all work at once.
import SignalBridge

struct ShutdownStateMachine {
    private let policy: SignalPolicy
    let restartsOnReload: Bool
    private(set) var state: ShutdownState
    private(set) var reloads: ReloadState
    private(set) var work = WorkTable()
    private var phaseBegan: Duration
    /// One more with each restart: work of an old body is refused.
    private(set) var generation = 0
    private(set) var summary = DaemonSummary()
    private(set) var duplicates = DuplicateFilter()
    /// Whether a hard exit has begun, here or in the daemon that this one is a part of.
    private(set) var isHardExit = false

    /// Begins with the body, whose id is 0. If the body loads a configuration first, `loaded` follows.
    init(_ policy: SignalPolicy, loads: Bool = false, restarts: Bool = false, at now: Duration) {
        self.policy = policy
        restartsOnReload = restarts
        state = loads ? .loading : .running
        reloads = ReloadState(isLoading: loads)
        phaseBegan = now
        _ = work.add(WorkTable.Item(name: "body", kind: .body), at: now)
    }

    // MARK: what it is doing

    var isOver: Bool { if case .over = state { true } else { false } }
    var isShuttingDown: Bool { purpose?.isShutdown ?? false }
    /// The time at which `tick` must be called.
    var deadline: Duration? { state.deadline }

    private var phase: DaemonPhase? { state.phase }
    private var purpose: ShutdownState.Purpose? { state.purpose }

    func isCancelled(_ id: Int) -> Bool { work.running[id]?.isCancelled ?? isOver }
    func takesWork(of generation: Int) -> Bool { phase == .running && generation == self.generation }

    /// The results that the summary no longer keeps. Release them outside of every lock: an error may have a `deinit`.
    mutating func takeDropped() -> [any Sendable] { summary.takeDropped() }

    // MARK: work

    /// Adds work, which the caller starts; `nil` if it is refused.
    mutating func add(_ item: WorkTable.Item, generation: Int, at now: Duration) -> Int? {
        takesWork(of: generation) ? work.add(item, at: now) : nil
    }

    /// Adds a part of running work, so a shutdown does not refuse it.
    mutating func addShield(_ name: String, at now: Duration) -> Int? {
        if isOver { return nil }
        return work.add(
            WorkTable.Item(
                name: name, kind: .shielded, onShutdown: .complete, onFailure: .report, isErrorHandled: true), at: now)
    }

    /// Registers an action or a clean-up; `nil`: it will not run.
    mutating func register(
        _ kind: DaemonTask.Kind, _ name: String, within limit: Duration? = nil, generation: Int, at now: Duration
    ) -> (id: Int, actions: [Action])? {
        guard let phase, generation == self.generation else { return nil }
        if kind == .action, phase != .running, summary.reason == .finished { return nil }  // M6
        let id = work.register(WorkTable.Item(name: name, kind: kind, limit: limit.map { max(.zero, $0) }))
        switch phase {
        case .running: return (id, [])
        case .cleaningUp where kind == .cleanup: return (id, settle(at: now))
        case _ where kind == .cleanup: return (id, [])
        default: return (id, startActions(at: now) + (phase == .draining ? [] : cancel(id)))
        }
    }

    /// Removes work that the caller could not start.
    mutating func withdraw(_ id: Int, at now: Duration) -> [Action] {
        _ = work.end(id)
        return settle(at: now)
    }

    mutating func ended(_ id: Int, _ error: (any Error)?, at now: Duration) -> [Action] {
        guard !isOver, let item = work.end(id) else { return [] }
        let isRefusal = purpose != nil && (error as? SignalBridgeError)?.code == .shuttingDown
        let isCancellation = isRefusal || (error is CancellationError && (item.isCancelled || purpose != nil))
        let outcome = error.map { isCancellation ? DaemonTask.Outcome.cancelled : .failed($0) } ?? .finished
        guard let kind = item.kind else { return reloadEnded(outcome, at: now) + settle(at: now) }
        var task = DaemonTask(name: item.name, kind: kind, outcome: outcome, duration: now - item.since)
        let isTooLate = kind == .cleanup && item.isCancelled
        task.countsAsFailure = isTooLate || (outcome.isFailure && !item.isErrorHandled)
        summary.record(task, isLast: isShuttingDown)
        state = state.leaving(cleanup: id)
        let endsDaemon = outcome.isFailure && item.onFailure == .shutDown && purpose == nil
        return [.announce(.ended(task))] + (endsDaemon ? begin(.failure(of: item.name), at: now) : []) + settle(at: now)
    }

    // MARK: signals and requests

    mutating func receive(_ event: SignalEvent, at now: Duration) -> [Action] {
        guard let phase else { return [] }
        if isReload(event) { return receiveReload(event, at: now) }
        let isHard = policy.hardExit.contains(event.signal)
        if duplicates.isDuplicate(event, isHard: isHard) {  // M7
            summary.duplicateSignals += 1
            return [.announce(.received(event, .duplicate))]
        }
        let isFirst = summary.signals.isEmpty
        if !isFirst, policy.secondSignal == .ignored, isShuttingDown, !isHard || summary.hardExit != nil {
            summary.record(event)
            return [.announce(.received(event, .ignored))]
        }
        duplicates.accept(event, isHard: isHard, window: policy.duplicateWindow)
        summary.record(event)
        guard isShuttingDown else {
            if isHard { (summary.hardExit, isHardExit) = (event, true) }
            return [.announce(.received(event, isHard ? .stoppedImmediately : .beganShutdown))]
                + begin(.signal(event), at: now) + settle(at: now)
        }
        if isFirst, !isHard { return [.announce(.received(event, .joinedShutdown))] }
        let escalates = policy.secondSignal == .ignored || (policy.secondSignal == .escalate && phase == .draining)
        guard isFirst || escalates else {
            return [.announce(.received(event, .forcedExit))] + force(.signal(event), at: now)
        }
        if isHard { (summary.hardExit, isHardExit) = (event, true) }
        if phase != .draining {  // its period is now that of the hard exit
            state = state.shortened(at: now, to: period(of: phase))
        }
        return [.announce(.received(event, isHard ? .stoppedImmediately : .escalated))]
            + (phase == .draining ? enter(.cancelling, .shutdown, at: now) : []) + settle(at: now)
    }

    /// A closed terminal does not request a reload, and a daemon without reloads ends by SIGHUP. Neither escalates.
    private func isReload(_ event: SignalEvent) -> Bool {
        guard policy.reload.contains(event.signal) else { return false }
        return event.signal != .sighup || isShuttingDown || (event.cause != .kernel && !reloads.isUnavailable)
    }

    mutating func beginHardExit() { isHardExit = true }
    mutating func shutdown(_ reason: ShutdownReason, exitCode: UInt8? = nil, at now: Duration) -> [Action] {
        if isOver { return [] }
        summary.requestedExitCode = summary.requestedExitCode ?? exitCode
        guard isShuttingDown else { return begin(reason, at: now) + settle(at: now) }
        let cancels = reason == .cancelled && phase == .draining  // its task was cancelled, which waits for no drain
        return cancels ? enter(.cancelling, .shutdown, at: now) + settle(at: now) : []
    }

    /// - Parameter isPartOfRestart: the daemon around this part restarts, so this part waits, and is not forced to end.
    mutating func tick(at now: Duration, isPartOfRestart: Bool = false) -> [Action] {
        var actions: [Action] = []
        while let deadline, deadline <= now {
            switch state {
            case .cleaningUp(let purpose, var times) where times.cancels.map { $0 <= now } ?? false:
                times.cancels = nil
                times.current = nil
                state = .cleaningUp(purpose, times)
                actions += work.runningIDs.flatMap { timeOut(cleanup: $0) } + settle(at: now)
            case .cleaningUp(_, let times) where times.current.map { $0.deadline <= now } ?? false:
                let current = times.current!
                state = state.leaving(cleanup: current.id)
                let name = work.running[current.id]!.name
                actions += current.hasLimit ? timeOut(cleanup: current.id) : [.announce(.cleanupOverran(name))]
                actions += settle(at: now)
            case .draining(let purpose, _):
                actions += enter(.cancelling, purpose, at: now) + settle(at: now)
            case .cancelling(.restart(let isOverdue), _), .cleaningUp(.restart(let isOverdue), _):
                state = state.overdue
                let names = work.running.values.map(\.name).sorted()
                if !isOverdue { actions.append(.announce(.restartWaits(for: names))) }
            case _ where isPartOfRestart: state = state.renewed(at: now, to: period(of: phase!))
            default: actions += force(.deadline(phase!), at: now)
            }
        }
        return actions
    }

    /// Handles a clean-up that used up its time. One that was cancelled before is only late.
    private mutating func timeOut(cleanup id: Int) -> [Action] {
        guard let item = work.running[id], item.kind == .cleanup, !item.isCancelled else { return [] }
        return [.announce(.cleanupTimedOut(item.name))] + cancel(id)
    }

    // MARK: phases

    /// Begins a shutdown.
    private mutating func begin(_ reason: ShutdownReason, at now: Duration) -> [Action] {
        let isInterruptedRestart = purpose != nil
        summary.reason = reason
        var actions = work.reloadIDs.flatMap { cancel($0) }  // M5
        if isInterruptedRestart || state.isLoading { actions.append(.endOfRequests) }
        if isInterruptedRestart, let phase, phase != .draining {
            return actions + enter(phase, .shutdown, at: now)  // as far as it is, with the time of a shutdown
        }
        let isImmediate = reason == .cancelled || isHardExit
        return actions + enter(isImmediate ? .cancelling : .draining, .shutdown, at: now)
    }

    private mutating func enter(
        _ wanted: DaemonPhase, _ purpose: ShutdownState.Purpose, at now: Duration
    ) -> [Action] {
        let next = wanted == .draining && period(of: .draining) == .zero ? .cancelling : wanted
        let (wasRunning, wasLoading) = (phase == .running, state.isLoading)
        endPhase(at: now)
        state = state.entering(next, purpose, at: now, for: period(of: next))  // M2
        var actions: [Action] = [.announce(.entered(next, summary.reason))]
        if wasRunning {
            actions.append(.signalShutdown)
            if summary.reason == .finished { work.dropActions() }  // M6
            actions += startActions(at: now)
        }
        for id in work.runningIDs where next == .cancelling || (next == .draining && wasLoading) {
            let item = work.running[id]!
            if item.after != nil, !work.isTold(id) { actions += tell(id) }
            if item.kind != .cleanup, item.onShutdown != .complete { actions += cancel(id) }  // M3
        }
        return actions
    }

    private mutating func tell(_ id: Int) -> [Action] {
        let item = work.tell(id)
        return (item.after == nil ? [] : [.tell(id)]) + (item.onShutdown == .cancel ? cancel(id) : [])
    }

    /// Begins the next phase if all work, or all clean-ups, have ended. Every input ends here.
    private mutating func settle(at now: Duration) -> [Action] {
        var actions: [Action] = []
        if phase == .running, !work.hasWork {
            summary.reason = .finished
            actions += work.reloadIDs.flatMap { cancel($0) }
            actions += enter(work.running.isEmpty ? .cleaningUp : .cancelling, .shutdown, at: now)
        }
        if phase == .draining { actions += work.toldNext.flatMap { tell($0) } }  // M8
        if phase == .running || isOver || work.delaysCleanup { return actions }
        if phase != .cleaningUp { actions += enter(.cleaningUp, purpose!, at: now) }
        guard case .cleaningUp(let purpose, var times) = state else { return actions }
        if times.current == nil, let id = work.startCleanup(at: now) {  // M4
            let period = period(of: .cleaningUp)
            times.begin(id, work.running[id]!.limit, waiting: work.waitingCleanups, at: now, of: period)
            state = .cleaningUp(purpose, times)
            actions.append(.start(id))
        }
        if work.running.isEmpty { actions += purpose.isShutdown ? finish(at: now) : restart(at: now) }
        return actions
    }

    private func period(of phase: DaemonPhase) -> Duration { policy.period(of: phase, isHardExit: isHardExit) }

    private mutating func startActions(at now: Duration) -> [Action] { work.startActions(at: now).map { .start($0) } }

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

    /// Also called by the daemon that this one is a part of.
    mutating func force(_ reason: ForcedExitReason, at now: Duration) -> [Action] {
        if isOver { return [] }
        endPhase(at: now)
        let abandoned = work.unfinished
        summary.recordForcedExit(reason, abandoning: abandoned, at: now)
        state = .over  // M1
        return [.announce(.forced(reason, abandoned: abandoned.map(\.name))), .force(reason)]
    }

    // MARK: reloads

    mutating func allowReloads(_ areAllowed: Bool) { reloads.allow(areAllowed) }

    /// Returns the number of the reload that answers the caller's request; `nil`: there is none.
    mutating func reload(at now: Duration) -> (number: Int, actions: [Action])? {
        if isOver || isShuttingDown { return nil }
        let answer = reloads.request()
        let others: [Action] = purpose == nil ? [] : [.endOfRequests]
        return reloads.requested.map { ($0, answer == .starts ? startReload(at: now) : others) }
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

    /// Records that the first configuration was loaded.
    mutating func loaded(at now: Duration) -> [Action] {
        guard state.isLoading else { return [] }
        state = .running
        return [.announce(.started)] + finishReload(at: now)
    }

    /// Ends the work of a reload: loading, the actions, and applying.
    private mutating func reloadEnded(_ outcome: DaemonTask.Outcome, at now: Duration) -> [Action] {
        switch outcome {
        case .failed(let error):
            summary.record(failedReload: error)
            return [.announce(.reloadFailed(error))] + finishReload(error, at: now)
        case .finished where restartsOnReload && isShuttingDown:  // loaded, and never used
            return finishReload(CancellationError(), at: now)
        case .finished where restartsOnReload:
            summary.reason = .restart
            return [.reloadEnded(reloads.last, nil), .endOfRequests]
                + enter(.draining, .restart(isOverdue: false), at: now)  // `settle` follows
        case .finished:
            summary.reloads += 1
            return [.announce(.reloaded)] + finishReload(at: now)
        default: return finishReload(CancellationError(), at: now)
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

    private mutating func finishReload(_ error: (any Error)? = nil, at now: Duration) -> [Action] {
        let ended = Action.reloadEnded(reloads.last, error)
        if !reloads.finish() { return [ended] }
        if isOver || isShuttingDown { return [ended, .reloadEnded(reloads.last + 1, CancellationError())] }
        return reloads.request() == .starts ? [ended] + startReload(at: now) : [ended]
    }
}
