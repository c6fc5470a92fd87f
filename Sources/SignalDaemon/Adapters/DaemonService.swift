#if ServiceLifecycle
    import ServiceLifecycle
    import SignalBridge

    /// A daemon as a `Service`, in a `ServiceGroup` of somebody else's. With the trait `ServiceLifecycle`.
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
    /// The group's graceful shutdown shuts the daemon down, and the group's cancellation cancels its work. The daemon ends no
    /// process: when the time of its policy is over, it abandons its work, and ``run()`` throws.
    public struct DaemonService: Service {
        private let policy: SignalPolicy
        private let supervisor: Supervisor
        private let onTransition: (@Sendable (DaemonTransition) -> Void)?
        private let onReport: (@Sendable (DaemonReport<Void>) -> Void)?
        private let body: @Sendable (Daemon) async throws -> Void

        /// Makes a service whose ``run()`` runs a daemon.
        ///
        /// - Parameters:
        ///   - policy: how long each phase may take; and which signal does what, if the daemon takes signals.
        ///   - takesSignals: whether the daemon takes the signals of the policy. Leave a signal either to the daemon or to the
        ///     group, such as SIGHUP to a daemon that reloads: `SignalPolicy(reload: [.sighup])`. Without signals,
        ///     ``Daemon/onReload(_:)`` throws.
        ///   - supervisor: who is notified; nobody, unless the process's supervisor shall hear of this daemon.
        ///   - onTransition: called with what happens, in order, one at a time, on a thread of the library's.
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
            runtime.begin()  // or a group that is shutting down already would end it before it has started
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

    /// The surroundings of a daemon in a group: those of every daemon, except that it ends no process.
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

        /// The final actions run, the work is abandoned, and `run` returns.
        func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary) {
            if isInline { runtime.lastCall()?(summary) } else { SystemEnvironment.callLast(of: runtime, summary) }
            runtime.requestClose()
        }
    }
#endif
