// Shared by the tests: daemons in simulations, and services that record their events.
import ServiceLifecycle
import SignalBridge
import SignalDaemon
import Synchronization
import Testing

struct Broken: Error {}

/// The events of a test, in order.
final class Steps: Sendable {
    private let names = Mutex<[String]>([])

    var all: [String] { names.withLock { $0 } }
    func add(_ name: String) { names.withLock { $0.append(name) } }
    func has(_ name: String) -> Bool { all.contains(name) }

    func wait(for name: String, at location: SourceLocation = #_sourceLocation) async throws {
        let deadline = ContinuousClock.now + .seconds(50)
        while !has(name) {
            try #require(ContinuousClock.now < deadline, "waited for \(name): \(all)", sourceLocation: location)
            try? await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Whether these happened in this order.
    func inOrder(_ expected: String...) -> Bool { all.filter(expected.contains) == expected }
}

/// Blocks the tasks that wait, even cancelled ones, until it is opened.
final class Door: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.isOpen = true
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// A service of a closure.
struct Work: Service {
    let body: @Sendable () async throws -> Void

    init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }
    func run() async throws { try await body() }
}

/// A service that runs until it hears of the shutdown, and records its start and its end.
struct Obedient: Service {
    let name: String
    let steps: Steps

    func run() async throws {
        steps.add("\(name) runs")
        try await gracefulShutdown()
        steps.add("\(name) is told")
    }
}

/// Runs a daemon in a simulation, drives it once `body` has returned, and returns its report.
func simulate(
    _ body: @escaping @Sendable (Daemon) async throws -> Void,
    onTransition: @escaping @Sendable (DaemonTransition) -> Void = { _ in },
    drive: (SignalSimulator) async throws -> Void
) async throws -> DaemonReport<Void> {
    try await withSimulatedSignals { simulator in
        let daemon = Task {
            try await Daemon.run(onTransition: onTransition) { daemon in
                try await body(daemon)
                daemon.notifyReady()
                await daemon.shutdownRequested()
            }
        }
        await simulator.waitUntilReady()
        do {
            try await drive(simulator)
        } catch {
            daemon.cancel()
            throw error
        }
        return try await daemon.value
    }
}

extension DaemonReport {
    func outcome(_ name: String) -> String? { task(name)?.outcome.description }
}
