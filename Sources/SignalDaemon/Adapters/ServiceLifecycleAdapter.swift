#if ServiceLifecycle
    import Logging
    import ServiceLifecycle
    import SignalBridge

    /// What the return of a service, before a shutdown was requested, does to its daemon. With the trait `ServiceLifecycle`.
    public enum ReturnBehavior: Hashable, Sendable {
        /// The service has failed, with ``ServiceReturnedError``: see ``FailureBehavior``.
        case fail
        /// The daemon shuts down gracefully, without an error.
        case shutDown
        /// The service has finished, and the daemon runs on.
        case finish
    }

    /// The failure of a service that returned before a shutdown was requested. With the trait `ServiceLifecycle`.
    public struct ServiceReturnedError: Error, CustomStringConvertible {
        /// A phrase that says so.
        public var description: String { "the service returned, although nothing had requested a shutdown" }
    }

    extension Daemon {
        /// Runs a `Service` as a task of the daemon. With the trait `ServiceLifecycle`.
        ///
        /// What the service hears by `gracefulShutdown()`, `withGracefulShutdownHandler`, `cancelWhenGracefulShutdown` or
        /// `Task.isShuttingDownGracefully` is the daemon's shutdown, at the moment at which that reaches this task. After the
        /// grace period the service is cancelled, and then abandoned, as every task. A `ServiceGroup` is a `Service` too: give it
        /// no signals.
        ///
        /// - Parameters:
        ///   - name: the name in the report.
        ///   - service: the service. Its `run()` is called once.
        ///   - onShutdown: as of ``addTask(_:onShutdown:onFailure:after:operation:)``.
        ///   - onReturn: what its return does if nothing has requested a shutdown.
        ///   - onFailure: what an error of the service does to the daemon.
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

        /// Runs services as a `ServiceGroup` would, each as a task of the daemon with a name, a line in the report, and the
        /// deadlines of the policy. With the trait `ServiceLifecycle`.
        ///
        /// ```swift
        /// try daemon.addServices(["database": database, "server": server])  // a shutdown reaches the server first
        /// ```
        ///
        /// A shutdown reaches the last service first, and each of the others when the one behind it has ended. A service that
        /// fails, or returns before a shutdown, makes the daemon shut down in this order, where a `ServiceGroup` would cancel
        /// all. For other behaviours add each by ``addService(_:_:onShutdown:onReturn:onFailure:after:)``.
        ///
        /// - Parameters:
        ///   - services: the services by name, in the order of a `ServiceGroup`: who needs another one stands behind it.
        ///   - other: the name of work that must have ended before a shutdown reaches the last service.
        /// - Throws: as ``addTask(_:onShutdown:onFailure:after:operation:)``. If two names are equal, none of the services runs;
        ///   if a shutdown begins meanwhile, those that run are told.
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

    /// A service in a `ServiceGroup` of its own, which lets it hear of the daemon's shutdown.
    ///
    /// The group tells its last service first, and the others when that has ended. So a gate behind the service, which ends when
    /// the shutdown reaches the daemon's task, decides when the service is told, even if a group around the daemon tells this
    /// one earlier.
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
            try? await group.run()  // it may call an end unexpected that is not: the result is the service's own
            try result.current?.get()
        }
    }

    private struct Step: Service {
        let operation: @Sendable () async -> Void

        init(_ operation: @escaping @Sendable () async -> Void) { self.operation = operation }
        func run() async { await operation() }
    }
#endif
