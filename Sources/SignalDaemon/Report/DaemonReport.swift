import SignalBridge

/// A report of how a daemon ended, and of all work in it.
public struct DaemonReport<Value: Sendable>: Sendable {
    /// The result of the body: its value or its error.
    ///
    /// If the process was forced to end before the body ended: ``/SignalBridge/SignalBridgeError/Code/forcedExit``. If
    /// loading the first configuration failed: that error. If the daemon ended before the configuration was loaded:
    /// `CancellationError`.
    public let result: Result<Value, any Error>
    private let summary: DaemonSummary

    init(result: Result<Value, any Error>, summary: DaemonSummary) {
        self.result = result
        self.summary = summary
    }

    /// The reason why the daemon ended.
    public var reason: ShutdownReason { summary.reason }
    /// The first of ``signals``, which prints as "SIGTERM from pid 1 (uid 0)".
    public var signal: SignalEvent? { summary.signals.first }
    /// The signals that requested the end, in order; the first 16.
    public var signals: [SignalEvent] { summary.signals }
    /// The number of further signals that were duplicates of one of ``signals``: see ``SignalPolicy/duplicateWindow``.
    public var duplicateSignals: Int { summary.duplicateSignals }
    /// The signal of ``SignalPolicy/hardExit`` that began a hard exit, if any.
    public var hardExit: SignalEvent? { summary.hardExit }
    /// The reason why the process was forced to end, if it was.
    public var forcedExit: ForcedExitReason? { summary.forcedExit }
    /// The body, tasks, threads, parts, actions and clean-ups, in the order in which they ended, and then the abandoned ones.
    ///
    /// Of work that ended before the shutdown began, only the last 1,000 are kept.
    public var tasks: [DaemonTask] { summary.tasks }
    /// The number of pieces of work that are missing in ``tasks``.
    public var omittedTaskCount: Int { summary.omittedTaskCount }
    /// The number of reloads that succeeded.
    public var reloads: Int { summary.reloads }
    /// The errors of the last 100 reloads that failed.
    public var failedReloads: [any Error] { summary.failedReloads }
    /// The status with which the process should end.
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

    /// Returns the time that a phase lasted, over all restarts.
    public func duration(of phase: DaemonPhase) -> Duration { summary.durations[phase] ?? .zero }

    /// Ends the process with ``exitStatus``: with `exit(3)`, or by the signal, so that the parent sees `WTERMSIG`.
    ///
    /// Output is flushed in both cases; `atexit(3)` functions run only in the first. After a second the process ends
    /// anyway, because a thread that reads standard input, or a pipe without a reader, can block both for ever. A
    /// signal leaves no core dump. In a simulation this stops the program: test ``exitStatus`` there.
    public func exit() -> Never {
        precondition(!SignalSimulator.isSimulating, "in a simulation, test exitStatus instead of calling exit()")
        exitStatus.end()
    }
}

extension DaemonReport: CustomStringConvertible {
    /// A text of several lines: reason, phases, work, exit status.
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
