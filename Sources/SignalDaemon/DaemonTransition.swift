import SignalBridge

/// Where a daemon stands on the ladder.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum DaemonPhase: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Nobody has asked it to end.
    case running
    /// Work was told to finish.
    case draining
    /// What had not finished was cancelled.
    case cancelling
    /// Hooks run.
    case cleaningUp

    /// "running", "draining", "cancelling", "cleaning up".
    public var description: String {
        switch self {
        case .running: "running"
        case .draining: "draining"
        case .cancelling: "cancelling"
        case .cleaningUp: "cleaning up"
        }
    }
}

/// Why a daemon ends.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum ShutdownReason: Hashable, Sendable, CustomStringConvertible {
    /// A signal asked for it.
    case signal(SignalEvent)
    /// ``Daemon/shutdown()`` was called.
    case requested
    /// The task that called `Daemon.run` was cancelled.
    case cancelled
    /// The body, or a task, of this name failed.
    case failure(of: String)
    /// A reload restarts the body. Only in transitions.
    case restart
    /// The body returned, and every task had ended.
    case finished

    /// "SIGTERM from pid 1 (uid 0)", "a request of the program", …
    public var description: String {
        switch self {
        case .signal(let event): "\(event)"
        case .requested: "a request of the program"
        case .cancelled: "cancellation of its task"
        case .failure(let name): "failure of \(name)"
        case .restart: "restart with a new configuration"
        case .finished: "all work was done"
        }
    }
}

/// Why a daemon was forced to end.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum ForcedExitReason: Hashable, Sendable, CustomStringConvertible {
    /// A second signal (or a third) asked for it.
    case signal(SignalEvent)
    /// The time of a phase was up.
    case deadline(DaemonPhase)

    /// "by SIGINT from …", "timed out while cancelling".
    public var description: String {
        switch self {
        case .signal(let event): "by \(event)"
        case .deadline(let phase): "timed out while \(phase)"
        }
    }
}

/// What became of one piece of work in a daemon.
public struct DaemonTask: Sendable, CustomStringConvertible {
    /// Its name; the body's is "body".
    public let name: String
    /// What it was.
    public let kind: Kind
    /// How it ended.
    public let outcome: Outcome
    /// How long it ran.
    public let duration: Duration
    /// Whether it makes a clean stop a failed one.
    var spoilsExit = false

    /// A kind of work.
    #if hasAttribute(nonexhaustive)
        @nonexhaustive
    #endif
    public enum Kind: String, Hashable, Sendable {
        /// What `Daemon.run` was given.
        case body
        /// ``Daemon/addTask(_:onShutdown:onFailure:operation:)``.
        case task
        /// ``Daemon/shield(_:operation:)``, or a task that is ``ShutdownBehavior/complete``.
        case shielded
        /// ``Daemon/addThread(_:onShutdown:onFailure:operation:)``.
        case thread
        /// ``Daemon/onGracefulShutdown(_:_:)``.
        case action
        /// ``Daemon/addCleanup(_:_:)``.
        case hook
    }

    /// How a piece of work ended.
    #if hasAttribute(nonexhaustive)
        @nonexhaustive
    #endif
    public enum Outcome: Sendable, CustomStringConvertible {
        /// It returned.
        case finished
        /// The daemon cancelled it, and it threw `CancellationError`; or it threw `SignalBridgeError.Code.shuttingDown`, when
        /// the daemon that shuts down had refused more work.
        case cancelled
        /// It threw this error.
        case failed(any Error)
        /// It still ran when the process was forced to end, or was a hook that had not started.
        case abandoned

        /// "finished", "cancelled", "failed: …", "abandoned".
        public var description: String {
            switch self {
            case .finished: "finished"
            case .cancelled: "cancelled"
            case .failed(let error): "failed: \(error)"
            case .abandoned: "abandoned"
            }
        }
    }

    /// "task consumer: finished".
    public var description: String {
        kind == .body && name == "body" ? "body: \(outcome)" : "\(kind.rawValue) \(name): \(outcome)"
    }
}

/// Something that happened to a daemon, as it happens: for `Daemon.run`'s `onTransition`, to be printed by any logger.
#if hasAttribute(nonexhaustive)
    @nonexhaustive
#endif
public enum DaemonTransition: Sendable, CustomStringConvertible {
    /// The body starts; after a reload that restarts it, again.
    case started
    /// A signal came, and this is what it does.
    case received(SignalEvent, Response)
    /// A phase begins.
    case entered(DaemonPhase, ShutdownReason)
    /// A piece of work has ended.
    case ended(DaemonTask)
    /// A hook's share of the time is up: it is cancelled, and the next one starts.
    case timedOut(hook: String)
    /// A reload begins.
    case reloading
    /// A reload is done.
    case reloaded
    /// A reload failed: everything is as it was.
    case reloadFailed(any Error)
    /// A restart waits for work of the old body that did not end in time when it was cancelled.
    case restartWaits(for: [String])
    /// The supervisor could not be told.
    case notificationFailed(SignalBridgeError)
    /// So many transitions, or notices to the supervisor, are left out here: `onTransition` was ten thousand behind.
    case dropped(Int)
    /// The process is about to be forced to end, and leaves these behind.
    case forced(ForcedExitReason, abandoned: [String])
    /// All is done: `Daemon.run` returns.
    case finished(DaemonExitStatus)

    /// What a signal does.
    #if hasAttribute(nonexhaustive)
        @nonexhaustive
    #endif
    public enum Response: String, Hashable, Sendable {
        /// It begins a graceful shutdown.
        case beganShutdown = "shuts down"
        /// It begins a hard exit.
        case stoppedImmediately = "stops immediately"
        /// It joins a shutdown that something else had begun.
        case joinedShutdown = "joins the shutdown"
        /// It ends draining.
        case escalated = "escalates"
        /// It forces the end.
        case forcedExit = "forces the exit"
        /// It begins a reload.
        case beganReload = "reloads"
        /// There will be another reload after this one. Said for the first of the signals that this one reload answers.
        case queuedReload = "reloads again"
        /// The daemon is ending: there is no reload any more.
        case ignoredDuringShutdown = "is ignored: shutting down"
    }

    /// One line.
    public var description: String {
        switch self {
        case .started: "started"
        case .received(let event, let response): "\(event) \(response.rawValue)"
        case .entered(let phase, let cause): "\(phase): \(cause)"
        case .ended(let task): "\(task)"
        case .timedOut(let hook): "hook \(hook) is out of time"
        case .reloading: "reloading"
        case .reloaded: "reloaded"
        case .reloadFailed(let error): "reload failed, nothing is changed: \(error)"
        case .restartWaits(let names): "restart waits for \(names.joined(separator: ", "))"
        case .notificationFailed(let error): "\(error.description)"
        case .dropped(let count): "\(count) transitions were left out"
        case .forced(let force, let names): "forced: \(force); abandoned: \(names.joined(separator: ", "))"
        case .finished(let status): "finished: \(status)"
        }
    }
}
