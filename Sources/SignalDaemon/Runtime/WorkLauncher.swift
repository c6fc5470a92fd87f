import SignalBridge

/// Starts the tasks of a daemon with the task-local values of whoever runs it: a task of that caller's starts them.
final class WorkLauncher: Sendable {
    private let launches: AsyncStream<@Sendable () -> Void>
    private let launch: AsyncStream<@Sendable () -> Void>.Continuation

    init() {
        (launches, launch) = AsyncStream.makeStream()
    }

    /// The task that starts tasks; it ends after `finish`. Call this once, with the task-local values to be inherited.
    func begin() -> Task<Void, Never> {
        Task { [launches] in
            for await launch in launches { launch() }
        }
    }

    func finish() { launch.finish() }

    /// Starts a task with the task-local values of the caller of `begin`.
    func startTask(
        _ operation: @escaping @Sendable () async throws -> Void,
        attach: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void = { _ in },
        ended: @escaping @Sendable ((any Error)?) -> Void = { _ in }
    ) {
        launch.yield { self.startTaskHere(operation, attach: attach, ended: ended) }
    }

    /// Starts a task with the task-local values of the caller. `attach` gets what cancels it.
    func startTaskHere(
        _ operation: @escaping @Sendable () async throws -> Void,
        attach: (@escaping @Sendable () -> Void) -> Void, ended: @escaping @Sendable ((any Error)?) -> Void
    ) {
        let task = Task {
            do {
                try await operation()
                ended(nil)
            } catch {
                ended(error)
            }
        }
        attach { task.cancel() }
    }
}
