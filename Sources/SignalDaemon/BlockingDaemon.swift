import SignalBridge

extension Daemon {
    /// Runs a daemon of threads, without Swift concurrency: `body` on the calling thread, and what it adds on threads of their
    /// own. After `body` the calling thread sleeps, until all of that has ended, or a signal asks for it.
    ///
    /// ```swift
    /// let report = try Daemon.runBlocking { daemon in
    ///     for number in 1...2 {
    ///         try daemon.addThread("worker \(number)") { stop in
    ///             while !stop.wait(timeout: .milliseconds(100)) { work() }
    ///             print("worker \(number): done")
    ///         }
    ///     }
    /// }
    /// report.exit()
    /// ```
    ///
    /// The ladder, the report and the parameters are those of ``Daemon/run(policy:supervisor:onTransition:onForce:_:)``. No Swift
    /// task is made; actions, hooks and reloads run on threads too, with the signal mask of the caller's.
    ///
    /// - Throws: `SignalBridgeError` if the signals cannot be subscribed to, or no thread can be had; then nothing has run. What
    ///   `body` throws is the ``DaemonReport/result``.
    @available(*, noasync, message: "it blocks the thread; use Daemon.run")
    public static func runBlocking<Value: Sendable>(
        policy: SignalPolicy = .server, supervisor: Supervisor = .fromEnvironment,
        onTransition: (@Sendable (DaemonTransition) -> Void)? = nil,
        onForce: (@Sendable (DaemonReport<Value>) -> Void)? = nil,
        _ body: (BlockingDaemon) throws -> Value
    ) throws(SignalBridgeError) -> DaemonReport<Value> {
        let results = Results<Void, Value>()
        var program = DaemonEngine.Program()
        program.onForce = results.handler(onForce)
        let engine = try DaemonEngine(policy, supervisor, program, onTransition)
        engine.runBlocking { token in
            do {
                results.result = .success(try body(BlockingDaemon(engine, token)))
            } catch {
                results.result = .failure(error)
                throw error
            }
        }
        return results.report(engine.summary)
    }
}

/// A daemon of threads: ``Daemon``, with closures that block in place of tasks.
public final class BlockingDaemon: Sendable {
    private let engine: DaemonEngine
    /// What shutdown asks of the body, on the thread that called `Daemon.runBlocking`.
    public let stop: StopToken

    init(_ engine: DaemonEngine, _ stop: StopToken) {
        self.engine = engine
        self.stop = stop
    }

    /// Runs `operation` on a thread of its own: ``Daemon/addThread(_:onShutdown:onFailure:operation:)``.
    ///
    /// - Throws: `SignalBridgeError.Code.shuttingDown`; or errno `EAGAIN` if no thread can be had.
    public func addThread(
        _ name: String, onShutdown: ShutdownBehavior = .drain, onFailure: FailureBehavior = .shutDown,
        operation: @escaping @Sendable (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        try engine.add(name, .thread, onShutdown, onFailure == .shutDown, 0, .thread(operation))
    }

    /// Sleeps until shutdown is requested, or the time is up.
    ///
    /// - Returns: whether it is requested.
    @available(*, noasync, message: "it blocks the thread")
    @discardableResult
    public func waitForShutdown(timeout: Duration? = nil) -> Bool { stop.wait(timeout: timeout) }

    /// Whether shutdown has been requested.
    public var isShuttingDown: Bool { stop.isRequested }

    /// Runs `action`, on a thread of its own, when shutdown is requested: ``Daemon/onGracefulShutdown(_:_:)``.
    public func onGracefulShutdown(
        _ name: String = "onGracefulShutdown", _ action: @escaping @Sendable () throws -> Void
    ) {
        engine.addAction(name, 0, .thread { _ in try action() })
    }

    /// Registers clean-up: ``Daemon/addCleanup(_:_:)``. A hook whose time is up cannot be stopped: the next
    /// one starts beside it, and if it still runs at the end of the clean-up period, the process is forced to end.
    ///
    /// - Returns: `false` if the daemon has ended already, and it will not run.
    @discardableResult
    public func addCleanup(_ name: String, _ hook: @escaping @Sendable () throws -> Void) -> Bool {
        engine.addHook(name, 0, .thread { _ in try hook() })
    }

    /// Begins a graceful shutdown, as a signal would.
    public func shutdown() { engine.shutdown() }

    /// Runs `action` for each reload: ``Daemon/onReload(_:)``.
    public func onReload(_ action: @escaping @Sendable () throws -> Void) throws(SignalBridgeError) {
        try engine.addReload(0, .thread { _ in try action() })
    }

    /// Reloads, as a signal would.
    public func reload() { engine.reload() }

    /// Tells the supervisor that the daemon is ready. Its watchdog is answered by the library's thread.
    public func notifyReady() { engine.ready() }

    /// Tells the supervisor, in a line for its user.
    public func setStatus(_ text: String) { engine.status(text) }
}
