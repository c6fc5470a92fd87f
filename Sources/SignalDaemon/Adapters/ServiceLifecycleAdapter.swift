#if ServiceLifecycle
    import Logging
    import ServiceLifecycle
    import SignalBridge

    extension Daemon {
        /// Runs a `Service` as a task of the daemon. With the trait `ServiceLifecycle`.
        ///
        /// When the daemon's shutdown reaches this task, the service learns of it by `gracefulShutdown()`,
        /// `withGracefulShutdownHandler`, `cancelWhenGracefulShutdown` or `Task.isShuttingDownGracefully`. After the
        /// grace period the service is cancelled, and then abandoned, as every task. A `ServiceGroup` is a `Service`
        /// too: give it no signals.
        ///
        /// - Parameters:
        ///   - name: the name in the report.
        ///   - service: the service. Its `run()` is called once.
        ///   - onShutdown: as of ``addTask(_:onShutdown:onFailure:after:operation:)``.
        ///   - onReturn: the effect of its return before a shutdown was requested.
        ///   - onFailure: the effect of its error on the daemon.
        ///   - other: the name of work that must have ended before a shutdown reaches this service.
        /// - Throws: as ``addTask(_:onShutdown:onFailure:after:operation:)``. The service then never runs.
        public func addService(
            _ name: String, _ service: any Service, onShutdown: ShutdownBehavior = .drain,
            onReturn: ReturnBehavior = .fail, onFailure: FailureBehavior = .shutDown, after other: String? = nil
        ) throws(SignalBridgeError) {
            try addTask(name, onShutdown: onShutdown, onFailure: onFailure, after: other) { [self] in
                try await ServiceRun(service: service, daemon: self).run()
                if isShuttingDown || Task.isCancelled { return }
                switch onReturn {
                case .fail: throw ServiceReturnedError()
                case .shutDown: shutdown()
                case .finish: break
                }
            }
        }

        /// Runs services as a `ServiceGroup` would. Each is a task of the daemon, with a name, a line in the report,
        /// and the deadlines of the policy. With the trait `ServiceLifecycle`.
        ///
        /// ```swift
        /// try daemon.addServices(["database": database, "server": server])  // a shutdown reaches the server first
        /// ```
        ///
        /// A shutdown reaches the last service first, and each of the others when the next one in the list has ended.
        /// If a service fails, or returns before a shutdown, the daemon shuts down in this order, while a
        /// `ServiceGroup` would cancel all. For other behaviours add each service by
        /// ``addService(_:_:onShutdown:onReturn:onFailure:after:)``.
        ///
        /// - Parameters:
        ///   - services: the services by name, in the order of a `ServiceGroup`: a service that needs another one comes
        ///     after it.
        ///   - other: the name of work that must have ended before a shutdown reaches the last service.
        /// - Throws: as ``addTask(_:onShutdown:onFailure:after:operation:)``. If two names are equal, none of the
        ///   services runs. If a shutdown begins meanwhile, it reaches those that run.
        public func addServices(
            _ services: KeyValuePairs<String, any Service>, after other: String? = nil
        ) throws(SignalBridgeError) {
            let names = services.map(\.key)
            if Set(names + [other].compactMap(\.self)).count != names.count + (other == nil ? 0 : 1) {
                throw SignalBridgeError(.invalidArgument, nil, "two services have the same name; name each differently")
            }
            for (index, (name, service)) in services.enumerated() {
                let next = index + 1 < names.count ? names[index + 1] : other
                try addService(name, service, after: next)
            }
        }
    }

    /// A service in its own `ServiceGroup`, which passes on the daemon's shutdown.
    ///
    /// The group shuts down its last service first, and the others when that has ended. The last one is a gate, which
    /// ends when the shutdown reaches the daemon's task. So the gate decides when the service is shut down, even if a
    /// group around the daemon shuts this one down earlier.
    private struct ServiceRun {
        let service: any Service
        let daemon: Daemon

        func run() async throws {
            let ended = Latch()
            let result = SharedValue<Result<Void, any Error>>()
            let told = Step { [daemon] in try? await daemon.cancelOnShutdown { await ended.wait() } }
            let work = Step { [service] in
                do {
                    try await service.run()
                    result.current = .success(())
                } catch {
                    result.current = .failure(error)
                }
                ended.open()
            }
            let silent = Logger(label: "SignalDaemon") { _ in SwiftLogNoOpLogHandler() }
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [work, told].map {
                        .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
                    },
                    logger: silent))
            try? await group.run()  // its error may call an expected end unexpected, so the service's own result counts
            try result.current?.get()
        }
    }

    private struct Step: Service {
        let operation: @Sendable () async -> Void

        func run() async { await operation() }
    }
#endif
