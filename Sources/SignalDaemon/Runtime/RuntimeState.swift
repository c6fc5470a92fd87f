import SignalBridge

/// The state that the lock of a runtime guards.
struct RuntimeState: Sendable {
    var machine: ShutdownStateMachine
    var program = DaemonProgram()
    /// `nil` after the close.
    var signals: DaemonSignals?
    var handles = WorkHandles()
    /// Opens when the shutdown of this generation is requested.
    var shutdownLatch = Latch()
    var reloadActions = ReloadActions()
    var reloadRequests = ReloadRequests()
    var signalActions: [SignalAction] = []
    /// The signal actions of earlier bodies. They keep a signal between two bodies from its default action.
    var silentActions: [SignalNumber: SignalAction] = [:]
    /// Whether the start was reported. Before that, signals wait, so that none ends the daemon before its start is
    /// reported.
    var hasStarted = false
    var isClosing = false
    var isClosed = false
    /// Whether a thread is ending the process; only one may.
    var isEndingProcess = false
    var reportDeadline: Duration?
    /// The time of the next report of the work that the shutdown waits for.
    var waitingDeadline: Duration?

    var deadline: Duration? { [machine.deadline, reportDeadline, waitingDeadline].compactMap { $0 }.min() }

    var isRestarting: Bool { machine.state.purpose?.isShutdown == false }
    /// Whether the daemon is ending, or has ended.
    var isEnding: Bool { machine.isShuttingDown || machine.isOver }

    func latch(of generation: Int) -> Latch { machine.generation == generation ? shutdownLatch : Latch(isOpen: true) }

    /// Takes the SIGINT and SIGTERM that came after the end. A duplicate of the signal that ended the daemon has had
    /// its effect. Another one is for the process.
    mutating func takeLateSignals(_ policy: SignalPolicy) -> Set<SignalNumber> {
        var (late, duplicates): (Set<SignalNumber>, _) = ([], machine.duplicates)
        while let event = signals?.take() {
            let isHard = policy.hardExit.contains(event.signal)
            if !duplicates.isDuplicate(event, isHard: isHard) { late.insert(event.signal) }
        }
        return late.intersection([.sigint, .sigterm])
    }

    /// Restores the dispositions of `onSignal`. If the process ends with the daemon, they stay, so that a late signal does
    /// not end it in another way.
    func unsubscribeActions() {
        if program.endsProcess { return }
        for action in signalActions { action.unsubscribe() }
        for action in silentActions.values { action.drop() }
    }

    /// Removes and returns the state of one body, which the caller releases outside of the lock.
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

    /// Removes and returns everything, at the end. If the process ends with the daemon, the signals stay, so that a
    /// late one does not end it in another way.
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
