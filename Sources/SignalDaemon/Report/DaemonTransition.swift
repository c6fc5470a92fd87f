import SignalBridge

/// A change of a daemon's state, or another event in its life, for the `onTransition` of
/// ``Daemon/run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)``.
///
/// Print it with any logger. More cases may come with a minor version.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum DaemonTransition: Sendable, CustomStringConvertible {
    /// The body starts. This is reported again if a reload restarts the body.
    case started
    /// A signal came, with this effect.
    case received(SignalEvent, Response)
    /// A phase begins.
    case entered(DaemonPhase, ShutdownReason)
    /// A piece of work has ended.
    case ended(DaemonTask)
    /// The clean-up with this name has used its share of the time. It continues, and the next one starts.
    case cleanupOverran(String)
    /// The time of the clean-up with this name is over: it was cancelled.
    case cleanupTimedOut(String)
    /// The shutdown, or a restart, waits for this work. Reported every five seconds.
    case waiting(for: [String])
    /// These signals were ignored when the process started, as under nohup(1), and stay ignored: see
    /// ``SignalPolicy/keepsIgnored``.
    case leftIgnored([SignalNumber])
    /// The daemon has recovered this signal: other code had installed a handler, or has a Dispatch source for it.
    ///
    /// Shared: a Dispatch source, such as that of `UnixSignals` or of a `ServiceGroup` with its own signals, gets the
    /// signal as well. Such code should leave the signals of the policy to the daemon.
    case tookBack(SignalNumber, isShared: Bool)
    /// A transition of the part with this name.
    indirect case part(String, DaemonTransition)
    /// A reload begins.
    case reloading
    /// A reload is done.
    case reloaded
    /// A reload failed, and nothing has changed.
    case reloadFailed(any Error)
    /// A restart waits for work of the old body that has not ended in time after its cancellation.
    case restartWaits(for: [String])
    /// A notification could not be sent to the supervisor.
    case notificationFailed(SignalBridgeError)
    /// This many transitions were dropped here, because `onTransition` was ten thousand behind.
    case dropped(Int)
    /// The process is about to be forced to end, and this work is abandoned. A reload that runs is among it.
    case forced(ForcedExitReason, abandoned: [String])
    /// Everything has ended.
    case finished(DaemonExitStatus)

    /// The effect of a signal.
    #if hasAttribute(nonexhaustive)
        @nonexhaustive
    #endif
    public enum Response: String, Hashable, Sendable {
        /// A graceful shutdown begins.
        case beganShutdown = "shuts down"
        /// A hard exit begins.
        case stoppedImmediately = "stops immediately"
        /// A shutdown that was not requested by a signal continues.
        case joinedShutdown = "joins the shutdown"
        /// Draining ends.
        case escalated = "escalates"
        /// The process is forced to end.
        case forcedExit = "forces the exit"
        /// No effect: the signal came within ``SignalPolicy/duplicateWindow``, and repeats the request before it.
        case duplicate = "is a duplicate"
        /// No effect, because of ``SignalPolicy/SecondSignal/ignored``.
        case ignored = "is ignored"
        /// A reload begins.
        case beganReload = "reloads"
        /// Another reload follows the one that runs. Only the first of the signals that request it is reported.
        case queuedReload = "reloads again"
        /// No effect: the daemon is ending, and does not reload any more.
        case ignoredDuringShutdown = "is ignored: shutting down"
    }

    /// The transition as one line for a log.
    public var description: String {
        switch self {
        case .started: "started"
        case .received(let event, let response): "\(event) \(response.rawValue)"
        case .entered(let phase, let reason): "\(phase): \(reason)"
        case .ended(let task): "\(task)"
        case .cleanupOverran(let name): "cleanup \(name) takes more than its share"
        case .cleanupTimedOut(let name): "cleanup \(name) timed out"
        case .waiting(let names): "waiting for \(names.joined(separator: ", "))"
        case .leftIgnored(let signals): "left ignored: \(signals.map(\.name).joined(separator: ", "))"
        case .tookBack(let signal, let isShared):
            "\(signal) was displaced by other code; took it back\(isShared ? ", but shares the signal" : "")"
        case .part(let name, let transition): "\(name): \(transition)"
        case .reloading: "reloading"
        case .reloaded: "reloaded"
        case .reloadFailed(let error): "reload failed, nothing has changed: \(error)"
        case .restartWaits(let names): "restart waits for \(names.joined(separator: ", "))"
        case .notificationFailed(let error): error.description
        case .dropped(let count): "\(count) transitions were left out"
        case .forced(let reason, let names): "forced to exit: \(reason); abandoned: \(names.joined(separator: ", "))"
        case .finished(let status): "finished: \(status)"
        }
    }
}
