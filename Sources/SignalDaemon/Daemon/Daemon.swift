import SignalBridge

/// A running daemon, as its body sees it: it adds work, says what happens at a shutdown, and notifies the supervisor.
///
/// ``run(policy:supervisor:onTransition:onForcedExit:_:)`` makes one and gives it to its body. Every function may be called from
/// any thread and task. After a restart by a reload the new body gets a `Daemon` of its own, and the old one refuses new work.
public final class Daemon: Sendable {
    private let runtime: DaemonRuntime
    private let generation: Int

    init(_ runtime: DaemonRuntime, generation: Int) {
        self.runtime = runtime
        self.generation = generation
    }

    // MARK: work

    /// Runs `operation` as a task of the daemon, which ends when its body and all of its work have ended.
    ///
    /// - Parameters:
    ///   - name: the name in the report. Names need not be unique.
    ///   - onShutdown: what a shutdown does to the task.
    ///   - onFailure: what an error of the task does to the daemon. The exit code is 1 in both cases.
    ///   - operation: the task's work. It has the task-local values and the priority of the caller.
    /// - Throws: ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` once a shutdown or a restart has begun. The operation then never runs.
    public func addTask(
        _ name: String, onShutdown: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown,
        operation: sending @escaping () async throws -> Void
    ) throws(SignalBridgeError) {
        let kind: DaemonTask.Kind = onShutdown == .complete ? .shielded : .task
        let operation = Sent(operation)
        try runtime.add(
            WorkTable.Item(name: name, kind: kind, onShutdown: onShutdown, onFailure: onFailure), generation: generation
        ) { try await operation.closure() }
    }

    /// Runs `operation` on a thread of its own, for work that blocks.
    ///
    /// The ``StopToken`` tells the thread what cancellation tells a task. The thread has the signal mask of the calling thread.
    ///
    /// - Throws: as ``addTask(_:onShutdown:onFailure:operation:)``; errno `EAGAIN` if no thread can be started.
    public func addThread(
        _ name: String, onShutdown: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown,
        operation: sending @escaping (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        let operation = Sent(operation)
        try runtime.addThread(
            WorkTable.Item(name: name, kind: .thread, onShutdown: onShutdown, onFailure: onFailure),
            generation: generation
        ) { token in try operation.closure(token) }
    }

    /// Runs `operation` to its end although the calling task is cancelled, and returns its result: for a commit that must not be
    /// cut in half.
    ///
    /// Only a forced exit ends it early. It is allowed during a shutdown, as a part of work that finishes. An error is reported,
    /// but it is the caller's to handle, and makes no exit code.
    ///
    /// - Throws: what `operation` throws; ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` after the daemon has ended.
    public func shield<Result: Sendable>(
        _ name: String, operation: sending @escaping () async throws -> Result
    ) async throws -> Result {
        let operation = Sent(operation)
        let id = try runtime.addShield(name)
        let result = await Task { try await operation.closure() }.result  // the caller's cancellation does not reach it
        switch result {
        case .success: runtime.ended(id, nil)
        case .failure(let error): runtime.ended(id, error)
        }
        return try result.get()
    }

    // MARK: shutdown

    /// Returns once a shutdown was requested: stop accepting new work, and finish what there is. Returns too if the calling task
    /// is cancelled.
    public func shutdownRequested() async {
        await runtime.shutdownLatch(of: generation).wait()
    }

    /// Whether a shutdown was requested: for a readiness page that turns to 503.
    public var isShuttingDown: Bool { runtime.shutdownLatch(of: generation).isOpen }

    /// Blocks the thread until a shutdown is requested, or the time is over.
    ///
    /// - Parameter timeout: `nil`: for ever.
    /// - Returns: whether a shutdown was requested.
    @available(*, noasync, message: "it blocks the thread; use shutdownRequested()")
    @discardableResult
    public func waitForShutdown(timeout: Duration? = nil) -> Bool {
        StopToken(stop: runtime.shutdownLatch(of: generation), cancel: Latch()).wait(timeout: timeout)
    }

    /// Runs `action` when a shutdown is requested, or at once if it was: to close a listener, or to trigger a `ServiceGroup`.
    ///
    /// Actions run at the same time, as tasks that drain: the daemon waits for them, cancels them with the rest, and reports
    /// them. None runs if all work ends by itself before a shutdown is requested. An action is kept until then, so register it
    /// once, and not for each connection.
    public func onGracefulShutdown(
        _ name: String = "onGracefulShutdown", _ action: sending @escaping () async throws -> Void
    ) {
        let action = Sent(action)
        _ = runtime.register(.action, name, generation: generation) { try await action.closure() }
    }

    /// Registers a clean-up. Clean-ups run after the body and all work have ended, one after the other, the last registered
    /// first.
    ///
    /// While n clean-ups are left, the next one may take 1/(n + 1) of what is left of ``SignalPolicy/cleanupPeriod``. Then it is
    /// cancelled, and the next one starts. An error is reported, and the next one runs. None runs when the process is forced to
    /// end.
    ///
    /// - Returns: `false` if the daemon has ended, and the clean-up will not run. A clean-up that is registered while others run
    ///   is next.
    @discardableResult
    public func addCleanup(_ name: String, _ cleanup: sending @escaping () async throws -> Void) -> Bool {
        let cleanup = Sent(cleanup)
        return runtime.register(.cleanup, name, generation: generation) { try await cleanup.closure() }
    }

    /// Requests a graceful shutdown, as a signal would. During a shutdown it does nothing.
    public func shutdown() {
        runtime.shutdown()
    }

    // MARK: reload

    /// Runs `action` for each reload, to load a new configuration and apply it while the body runs.
    ///
    /// When this returns, the daemon is subscribed to the signals of ``SignalPolicy/reload``. Several actions run one after the
    /// other. One that throws is reported, and should have changed nothing. Requests during a reload lead to exactly one more;
    /// two reloads never run at once; a shutdown cancels the one that runs. In a daemon whose body is restarted by reloads, the
    /// actions run before that.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError``: ``/SignalBridge/SignalBridgeError/Code/noSignals`` if the policy has no reload signals,
    ///   ``/SignalBridge/SignalBridgeError/Code/shuttingDown``, or why subscribing failed.
    public func onReload(_ action: sending @escaping () async throws -> Void) throws(SignalBridgeError) {
        let action = Sent(action)
        try runtime.addReload(generation: generation) { try await action.closure() }
    }

    /// Requests a reload, as a signal would. It does nothing in a daemon without reloads, or during a shutdown.
    public func reload() {
        runtime.reload()
    }

    // MARK: supervisor

    /// Tells the supervisor that the daemon is ready: `READY=1`. A new body, after a reload, calls it again. During a shutdown
    /// it does nothing.
    ///
    /// A test waits for it with ``SignalBridge/SignalSimulator/waitUntilReady()``.
    public func notifyReady() {
        runtime.notifyReady(generation: generation)
    }

    /// Tells the supervisor, in a line for its user, how the daemon is doing: `STATUS=`.
    public func setStatus(_ text: String) {
        runtime.notify(generation: generation) { $0.reportStatus(text) }
    }

    /// Answers the supervisor's watchdog only while `check` returns `true`, within half of the watchdog's interval. Without a
    /// check, the watchdog is answered as long as Swift's pool runs tasks.
    public func setWatchdogCheck(_ check: sending @escaping () async -> Bool) {
        let check = Sent(check)
        var old: (@Sendable () async -> Bool)?  // released outside of the locks
        runtime.notify(generation: generation) { old = $0.setCheck { await check.closure() } }
        _ = old
    }

    // MARK: for run(load:apply:body:)

    func finishLoading() throws { try runtime.loaded() }
}
