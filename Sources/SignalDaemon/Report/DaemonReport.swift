import SignalBridge

/// How a daemon ended, and what became of all that ran in it.
public struct DaemonReport<Value: Sendable>: Sendable {
    /// What the body returned or threw.
    ///
    /// If the process was forced to end before the body had: ``/SignalBridge/SignalBridgeError/Code/forcedExit``. If the first
    /// configuration could not be loaded: that error. If the daemon ended before that: `CancellationError`.
    public let result: Result<Value, any Error>
    private let summary: DaemonSummary

    init(result: Result<Value, any Error>, summary: DaemonSummary) {
        self.result = result
        self.summary = summary
    }

    /// The reason for which the daemon ended.
    public var reason: ShutdownReason { summary.reason }
    /// The first of ``signals``, which prints as "SIGTERM from pid 1 (uid 0)".
    public var signal: SignalEvent? { summary.signals.first }
    /// The signals that requested the end, in order; the first 16.
    public var signals: [SignalEvent] { summary.signals }
    /// How many further signals were duplicates of one of ``signals``: see ``SignalPolicy/duplicateWindow``.
    public var duplicateSignals: Int { summary.duplicateSignals }
    /// The signal of ``SignalPolicy/hardExit`` that was obeyed, if one was.
    public var hardExit: SignalEvent? { summary.hardExit }
    /// The reason for which the process was forced to end, if it was.
    public var forcedExit: ForcedExitReason? { summary.forcedExit }
    /// The body, tasks, threads, actions and clean-ups, in the order in which they ended, then those that were abandoned.
    ///
    /// Of work that ended before the shutdown began, the last 1,000.
    public var tasks: [DaemonTask] { summary.tasks }
    /// How many pieces of work are missing in ``tasks``.
    public var omittedTaskCount: Int { summary.omittedTaskCount }
    /// How many reloads succeeded.
    public var reloads: Int { summary.reloads }
    /// The errors of the last 100 reloads that failed.
    public var failedReloads: [any Error] { summary.failedReloads }
    /// What the process should end with.
    ///
    /// | how the daemon ended | status |
    /// |---|---|
    /// | ``Daemon/shutdown(exitCode:)`` | that code |
    /// | forced | the first signal that requested the end; code 1 if none did |
    /// | hard exit | that signal |
    /// | the body, a task or a clean-up failed, or a clean-up timed out | code 1 |
    /// | SIGINT | SIGINT, as a shell expects |
    /// | otherwise | code 0 |
    ///
    /// A signal whose default action does not terminate, such as WINCH, gives the code 128 + signal.
    public var exitStatus: DaemonExitStatus { summary.exitStatus }

    /// The last of ``tasks`` with this name: after restarts, that of the last body.
    public func task(_ name: String) -> DaemonTask? { tasks.last { $0.name == name } }

    /// The report of a part, by its name: see ``Daemon/addPart(_:onFailure:after:_:)``. Of several with one name, the last.
    public func part(_ name: String) -> DaemonReport<Void>? {
        guard let part = summary.parts[name] else { return nil }
        let failure = part.failure ?? part.forcedExit.map { SignalBridgeError(.forcedExit, nil, "abandoned \($0)") }
        return DaemonReport<Void>(result: failure.map { .failure($0) } ?? .success(()), summary: part)
    }

    /// How long a phase lasted, over all restarts.
    public func duration(of phase: DaemonPhase) -> Duration { summary.durations[phase] ?? .zero }

    /// Ends the process with ``exitStatus``: with `exit(3)`, or by the signal, so that the parent sees `WTERMSIG`.
    ///
    /// Output is flushed in both cases; `atexit(3)` functions run in the first only. Both together have a second, and then the
    /// process ends all the same: a thread that reads standard input, or a pipe that nobody reads, can hold them up for ever. A
    /// signal leaves no core dump. In a simulation this stops the program: test ``exitStatus`` there.
    public func exit() -> Never {
        precondition(!SignalSimulator.isSimulating, "in a simulation, test exitStatus instead of calling exit()")
        exitStatus.end()
    }
}

extension DaemonReport: CustomStringConvertible {
    /// Several lines: reason, phases, work, exit status.
    public var description: String {
        var lines = ["ended: \(forcedExit.map { "forced, \($0); " } ?? "")\(reason)"]
        for phase in DaemonPhase.allCases where duration(of: phase) > .zero {
            lines.append("  \(phase) for \(duration(of: phase).roundedUpToMilliseconds) ms")
        }
        for task in tasks { lines.append("  \(task)") }
        if omittedTaskCount > 0 { lines.append("  and \(omittedTaskCount) more, earlier") }
        for name in summary.parts.keys.sorted() {
            lines += (part(name)?.description ?? "").split(separator: "\n").dropLast().map { "  \(name): \($0)" }
        }
        if duplicateSignals > 0 { lines.append("  duplicate signals: \(duplicateSignals)") }
        if reloads > 0 { lines.append("  reloads: \(reloads)") }
        for error in failedReloads { lines.append("  reload failed: \(error)") }
        lines.append("  \(exitStatus)")
        return lines.joined(separator: "\n")
    }
}
