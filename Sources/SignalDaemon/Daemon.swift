import SignalBridge

/// What a daemon's body does with the daemon that it is: adds work, says what happens at shutdown, tells the supervisor.
///
/// Every call may come from any thread and task. After a restart by reload, the new body has a `Daemon` of its own, and the
/// old one refuses new work.
public final class Daemon: Sendable {
    let engine: DaemonEngine
    let generation: Int

    init(_ engine: DaemonEngine, generation: Int) {
        self.engine = engine
        self.generation = generation
    }

    // MARK: work

    /// Runs `operation` as a task of the daemon, which ends when its body and all its tasks have ended.
    ///
    /// - Parameters:
    ///   - name: what the report calls it. Names need not be unique.
    ///   - onShutdown: what a shutdown does to the task.
    ///   - onFailure: what an error of the task does to the daemon. The exit status is 1 in both cases.
    ///   - operation: inherits the task-local values and the priority of the caller.
    /// - Throws: `SignalBridgeError.Code.shuttingDown` once shutdown (or a restart) has begun; then it never starts.
    public func addTask(
        _ name: String, onShutdown: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown,
        operation: @escaping @Sendable () async throws -> Void
    ) throws(SignalBridgeError) {
        try engine.add(
            name, onShutdown == .complete ? .shielded : .task, onShutdown, onFailure == .shutDown, generation,
            .task(operation))
    }

    /// Runs `operation` on a thread of its own, for work that blocks. It is told with the ``StopToken`` what a task is told
    /// by cancellation. The thread has the signal mask of the caller's.
    ///
    /// - Throws: as ``addTask(_:onShutdown:onFailure:operation:)``; or errno `EAGAIN` if no thread can be had.
    public func addThread(
        _ name: String, onShutdown: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown,
        operation: @escaping @Sendable (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        try engine.add(name, .thread, onShutdown, onFailure == .shutDown, generation, .thread(operation))
    }

    /// Runs `operation` to its end although the calling task is cancelled, and returns its result: for a commit that must not
    /// be cut in half. Only a forced end cuts it. Allowed during shutdown too, as part of work that finishes. What it throws is
    /// reported, and is the caller's to answer: it makes no exit code.
    public func shield<Result: Sendable>(
        _ name: String, operation: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await engine.shield(name, operation)
    }

    // MARK: shutdown

    /// Returns once shutdown has been requested: the moment to stop taking new work, and to finish what there is. Returns
    /// too if the calling task is cancelled.
    public func shutdownRequested() async {
        await engine.stopGate(of: generation).wait()
    }

    /// Whether shutdown has been requested: for a readiness page that turns to 503.
    public var isShuttingDown: Bool { engine.stopGate(of: generation).isOpen }

    /// Runs `action` when shutdown is requested, or at once if it has been: to close a listener, to trigger a
    /// `ServiceGroup`. Actions run at the same time as each other, as tasks that drain: they are waited for, cancelled with
    /// the rest, and reported. Not run if all work ends by itself, before anybody asks; nor once the daemon has ended. Kept until
    /// then: register it once, not for each connection.
    public func onGracefulShutdown(
        _ name: String = "onGracefulShutdown", _ action: @escaping @Sendable () async throws -> Void
    ) {
        engine.addAction(name, generation, .task(action))
    }

    /// Registers clean-up, which runs after the body and all tasks have ended, one hook after the other, the last
    /// registered first. A hook whose share of ``SignalPolicy/cleanupPeriod`` is up is cancelled, and does not hold up the
    /// others. One that throws is reported, and the next one runs. Not run when the process is forced to end.
    ///
    /// - Returns: `false` if the daemon has ended already, and it will not run. Registered while hooks run, it runs next.
    @discardableResult
    public func addCleanup(_ name: String, _ hook: @escaping @Sendable () async throws -> Void) -> Bool {
        engine.addHook(name, generation, .task(hook))
    }

    /// Begins a graceful shutdown, as a signal would; once it has begun, does nothing.
    public func shutdown() {
        engine.shutdown()
    }

    // MARK: reload

    /// Runs `action` for each reload: to load a new configuration and apply it while the body runs. It is subscribed to the
    /// signals of ``SignalPolicy/reload`` from here on. Several actions run one after the other. One that throws is reported,
    /// and should have changed nothing.
    ///
    /// Signals that come during a reload lead to exactly one more; two never run at once; a shutdown cancels the one that
    /// runs. In a daemon whose body is restarted by reloads, these actions run before that, with the old body.
    ///
    /// - Throws: `SignalBridgeError` if the policy has no reload signals (`SignalBridgeError.Code.noSignals`), if the
    ///   daemon is shutting down, or if subscribing fails.
    public func onReload(_ action: @escaping @Sendable () async throws -> Void) throws(SignalBridgeError) {
        try engine.addReload(generation, .task(action))
    }

    /// Reloads, as a signal would. In a daemon without a reload, or one that is shutting down, does nothing.
    public func reload() {
        engine.reload()
    }

    // MARK: the supervisor

    /// Tells the supervisor that the daemon is ready: `READY=1`. After a reload that restarts the body, again. A test waits for
    /// it with `SignalSimulator.waitUntilReady`.
    public func notifyReady() {
        engine.ready()
    }

    /// Tells the supervisor, in a line for its user: `STATUS=`.
    public func setStatus(_ text: String) {
        engine.status(text)
    }

    /// From here on the supervisor's watchdog is answered only while `check` returns `true`, within half of its interval.
    /// Without a check it is answered as long as the cooperative pool runs tasks.
    public func setWatchdogCheck(_ check: @escaping @Sendable () async -> Bool) {
        engine.setWatchdog(check)
    }
}

/// What a shutdown does to a task or a thread.
public enum ShutdownBehavior: Hashable, Sendable {
    /// The work is asked to finish what it has, and is cancelled after the grace period.
    case drain
    /// The work is cancelled when the shutdown begins.
    case cancel
    /// The work is never cancelled. The daemon waits for it until the process is forced to end.
    case complete
}

/// What an error of a task or a thread does to its daemon.
public enum FailureBehavior: Hashable, Sendable {
    /// The daemon shuts down gracefully.
    case shutDown
    /// The error is reported, and the daemon runs on.
    case report
}

/// How a thread learns what is asked of it.
public struct StopToken: Sendable {
    let stop: Latch
    let cancel: Latch

    /// Whether shutdown has been requested (or this has been cancelled): finish what you have.
    public var isRequested: Bool { stop.isOpen || cancel.isOpen }

    /// Whether this has been cancelled: drop what you have.
    public var isCancelled: Bool { cancel.isOpen }

    /// Sleeps until shutdown is requested, or the time is up.
    ///
    /// - Returns: ``isRequested``.
    @available(*, noasync, message: "it blocks the thread; use Daemon.shutdownRequested()")
    @discardableResult
    public func wait(timeout: Duration? = nil) -> Bool {
        stop.block(or: cancel, timeout: timeout)
        return isRequested
    }

    /// Throws `CancellationError` if this has been cancelled.
    public func checkCancellation() throws {
        if isCancelled { throw CancellationError() }
    }
}
