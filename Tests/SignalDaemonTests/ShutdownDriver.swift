// A driver for tests of the shutdown's state machine. It takes one input at a time, and gives the actions as short
// words.
@testable import SignalBridge
@testable import SignalDaemon

struct Driver {
    var machine: ShutdownStateMachine
    var now = Duration.zero
    private var lastCapture = Duration.zero

    init(_ policy: SignalPolicy = .server, loads: Bool = false, restarts: Bool = false) {
        machine = ShutdownStateMachine(policy, loads: loads, restarts: restarts, at: .zero)
    }

    /// Receives a signal from a process. It is no duplicate: its time of capture is a second after that of the last one.
    mutating func actions(of signal: SignalNumber) -> [ShutdownStateMachine.Action] {
        lastCapture = max(now, lastCapture + .seconds(1))
        return machine.receive(.captured(signal, at: lastCapture), at: now)
    }

    mutating func receive(_ signal: SignalNumber) -> [String] { words(actions(of: signal)) }

    /// Moves the clock.
    mutating func wait(_ seconds: Int) -> [String] { wait(.seconds(seconds)) }

    mutating func wait(_ duration: Duration) -> [String] {
        now += duration
        return words(machine.tick(at: now))
    }

    mutating func end(_ id: Int, _ error: (any Error)? = nil) -> [String] { words(machine.ended(id, error, at: now)) }

    mutating func add(
        _ behavior: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown, name: String = "task",
        after other: String? = nil
    ) -> Int? {
        let item = WorkTable.Item(name: name, kind: .task, onShutdown: behavior, onFailure: onFailure, after: other)
        return machine.add(item, generation: machine.generation, at: now)
    }

    mutating func addCleanup(_ name: String, within limit: Duration? = nil) -> Int {
        machine.register(.cleanup, name, within: limit, generation: machine.generation, at: now)!.id
    }
}

extension SignalEvent {
    /// A signal that a process sent, captured then.
    static func captured(_ signal: SignalNumber, at time: Duration) -> SignalEvent {
        SignalEvent(signal, count: 1, sender: .current, value: nil, nanoseconds: time.clampedNanoseconds)
    }

    /// A signal that the terminal sent, captured then: of a key press, or SIGHUP because it was closed.
    static func fromTerminal(_ signal: SignalNumber, at time: Duration) -> SignalEvent {
        SignalEvent(signal, count: 1, sender: nil, value: nil, nanoseconds: time.clampedNanoseconds)
    }
}

/// The actions and the phases, without the other reports.
func words(_ actions: [ShutdownStateMachine.Action]) -> [String] {
    actions.compactMap { action in
        switch action {
        case .start(let id): "start \(id)"
        case .startReload(let id): "reload \(id)"
        case .cancel(let id): "cancel \(id)"
        case .signalShutdown: "request"
        case .startBody(let id): "body \(id)"
        case .tell(let id): "tell \(id)"
        case .reloadEnded: nil
        case .finish: "finish"
        case .force: "force"
        case .announce(.entered(let phase, _)): "\(phase)"
        case .announce(.cleanupTimedOut): "timed out"
        case .announce(.cleanupOverran): "overran"
        case .announce(.restartWaits): "waits"
        case .announce: nil
        }
    }
}
