// Visits every state of the shutdown that signals, ends, failures, requests and deadlines can reach in any order. In
// each state it checks the invariants M1 to M8 of ShutdownStateMachine.swift, and the guarantees L1, L2, L4, L5, L6 and
// L9.
import Testing

@testable import SignalBridge
@testable import SignalDaemon

private struct Failure: Error {}

/// A state without the parts that have no influence on what follows: absolute times, ids, and reports.
private struct Key: Hashable {
    struct Item: Hashable {
        let name: String
        let isCancelled: Bool
        let isTold: Bool
    }
    private var state = ""
    private var times: [Duration?] = []
    private var cleanup: String?
    private var hasLimit = false
    private let hasReloads: Bool
    private let waitingReloads: Int?
    private let running: Set<Item>
    private let registered: [Int]
    private let hasSignals: Bool
    private let hasHardExit: Bool
    private let isByItself: Bool

    init(_ walker: Walker) {
        let machine = walker.machine
        func name(_ state: String, _ purpose: ShutdownState.Purpose) -> String {
            switch purpose {
            case .shutdown: state
            case .restart(let isOverdue): state + (isOverdue ? " for an overdue restart" : " for a restart")
            }
        }
        switch machine.state {
        case .loading: state = "loading"
        case .running: state = "running"
        case .draining(let purpose, let deadline): (state, times) = (name("draining", purpose), [deadline])
        case .cancelling(let purpose, let deadline): (state, times) = (name("cancelling", purpose), [deadline])
        case .cleaningUp(let purpose, let ends):
            (state, times) = (name("cleaning up", purpose), [ends.deadline, ends.cancels, ends.current?.deadline])
            cleanup = ends.current.map { machine.work.running[$0.id]!.name }
            hasLimit = ends.current?.hasLimit ?? false
        case .over: state = "over"
        }
        times = times.map { $0.map { $0 - walker.now } }
        hasReloads = !machine.reloads.isUnavailable
        waitingReloads = machine.reloads.requested.map { $0 - machine.reloads.last }
        running = Set(
            machine.work.running.map {
                Item(name: $1.name, isCancelled: $1.isCancelled, isTold: machine.work.isTold($0))
            })
        registered = [machine.work.actions.count, machine.work.cleanups.count]
        hasSignals = !machine.summary.signals.isEmpty
        hasHardExit = machine.summary.hardExit != nil
        isByItself = machine.summary.reason == .finished
    }
}

/// The inputs so far, the last one first.
private final class Path: CustomStringConvertible {
    private let last: Walker.Input
    private let rest: Path?

    init(_ last: Walker.Input, after rest: Path?) {
        self.last = last
        self.rest = rest
    }

    var description: String {
        var (inputs, next) = ([String](), Optional(self))
        while let current = next {
            inputs.append("\(current.last)")
            next = current.rest
        }
        return inputs.reversed().joined(separator: ", ")
    }
}

/// A state machine, with the knowledge of an observer of its actions.
private struct Walker {
    var machine: ShutdownStateMachine
    var now = Duration.zero
    /// What runs, by id.
    var running: [Int: Work] = [0: Work(kind: .body, name: "body")]
    var registered: [Int: Work] = [:]
    var cleanupsInOrder: [Int] = []
    var overran: Set<Int> = []
    var timedOut: Set<Int> = []
    var cancelled: Set<Int> = []
    var told: Set<Int> = []
    /// The last signal that had an effect.
    var obeyed: (event: SignalEvent, isHard: Bool)?
    let second: SignalPolicy.SecondSignal
    /// The phase that was announced last, and the state before the input.
    private var announced = DaemonPhase.running
    private var earlier: ShutdownState
    var ends = 0
    var signals = 0
    var path: Path?

    struct Work {
        /// `nil`: a reload.
        let kind: DaemonTask.Kind?
        let name: String
        var onShutdown = ShutdownBehavior.drain
        var after: String?
        var limit: Duration?
        var since = Duration.zero
    }

    init(_ machine: ShutdownStateMachine, _ second: SignalPolicy.SecondSignal) {
        self.machine = machine
        self.second = second
        earlier = machine.state
    }

    enum Input: CustomStringConvertible {
        case signal(SignalNumber)
        /// A signal within the duplicate window of the last request, just before its end.
        case duplicate(SignalNumber)
        /// The terminal was closed.
        case hangup
        case shutdown(ShutdownReason)
        case reload
        case loaded
        case end(Int, (any Error)?)
        case time

        var description: String {
            switch self {
            case .signal(let signal): "\(signal)"
            case .duplicate(let signal): "\(signal) again"
            case .hangup: "hangup"
            case .shutdown(let reason): "\(reason)"
            case .reload: "reload"
            case .loaded: "loaded"
            case .end(let id, let error): "end \(id)\(error.map { " \($0)" } ?? "")"
            case .time: "time"
            }
        }
    }

    /// All inputs that are possible in this state.
    var inputs: [Input] {
        var inputs: [Input] = [.signal(.sigterm), .signal(.sigquit), .signal(.sighup), .hangup]
        inputs += [.shutdown(.requested), .shutdown(.cancelled), .reload]
        if let obeyed { inputs += [.duplicate(.sigterm)] + (obeyed.isHard ? [.duplicate(.sigquit)] : []) }
        if machine.state.isLoading { inputs.append(.loaded) }
        for id in running.keys.sorted() {
            inputs += [.end(id, nil), .end(id, Failure())]
            if cancelled.contains(id) { inputs.append(.end(id, CancellationError())) }
        }
        if machine.deadline != nil { inputs.append(.time) }
        return inputs
    }

    /// Whether the input may change only what is counted and reported.
    func changesNothing(_ input: Input) -> Bool {
        if machine.isOver { return true }  // M1
        let isFurther = machine.isShuttingDown && !machine.summary.signals.isEmpty && second == .ignored
        switch input {
        case .duplicate: return true  // M7
        case .signal(.sigterm): return isFurther
        case .signal(.sigquit): return isFurther && machine.summary.hardExit != nil
        case .signal, .hangup, .reload: return machine.isShuttingDown  // SIGHUP of a process, or of a terminal
        default: return false
        }
    }

    mutating func apply(_ input: Input, _ problems: inout [String]) {
        path = Path(input, after: path)
        let (wasOver, before, changesNothing) = (machine.isOver, machine, changesNothing(input))
        earlier = machine.state
        let actions: [ShutdownStateMachine.Action]
        switch input {
        case .signal(let signal):
            signals += 1
            actions = machine.receive(.captured(signal, at: now + .seconds(signals)), at: now)
        case .hangup:
            signals += 1
            actions = machine.receive(.fromTerminal(.sighup, at: now + .seconds(signals)), at: now)
        case .duplicate(let signal):
            let last = Duration.nanoseconds(Int64(obeyed!.event.monotonicNanoseconds))
            actions = machine.receive(.captured(signal, at: last + .nanoseconds(499_999_999)), at: now)
        case .shutdown(let reason): actions = machine.shutdown(reason, at: now)
        case .reload: actions = machine.reload(at: now)?.actions ?? []
        case .loaded: actions = machine.loaded(at: now)
        case .end(let id, let error):
            running[id] = nil
            actions = machine.ended(id, error, at: now)
        case .time:
            now = max(now, machine.deadline!)
            actions = machine.tick(at: now)
        }
        let path = path!
        func check(_ holds: Bool, _ what: String) {
            if !holds { problems.append("\(what): \(path)") }
        }
        if wasOver { check(actions.isEmpty, "M1: an action after the end") }
        for action in actions { observe(action, check) }
        check(ends <= 1, "M1: it ended twice")
        check(machine.isOver == (ends == 1), "M1: over without an end")
        let isRestarting = machine.state.purpose.map { !$0.isShutdown } ?? false
        let mayWait = machine.state.phase == .running || machine.isOver || isRestarting
        check(mayWait || machine.deadline != nil, "M2, L9: stuck without a deadline")
        let reloading = running.filter { $0.value.kind == nil }.keys
        check(machine.isOver || reloading.count <= 1, "M5, L6: two reloads at once")
        if machine.isShuttingDown {
            check(reloading.allSatisfy(cancelled.contains), "M5, L6: a shutdown spares a reload")
        }
        checkOrder(check)
        switch input {
        case .signal(.sigterm), .hangup:
            check(machine.state.phase != .running, "L1: a signal has no effect")
            if before.isShuttingDown, !before.summary.signals.isEmpty, !changesNothing {
                let movedUp = before.state.phase == .draining && machine.state.phase != .draining
                check(machine.isOver || movedUp, "L1: a further signal has no effect")
            }
        case .signal(.sigquit):
            check(machine.isOver || machine.summary.hardExit != nil, "L1: a hard exit has no effect")
            let isInTime = machine.deadline.map { $0 <= now + .seconds(1) } ?? false
            check(machine.isOver || isInTime, "L1: a hard exit has another period")
        case .signal(.sighup) where before.reloads.isUnavailable:
            check(machine.state.phase != .running, "L1: a SIGHUP has no effect without a reload")
        case .duplicate where !wasOver:
            let responses = actions.compactMap { if case .announce(.received(_, let it)) = $0 { it } else { nil } }
            check(actions.count == 1 && responses == [.duplicate], "M7: a duplicate has an effect")
            check(machine.summary.duplicateSignals == before.summary.duplicateSignals + 1, "M7: it is not counted")
            check(machine.summary.signals == before.summary.signals, "M7: a duplicate is a request")
        default: break
        }
    }

    /// M8: whether draining, or whatever comes after it, may reach this work now.
    private func isReachable(_ id: Int) -> Bool {
        guard let other = running[id]?.after, announced == .draining, !earlier.isLoading else { return true }
        return !running.values.contains { $0.name == other }
    }

    /// M8: what the shutdown must have reached by now.
    private func checkOrder(_ check: (Bool, String) -> Void) {
        guard announced == .draining || announced == .cancelling, !machine.isOver else { return }
        for (id, work) in running where work.kind == .task && isReachable(id) {
            check(work.after == nil || told.contains(id), "M8: work is not told")
            let isCancelled = announced == .cancelling ? work.onShutdown != .complete : work.onShutdown == .cancel
            check(!isCancelled || cancelled.contains(id), "M8: work is not cancelled")
        }
    }

    /// Whether the time of this clean-up is over: its limit, or that of all.
    private func isTimeUp(_ work: Work) -> Bool {
        guard case .cleaningUp(_, let times) = earlier else { return false }
        return (work.limit.map { work.since + $0 <= now } ?? false) || (times.cancels.map { $0 <= now } ?? true)
    }

    private mutating func observe(_ action: ShutdownStateMachine.Action, _ check: (Bool, String) -> Void) {
        switch action {
        case .start(let id):
            guard var work = registered.removeValue(forKey: id) else { return check(false, "something unknown starts") }
            work.since = now
            let kind = work.kind
            if kind == .action { check(machine.summary.reason != .finished, "M6: an action runs though nobody asked") }
            if kind == .cleanup {
                check(cleanupsInOrder.popLast() == id, "M4, L5: clean-ups out of order")
                let others = running.keys.filter { !timedOut.contains($0) && !overran.contains($0) }
                check(others.isEmpty, "M4, L5: a clean-up runs beside other work")
            }
            running[id] = work
        case .startReload(let id): running[id] = Work(kind: nil, name: "reload")
        case .startBody(let id):
            check(running.isEmpty, "a new body beside old work")
            running[id] = Work(kind: .body, name: "body")
            announced = .running
        case .tell(let id):
            check(running[id]?.after != nil, "M8: something is told that does not wait")
            check(isReachable(id), "M8: work is told too early")
            check(told.insert(id).inserted, "M8: told twice")
        case .cancel(let id):
            check(running[id] != nil, "something that does not run is cancelled")
            check(running[id]?.onShutdown != .complete, "M3, L4: work that completes is cancelled")
            check(isReachable(id), "M8: work is cancelled too early")
            check(running[id]?.kind != .cleanup || timedOut.contains(id), "M3: a clean-up within its time is cancelled")
            check(cancelled.insert(id).inserted, "cancelled twice")
        case .announce(.entered(let phase, _)): announced = phase
        case .announce(.received(let event, let response)):
            let hasEffect = [.beganShutdown, .stoppedImmediately, .joinedShutdown, .escalated].contains(response)
            if hasEffect { obeyed = (event, event.signal == .sigquit) }
        case .announce(.cleanupOverran(let name)):
            let id = running.first { $0.value.name == name }!.key
            check(running[id]?.limit == nil && !timedOut.contains(id), "M4: it has a limit, or was cancelled")
            check(overran.insert(id).inserted, "M4: it overran twice")
        case .announce(.cleanupTimedOut(let name)):
            let (id, work) = running.first { $0.value.name == name }!
            check(isTimeUp(work), "M3: a clean-up is cancelled before its time is up")
            timedOut.insert(id)
        case .finish:
            check(running.isEmpty, "L4: it finishes beside work")
            ends += 1
        case .force: ends += 1
        default: break
        }
    }
}

/// A daemon with these tasks, an action and two clean-ups. The second task comes after the first, and the second clean-up that runs
/// has a limit.
private func walker(
    tasks: [ShutdownBehavior], reload: String, second: SignalPolicy.SecondSignal, grace: Duration
) throws -> Walker {
    var policy = try SignalPolicy(hardExit: [.sigquit], graceful: [.sigterm], reload: [.sighup])
    policy.secondSignal = second
    policy.gracePeriod = grace
    let loads = reload == "restart" || reload == "apply"
    let machine = ShutdownStateMachine(policy, loads: loads, restarts: reload == "restart", at: .zero)
    var walker = Walker(machine, second)
    if reload == "action" { walker.machine.allowReloads(true) }
    for (index, behavior) in tasks.enumerated() {
        let after = index == 1 ? "task 0" : nil
        let item = WorkTable.Item(
            name: "task \(index)", kind: .task, onShutdown: behavior, onFailure: index == 0 ? .shutDown : .report,
            after: after)
        let id = walker.machine.add(item, generation: 0, at: .zero)!
        walker.running[id] = Walker.Work(kind: .task, name: item.name, onShutdown: behavior, after: after)
    }
    let action = walker.machine.register(.action, "action", generation: 0, at: .zero)!.id
    walker.registered[action] = Walker.Work(kind: .action, name: "action")
    for limit in [Duration.milliseconds(500), nil] {
        let name = "cleanup \(walker.cleanupsInOrder.count)"
        let id = walker.machine.register(.cleanup, name, within: limit, generation: 0, at: .zero)!.id
        walker.registered[id] = Walker.Work(kind: .cleanup, name: name, limit: limit)
        walker.cleanupsInOrder.append(id)
    }
    return walker
}

@Suite("Every state of the shutdown", .offPool) struct ShutdownExploration {
    /// Three tasks, an action and two clean-ups, with every kind of reload and every meaning of a second signal.
    static let worlds: [(reload: String, second: SignalPolicy.SecondSignal, grace: Int)] = {
        var worlds: [(reload: String, second: SignalPolicy.SecondSignal, grace: Int)] = []
        for reload in ["none", "action", "restart", "apply"] {
            for second in [SignalPolicy.SecondSignal.escalate, .forceExit, .ignored] {
                worlds.append((reload, second, 20))
            }
            worlds.append((reload, .escalate, 0))
        }
        return worlds
    }()

    @Test(
        "in each state that can be reached: one end, always a deadline, work and clean-ups in order, one reload",
        arguments: worlds.indices)
    func explore(index: Int) throws {
        let world = Self.worlds[index]
        let start = try walker(
            tasks: [.drain, .cancel, .complete], reload: world.reload, second: world.second,
            grace: .seconds(world.grace))
        var problems: [String] = []
        var seen: Set<Key> = [Key(start)]
        var queue = [(start, Key(start))]
        var (edges, duplicates) = (0, 0)
        while let (here, key) = queue.popLast(), problems.isEmpty {
            for input in here.inputs {
                var next = here
                next.apply(input, &problems)
                edges += 1
                if case .duplicate = input { duplicates += 1 }
                let nextKey = Key(next)
                if here.changesNothing(input), nextKey != key {
                    problems.append("M1, M7: the input has an effect: \(next.path!)")
                }
                if seen.insert(nextKey).inserted { queue.append((next, nextKey)) }
            }
            problems += endsInTime(here)
        }
        print("\(world): \(seen.count) states, \(edges) edges")
        #expect(problems.isEmpty, "\(problems.prefix(3).joined(separator: "\n"))")
        #expect(seen.count > 100 && duplicates > 100)
    }

    /// L2: from here, one signal and time alone lead to the end.
    private func endsInTime(_ walker: Walker) -> [String] {
        var walker = walker
        var problems: [String] = []
        if walker.machine.isOver { return [] }
        walker.apply(.signal(.sigterm), &problems)
        let limit = walker.now + .seconds(20 + 4 + 4)
        for _ in 0..<10 where !walker.machine.isOver { walker.apply(.time, &problems) }
        if !walker.machine.isOver || walker.now > limit { problems.append("L2: no end in time: \(walker.path!)") }
        return problems
    }
}
