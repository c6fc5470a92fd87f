import SignalBridge

/// The facts of a daemon's life, without the result of its body.
struct DaemonSummary: Sendable {
    private static let maxSignals = 16
    private static let maxTasks = 1000
    private static let maxFailedReloads = 100

    var reason = ShutdownReason.finished
    var hardExit: SignalEvent?
    var reloads = 0
    /// The number of signals that repeated the request of the last one.
    var duplicateSignals = 0
    /// The exit code from `Daemon.shutdown(exitCode:)`.
    var requestedExitCode: UInt8?
    /// The reports of the parts that have ended, and at a forced exit also of those that run.
    var parts: [String: DaemonSummary] = [:]
    private(set) var signals: [SignalEvent] = []
    private(set) var forcedExit: ForcedExitReason?
    private(set) var tasks: [DaemonTask] = []
    private(set) var omittedTaskCount = 0
    private(set) var failedReloads: [any Error] = []
    private(set) var durations: [DaemonPhase: Duration] = [:]
    /// The first work that counts as a failure, among those that are no longer kept.
    private var omittedFailure: DaemonTask?
    private var dropped: [any Sendable] = []

    mutating func record(_ event: SignalEvent) {
        if signals.count < Self.maxSignals { signals.append(event) }
    }

    /// Keeps a limited number of results from before the last shutdown, because a daemon may run for years.
    mutating func record(_ task: DaemonTask, isLast: Bool) {
        if !isLast, tasks.count >= Self.maxTasks {
            let oldest = tasks.removeFirst()
            if omittedFailure == nil, oldest.countsAsFailure { omittedFailure = oldest }
            omittedTaskCount += 1
            dropped.append(oldest)
        }
        tasks.append(task)
    }

    mutating func record(failedReload error: any Error) {
        if failedReloads.count == Self.maxFailedReloads { dropped.append(failedReloads.removeFirst()) }
        failedReloads.append(error)
    }

    mutating func recordForcedExit(_ reason: ForcedExitReason, abandoning items: [WorkTable.Item], at now: Duration) {
        forcedExit = reason
        for item in items {
            guard let kind = item.kind else { continue }
            tasks.append(DaemonTask(name: item.name, kind: kind, outcome: .abandoned, duration: now - item.since))
        }
    }

    mutating func add(_ duration: Duration, to phase: DaemonPhase) {
        durations[phase, default: .zero] += duration
    }

    /// The results that are no longer kept. Release them outside of every lock, because an error may have a `deinit`.
    mutating func takeDropped() -> [any Sendable] { exchange(&dropped, with: []) }

    /// The first error that counts as a failure.
    var failure: (any Error)? {
        for case .failed(let error) in failures.map(\.outcome) { return error }
        return nil
    }

    private var failures: [DaemonTask] { (omittedFailure.map { [$0] } ?? []) + tasks.filter(\.countsAsFailure) }

    /// The error for the daemon, or the group of services, that this daemon is inside of.
    func throwFailure() throws {
        if let failure { throw failure }
        if let forcedExit { throw SignalBridgeError(.forcedExit, nil, "abandoned work: \(forcedExit)") }
        if let late = failures.first { throw SignalBridgeError(.forcedExit, nil, "\(late), but it ran out of time") }
    }

    var exitStatus: DaemonExitStatus {
        if let requestedExitCode { return .code(Int32(requestedExitCode)) }
        if forcedExit != nil { return signals.first.map { DaemonExitStatus(after: $0.signal) } ?? .code(1) }
        if let hardExit { return DaemonExitStatus(after: hardExit.signal) }
        if !failures.isEmpty { return .code(1) }
        if case .signal(let event) = reason, event.signal == .sigint { return .signal(.sigint) }
        return .code(0)
    }
}
