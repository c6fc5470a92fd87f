// Daemons in a simulation, as the lifecycle's tests drive them; and hundreds of these at once.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// What work throws that fails.
struct Broken: Error {}

/// A door that stays shut until the test opens it: for work that reacts to nothing, not to cancellation either.
final class Door: Sendable {
    private let state = Shared<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state { state in
            defer { state.waiting = [] }
            state.isOpen = true
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// Work that ends when it is cancelled, and throws `CancellationError`.
func untilCancelled() async throws { try await Task.sleep(for: .seconds(3600)) }

/// One daemon: what it told, and what its work has reached.
struct Scene: Sendable {
    private let given: SignalSimulator?
    private let told = Shared<[DaemonTransition]>([])
    private let reached = Shared<[String]>([])

    /// With real signals, in an exit test.
    init() { given = nil }
    init(simulator: SignalSimulator) { given = simulator }

    var simulator: SignalSimulator { given! }

    /// For `onTransition`.
    var watch: @Sendable (DaemonTransition) -> Void { { transition in told { $0.append(transition) } } }
    var transitions: [DaemonTransition] { told.now }
    var lines: [String] { told.now.map(\.description) }
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
        // Seldom enough that hundreds at once leave time for what they wait for.
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
        // Of its own: a daemon that does not end fails its test, and does not hold up the others.
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

    /// The phase whose time was up.
    var missedDeadline: DaemonPhase? { if case .deadline(let phase)? = forcedExit { phase } else { nil } }

    /// The signal that forced the end.
    var forcingSignal: SignalNumber? { if case .signal(let event)? = forcedExit { event.signal } else { nil } }
}

extension SignalSimulator {
    func advance(seconds: Double) { advance(by: .milliseconds(Int((seconds * 1000).rounded()))) }
}

/// To standard output, from a process whose end nobody flushes for.
func say(_ text: String) { _ = "\(text)\n".withCString { write(1, $0, strlen($0)) } }

/// Blocks the thread for good: a signal that it happens to get ends `sleep`, but not this.
func hang() { while true { sleep(1000) } }

/// Ends the process if it is still there by then. The sanitizers make everything slow.
func overdue(after seconds: Double) {
    let slowness = underThreadSanitizer || underAddressSanitizer ? 10.0 : 0
    let deadline = ContinuousClock.now + .seconds(seconds + slowness)
    startThread {
        while ContinuousClock.now < deadline { usleep(10_000) }
        say("overdue")
        _exit(97)
    }
}

@Suite struct LifecycleHarness {
    @Test("hundreds of shutdowns at once, each in a simulation of its own")
    func hundreds() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<300 { group.addTask { try await shutdown(Way(rawValue: index % 6)!) } }
            try await group.waitForAll()
        }
    }

    @Test("who sends a simulated signal sees what it does, also while somebody else sends one")
    func sendersAtOnce() async throws {
        let end = Date(timeIntervalSinceNow: 4)
        while Date() < end {
            let (seen, late) = (Shared(false), Shared(0))
            try await withSimulatedSignals { simulator in
                async let report = Daemon.run(
                    onTransition: { if case .received = $0 { seen { $0 = true } } }
                ) { daemon in
                    daemon.notifyReady()
                    await daemon.shutdownRequested()
                }
                await simulator.waitUntilReady()
                let (ready, sent) = (Shared(0), Shared(0))
                for _ in 0..<2 {
                    startThread {
                        ready { $0 += 1 }
                        while ready.now < 2 {}
                        try? simulator.send(.sigterm)
                        if !seen.now { late { $0 += 1 } }
                        sent { $0 += 1 }
                    }
                }
                #expect(await eventually { sent.now == 2 })
                _ = try await report
            }
            #expect(late.now == 0)
            if late.now > 0 { break }
        }
    }

    private enum Way: Int {
        case drains, escalate, deadline, interrupted, requested, forced
    }

    private func shutdown(_ way: Way) async throws {
        let door = Door()
        defer { door.open() }
        let drains = way == .drains || way == .interrupted || way == .requested
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                try daemon.addTask("task") {
                    if drains { await daemon.shutdownRequested() } else { try await untilCancelled() }
                }
                scene.step("up")
                switch way {
                case .drains, .interrupted: await daemon.shutdownRequested()
                case .escalate, .deadline: try await untilCancelled()
                case .requested: daemon.shutdown()
                case .forced: await door.wait()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            switch way {
            case .drains: try scene.send(.sigterm)
            case .escalate: try scene.send(.sigterm, .sigterm)
            case .interrupted: try scene.send(.sigint)
            case .requested: break
            case .deadline, .forced:
                try scene.send(.sigterm)
                scene.simulator.advance(seconds: way == .forced ? 100 : 20)
            }
        }
        #expect((report.forcedExit != nil) == (way == .forced))
        #expect(scene.steps == (way == .forced ? ["up"] : ["up", "hook"]))
        #expect(scene.simulator.forcedExit == (way == .forced ? .sigterm : nil))
        #expect(report.signals.map(\.signal) == expectedSignals(way))
        switch way {
        case .drains, .requested: #expect(report.outcomes["task"] == "finished")
        case .escalate, .deadline: #expect(report.outcomes["body"] == "cancelled")
        case .interrupted: #expect(report.exitStatus == .signal(.sigint))
        case .forced: #expect(report.outcomes["body"] == "abandoned")
        }
    }

    private func expectedSignals(_ way: Way) -> [SignalNumber] {
        switch way {
        case .drains, .deadline, .forced: [.sigterm]
        case .escalate: [.sigterm, .sigterm]
        case .interrupted: [.sigint]
        case .requested: []
        }
    }
}
