// Walks every state of the shutdown that signals, ends, failures, requests and deadlines can reach in any order, and checks
// the invariants of ShutdownStateMachine.swift (M1 to M6) and the guarantees L1, L2, L4, L5, L6 and L9 in each.
@testable import SignalBridge
import Testing

@testable import SignalDaemon

private struct Failure: Error {}

/// What a state is, without what has no influence on what follows: absolute times, ids, and what was reported.
private struct Key: Hashable {
    struct Item: Hashable, Comparable {
        let text: String
        static func < (a: Item, b: Item) -> Bool { a.text < b.text }
    }
    let state: String
    let reloads: String
    let running: [Item]
    let registered: [Int]
    let hasSignals: Bool
    let hasHardExit: Bool
    let isByItself: Bool

    init(_ walker: Walker) {
        let machine = walker.machine
        var parts: [String] = []
        switch machine.state {
        case .loading: parts = ["loading"]
        case .running: parts = ["running"]
        case .draining(let purpose, let deadline): parts = ["draining", "\(purpose)", "\(deadline - walker.now)"]
        case .cancelling(let purpose, let deadline):
            parts = ["cancelling", "\(purpose)", deadline.map { "\($0 - walker.now)" } ?? "-"]
        case .cleaningUp(let purpose, let times):
            parts = ["cleaning", "\(purpose)"]
            parts += [times.deadline, times.cancels].map { $0.map { "\($0 - walker.now)" } ?? "-" }
            if let current = times.current {
                parts.append("\(machine.work.running[current.id]!.name) \(current.deadline - walker.now)")
            }
        case .over: parts = ["over"]
        }
        state = parts.joined(separator: " ")
        reloads = "\(machine.reloads)"
        running = machine.work.running.values.map { Item(text: "\($0.name) \($0.isCancelled)") }.sorted()
        registered = [machine.work.actions.count, machine.work.cleanups.count]
        hasSignals = !machine.summary.signals.isEmpty
        hasHardExit = machine.summary.hardExit != nil
        isByItself = machine.summary.reason == .finished
    }
}

/// A state machine, and what an observer of its actions knows.
private struct Walker {
    var machine: ShutdownStateMachine
    var now = Duration.zero
    /// What runs, by id: its kind, and whether it may be cancelled.
    var running: [Int: (kind: DaemonTask.Kind?, completes: Bool)] = [0: (.body, false)]
    var registered: [Int: DaemonTask.Kind] = [:]
    var cleanupsInOrder: [Int] = []
    var timedOut: Set<Int> = []
    var cancelled: Set<Int> = []
    var ends = 0
    var signals = 0
    var path: [String] = []

    enum Input: CustomStringConvertible {
        case signal(SignalNumber)
        case shutdown(ShutdownReason)
        case reload
        case loaded
        case end(Int, (any Error)?)
        case time
        case addCleanup

        var description: String {
            switch self {
            case .signal(let signal): "\(signal)"
            case .shutdown(let reason): "\(reason)"
            case .reload: "reload"
            case .loaded: "loaded"
            case .end(let id, let error): "end \(id)\(error.map { " \($0)" } ?? "")"
            case .time: "time"
            case .addCleanup: "addCleanup"
            }
        }
    }

    /// All that can happen here.
    var inputs: [Input] {
        var inputs: [Input] = [.signal(.sigterm), .signal(.sigquit), .signal(.sighup), .shutdown(.requested)]
        inputs += [.shutdown(.cancelled), .reload]
        if machine.state.isLoading { inputs.append(.loaded) }
        for id in running.keys.sorted() {
            inputs += [.end(id, nil), .end(id, Failure())]
            if cancelled.contains(id) { inputs.append(.end(id, CancellationError())) }
        }
        if machine.deadline != nil { inputs.append(.time) }
        return inputs
    }

    mutating func apply(_ input: Input, _ problems: inout [String]) {
        path.append("\(input)")
        let (wasOver, before) = (machine.isOver, machine)
        let actions: [ShutdownStateMachine.Action]
        switch input {
        case .signal(let signal):
            signals += 1
            actions = machine.receive(.captured(signal, at: now + .seconds(signals)), at: now)
        case .shutdown(let reason): actions = machine.shutdown(reason, at: now)
        case .reload: actions = machine.reload(at: now)?.actions ?? []
        case .loaded: actions = machine.loaded(at: now)
        case .end(let id, let error):
            running[id] = nil
            actions = machine.ended(id, error, at: now)
        case .time:
            now = max(now, machine.deadline!)
            actions = machine.tick(at: now)
        case .addCleanup: actions = []
        }
        let path = path
        func check(_ holds: Bool, _ what: String) {
            if !holds { problems.append("\(what): \(path.joined(separator: ", "))") }
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
        if case .signal(.sigterm) = input {
            check(machine.state.phase != .running, "L1: a signal has no effect")
            if before.isShuttingDown, !before.isOver, !before.summary.signals.isEmpty {
                let movedUp = before.state.phase == .draining && machine.state.phase != .draining
                check(machine.isOver || movedUp, "L1: a further signal has no effect")
            }
        }
    }

    private mutating func observe(_ action: ShutdownStateMachine.Action, _ check: (Bool, String) -> Void) {
        switch action {
        case .start(let id):
            let kind = registered.removeValue(forKey: id)
            check(kind != nil, "something unknown starts")
            if kind == .action { check(machine.summary.reason != .finished, "M6: an action runs though nobody asked") }
            if kind == .cleanup {
                check(cleanupsInOrder.popLast() == id, "M4, L5: clean-ups out of order")
                let others = running.filter { !timedOut.contains($0.key) }
                check(others.isEmpty, "M4, L5: a clean-up runs beside other work")
            }
            running[id] = (kind, false)
        case .startReload(let id): running[id] = (nil, false)
        case .startBody(let id):
            check(running.isEmpty, "a new body beside old work")
            running[id] = (.body, false)
        case .cancel(let id):
            check(running[id] != nil, "something that does not run is cancelled")
            check(running[id]?.completes != true, "M3, L4: work that completes is cancelled")
            check(running[id]?.kind != .cleanup || timedOut.contains(id), "M3: a clean-up within its time is cancelled")
            check(cancelled.insert(id).inserted, "cancelled twice")
        case .announce(.cleanupTimedOut(let name)):
            timedOut.formUnion(running.filter { $0.value.kind == .cleanup && "cleanup \($0.key)" == name }.keys)
        case .finish:
            check(running.isEmpty, "L4: it finishes beside work")
            ends += 1
        case .force: ends += 1
        default: break
        }
    }
}

/// A daemon with these tasks, an action and two clean-ups.
private func walker(
    tasks: [ShutdownBehavior], reload: String, second: SignalPolicy.SecondSignal, grace: Duration
) throws -> Walker {
    var policy = try SignalPolicy(hardExit: [.sigquit], graceful: [.sigterm], reload: [.sighup])
    policy.secondSignal = second
    policy.gracePeriod = grace
    let loads = reload == "restart" || reload == "apply"
    let machine = ShutdownStateMachine(policy, loads: loads, restarts: reload == "restart", at: .zero)
    var walker = Walker(machine: machine)
    if reload == "action" { walker.machine.allowReloads(true) }
    for (index, behavior) in tasks.enumerated() {
        let item = WorkTable.Item(
            name: "task \(index)", kind: .task, onShutdown: behavior, onFailure: index == 0 ? .shutDown : .report)
        let id = walker.machine.add(item, generation: 0, at: .zero)!
        walker.running[id] = (.task, behavior == .complete)
    }
    walker.registered[walker.machine.register(.action, "action", generation: 0, at: .zero)!.id] = .action
    for _ in 0..<2 {
        let id = tasks.count + 2 + walker.cleanupsInOrder.count
        #expect(walker.machine.register(.cleanup, "cleanup \(id)", generation: 0, at: .zero)!.id == id)
        walker.registered[id] = .cleanup
        walker.cleanupsInOrder.append(id)
    }
    return walker
}

@Suite("Every state of the shutdown") struct ShutdownExploration {
    /// Three tasks, an action and two clean-ups, with every kind of reload and either meaning of a second signal.
    static let worlds: [(reload: String, second: SignalPolicy.SecondSignal, grace: Int)] = {
        var worlds: [(reload: String, second: SignalPolicy.SecondSignal, grace: Int)] = []
        for reload in ["none", "action", "restart", "apply"] {
            for second in [SignalPolicy.SecondSignal.escalate, .forceExit] {
                for grace in [20, 0] { worlds.append((reload, second, grace)) }
            }
        }
        return worlds
    }()

    @Test(
        "in each state that can be reached: one end, always a deadline, clean-ups in order, one reload",
        arguments: worlds.indices)
    func explore(index: Int) throws {
        let world = Self.worlds[index]
        let start = try walker(
            tasks: [.drain, .cancel, .complete], reload: world.reload, second: world.second,
            grace: .seconds(world.grace))
        var problems: [String] = []
        var seen: Set<Key> = [Key(start)]
        var queue = [start]
        var edges = 0
        while let here = queue.popLast(), problems.isEmpty {
            for input in here.inputs {
                var next = here
                next.apply(input, &problems)
                edges += 1
                if seen.insert(Key(next)).inserted { queue.append(next) }
            }
            problems += endsInTime(here)
        }
        print("\(world): \(seen.count) states, \(edges) edges")
        #expect(problems.isEmpty, "\(problems.prefix(3).joined(separator: "\n"))")
        #expect(seen.count > 100)
    }

    /// L2: from here, one signal and time alone lead to the end.
    private func endsInTime(_ walker: Walker) -> [String] {
        var walker = walker
        var problems: [String] = []
        if walker.machine.isOver { return [] }
        walker.apply(.signal(.sigterm), &problems)
        let limit = walker.now + .seconds(20 + 4 + 4)
        for _ in 0..<10 where !walker.machine.isOver { walker.apply(.time, &problems) }
        if !walker.machine.isOver || walker.now > limit { problems.append("L2: no end in time: \(walker.path)") }
        return problems
    }
}
