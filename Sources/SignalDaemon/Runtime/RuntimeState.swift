import SignalBridge

/// What the lock of a runtime guards.
struct RuntimeState: Sendable {
    var machine: ShutdownStateMachine
    var program = DaemonProgram()
    /// `nil` when it is closed.
    var signals: DaemonSignals?
    var handles = WorkHandles()
    /// Opens when the shutdown of this generation is requested.
    var shutdownLatch = Latch()
    var reloadActions = ReloadActions()
    var reloadRequests = ReloadRequests()
    var signalActions: [SignalAction] = []
    /// Those of earlier bodies, so that a signal between two bodies does not meet its default action.
    var silentActions: [SignalNumber: SignalAction] = [:]
    /// Before that, signals wait: the start is reported before what ends it.
    var hasStarted = false
    var isClosing = false
    var isClosed = false
    /// Whether a thread is ending the process; only one may.
    var isEndingProcess = false
    var reportDeadline: Duration?
    /// When it is reported what the shutdown waits for.
    var waitingDeadline: Duration?

    var deadline: Duration? { [machine.deadline, reportDeadline, waitingDeadline].compactMap { $0 }.min() }

    /// Whether the daemon is ending, or has ended.
    var isEnding: Bool { machine.isShuttingDown || machine.isOver }

    func latch(of generation: Int) -> Latch { machine.generation == generation ? shutdownLatch : Latch(isOpen: true) }

    /// Takes the SIGINT and SIGTERM that came after the end. A duplicate of what ended the daemon has had its effect; another one
    /// is for the process.
    mutating func takeLateSignals(_ policy: SignalPolicy) -> Set<SignalNumber> {
        var (late, duplicates): (Set<SignalNumber>, _) = ([], machine.duplicates)
        while let event = signals?.take() {
            let isHard = policy.hardExit.contains(event.signal)
            if !duplicates.isDuplicate(event, isHard: isHard) { late.insert(event.signal) }
        }
        return late.intersection([.sigint, .sigterm])
    }

    /// Takes out what only the body of a generation has. The caller releases it outside of the lock.
    mutating func takeGeneration() -> RuntimeState {
        defer {
            shutdownLatch = Latch()
            reloadActions = ReloadActions()
            for action in signalActions { silentActions[action.signal] = action }
            signalActions = []
            waitingDeadline = nil
        }
        return self
    }

    /// Takes out everything, at the end. The signals stay where the process ends with the daemon: a late one must not end it in
    /// another way.
    mutating func takeAll() -> RuntimeState {
        defer {
            let keepsSignals = program.endsProcess
            self = RuntimeState(
                machine: machine, signals: keepsSignals ? signals : nil, shutdownLatch: shutdownLatch,
                signalActions: keepsSignals ? signalActions : [], silentActions: keepsSignals ? silentActions : [:],
                isClosing: true, isClosed: true)
        }
        return self
    }
}
