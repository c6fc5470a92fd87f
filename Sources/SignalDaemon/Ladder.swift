// The lifecycle's decisions: a plain value. What happened goes in, with the time; what is to be done comes out, as actions in
// their order. It knows no thread, no clock and no closure, so tests drive it by hand.
//
//     running → draining → cancelling → cleaning → over
//
// If all work ends by itself, it skips to cleaning. A reload that restarts the body takes the whole way, with purpose `.restart`: nothing is forced there, and at the end the body starts anew. A shutdown that comes
// meanwhile changes the purpose, and gives the phase its time anew. Each input ends in `settle`, which asks the only two
// questions that move the ladder up by itself: has all work ended, and have all hooks?
//
// It is over once, by `finish` or `force`; from then on every input is answered with nothing.
import SignalBridge

struct Ladder {
    enum Action {
        /// Starts work that was registered: an action or a hook.
        case start(Int)
        case startReload(Int)
        case cancel(Int)
        /// Shutdown is requested: `shutdownRequested()` returns.
        case tell
        case announce(DaemonTransition)
        /// Everything of the old body has ended: start the new one as this work.
        case restart(Int)
        case finish
        case force(ForcedExitReason)
    }

    enum Purpose { case none, restart, shutdown }

    struct Entry {
        let name: String
        let kind: DaemonTask.Kind?  // nil: a reload
        var style = ShutdownBehavior.drain
        var endsDaemon = true
        /// Somebody waits for its result, and gets its error.
        var isAnswered = false
        var since: Duration
        var isCancelled = false
    }

    let policy: SignalPolicy
    let restarts: Bool
    var phase = DaemonPhase.running
    var purpose = Purpose.none
    var isOver = false
    /// One more with each restart: work of an old body is refused.
    var generation = 0
    var live: [Int: Entry] = [:]
    var summary = DaemonSummary()
    /// When `tick` wants to be called.
    var deadline: Duration? { [phaseDeadline, hookDeadline].compactMap { $0 }.min() }

    var lastID = 0
    var phaseSince: Duration
    var phaseDeadline: Duration?
    var hookDeadline: Duration?
    var isTold = false
    /// Not started yet: actions in their order, hooks in that of registration.
    var actions: [Int] = []
    var hooks: [Int] = []
    var waiting: [Int: Entry] = [:]
    var runningHook: Int?
    var hasWarned = false
    /// The body loads its first configuration: there is nothing yet that could drain.
    var isLoading = false

    var reloads: Reloads

    /// With its body, which has the id 0. If that loads a configuration first, `loaded` follows.
    init(_ policy: SignalPolicy, loads: Bool = false, restarts: Bool = false, at now: Duration) {
        self.policy = policy
        self.restarts = restarts
        reloads = Reloads(isPossible: loads, isRunning: loads)
        phaseSince = now
        isLoading = loads
        live[0] = Entry(name: "body", kind: .body, since: now)
    }

    // MARK: work

    mutating func newID() -> Int {
        lastID += 1
        return lastID
    }

    /// `nil`: refused. The caller starts it.
    mutating func add(
        _ name: String, _ kind: DaemonTask.Kind, _ style: ShutdownBehavior, endsDaemon: Bool, generation: Int,
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
        live[id] = Entry(
            name: name, kind: .shielded, style: .complete, endsDaemon: false, isAnswered: true, since: now)
        return id
    }

    mutating func addAction(
        _ name: String = "onGracefulShutdown", generation: Int, at now: Duration
    ) -> (id: Int, actions: [Action])? {
        guard !isOver, generation == self.generation else { return nil }
        let id = newID()
        waiting[id] = Entry(name: name, kind: .action, since: now)
        actions.append(id)
        var started = isTold ? startActions(at: now) : []
        if phase == .cancelling || phase == .cleaningUp { started += cancel(id) }  // with the rest
        return (id, started)
    }

    mutating func addHook(
        _ name: String, generation: Int, at now: Duration
    ) -> (id: Int, actions: [Action])? {
        guard !isOver, generation == self.generation else { return nil }
        let id = newID()
        waiting[id] = Entry(name: name, kind: .hook, since: now)
        hooks.append(id)
        return (id, phase == .cleaningUp ? settle(at: now) : [])  // those that run may be out of time
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
        let isRefusal = purpose != .none && (error as? SignalBridgeError)?.code == .shuttingDown
        let isCancellation = (entry.isCancelled && error is CancellationError) || isRefusal
        let outcome = error.map { isCancellation ? DaemonTask.Outcome.cancelled : .failed($0) } ?? .finished
        guard let kind = entry.kind else { return reloadEnded(outcome, at: now) + settle(at: now) }
        var task = DaemonTask(name: entry.name, kind: kind, outcome: outcome, duration: now - entry.since)
        task.spoilsExit = kind == .hook && entry.isCancelled  // it had not ended in its time
        if case .failed = outcome, !entry.isAnswered { task.spoilsExit = true }
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
}
