import SignalBridge

extension Daemon {
    /// Runs a daemon: `body`, and what it adds, until all of that has ended, or a signal asks for it.
    ///
    /// ```swift
    /// let report = try await Daemon.run { daemon in
    ///     let server = try await Server.start()
    ///     daemon.onGracefulShutdown { await server.stopAccepting() }  // requests in flight are finished
    ///     daemon.addCleanup("metrics") { try await Metrics.flush() }
    ///     daemon.notifyReady()
    ///     try await server.run()  // returns when the last connection is done
    /// }
    /// print(report)
    /// report.exit()
    /// ```
    ///
    /// From the moment it is called until it returns, the policy's signals are its own; then their dispositions are as they
    /// were. A thread of the library's watches signals and deadlines, so a forced end comes in time also while every thread of
    /// Swift's pool and of Dispatch is blocked. Deadlines are measured on `CLOCK_MONOTONIC`.
    ///
    /// Cancelling the task that calls it cancels what runs in the daemon, and the ladder goes on from there.
    ///
    /// In `withSimulatedSignals` signals and time come from the simulator. A forced end then returns a report with
    /// ``DaemonReport/forcedExit``, sets `SignalSimulator.forcedExit`, and leaves behind what was abandoned.
    ///
    /// - Parameters:
    ///   - policy: which signals do what, and how long each phase may take.
    ///   - supervisor: who is told, by `sd_notify(3)`'s protocol.
    ///   - onTransition: told what happens, in order, one at a time, on a thread of the library's.
    ///   - onForce: called on a thread of the library's just before a forced end, with what is known then. It has half a second;
    ///     the process ends whether or not it has returned. It must not wait for Swift tasks or Dispatch, for these may be
    ///     what hangs.
    ///   - body: what the daemon does. It runs as a task with the caller's task-local values, and it drains: it should return some
    ///     time after ``Daemon/shutdownRequested()``, and is cancelled after the grace period. If it throws, the rest shuts
    ///     down gracefully.
    /// - Returns: the report, when the body, all tasks and all hooks have ended. What the body or a task threw is in there, and not
    ///   thrown: end the program with ``DaemonReport/exit()``, or it ends with 0 although its daemon failed.
    /// - Throws: `SignalBridgeError` if the signals cannot be subscribed to, or no thread can be had; then nothing has run.
    public static func run<Value: Sendable>(
        policy: SignalPolicy = .server, supervisor: Supervisor = .fromEnvironment,
        onTransition: (@Sendable (DaemonTransition) -> Void)? = nil,
        onForce: (@Sendable (DaemonReport<Value>) -> Void)? = nil,
        _ body: @escaping @Sendable (Daemon) async throws -> Value
    ) async throws(SignalBridgeError) -> DaemonReport<Value> {
        let results = Results<Void, Value>()
        var program = DaemonEngine.Program()
        program.onForce = results.handler(onForce)
        program.body = { daemon in
            .task { try await results.keep { try await body(daemon) } }
        }
        let engine = try DaemonEngine(policy, supervisor, program, onTransition)
        await engine.run()
        return results.report(engine.summary)
    }

    /// Runs a daemon with a configuration, and loads that again for each signal of ``SignalPolicy/reload``.
    ///
    /// ```swift
    /// let report = try await Daemon.run {
    ///     try Configuration(contentsOf: "daemon.conf")
    /// } body: { daemon, configuration in
    ///     print("serving with \(configuration.greeting)")
    ///     await daemon.shutdownRequested()  // by a signal to end, or by a new configuration
    /// }
    /// report.exit()
    /// ```
    ///
    /// Without `apply`, a new configuration restarts the body: it, its tasks and its hooks end as in a shutdown, but nothing is
    /// forced; then it is called with the new one. With `apply`, the body runs on, and `apply` gets the new one. If `load` or
    /// `apply` throws, everything stays as it was, and the error is reported. If the first `load` throws, the body never runs, and
    /// that error is the ``DaemonReport/result``.
    ///
    /// Signals that come during a reload lead to exactly one more; two never run at once; a shutdown wins over the one that
    /// runs. The rest is as with ``Daemon/run(policy:supervisor:onTransition:onForce:_:)``.
    public static func run<Configuration: Sendable, Value: Sendable>(
        policy: SignalPolicy = .server, supervisor: Supervisor = .fromEnvironment,
        onTransition: (@Sendable (DaemonTransition) -> Void)? = nil,
        onForce: (@Sendable (DaemonReport<Value>) -> Void)? = nil,
        load: @escaping @Sendable () async throws -> Configuration,
        apply: (@Sendable (Configuration) async throws -> Void)? = nil,
        body: @escaping @Sendable (Daemon, Configuration) async throws -> Value
    ) async throws(SignalBridgeError) -> DaemonReport<Value> {
        let results = Results<Configuration, Value>()
        let next = Results<Configuration, Value>()  // what a reload has loaded, until it is in use
        var program = DaemonEngine.Program()
        program.onForce = results.handler(onForce)
        program.load = { next.loaded = try await load() }
        if let apply {
            program.apply = {
                let configuration = next.loaded!
                try await apply(configuration)
                results.loaded = configuration
            }
        }
        program.body = { daemon in
            .task {
                try await results.keep {
                    let isFirst = results.loaded == nil
                    if isFirst { next.loaded = try await load() }
                    let configuration = next.loaded!
                    results.loaded = configuration
                    if isFirst { try daemon.engine.loaded() }
                    return try await body(daemon, configuration)
                }
            }
        }
        let engine = try DaemonEngine(policy, supervisor, program, onTransition)
        await engine.run()
        return results.report(engine.summary)
    }
}
