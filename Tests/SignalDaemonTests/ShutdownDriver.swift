// A driver of the shutdown's state machine: inputs by hand, actions as short words.
@testable import SignalBridge
@testable import SignalDaemon

struct Driver {
    var machine: ShutdownStateMachine
    var now = Duration.zero

    init(_ policy: SignalPolicy = .server, loads: Bool = false, restarts: Bool = false) {
        machine = ShutdownStateMachine(policy, loads: loads, restarts: restarts, at: .zero)
    }

    mutating func actions(of signal: SignalNumber) -> [ShutdownStateMachine.Action] {
        machine.receive(SignalEvent(signal, count: 1, sender: nil, value: nil, nanoseconds: 0), at: now)
    }

    mutating func receive(_ signal: SignalNumber) -> [String] { words(actions(of: signal)) }

    /// Moves the clock.
    mutating func wait(_ seconds: Int) -> [String] { wait(.seconds(seconds)) }

    mutating func wait(_ duration: Duration) -> [String] {
        now += duration
        return words(machine.tick(at: now))
    }

    mutating func end(_ id: Int, _ error: (any Error)? = nil) -> [String] { words(machine.ended(id, error, at: now)) }

    mutating func add(_ behavior: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown) -> Int? {
        let item = WorkTable.Item(name: "task", kind: .task, onShutdown: behavior, onFailure: onFailure)
        return machine.add(item, generation: machine.generation, at: now)
    }

    mutating func addCleanup(_ name: String) -> Int {
        machine.register(.cleanup, name, generation: machine.generation, at: now)!.id
    }
}

/// What is done, and the phases; other reports are left out.
func words(_ actions: [ShutdownStateMachine.Action]) -> [String] {
    actions.compactMap { action in
        switch action {
        case .start(let id): "start \(id)"
        case .startReload(let id): "reload \(id)"
        case .cancel(let id): "cancel \(id)"
        case .signalShutdown: "request"
        case .startBody(let id): "body \(id)"
        case .finish: "finish"
        case .force: "force"
        case .announce(.entered(let phase, _)): "\(phase)"
        case .announce(.cleanupTimedOut): "timed out"
        case .announce(.restartWaits): "waits"
        case .announce: nil
        }
    }
}
