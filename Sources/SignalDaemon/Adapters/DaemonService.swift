#if ServiceLifecycle
    import ServiceLifecycle
    import SignalBridge

    /// A daemon as a `Service`, for a `ServiceGroup` of the program. With the trait `ServiceLifecycle`.
    ///
    /// ```swift
    /// let consumer = DaemonService(policy: policy, onReport: { logger.info("\($0)") }) { daemon in
    ///     try daemon.addTask("consumer") { try await consume() }
    ///     daemon.addCleanup("flush") { logger.info("flushed") }
    ///     await daemon.shutdownRequested()
    /// }
    /// let group = ServiceGroup(services: [database, consumer], gracefulShutdownSignals: [.sigterm], logger: logger)
    /// try await group.run()
    /// ```
    ///
    /// The group's graceful shutdown shuts the daemon down, and the group's cancellation cancels its work. The daemon
    /// does not end the process. When the time of its policy is over, it abandons its work, and ``run()`` throws.
    public struct DaemonService: Service {
        private let policy: SignalPolicy
        private let supervisor: Supervisor
        private let onTransition: (@Sendable (DaemonTransition) -> Void)?
        private let onReport: (@Sendable (DaemonReport<Void>) -> Void)?
        private let body: @Sendable (Daemon) async throws -> Void

        /// Makes a service whose ``run()`` runs a daemon.
        ///
        /// - Parameters:
        ///   - policy: the time for each phase, and the meaning of each signal, if the daemon takes signals.
        ///   - takesSignals: whether the daemon takes the signals of the policy. Leave a signal either to the daemon or to the
        ///     group, such as SIGHUP to a daemon that reloads: `SignalPolicy(reload: [.sighup])`. Without signals,
        ///     ``Daemon/onReload(_:)`` throws.
        ///   - supervisor: the supervisor to notify; by default, none.
        ///   - onTransition: called with each transition, in order, one at a time, on a library thread.
        ///   - onReport: called with the report before ``run()`` returns or throws.
        ///   - body: the daemon's main work.
        public init(
            policy: SignalPolicy = .server, takesSignals: Bool = false, supervisor: Supervisor = .disabled,
            onTransition: (@Sendable (DaemonTransition) -> Void)? = nil,
            onReport: (@Sendable (DaemonReport<Void>) -> Void)? = nil,
            body: @escaping @Sendable (Daemon) async throws -> Void
        ) {
            self.policy = takesSignals ? policy : policy.withoutSignals
            self.supervisor = supervisor
            self.onTransition = onTransition
            self.onReport = onReport
            self.body = body
        }

        /// Runs the daemon until its body and all of its work have ended.
        ///
        /// - Throws: the first error that the report counts as a failure; ``/SignalBridge/SignalBridgeError/Code/forcedExit`` if
        ///   work was abandoned or ran out of time; ``/SignalBridge/SignalBridgeError`` if signals cannot be subscribed to, or no
        ///   thread can be started.
        public func run() async throws {
            let result = BodyResult<Void>()
            let program = DaemonProgram(body: { [body] daemon in try await result.keep { try await body(daemon) } })
            let environment = GroupEnvironment(outer: makeEnvironment())
            let runtime = try DaemonRuntime(policy, supervisor, program, onTransition, in: environment)
            runtime.begin()  // else a group that is shutting down already would end it before it has started
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask { if (try? await gracefulShutdown()) != nil { runtime.shutdown() } }
                await runtime.run()
                tasks.cancelAll()
            }
            let summary = runtime.summary
            onReport?(result.report(summary))
            try summary.throwFailure()
        }
    }

    extension SignalPolicy {
        fileprivate var withoutSignals: SignalPolicy {
            var policy = forPart
            policy.cancelPeriod = cancelPeriod
            policy.cleanupPeriod = cleanupPeriod
            return policy
        }
    }

    /// The environment of a daemon in a group: that of every daemon, except that it does not end the process.
    private struct GroupEnvironment: DaemonEnvironment {
        let outer: any DaemonEnvironment

        var isInline: Bool { outer.isInline }
        var now: Duration { outer.now }
        func resolve(_ supervisor: Supervisor) -> Supervisor { outer.resolve(supervisor) }
        func startMonitor(of runtime: DaemonRuntime) throws(SignalBridgeError) { try outer.startMonitor(of: runtime) }
        func stopMonitor(of runtime: DaemonRuntime) { outer.stopMonitor(of: runtime) }
        func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError) {
            try outer.startThread(body)
        }
        func forPart() -> any DaemonEnvironment { outer.forPart() }
        func raise(_ signal: SignalNumber) { outer.raise(signal) }
        func reportReady() { outer.reportReady() }
        func reportEnd() { outer.reportEnd() }

        /// Runs the final actions and abandons the work, so that `run` returns.
        func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary) {
            if isInline { runtime.lastCall()?(summary) } else { SystemEnvironment.callLast(of: runtime, summary) }
            runtime.requestClose()
        }
    }
#endif
