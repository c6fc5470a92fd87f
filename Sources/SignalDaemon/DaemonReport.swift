import SignalBridge
import CSignalShim

#if canImport(Darwin)
    import Darwin

    private let coreLimit = RLIMIT_CORE
#elseif canImport(Glibc)
    import Glibc

    private let coreLimit = __rlimit_resource_t(RLIMIT_CORE.rawValue)
#elseif canImport(Musl)
    import Musl

    private let coreLimit = RLIMIT_CORE
#endif

/// How a daemon ended, and what became of all that ran in it.
public struct DaemonReport<Value: Sendable>: Sendable {
    /// What the body returned or threw. An abandoned body: `SignalBridgeError.Code.forcedExit`; one that never started,
    /// because its configuration could not be loaded: that error; or, if the daemon was ended before that,
    /// `CancellationError`.
    public let result: Result<Value, any Error>
    let summary: DaemonSummary

    /// Why it ended.
    public var reason: ShutdownReason { summary.reason }
    /// The signal that began it, if one did; prints as "SIGTERM from pid 1 (uid 0)".
    public var signal: SignalEvent? { summary.signals.first }
    /// All the signals that asked it to end, in order; the first 16.
    public var signals: [SignalEvent] { summary.signals }
    /// The signal of ``SignalPolicy/hardExit`` that was obeyed, if one was.
    public var hardExit: SignalEvent? { summary.hardExit }
    /// Why it was forced to end, if it was.
    public var forcedExit: ForcedExitReason? { summary.forcedExit }
    /// What became of the body, each task, thread, `onGracefulShutdown` action and hook, in the order in which they ended;
    /// those that were abandoned are the last. Of those that finished before the shutdown began, the last 1,000.
    public var tasks: [DaemonTask] { summary.tasks }
    /// How many more there were.
    public var omittedTaskCount: Int { summary.omittedTaskCount }
    /// How often the configuration was loaded again, with success.
    public var reloads: Int { summary.reloads }
    /// The errors of reloads that failed; the last 100.
    public var failedReloads: [any Error] { summary.failedReloads }
    /// What the process should end with, by the table of endings: a clean stop, code 0, but after SIGINT that signal, as a
    /// shell expects; the body returned by itself, code 0; body, task or hook failed (or a hook did not end within its
    /// share), code 1; hard exit, that signal; forced, the first signal that asked it to end (code 1 if none did).
    public var exitStatus: DaemonExitStatus { summary.exitStatus }

    /// The last of ``tasks`` with this name: after restarts, that of the last body.
    public func task(_ name: String) -> DaemonTask? { tasks.last { $0.name == name } }

    /// How long a phase lasted; with restarts, all of them together.
    public func duration(of phase: DaemonPhase) -> Duration { summary.times[phase] ?? .zero }

    /// Ends the process as ``exitStatus`` says: with `exit(3)`, or by the signal, so that the parent sees `WTERMSIG`. Output
    /// is flushed in both cases; `atexit(3)` functions run in the first only. A signal leaves no core dump.
    ///
    /// Not in a simulation, where it traps: test ``exitStatus`` there.
    public func exit() -> Never {
        precondition(SignalSimulator.current == nil, "in a simulation, look at exitStatus instead of calling exit()")
        exitStatus.end()
    }
}

/// What a process ends with.
public enum DaemonExitStatus: Hashable, Sendable, CustomStringConvertible {
    /// An exit code.
    case code(Int32)
    /// Death by a signal.
    case signal(SignalNumber)

    /// "exit code 0", "death by SIGINT".
    public var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let signal): "death by \(signal)"
        }
    }

    func end() -> Never {
        switch self {
        case .code(let code): exit(code)
        case .signal(let signal):
            fflush(nil)
            signal.die()
        }
    }
}

extension SignalNumber {
    /// By this signal, at once, without a core dump. In a container's init, `_exit(128 + signal)`.
    func die() -> Never {
        // A limit of 1 byte: too small for a file, and the value with which Linux starts no core_pattern program either.
        var limit = rlimit()
        if getrlimit(coreLimit, &limit) == 0 {
            limit.rlim_cur = min(1, limit.rlim_max)
            setrlimit(coreLimit, &limit)
        }
        csigshim_take_default_action(rawValue)
        _exit(128 &+ rawValue)  // a signal that does not end a process, such as Apache's WINCH
    }
}

/// What the ladder knows when the daemon ends.
struct DaemonSummary: Sendable {
    var reason = ShutdownReason.finished
    var signals: [SignalEvent] = []
    var hardExit: SignalEvent?
    var forcedExit: ForcedExitReason?
    var tasks: [DaemonTask] = []
    var omittedTaskCount = 0
    var unlistedFailures = 0
    var reloads = 0
    var failedReloads: [any Error] = []
    var times: [DaemonPhase: Duration] = [:]
    private var dropped: [any Sendable] = []

    /// Of what ends before the last shutdown, only so much is kept: a daemon may run for years.
    mutating func record(_ task: DaemonTask, isLast: Bool) {
        if !isLast, tasks.count >= 1000 {
            let oldest = tasks.removeFirst()
            if oldest.spoilsExit { unlistedFailures += 1 }
            omittedTaskCount += 1
            dropped.append(oldest)
        }
        tasks.append(task)
    }

    mutating func record(failedReload error: any Error) {
        if failedReloads.count == 100 { dropped.append(failedReloads.removeFirst()) }
        failedReloads.append(error)
    }

    /// What is not kept, to be released where no lock is held: an error may have a `deinit`.
    mutating func takeDropped() -> [any Sendable] {
        defer { dropped = [] }
        return dropped
    }

    var exitStatus: DaemonExitStatus {
        if forcedExit != nil { return signals.first.map { .signal($0.signal) } ?? .code(1) }
        if let hardExit { return .signal(hardExit.signal) }
        if unlistedFailures > 0 || tasks.contains(where: \.spoilsExit) { return .code(1) }
        if case .signal(let event) = reason, event.signal == .sigint { return .signal(.sigint) }
        return .code(0)
    }
}

extension DaemonReport: CustomStringConvertible {
    /// Several lines: cause, phases, each task, exit status.
    public var description: String {
        var lines = ["ended: \(forcedExit.map { "forced, \($0); " } ?? "")\(reason)"]
        for phase in DaemonPhase.allCases where duration(of: phase) > .zero {
            lines.append("  \(phase) for \(duration(of: phase).roundedUpToMilliseconds) ms")
        }
        for task in tasks { lines.append("  \(task)") }
        if omittedTaskCount > 0 { lines.append("  and \(omittedTaskCount) more, earlier") }
        if reloads > 0 { lines.append("  reloads: \(reloads)") }
        for error in failedReloads { lines.append("  reload failed: \(error)") }
        lines.append("  \(exitStatus)")
        return lines.joined(separator: "\n")
    }
}
