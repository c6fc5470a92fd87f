import SignalBridge

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
        let outcome = Result(catching: body)
        result.current = outcome
        _ = try outcome.get()
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

extension Result {
    /// The error; `nil`: it succeeded.
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
