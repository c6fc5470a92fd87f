import SignalBridge

/// Sends notifications to the supervisor on its own thread, so that a stuck user closure does not delay them.
///
/// Except for `runInline`, its functions may be called under a lock.
final class SupervisorNotifier: Sendable {
    private enum Item: Sendable {
        case datagram(String)
        case call(@Sendable () -> Void)
    }

    private struct State {
        var schedule: NotificationSchedule
        var check: (@Sendable () async -> Bool)?
        var waiting = 0
        var hasReportedReady = false
    }

    private static let limit = 10_000
    private let state: Lock<State>
    private let worker: SerialWorker<Item>
    private let isEnabled: Bool

    /// Makes a link, which has a thread only if there is a supervisor.
    init(
        _ supervisor: Supervisor, at now: Duration, isInline: Bool,
        onFailure: @escaping @Sendable (SignalBridgeError) -> Void
    ) throws(SignalBridgeError) {
        let lastFailure = Lock<SignalBridgeError?>(nil)
        let state = Lock(State(schedule: NotificationSchedule(supervisor, at: now)))
        self.state = state
        isEnabled = supervisor.isEnabled
        worker = try SerialWorker(isInline: isInline || !supervisor.isEnabled) { item in
            switch item {
            case .datagram(let text):
                let isFirstReady = state.withLock { state in
                    state.waiting -= 1
                    return text.hasPrefix("READY=1") && !exchange(&state.hasReportedReady, with: true)
                }
                var failure: SignalBridgeError?
                do throws(SignalBridgeError) { try supervisor.send(text) } catch { failure = error }
                if isFirstReady {
                    do throws(SignalBridgeError) { try supervisor.reportReady() } catch { failure = error }
                }
                let isNew = lastFailure.withLock { exchange(&$0, with: failure) != failure }
                if isNew, let failure { onFailure(failure) }  // once: a closure that hears of it may send again
            case .call(let call): call()
            }
        }
    }

    /// The time at which `isCheckDue` must be called.
    var deadline: Duration? { state.withLock { $0.schedule.deadline } }

    /// Returns what the caller does outside of its locks, because the description of an error is user code.
    func report(
        _ transition: DaemonTransition, of machine: ShutdownStateMachine, at now: Duration
    ) -> (@Sendable () -> Void)? {
        if !isEnabled { return nil }
        if case .reloadFailed(let error) = transition {
            guard let beginning = state.withLock({ $0.schedule.beginning(ofFailure: error, machine) }) else {
                return nil
            }
            return { [self] in
                send("\(beginning)STATUS=" + "reload failed: \(error)".onOneLine)
                runInline()
            }
        }
        if let datagram = state.withLock({ $0.schedule.datagram(for: transition, machine, at: now) }) { send(datagram) }
        return nil
    }

    func reportReady() {
        if let datagram = state.withLock({ $0.schedule.ready() }) { send(datagram) }
    }

    /// Sends a line for the supervisor's user.
    func reportStatus(_ text: String) {
        send("STATUS=\(text.onOneLine)")
    }

    /// Asks for more time if that is due. Returns whether the watchdog must be answered now, by `check`.
    func isCheckDue(at now: Duration) -> Bool {
        let (extends, checks) = state.withLock { state in
            (state.schedule.isExtensionDue(at: now), state.schedule.isCheckDue(at: now))
        }
        if extends { send(NotificationSchedule.extendTimeout) }
        return checks
    }

    /// Runs the program's check, and answers the watchdog if it succeeds. It runs in a task, so that the supervisor
    /// notices if tasks do not run.
    func check() async {
        let check = state.withLock { $0.check }
        let isWell = await check?() ?? true
        state.withLock { $0.schedule.checkEnded() }
        if isWell { send("WATCHDOG=1") }
        runInline()
    }

    /// Returns the previous check, which the caller releases outside of its locks.
    func setCheck(_ check: (@Sendable () async -> Bool)?) -> (@Sendable () async -> Bool)? {
        state.withLock { exchange(&$0.check, with: check) }
    }

    /// Calls the closure when every datagram so far was sent.
    func afterSending(_ call: @escaping @Sendable () -> Void) { worker.append(.call(call)) }

    func runInline(waits: Bool = false) { worker.runInline(waits: waits) }

    func stop() { worker.stop() }

    /// Drops the datagram if ten thousand wait.
    private func send(_ datagram: String) {
        guard isEnabled else { return }
        let hasRoom = state.withLock { state in
            if state.waiting >= Self.limit { return false }
            state.waiting += 1
            return true
        }
        if hasRoom { worker.append(.datagram(datagram)) }
    }
}

extension String {
    /// Removes line breaks, because in a datagram a new line would be a new assignment.
    var onOneLine: String { String(map { $0.isNewline ? " " : $0 }) }
}
