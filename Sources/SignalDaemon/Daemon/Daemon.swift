import SignalBridge

/// A running daemon. Its body uses it to add work, to register actions for a shutdown, and to notify the supervisor.
///
/// ``run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)`` makes one and gives it to its body. Every
/// function may be called from any thread and task. After a restart by a reload the new body gets its own `Daemon`, and
/// the old one refuses new work.
public final class Daemon: Sendable {
    private let requests: DaemonRequests
    /// The daemon that this one is a part of.
    private var outer: Daemon? { runtime.outer }

    init(_ runtime: DaemonRuntime, generation: Int) {
        requests = DaemonRequests(runtime: runtime, generation: generation)
    }

    var runtime: DaemonRuntime { requests.runtime }
    func isOf(_ other: DaemonRuntime) -> Bool { runtime === other }

    /// The daemon whose work the calling task or thread is; `nil` outside of a daemon. Child tasks and `Task { }`
    /// inherit it.
    public static var current: Daemon? { WorkContext.current?.daemon }

    // MARK: work

    /// Runs `operation` as a task of the daemon. The daemon ends when its body and all of its work have ended.
    ///
    /// - Parameters:
    ///   - name: the name in the report. Names need not be unique.
    ///   - onShutdown: the effect of a shutdown on the task.
    ///   - onFailure: the effect of the task's error on the daemon. The exit code is 1 in both cases.
    ///   - other: the name of work that must have ended before a shutdown reaches this task. Until then
    ///     ``shutdownRequested()`` does not return in the task, and ``ShutdownBehavior/cancel`` does not cancel it. An
    ///     example is a worker whose queue the server fills until its last request. After the grace period, all work is
    ///     cancelled at once.
    ///   - operation: the task's work. It has the task-local values and the priority of the caller.
    /// - Throws: ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` once a shutdown or a restart has begun. The operation then never runs.
    ///   ``/SignalBridge/SignalBridgeError/Code/invalidArgument`` if the task would wait for itself.
    public func addTask(
        _ name: String, onShutdown: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown,
        after other: String? = nil, operation: sending @escaping () async throws -> Void
    ) throws(SignalBridgeError) {
        let kind: DaemonTask.Kind = onShutdown == .complete ? .shielded : .task
        let operation = Sent(operation)
        try requests.add(
            WorkTable.Item(name: name, kind: kind, onShutdown: onShutdown, onFailure: onFailure, after: other)
        ) { try await operation.closure() }
    }

    /// Runs `operation` on a new thread, for work that blocks.
    ///
    /// The ``StopToken`` is for the thread what cancellation is for a task. The thread has the signal mask of the
    /// calling thread.
    ///
    /// - Parameters: as of ``addTask(_:onShutdown:onFailure:after:operation:)``.
    /// - Throws: as ``addTask(_:onShutdown:onFailure:after:operation:)``; errno `EAGAIN` if no thread can be started.
    public func addThread(
        _ name: String, onShutdown: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown,
        after other: String? = nil, operation: sending @escaping (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        let operation = Sent(operation)
        try requests.addThread(
            WorkTable.Item(name: name, kind: .thread, onShutdown: onShutdown, onFailure: onFailure, after: other)
        ) { token in try operation.closure(token) }
    }

    /// Runs a daemon inside this one: a part with its own work, actions and clean-ups, which can be shut down while the
    /// rest continues.
    ///
    /// A shutdown of this daemon shuts the part down too, and cancels it with the rest. The part's clean-ups run when
    /// its own work has ended; this daemon's clean-ups run after that. The part has the periods of this daemon's
    /// policy, except that its cancel and clean-up periods share this daemon's cancel period. A restart by a reload
    /// waits for it. Reloads, status and watchdog belong to this daemon. So do the part's final actions and adopted
    /// children, which outlive it.
    ///
    /// - Parameters:
    ///   - name: the name in the report, which has the part's report: ``DaemonReport/part(_:)``.
    ///   - onFailure: the effect of the part's failure on this daemon.
    ///   - other: as of ``addTask(_:onShutdown:onFailure:after:operation:)``.
    ///   - body: the part's main work.
    /// - Returns: the part, for ``shutdown(exitCode:)``.
    /// - Throws: as ``addThread(_:onShutdown:onFailure:after:operation:)``; errno `ENOSPC` if more than about 60 parts
    ///   run at once, because each has one of the process's 64 bridges.
    @discardableResult
    public func addPart(
        _ name: String, onFailure: FailureBehavior = .shutDown, after other: String? = nil,
        _ body: sending @escaping (Daemon) async throws -> Void
    ) throws(SignalBridgeError) -> Daemon {
        let body = Sent(body)
        let part = try requests.addPart(
            WorkTable.Item(name: name, kind: .part, onFailure: onFailure, after: other), of: self
        ) { try await body.closure($0) }
        return Daemon(part, generation: 0)
    }

    /// Makes a forced exit kill this child process with SIGKILL, instead of leaving it behind.
    ///
    /// In all other cases the program manages the child. If the child leads a process group, its group is killed. A
    /// child that was waited for is not killed. A child of a part is killed too when the part abandons its work. In a
    /// simulation nothing is killed.
    ///
    /// - Parameter process: the process id of a child.
    /// - Throws: ``/SignalBridge/SignalBridgeError/Code/invalidArgument`` if the process is no child, or was waited for.
    public func adoptChild(_ process: Int32) throws(SignalBridgeError) {
        try runtime.children.add(process)
        try outer?.adoptChild(process)
    }

    /// The running work, in the order of its start. A shutdown waits for it.
    public var running: [RunningWork] { requests.running }

    /// Runs `operation` to its end even if the calling task is cancelled, and returns its result. An example is a
    /// commit that must not be interrupted.
    ///
    /// Only a forced exit ends it early. It is allowed during a shutdown, as a part of work that finishes. An error is
    /// reported, but the caller handles it, and it does not change the exit code.
    ///
    /// - Throws: what `operation` throws; ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` after the daemon has ended.
    public func shield<Result: Sendable>(
        _ name: String, operation: sending @escaping () async throws -> Result
    ) async throws -> Result {
        let operation = Sent(operation)
        let id = try requests.addShield(name)
        let result = await Task { try await operation.closure() }.result  // the caller's cancellation does not reach it
        runtime.ended(id, result.failure)
        return try result.get()
    }

    // MARK: start

    /// Runs the start of a program, such as connecting, migrating and warming up. A shutdown cancels it at once, and is
    /// then a clean stop.
    ///
    /// - Returns: what `operation` returns.
    /// - Throws: what `operation` throws; `CancellationError` instead if a shutdown was requested meanwhile. A body
    ///   that throws that has not failed.
    public func startup<Result: Sendable>(
        _ operation: sending @escaping () async throws -> Result
    ) async throws -> Result {
        do {
            return try await cancelOnShutdown(operation)
        } catch {
            throw isShuttingDown ? CancellationError() : error
        }
    }

    // MARK: shutdown

    /// Returns when a shutdown is requested: then stop accepting work, and finish the work that you have. It also
    /// returns if the calling task is cancelled. In work that comes `after` other work, it returns when that has ended.
    public func shutdownRequested() async {
        await requests.ownLatch.wait()
    }

    /// Runs `operation`, and cancels it when a shutdown is requested. It is for a loop of `Task.sleep`, or for a stream
    /// that never ends.
    ///
    /// - Returns: what `operation` returns.
    /// - Throws: what `operation` throws. During a shutdown, a `CancellationError` is no failure.
    public func cancelOnShutdown<Result: Sendable>(
        _ operation: sending @escaping () async throws -> Result
    ) async throws -> Result {
        let operation = Sent(operation)
        let task = Task { try await operation.closure() }
        let forget = requests.ownLatch.onOpen { task.cancel() }
        defer { forget() }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Whether a shutdown was requested, for instance for a readiness page that then answers 503.
    public var isShuttingDown: Bool { requests.shutdownLatch.isOpen }

    /// Blocks the thread until a shutdown is requested, or the time is over. In work that comes `after` other work, it
    /// blocks until that has ended.
    ///
    /// - Parameter timeout: `nil`: for ever.
    /// - Returns: whether a shutdown was requested.
    @available(*, noasync, message: "it blocks the thread; use shutdownRequested()")
    @discardableResult
    public func waitForShutdown(timeout: Duration? = nil) -> Bool {
        StopToken(stop: requests.ownLatch, cancel: Latch()).wait(timeout: timeout)
    }

    /// Runs `action` when a shutdown is requested, or at once if it was. It does not run if the daemon has ended. Use it
    /// to close a listener, or to trigger a `ServiceGroup`.
    ///
    /// Actions run concurrently, as tasks that drain: the daemon waits for them, cancels them with the rest, and
    /// reports them. None runs if all work ends by itself before a shutdown is requested. An action is kept until then,
    /// so register it once, and not for each connection.
    public func onGracefulShutdown(
        _ name: String = "onGracefulShutdown", _ action: sending @escaping () async throws -> Void
    ) {
        let action = Sent(action)
        _ = requests.register(.action, name) { try await action.closure() }
    }

    /// Registers a clean-up. Clean-ups run after the body and all work have ended, one after the other, the last registered
    /// first.
    ///
    /// All clean-ups share ``SignalPolicy/cleanupPeriod``. When one has used its share of the remaining time, the next
    /// one starts beside it, and the slow one may use the time that the others leave. All that still run are cancelled
    /// when nine tenths of the period are over. An error is reported, and the next one runs. None runs when the process
    /// is forced to end: see ``atExit(_:)``.
    ///
    /// - Parameters:
    ///   - name: the name in the report.
    ///   - limit: the time after which it is cancelled and the next one starts; `nil`: an equal share of the time that
    ///     the limits of the others leave.
    ///   - cleanup: the clean-up.
    /// - Returns: `false` if the daemon has ended, so that the clean-up will not run. A clean-up that is registered
    ///   while others run is the next one.
    @discardableResult
    public func addCleanup(
        _ name: String, within limit: Duration? = nil, _ cleanup: sending @escaping () async throws -> Void
    ) -> Bool {
        let cleanup = Sent(cleanup)
        return requests.register(.cleanup, name, within: limit) { try await cleanup.closure() }
    }

    /// Runs `action` last of all, even at a forced exit. Use it to leave the alternate screen, or to restore a
    /// terminal.
    ///
    /// Actions run in reverse order, on a library thread, and have half a second in all before a forced exit. They must
    /// not wait for tasks or Dispatch, which may hang. They outlive a restart of the body, and the end of a part.
    public func atExit(_ action: sending @escaping () -> Void) {
        if let outer { return outer.atExit(action) }
        let action = Sent(action)
        runtime.exitActions.add { action.closure() }
    }

    /// Requests a graceful shutdown, as a signal would. During a shutdown it sets the exit code, if that was not set.
    ///
    /// - Parameter exitCode: the exit code of the process in every case, even after a forced exit, such as 75
    ///   (EX_TEMPFAIL); `nil`: as ``DaemonReport/exitStatus`` describes.
    public func shutdown(exitCode: UInt8? = nil) {
        runtime.shutdown(exitCode: exitCode)
    }

    // MARK: signals

    /// Calls `action` with each event of a signal that the policy does not name, such as a SIGUSR1 that reopens log
    /// files.
    ///
    /// The signal is subscribed when this returns, and until the daemon has ended; draining does not end it. The events
    /// come in order, one at a time for each registration; every delivery is an event. The daemon does not wait for an
    /// action, even if it hangs. After a restart the new body registers its own; until then the signal stays
    /// subscribed, and its events are dropped.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError/Code/duplicateSignal`` for a signal of the policy;
    ///   ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` after the end or a restart; what refuses the signal itself.
    public func onSignal(
        _ signal: SignalNumber, _ action: sending @escaping (SignalEvent) async -> Void
    ) throws(SignalBridgeError) {
        try checkIsFree(signal)
        let action = Sent(action)
        try requests.addSignalAction(signal) { event in await action.closure(event) }
    }

    /// A part has no signals. Those of the daemon around it do not belong to a part.
    private func checkIsFree(_ signal: SignalNumber) throws(SignalBridgeError) {
        if let outer { return try outer.checkIsFree(signal) }
        try requests.checkIsFree(signal)
    }

    // MARK: reload

    /// Runs `action` for each reload, to load a new configuration and apply it while the body runs.
    ///
    /// When this returns, the daemon is subscribed to the signals of ``SignalPolicy/reload``. Several actions run one
    /// after the other. An error is reported; an action that throws should change nothing. Requests during a reload
    /// lead to exactly one more. Two reloads never run at once, and a shutdown cancels the one that runs. In a daemon
    /// whose body is restarted by reloads, the actions run before that.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError``: ``/SignalBridge/SignalBridgeError/Code/noSignals`` if the policy
    ///   has no reload signals, ``/SignalBridge/SignalBridgeError/Code/shuttingDown``, or the reason why subscribing
    ///   failed.
    public func onReload(_ action: sending @escaping () async throws -> Void) throws(SignalBridgeError) {
        if let outer { return try outer.onReload(action) }
        let action = Sent(action)
        try requests.addReload { try await action.closure() }
    }

    /// Reloads, as a signal would, and returns when that is done. An example is a `POST /-/reload`. If a reload runs,
    /// this requests the next one. If a reload restarts the body, it is done when the new configuration is loaded and
    /// the restart begins. Callers that wait for a later reload then get a `CancellationError`, because the restart may
    /// wait for them.
    ///
    /// Do not call it within a reload, which would wait for itself until a shutdown cancels it.
    ///
    /// - Throws: the error of the reload that failed; `CancellationError` if a shutdown, or the caller's cancellation, ends the
    ///   wait; ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` during a shutdown;
    ///   ``/SignalBridge/SignalBridgeError/Code/invalidArgument`` if there is nothing to reload.
    public func reload() async throws {
        if let outer { return try await outer.reload() }
        try await requests.reload().wait()
    }

    /// Reloads as `reload()` does, but blocks the calling thread.
    @available(*, noasync, message: "it blocks the thread; use try await reload()")
    public func reload() throws {
        if let outer { return try outer.reload() }
        try requests.reload().waitBlocking()
    }

    // MARK: supervisor

    /// Tells the supervisor that the daemon is ready: `READY=1`. A new body, after a reload, calls it again. During a shutdown
    /// it does nothing.
    ///
    /// A test waits for it with ``SignalBridge/SignalSimulator/waitUntilReady()``.
    public func notifyReady() {
        requests.notifyReady()
    }

    /// Sends the supervisor a line that describes the daemon's state to its user: `STATUS=`.
    public func setStatus(_ text: String) {
        if let outer { return outer.setStatus(text) }
        requests.notify { $0.reportStatus(text) }
    }

    /// Answers the supervisor's watchdog only while `check` returns `true`, within half of the watchdog's interval.
    /// Without a check, the watchdog is answered while Swift's pool runs tasks. A check ends with the body that set it.
    public func setWatchdogCheck(_ check: sending @escaping () async -> Bool) {
        if let outer { return outer.setWatchdogCheck(check) }
        let check = Sent(check)
        var old: (@Sendable () async -> Bool)?  // released outside of the locks
        requests.notify { old = $0.setCheck { await check.closure() } }
        _ = old
    }

    // MARK: for run(load:apply:body:)

    func finishLoading() throws { try runtime.loaded() }
}
