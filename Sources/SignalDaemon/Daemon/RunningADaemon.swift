import Dispatch
import SignalBridge

extension Daemon {
    /// Runs a daemon and ends the process as its parent expects. This is the main function of most programs.
    ///
    /// ```swift
    /// await Daemon.main { daemon in
    ///     let server = try await Server.start()
    ///     daemon.onGracefulShutdown { await server.stopAccepting() }  // requests in flight are finished
    ///     daemon.addCleanup("metrics") { try await Metrics.flush() }
    ///     daemon.notifyReady()
    ///     try await server.run()  // returns when the last connection is done
    /// }
    /// ```
    ///
    /// It prints each error on standard error, in one line: "name: error". The exit status is
    /// ``DaemonReport/exitStatus``, or 1 if the signals cannot be subscribed to. In a simulation this stops the
    /// program: test ``run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)`` there.
    ///
    /// - Parameters: as of ``run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)``.
    public static func main(
        policy: SignalPolicy = .server, supervisor: Supervisor = .fromEnvironment,
        takingOver early: SignalEvents? = nil, onTransition: sending ((DaemonTransition) -> Void)? = nil,
        _ body: sending @escaping (Daemon) async throws -> Void
    ) async -> Never {
        let result = BodyResult<Void>()
        let body = Sent(body)
        var program = DaemonProgram(early: early, endsProcess: true)
        program.onForcedExit = { printErrors(of: $0) }
        program.body = { daemon in try await result.keep { try await body.closure(daemon) } }
        do throws(SignalBridgeError) {
            let runtime = try DaemonRuntime(policy, supervisor, program, Sent(onTransition).sendable())
            await runtime.run()
            runtime.endProcess()
            while true { _ = DispatchSemaphore(value: 0).wait(timeout: .distantFuture) }  // another thread does it
        } catch {
            DaemonExitStatus.code(1).end { printError("\(error)") }
        }
    }

    static func printErrors(of report: DaemonSummary) {
        for task in report.tasks {
            if case .failed(let error) = task.outcome { printError("\(task.name): \(error)") }
        }
        guard let reason = report.forcedExit else { return }
        let abandoned = report.tasks.filter { if case .abandoned = $0.outcome { true } else { false } }.map(\.name)
        printError("forced to exit: \(reason); abandoned: \(abandoned.joined(separator: ", "))")
    }

    /// Runs a daemon until `body`, and the work that it adds, have ended.
    ///
    /// ```swift
    /// let report = try await Daemon.run { daemon in
    ///     try daemon.addTask("consumer") { try await consume() }
    ///     await daemon.shutdownRequested()
    /// }
    /// print(report)
    /// report.exit()
    /// ```
    ///
    /// Until it returns, the policy's signals belong to the daemon; then their dispositions are restored. A library
    /// thread waits for signals and deadlines, so a forced exit comes in time even while every thread of Swift's pool
    /// and of Dispatch is blocked. Deadlines are measured on `CLOCK_MONOTONIC`.
    ///
    /// If the task that calls it is cancelled, the daemon's work is cancelled, and the shutdown goes on from there.
    ///
    /// In ``/SignalBridge/withSimulatedSignals(isolation:_:)`` signals and time come from the simulator. A forced exit then
    /// returns a report with ``DaemonReport/forcedExit``, sets ``/SignalBridge/SignalSimulator/forcedExit``, and leaves the
    /// abandoned work running.
    ///
    /// - Parameters:
    ///   - policy: the meaning of each signal, and the time for each phase.
    ///   - supervisor: the supervisor to notify, by the protocol of `sd_notify(3)`.
    ///   - early: a subscription of ``SignalPolicy/captureSignals()``, which ends here. Its captured signals count as
    ///     if they came now.
    ///   - onTransition: called with each transition, in order, one at a time, on a library thread.
    ///   - onForcedExit: called on a library thread just before a forced exit, with the report so far. The process ends
    ///     half a second later even if it has not returned. It must not wait for tasks or Dispatch, which may hang.
    ///   - body: the daemon's main work. It should return soon after ``shutdownRequested()`` does, and is cancelled
    ///     after the grace period. It has the task-local values of the caller. If it throws, the rest shuts down
    ///     gracefully.
    /// - Returns: the report. It contains the errors of the body and of other work, which are not thrown. End the
    ///   program with ``DaemonReport/exit()``; otherwise its exit code is 0 even if the daemon failed.
    /// - Throws: ``/SignalBridge/SignalBridgeError`` if the signals cannot be subscribed to, or no thread can be started. Then nothing has run.
    public static func run<Value: Sendable>(
        policy: SignalPolicy = .server, supervisor: Supervisor = .fromEnvironment,
        takingOver early: SignalEvents? = nil, onTransition: sending ((DaemonTransition) -> Void)? = nil,
        onForcedExit: sending ((DaemonReport<Value>) -> Void)? = nil,
        _ body: sending @escaping (Daemon) async throws -> Value
    ) async throws(SignalBridgeError) -> DaemonReport<Value> {
        let result = BodyResult<Value>()
        let body = Sent(body)
        var program = DaemonProgram(early: early)
        program.onForcedExit = result.handler(Sent(onForcedExit).sendable())
        program.body = { daemon in try await result.keep { try await body.closure(daemon) } }
        let runtime = try DaemonRuntime(policy, supervisor, program, Sent(onTransition).sendable())
        await runtime.run()
        return result.report(runtime.summary)
    }

    /// Runs a daemon with a configuration, which each signal of ``SignalPolicy/reload`` loads again.
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
    /// Without `apply`, a new configuration restarts the body. The body, its work and its clean-ups end as in a
    /// shutdown, except that no exit is forced. Then the body is called with the new configuration. With `apply`, the
    /// body continues, and `apply` gets the new configuration. If `load` or `apply` throws, everything stays as it was,
    /// and the error is reported. If the first `load` throws, the body never runs, and that error is the
    /// ``DaemonReport/result``.
    ///
    /// Requests during a reload lead to exactly one more. Two reloads never run at once, and a shutdown cancels the one
    /// that runs. The rest is as with ``run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)``.
    public static func run<Configuration: Sendable, Value: Sendable>(
        policy: SignalPolicy = .server, supervisor: Supervisor = .fromEnvironment,
        takingOver early: SignalEvents? = nil, onTransition: sending ((DaemonTransition) -> Void)? = nil,
        onForcedExit: sending ((DaemonReport<Value>) -> Void)? = nil,
        load: sending @escaping () async throws -> Configuration,
        apply: sending ((Configuration) async throws -> Void)? = nil,
        body: sending @escaping (Daemon, Configuration) async throws -> Value
    ) async throws(SignalBridgeError) -> DaemonReport<Value> {
        let result = BodyResult<Value>()
        let loaded = SharedValue<Configuration>()
        let (load, apply, body) = (Sent(load), Sent(apply), Sent(body))
        var program = DaemonProgram(early: early)
        program.onForcedExit = result.handler(Sent(onForcedExit).sendable())
        program.load = { loaded.current = try await load.closure() }
        if apply.closure != nil { program.apply = { try await apply.closure!(loaded.current!) } }
        program.body = { daemon in
            try await result.keep {
                let isFirst = loaded.current == nil  // no reload begins before `finishLoading`
                if isFirst { loaded.current = try await load.closure() }
                let configuration = loaded.current!
                if isFirst { try daemon.finishLoading() }
                return try await body.closure(daemon, configuration)
            }
        }
        let runtime = try DaemonRuntime(policy, supervisor, program, Sent(onTransition).sendable())
        await runtime.run()
        return result.report(runtime.summary)
    }

    /// Runs a daemon whose body blocks the calling thread, for a program without tasks.
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
    /// After `body` the calling thread sleeps until all work has ended. In the body, ``waitForShutdown(timeout:)``
    /// takes the place of ``shutdownRequested()``. The body itself cannot be cancelled. Actions, clean-ups and reloads
    /// run as tasks, as in every daemon. The rest is as with
    /// ``run(policy:supervisor:takingOver:onTransition:onForcedExit:_:)``.
    @available(*, noasync, message: "it blocks the thread; use Daemon.run")
    public static func runBlocking<Value: Sendable>(
        policy: SignalPolicy = .server, supervisor: Supervisor = .fromEnvironment,
        takingOver early: SignalEvents? = nil, onTransition: sending ((DaemonTransition) -> Void)? = nil,
        onForcedExit: sending ((DaemonReport<Value>) -> Void)? = nil,
        _ body: (Daemon) throws -> Value
    ) throws(SignalBridgeError) -> DaemonReport<Value> {
        let result = BodyResult<Value>()
        var program = DaemonProgram(early: early)
        program.onForcedExit = result.handler(Sent(onForcedExit).sendable())
        let runtime = try DaemonRuntime(policy, supervisor, program, Sent(onTransition).sendable())
        runtime.runBlocking { try result.keepBlocking { try body(Daemon(runtime, generation: 0)) } }
        return result.report(runtime.summary)
    }
}
