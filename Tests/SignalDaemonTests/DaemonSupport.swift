// Helpers of the daemon tests: daemons in a simulation, and small pieces of work.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// The error of work that fails.
struct Broken: Error {}

/// Blocks a task until the test releases it. Nothing else has an effect on the task, not even its cancellation.
final class Blocker: Sendable {
    private let state = Shared<(isReleased: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { continuation in
            let isReleased = state { state in
                if !state.isReleased { state.waiting.append(continuation) }
                return state.isReleased
            }
            if isReleased { continuation.resume() }
        }
    }

    func release() {
        let waiting = state { state in
            defer { state.waiting = [] }
            state.isReleased = true
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// Work that ends when it is cancelled, and throws `CancellationError`.
func untilCancelled() async throws { try await Task.sleep(for: .seconds(3600)) }

/// One daemon: its transitions, and the steps that its work has reached.
struct Scene: Sendable {
    private let given: SignalSimulator?
    private let reported = Shared<[DaemonTransition]>([])
    private let reached = Shared<[String]>([])

    /// With real signals, in an exit test.
    init() { given = nil }
    init(simulator: SignalSimulator) { given = simulator }

    var simulator: SignalSimulator { given! }

    /// For `onTransition`.
    var watch: @Sendable (DaemonTransition) -> Void { { transition in reported { $0.append(transition) } } }
    var transitions: [DaemonTransition] { reported.now }
    var lines: [String] { reported.now.map(\.description) }
    var steps: [String] { reached.now }

    var phases: [DaemonPhase] {
        transitions.compactMap { if case .entered(let phase, _) = $0 { phase } else { nil } }
    }

    var responses: [DaemonTransition.Response] {
        transitions.compactMap { if case .received(_, let response) = $0 { response } else { nil } }
    }

    func step(_ name: String) { reached { $0.append(name) } }

    func send(_ signals: SignalNumber...) throws { for signal in signals { try simulator.send(signal) } }

    func wait(for step: String, at location: SourceLocation = #_sourceLocation) async throws {
        try await wait("for the step \(step)", at: location) { steps.contains(step) }
    }

    func wait(for phase: DaemonPhase, at location: SourceLocation = #_sourceLocation) async throws {
        try await wait("for \(phase)", at: location) { phases.contains(phase) }
    }

    func wait(forLine line: String, at location: SourceLocation = #_sourceLocation) async throws {
        try await wait("for the line \(line)", at: location) { lines.contains(line) }
    }

    func wait(
        _ what: String, at location: SourceLocation = #_sourceLocation, until condition: () -> Bool
    ) async throws {
        // The pauses grow, so that hundreds of waiting tests leave time for the work that they wait for.
        var pause = Duration.milliseconds(1)
        let deadline = ContinuousClock.now + .seconds(patience)
        while !condition() {
            if ContinuousClock.now > deadline {
                try #require(Bool(false), "waited \(what); \(steps); \(lines)", sourceLocation: location)
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(50))
        }
    }
}

/// Starts a daemon in a simulation, drives it, and waits for its report.
func simulate<Value: Sendable>(
    _ start: @escaping @Sendable (Scene) async throws -> DaemonReport<Value>,
    drive: (Scene) async throws -> Void, at location: SourceLocation = #_sourceLocation
) async throws -> (report: DaemonReport<Value>, scene: Scene) {
    try await withSimulatedSignals { simulator in
        let scene = Scene(simulator: simulator)
        let result = Shared<Result<DaemonReport<Value>, any Error>?>(nil)
        // Runs in a task of its own, so a daemon that does not end fails its test and does not delay the others.
        let task = Task {
            do {
                let report = try await start(scene)
                result { $0 = .success(report) }
            } catch {
                result { $0 = .failure(error) }
            }
        }
        do {
            try await drive(scene)
        } catch {
            task.cancel()
            throw error
        }
        try await scene.wait("for the end", at: location) { result.now != nil }
        return (try result.now!.get(), scene)
    }
}

extension DaemonReport {
    /// "finished", "cancelled", "failed: …", "abandoned": by name.
    var outcomes: [String: String] {
        Dictionary(tasks.map { ($0.name, $0.outcome.description) }) { first, second in "\(first), \(second)" }
    }

    /// The error that the body's result is.
    var bodyError: (any Error)? { if case .failure(let error) = result { error } else { nil } }

    /// The phase that took too long.
    var missedDeadline: DaemonPhase? { if case .deadline(let phase)? = forcedExit { phase } else { nil } }

    /// The signal that forced the end.
    var forcingSignal: SignalNumber? { if case .signal(let event)? = forcedExit { event.signal } else { nil } }
}

extension SignalSimulator {
    func advance(seconds: Double) { advance(by: .milliseconds(Int((seconds * 1000).rounded()))) }
}

/// Writes a line to standard output without a buffer, because a forced exit flushes none.
func say(_ text: String) { _ = "\(text)\n".withCString { write(1, $0, strlen($0)) } }

/// Blocks the thread for ever. A signal ends `sleep`, but not the loop.
func hang() { while true { sleep(1000) } }

/// Ends the process if it still runs after this time. The sanitizers get more time.
func exitIfStillRunning(after seconds: Double) {
    let slowness = underThreadSanitizer || underAddressSanitizer ? 10.0 : 0
    let deadline = ContinuousClock.now + .seconds(seconds + slowness)
    startThread {
        while ContinuousClock.now < deadline { usleep(10_000) }
        say("overdue")
        _exit(97)
    }
}

/// Runs a job at once, on the thread that enqueues it.
final class InlineExecutor: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) { job.runSynchronously(on: asUnownedTaskExecutor()) }
}
