import SignalBridge

/// Starts the work of a daemon. A task of the daemon's caller starts tasks, so they inherit its task-local values.
final class WorkLauncher: Sendable {
    private let launches: AsyncStream<@Sendable () -> Void>
    private let launch: AsyncStream<@Sendable () -> Void>.Continuation

    init() {
        (launches, launch) = AsyncStream.makeStream()
    }

    /// Runs the task that starts tasks, until `finish`. Call this once, with the task-local values to be inherited.
    func begin() -> Task<Void, Never> {
        Task { [launches] in
            for await launch in launches { launch() }
        }
    }

    func finish() { launch.finish() }

    /// Runs a task that is not work of the daemon.
    func run(_ operation: @escaping @Sendable () async -> Void) {
        launch.yield { Task { await operation() } }
    }

    func startTask(
        _ id: Int, of runtime: DaemonRuntime, _ context: WorkContext,
        _ operation: @escaping @Sendable () async throws -> Void
    ) {
        launch.yield { [self] in startTaskHere(id, of: runtime, context, operation) }
    }

    /// Starts a task with the task-local values of the caller.
    func startTaskHere(
        _ id: Int, of runtime: DaemonRuntime, _ context: WorkContext,
        _ operation: @escaping @Sendable () async throws -> Void
    ) {
        let task = WorkContext.$current.withValue(context) {
            Task {
                do {
                    try await operation()
                    runtime.ended(id, nil)
                } catch {
                    runtime.ended(id, error)
                }
            }
        }
        runtime.attach(id) { task.cancel() }
    }

    /// Starts a thread with the signal mask of the caller.
    func startThread(
        _ id: Int, of runtime: DaemonRuntime, _ context: WorkContext, stop: Latch,
        in environment: any DaemonEnvironment,
        _ operation: @escaping @Sendable (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        let cancel = Latch()
        let token = StopToken(stop: stop, cancel: cancel)
        runtime.attach(id) { cancel.open() }
        try environment.startThread {
            let result = Result { try WorkContext.$current.withValue(context) { try operation(token) } }
            runtime.ended(id, result.failure)
        }
    }
}
