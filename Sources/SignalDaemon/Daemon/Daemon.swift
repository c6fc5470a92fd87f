import SignalBridge

/// A running daemon, as its body sees it: it adds work, says what happens at a shutdown, and notifies the supervisor.
///
/// ``run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)`` makes one and gives it to its body. Every function may be called from
/// any thread and task. After a restart by a reload the new body gets a `Daemon` of its own, and the old one refuses new work.
public final class Daemon: Sendable {
    private let requests: DaemonRequests
    /// The daemon that this one is a part of.
    private var outer: Daemon? { runtime.outer }

    init(_ runtime: DaemonRuntime, generation: Int) {
        requests = DaemonRequests(runtime: runtime, generation: generation)
    }

    private var runtime: DaemonRuntime { requests.runtime }
    func isOf(_ other: DaemonRuntime) -> Bool { runtime === other }

    /// The daemon that the calling task or thread is work of; `nil` outside of one. Child tasks and `Task { }` inherit it.
    public static var current: Daemon? { WorkContext.current?.daemon }

    // MARK: work

    /// Runs `operation` as a task of the daemon, which ends when its body and all of its work have ended.
    ///
    /// - Parameters:
    ///   - name: the name in the report. Names need not be unique.
    ///   - onShutdown: what a shutdown does to the task.
    ///   - onFailure: what an error of the task does to the daemon. The exit code is 1 in both cases.
    ///   - other: the name of work that must have ended before a shutdown reaches this task: until then
    ///     ``shutdownRequested()`` does not return in the task, and ``ShutdownBehavior/cancel`` does not cancel it. For a worker
    ///     whose queue the server fills to its last request. When the grace period is over, all work is cancelled at once.
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

    /// Runs `operation` on a thread of its own, for work that blocks.
    ///
    /// The ``StopToken`` tells the thread what cancellation tells a task. The thread has the signal mask of the calling thread.
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

    /// Runs a daemon inside this one: a part with work, actions and clean-ups of its own, which can be shut down while the rest
    /// runs on.
    ///
    /// A shutdown of this daemon shuts the part down too, and cancels it with the rest. The part's clean-ups run when its own work
    /// has ended; this daemon's clean-ups run after that. The part has the periods of this daemon's policy, except that its
    /// cancel and clean-up periods share this daemon's cancel period. Its reloads, status and watchdog are this daemon's; so are its
    /// final actions and its adopted children, which outlive it.
    ///
    /// - Parameters:
    ///   - name: the name in the report, which has the part's report: ``DaemonReport/part(_:)``.
    ///   - onFailure: what a failure of the part does to this daemon.
    ///   - other: as of ``addTask(_:onShutdown:onFailure:after:operation:)``.
    ///   - body: the part's main work.
    /// - Returns: the part, for ``shutdown(exitCode:)``.
    /// - Throws: as ``addThread(_:onShutdown:onFailure:after:operation:)``; errno `ENOSPC` if more than about 60 parts run at once,
    ///   since each has one of the process's 64 bridges.
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

    /// Kills a child process with SIGKILL at a forced exit, which would leave it behind.
    ///
    /// In every other case the child is the program's own affair. If the child leads a process group, its group is killed. A child
    /// that was waited for is left alone. A child of a part is killed too when the part abandons its work. In a simulation nothing
    /// is killed.
    ///
    /// - Parameter process: the process id of a child.
    /// - Throws: ``/SignalBridge/SignalBridgeError/Code/invalidArgument`` if the process is no child, or was waited for.
    public func adoptChild(_ process: Int32) throws(SignalBridgeError) {
        try runtime.children.add(process)
        try outer?.adoptChild(process)
    }

    /// The work that runs, in the order of its start: what a shutdown waits for.
    public var running: [RunningWork] { requests.running }

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
        let id = try requests.addShield(name)
        let result = await Task { try await operation.closure() }.result  // the caller's cancellation does not reach it
        switch result {
        case .success: runtime.ended(id, nil)
        case .failure(let error): runtime.ended(id, error)
        }
        return try result.get()
    }

    // MARK: start

    /// Runs the start of a program: connecting, migrating, warming up. A shutdown cancels it at once, and is a clean stop then.
    ///
    /// - Returns: what `operation` returns.
    /// - Throws: what `operation` throws; `CancellationError` in place of it if a shutdown was requested meanwhile. A body
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

    /// Returns once a shutdown was requested: stop accepting new work, and finish what there is. Returns too if the calling task
    /// is cancelled. In work that comes `after` other work, it returns when that has ended.
    public func shutdownRequested() async {
        await requests.ownLatch.wait()
    }

    /// Runs `operation`, and cancels it when a shutdown is requested: for a loop of `Task.sleep`, or a stream that never ends.
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

    /// Whether a shutdown was requested: for a readiness page that turns to 503.
    public var isShuttingDown: Bool { requests.shutdownLatch.isOpen }

    /// Blocks the thread until a shutdown is requested, or the time is over. In work that comes `after` other work, until that
    /// has ended.
    ///
    /// - Parameter timeout: `nil`: for ever.
    /// - Returns: whether a shutdown was requested.
    @available(*, noasync, message: "it blocks the thread; use shutdownRequested()")
    @discardableResult
    public func waitForShutdown(timeout: Duration? = nil) -> Bool {
        StopToken(stop: requests.ownLatch, cancel: Latch()).wait(timeout: timeout)
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
        _ = requests.register(.action, name) { try await action.closure() }
    }

    /// Registers a clean-up. Clean-ups run after the body and all work have ended, one after the other, the last registered
    /// first.
    ///
    /// All together have ``SignalPolicy/cleanupPeriod``. When one has had its share of what is left, the next one starts beside
    /// it: the slow one may take what the others leave unused. All that still run are cancelled when nine tenths of the period
    /// are over. An error is reported, and the next one runs. None runs when the process is forced to end: see ``atExit(_:)``.
    ///
    /// - Parameters:
    ///   - name: the name in the report.
    ///   - limit: how long it may take before it is cancelled, and the next one starts; `nil`: an equal share of what the
    ///     limits of the others leave.
    ///   - cleanup: what to do.
    /// - Returns: `false` if the daemon has ended, and the clean-up will not run. A clean-up that is registered while others run
    ///   is next.
    @discardableResult
    public func addCleanup(
        _ name: String, within limit: Duration? = nil, _ cleanup: sending @escaping () async throws -> Void
    ) -> Bool {
        let cleanup = Sent(cleanup)
        return requests.register(.cleanup, name, within: limit) { try await cleanup.closure() }
    }

    /// Runs `action` last of all, and at a forced exit too: to leave the alternate screen, or to restore a terminal.
    ///
    /// Actions run in the reverse order, on a thread of the library's, and have half a second in all before a forced exit. They
    /// must not wait for tasks or Dispatch, which may be what hangs. They outlive a restart of the body, and the end of a part.
    public func atExit(_ action: sending @escaping () -> Void) {
        if let outer { return outer.atExit(action) }
        let action = Sent(action)
        runtime.finalActions.add { action.closure() }
    }

    /// Requests a graceful shutdown, as a signal would. During a shutdown it sets the exit code, if that was not set.
    ///
    /// - Parameter exitCode: the exit code of the process in every case, a forced exit included, such as 75 (EX_TEMPFAIL);
    ///   `nil`: what ``DaemonReport/exitStatus`` says.
    public func shutdown(exitCode: UInt8? = nil) {
        runtime.shutdown(exitCode: exitCode)
    }

    // MARK: signals

    /// Calls `action` with each event of a signal that the policy does not name, such as the SIGUSR1 that reopens log files.
    ///
    /// It is subscribed when this returns, and until the very end: a drain does not end it. The events come in order, one at a time
    /// for each registration; every delivery is an event. Nothing waits for an action, and one that hangs holds up nothing. After
    /// a restart the new body registers its own; until then the signal stays subscribed, and its events are dropped.
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

    /// A part has no signals, and those of the daemon around it are no part's own.
    private func checkIsFree(_ signal: SignalNumber) throws(SignalBridgeError) {
        if let outer { return try outer.checkIsFree(signal) }
        try requests.checkIsFree(signal)
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
        if let outer { return try outer.onReload(action) }
        let action = Sent(action)
        try requests.addReload { try await action.closure() }
    }

    /// Reloads, as a signal would, and returns when that is done: for a `POST /-/reload`. If a reload runs, it is the next one.
    /// Where a reload restarts the body, it is done when the new configuration is there and the restart begins; who waits for a
    /// later one gets a `CancellationError` then, because the restart may wait for the caller.
    ///
    /// Not from within a reload, which would wait for itself until a shutdown cancels it.
    ///
    /// - Throws: the error of the reload that failed; `CancellationError` if a shutdown, or the caller's cancellation, ends the
    ///   wait; ``/SignalBridge/SignalBridgeError/Code/shuttingDown`` during a shutdown;
    ///   ``/SignalBridge/SignalBridgeError/Code/invalidArgument`` if there is nothing to reload.
    public func reload() async throws {
        if let outer { return try await outer.reload() }
        try await requests.reload().wait()
    }

    /// The same for a thread, which it blocks.
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

    /// Tells the supervisor, in a line for its user, how the daemon is doing: `STATUS=`.
    public func setStatus(_ text: String) {
        if let outer { return outer.setStatus(text) }
        requests.notify { $0.reportStatus(text) }
    }

    /// Answers the supervisor's watchdog only while `check` returns `true`, within half of the watchdog's interval. Without a
    /// check, the watchdog is answered as long as Swift's pool runs tasks.
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
