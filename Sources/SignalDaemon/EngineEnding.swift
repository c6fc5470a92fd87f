import SignalBridge
import Dispatch

/// Running to the end, of both kinds.
extension DaemonEngine {
    /// Returns when all is over: dispositions restored, transitions said.
    func run() async {
        let conductor = Task { [launches] in
            for await launch in launches { launch() }
        }
        begin()
        if let body = program.body { start(0, body(Daemon(self, generation: 0)), stopGate(of: 0)) }
        await withTaskCancellationHandler {
            await conductor.value
        } onCancel: {
            shutdown(.cancelled)
        }
    }

    /// The same on the calling thread, which runs the body.
    func runBlocking(_ body: (StopToken) throws -> Void) {
        begin()
        let token = StopToken(stop: stopGate(of: 0), cancel: Latch())
        attach(0) { token.cancel.open() }
        do {
            try body(token)
            ended(0, nil)
        } catch {
            ended(0, error)
        }
        finished.wait()
    }

    var summary: DaemonSummary { state.withLock { $0.ladder.summary } }

    private func begin() {
        feed { state, _ in
            state.hasBegun = true
            return program.load == nil ? [.announce(.started)] : []
        }
        if let source { source.wake() } else { poll() }  // what came before
    }

    /// All has ended. What `onTransition` has not heard yet, it hears, for at most a second.
    func finish() {
        state.withLock { $0.lastWords = now + .seconds(1) }
        source?.wake()
        announcer.append(.call { [self] in requestClose() })
        announcer.announce()
    }

    /// The process ends now. Runs on the watch, which nothing of the user's can hold up: `onForce` and the last transitions
    /// have a thread and half a second.
    func force(_ reason: ForcedExitReason) {
        let summary = state.withLock { $0.ladder.summary }
        if let simulator {
            program.onForce?(summary)
            if let signal = summary.signals.first?.signal { simulator.forceEnd(by: signal) }
            requestClose()
            return
        }
        announcer.flush(within: .milliseconds(200))
        let done = DispatchSemaphore(value: 0)
        let last: @Sendable () -> Void = { [program] in
            program.onForce?(summary)
            flushStreams()  // may block, where a thread is stuck in one
            done.signal()
        }
        if (try? SignalBridge.startThread(last)) != nil { _ = done.wait(timeout: .now() + .milliseconds(500)) }
        switch summary.exitStatus {
        case .signal(let signal): signal.die()
        case .code(let code): exitAtOnce(code)
        }
    }
}

/// What the program of a daemon gives and gets, of its own types.
final class Results<Configuration: Sendable, Value: Sendable>: Sendable {
    private struct State {
        var loaded: Configuration?
        var result: Result<Value, any Error>?
    }
    private let state = Lock(State())

    var loaded: Configuration? {
        get { state.withLock { $0.loaded } }
        set {
            let old = state.withLock { state in
                defer { state.loaded = newValue }
                return state.loaded
            }
            _ = old  // released outside of the lock
        }
    }
    var result: Result<Value, any Error>? {
        get { state.withLock { $0.result } }
        set {
            let old = state.withLock { state in
                defer { state.result = newValue }
                return state.result
            }
            _ = old
        }
    }

    /// Runs the body, and keeps what it gave.
    func keep(_ body: () async throws -> Value) async throws {
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
            throw error
        }
    }

    func report(_ summary: DaemonSummary) -> DaemonReport<Value> {
        let missing: any Error =
            summary.forcedExit == nil
            ? CancellationError()
            : SignalBridgeError(.forcedExit, nil, "the process was forced to end before the body had")
        return DaemonReport(result: result ?? .failure(missing), summary: summary)
    }

    func handler(
        _ onForce: (@Sendable (DaemonReport<Value>) -> Void)?
    ) -> (@Sendable (DaemonSummary) -> Void)? {
        guard let onForce else { return nil }
        return { summary in onForce(self.report(summary)) }
    }
}
