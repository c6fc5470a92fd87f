import SignalBridge

/// The closures that the user gave a daemon to run, without their types.
struct DaemonProgram: Sendable {
    /// The body; `nil`: the caller runs it on its own thread.
    var body: (@Sendable (Daemon) async throws -> Void)?
    /// Loads the configuration again. A body with a configuration loads the first one itself.
    var load: (@Sendable () async throws -> Void)?
    /// Applies the loaded configuration. Without it, a reload restarts the body.
    var apply: (@Sendable () async throws -> Void)?
    var onForcedExit: (@Sendable (DaemonSummary) -> Void)?
    /// An earlier subscription, whose signals the daemon takes over.
    var early: SignalEvents?
    /// Whether the process ends with the daemon, so that its signals stay subscribed.
    var endsProcess = false

    var restartsOnReload: Bool { load != nil && apply == nil }
}

/// A value that threads share, released outside of the lock.
final class SharedValue<Value: Sendable>: Sendable {
    private let value: Lock<Value?>

    init() { value = Lock(nil) }

    var current: Value? {
        get { value.withLock { $0 } }
        set {
            let old = value.withLock { value in
                defer { value = newValue }
                return value
            }
            _ = old
        }
    }
}

/// The result of a daemon's body, which becomes part of the report.
final class BodyResult<Value: Sendable>: Sendable {
    private let result = SharedValue<Result<Value, any Error>>()

    /// Runs the body and keeps its result. The result of an earlier body, before a restart, no longer counts.
    func keep(_ body: () async throws -> Value) async throws {
        result.current = nil
        do {
            result.current = .success(try await body())
        } catch {
            result.current = .failure(error)
            throw error
        }
    }

    func keepBlocking(_ body: () throws -> Value) throws {
        do {
            result.current = .success(try body())
        } catch {
            result.current = .failure(error)
            throw error
        }
    }

    func report(_ summary: DaemonSummary) -> DaemonReport<Value> {
        // After a restart, the result may be the old body's although the new one was abandoned.
        let isAbandoned = summary.tasks.contains { task in
            if task.kind == .body, case .abandoned = task.outcome { true } else { false }
        }
        let missing: any Error =
            summary.forcedExit == nil
            ? CancellationError()
            : SignalBridgeError(.forcedExit, nil, "the process was forced to end before the body had ended")
        return DaemonReport(
            result: (isAbandoned ? nil : result.current) ?? .failure(missing), summary: summary)
    }

    func handler(_ onForcedExit: (@Sendable (DaemonReport<Value>) -> Void)?) -> (@Sendable (DaemonSummary) -> Void)? {
        guard let onForcedExit else { return nil }
        return { summary in onForcedExit(self.report(summary)) }
    }
}
