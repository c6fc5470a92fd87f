// The lifecycle's decisions: a plain value. What happened goes in, with the time; what is to be done comes out, as actions in
// their order. It knows no thread, no clock and no closure, so tests drive it by hand.
//
//     running → draining → cancelling → cleaning → over
//
// A stop that everything had asked for by itself (all work done) skips to cleaning. A reload that restarts the body takes the
// same way, with purpose `.restart`: nothing is forced there, and at the end the body starts anew. A shutdown that comes
// meanwhile changes the purpose, and gives the phase its time anew. Each input ends in `settle`, which asks the only two
// questions that move the ladder up by itself: has all work ended, and have all hooks?
//
// It is over once, by `finish` or `force`; from then on every input is answered with nothing.
struct Ladder {
    enum Action {
        /// Starts work that was registered: the body, an action, a hook, a reload.
        case start(Int)
        case startReload(Int)
        case cancel(Int)
        /// Shutdown is requested: `shutdownRequested()` returns.
        case tell
        case announce(DaemonTransition)
        /// Everything of the old body has ended: start the new one as this work.
        case restart(Int)
        case finish
        case force(DaemonForce)
    }

    enum Purpose { case none, restart, shutdown }

    struct Entry {
        let name: String
        let kind: DaemonTask.Kind?  // nil: a reload
        var style = ShutdownStyle.drains
        var endsDaemon = true
        var since: Duration
        var isCancelled = false
    }

    let policy: SignalPolicy
    let restarts: Bool
    private(set) var phase = DaemonPhase.running
    private(set) var purpose = Purpose.none
    private(set) var isOver = false
    /// One more with each restart: work of an old body is refused.
    private(set) var generation = 0
    private(set) var live: [Int: Entry] = [:]
    var summary = DaemonSummary()
    /// When `tick` wants to be called.
    var deadline: Duration? { [phaseDeadline, hookDeadline].compactMap { $0 }.min() }

    private var lastID = 0
    private var phaseSince: Duration
    private var phaseDeadline: Duration?
    private var hookDeadline: Duration?
    private var isTold = false
    /// Not started yet: actions in their order, hooks in that of registration.
    private var actions: [Int] = []
    private var hooks: [Int] = []
    private var waiting: [Int: Entry] = [:]
    private var runningHook: Int?
    private var hasWarned = false

    var reloads: Reloads

    /// With its body, which has the id 0. If that loads a configuration first, `loaded` follows.
    init(_ policy: SignalPolicy, loads: Bool = false, restarts: Bool = false, at now: Duration) {
        self.policy = policy
        self.restarts = restarts
        reloads = Reloads(isPossible: loads, isRunning: loads)
        phaseSince = now
        live[0] = Entry(name: "body", kind: .body, since: now)
    }

    // MARK: work

    private mutating func newID() -> Int {
        lastID += 1
        return lastID
    }

    /// `nil`: refused. The caller starts it.
    mutating func add(
        _ name: String, _ kind: DaemonTask.Kind, _ style: ShutdownStyle, endsDaemon: Bool, generation: Int,
        at now: Duration
    ) -> Int? {
        guard purpose == .none, !isOver, generation == self.generation else { return nil }
        let id = newID()
        live[id] = Entry(name: name, kind: kind, style: style, endsDaemon: endsDaemon, since: now)
        return id
    }

    /// Part of work that is there already, so it is not refused; `nil` when all is over.
    mutating func addShield(_ name: String, at now: Duration) -> Int? {
        if isOver { return nil }
        let id = newID()
        live[id] = Entry(name: name, kind: .shielded, style: .shielded, endsDaemon: false, since: now)
        return id
    }

    mutating func addAction(generation: Int, at now: Duration) -> (id: Int, actions: [Action])? {
        guard !isOver, generation == self.generation else { return nil }
        let id = newID()
        waiting[id] = Entry(name: "onShutdownRequested", kind: .action, since: now)
        actions.append(id)
        return (id, isTold ? startActions(at: now) : [])
    }

    mutating func addHook(_ name: String, generation: Int, at now: Duration) -> Int? {
        guard !isOver, generation == self.generation else { return nil }
        let id = newID()
        waiting[id] = Entry(name: name, kind: .hook, since: now)
        hooks.append(id)
        return id
    }

    /// The caller could not start it.
    mutating func withdraw(_ id: Int, at now: Duration) -> [Action] {
        live[id] = nil
        return settle(at: now)
    }

    mutating func addReload(at now: Duration) -> Int {
        let id = newID()
        live[id] = Entry(name: "reload", kind: nil, since: now)
        return id
    }

    func isCancelled(_ id: Int) -> Bool { live[id]?.isCancelled ?? isOver }

    mutating func ended(_ id: Int, _ error: (any Error)?, at now: Duration) -> [Action] {
        guard !isOver, let entry = live.removeValue(forKey: id) else { return [] }
        let isCancellation = entry.isCancelled && error is CancellationError
        let outcome = error.map { isCancellation ? DaemonTask.Outcome.cancelled : .failed($0) } ?? .finished
        guard let kind = entry.kind else { return reloadEnded(outcome, at: now) + settle(at: now) }
        let task = DaemonTask(name: entry.name, kind: kind, outcome: outcome, duration: now - entry.since)
        summary.record(task, isLast: purpose == .shutdown)
        var actions: [Action] = [.announce(.ended(task))]
        if runningHook == id {
            runningHook = nil
            hookDeadline = nil
        }
        if case .failed = outcome, entry.endsDaemon, purpose == .none {
            actions += stop(.failure(of: entry.name), at: now)
        }
        return actions + settle(at: now)
    }

    // MARK: what asks for the end

    mutating func signal(_ event: SignalEvent, at now: Duration) -> [Action] {
        if isOver { return [] }
        if policy.reload.contains(event.signal) { return reloadSignal(event, at: now) }
        let isHard = policy.hardExit.contains(event.signal)
        let isFirst = summary.signals.isEmpty
        if summary.signals.count < 16 { summary.signals.append(event) }
        guard purpose == .shutdown else {
            if isHard { summary.hardExit = event }
            return [.announce(.received(event, isHard ? .exitsHard : .shutsDown))]
                + stop(.signal(event), isHard: isHard, at: now) + settle(at: now)
        }
        if isFirst && !isHard { return [.announce(.received(event, .joins))] }
        if isFirst || (policy.secondSignal == .movesUp && phase == .draining) {
            if isHard { summary.hardExit = event }
            var actions: [Action] = [.announce(.received(event, isHard ? .exitsHard : .movesUp))]
            if phase == .draining { actions += enter(.cancelling, at: now) }
            return actions + settle(at: now)
        }
        return [.announce(.received(event, .forces))] + force(.signal(event), at: now)
    }

    mutating func shutdown(_ cause: DaemonCause, at now: Duration) -> [Action] {
        if isOver { return [] }
        guard purpose == .shutdown else { return stop(cause, at: now) + settle(at: now) }
        // Whoever waits for the daemon was cancelled: it does not wait for draining.
        guard cause == .cancelled, phase == .draining else { return [] }
        return enter(.cancelling, at: now) + settle(at: now)
    }

    private mutating func stop(_ cause: DaemonCause, isHard: Bool = false, at now: Duration) -> [Action] {
        let interrupted = purpose  // .none or .restart
        purpose = .shutdown
        summary.cause = cause
        var actions: [Action] = []
        for id in live.keys.sorted() where live[id]!.kind == nil { actions += cancel(id) }  // a reload
        if interrupted == .restart, phase == .cancelling || phase == .cleaning {
            return actions + enter(phase, at: now)  // as far as it is, with the time of a shutdown
        }
        return actions + enter(isHard || cause == .cancelled ? .cancelling : .draining, at: now)
    }

    private mutating func force(_ reason: DaemonForce, at now: Duration) -> [Action] {
        summary.times[phase, default: .zero] += now - phaseSince
        summary.forced = reason
        let left = live.sorted { $0.key < $1.key }.map(\.value) + hooks.reversed().map { waiting[$0]! }
        for entry in left {
            guard let kind = entry.kind else { continue }
            summary.tasks.append(
                DaemonTask(name: entry.name, kind: kind, outcome: .abandoned, duration: now - entry.since))
        }
        isOver = true
        phaseDeadline = nil
        hookDeadline = nil
        return [.announce(.forced(reason, abandoned: left.map(\.name))), .force(reason)]
    }

    // MARK: time

    mutating func tick(at now: Duration) -> [Action] {
        var actions: [Action] = []
        while !isOver, let deadline, deadline <= now {
            if let due = hookDeadline, due <= now, phaseDeadline.map({ due < $0 }) ?? true {
                hookDeadline = nil
                if let hook = runningHook {
                    runningHook = nil
                    actions.append(.announce(.timedOut(hook: live[hook]!.name)))
                    actions += cancel(hook)
                }
                actions += settle(at: now)
            } else if phase == .draining {
                actions += enter(.cancelling, at: now) + settle(at: now)
            } else if purpose == .restart {
                phaseDeadline = nil
                if !hasWarned { actions.append(.announce(.restartWaits(for: live.values.map(\.name).sorted()))) }
                hasWarned = true
            } else {
                actions += force(.deadline(phase), at: now)
            }
        }
        return actions
    }

    private func period(of phase: DaemonPhase) -> Duration {
        let period =
            switch phase {
            case .running, .draining: policy.gracePeriod
            case .cancelling: policy.cancelPeriod
            case .cleaning: policy.cleanupPeriod
            }
        return max(.zero, summary.hardExit == nil ? period : min(period, policy.hardExitPeriod))
    }

    // MARK: moving up

    private mutating func enter(_ next: DaemonPhase, at now: Duration) -> [Action] {
        var next = next
        if next == .draining, period(of: .draining) == .zero { next = .cancelling }
        summary.times[phase, default: .zero] += now - phaseSince
        phase = next
        phaseSince = now
        phaseDeadline = now + min(period(of: next), .seconds(1 << 40))
        var actions: [Action] = [.announce(.entered(next, summary.cause))]
        if !isTold {
            isTold = true
            actions.append(.tell)
            if next == .cleaning {  // all is done: there is nothing that could be told to end
                for id in self.actions { waiting[id] = nil }
                self.actions = []
            }
            actions += startActions(at: now)
        }
        for (id, entry) in live.sorted(by: { $0.key < $1.key }) where entry.kind != .hook {
            if next == .cancelling ? entry.style != .shielded : next == .draining && entry.style == .cancels {
                actions += cancel(id)
            }
        }
        return actions
    }

    private mutating func startActions(at now: Duration) -> [Action] {
        defer { actions = [] }
        return actions.map { id in start(id, at: now) }
    }

    private mutating func start(_ id: Int, at now: Duration) -> Action {
        live[id] = waiting.removeValue(forKey: id)!
        live[id]!.since = now
        return .start(id)
    }

    private mutating func cancel(_ id: Int) -> [Action] {
        if live[id]!.isCancelled { return [] }
        live[id]!.isCancelled = true
        return [.cancel(id)]
    }

    private mutating func settle(at now: Duration) -> [Action] {
        if isOver { return [] }
        let work = live.values.filter { $0.kind != .hook }
        var actions: [Action] = []
        if phase == .running {
            guard !work.contains(where: { $0.kind != nil }) else { return [] }
            purpose = .shutdown  // all is done; a reload that still runs is cut short
            summary.cause = .finished
            for id in live.keys.sorted() { actions += cancel(id) }
            if !work.isEmpty { return actions + enter(.cancelling, at: now) }
        }
        if phase != .cleaning {
            guard work.isEmpty else { return actions }
            actions += enter(.cleaning, at: now)
        }
        if runningHook == nil, let next = hooks.popLast() {
            actions.append(start(next, at: now))
            runningHook = next
            let left = phaseDeadline.map { $0 - now } ?? period(of: .cleaning)
            hookDeadline = now + left / (hooks.count + 2)
        }
        if live.isEmpty { actions += purpose == .restart ? restart(at: now) : finish(at: now) }
        return actions
    }

    private mutating func finish(at now: Duration) -> [Action] {
        summary.times[phase, default: .zero] += now - phaseSince
        isOver = true
        phaseDeadline = nil
        return [.announce(.finished(summary.exitStatus)), .finish]
    }

    // MARK: restart

    /// The new configuration is loaded: the old body makes way.
    mutating func beginRestart(at now: Duration) -> [Action] {
        purpose = .restart
        summary.cause = .restart
        return enter(.draining, at: now)  // `settle` follows
    }

    private mutating func restart(at now: Duration) -> [Action] {
        summary.times[phase, default: .zero] += now - phaseSince
        phase = .running
        purpose = .none
        phaseSince = now
        phaseDeadline = nil
        isTold = false
        hasWarned = false
        generation += 1
        let id = newID()
        live[id] = Entry(name: "body", kind: .body, since: now)
        return [.announce(.started), .restart(id)] + restarted(at: now)
    }
}
