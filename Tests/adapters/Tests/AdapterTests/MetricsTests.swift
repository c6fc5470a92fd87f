// The metrics of a daemon.
import MetricsTestKit
import SignalBridge
import SignalDaemon
import Testing

@Suite("A daemon's metrics", .timeLimit(.minutes(2))) struct MetricsTests {
    private let factory = TestMetrics()

    private func total(_ label: String, _ dimensions: (String, String)...) -> Int64 {
        factory.counterTotal(label: label, dimensions: dimensions)
    }

    private func durations(_ phase: String) -> [Int64] {
        factory.timers(label: "daemon_phase_duration", dimensions: [("phase", phase)]).flatMap(\.values)
    }

    /// A second of running, two reloads of which one fails, a signal that comes twice, three seconds of draining, and one of cleaning up.
    private func life(_ onTransition: @escaping @Sendable (DaemonTransition) -> Void) async throws -> DaemonReport<Void>
    {
        let (steps, door, cleaning) = (Steps(), Door(), Door())
        return try await simulate { daemon in
            try daemon.onReload { if steps.has("reloads break") { throw Broken() } }
            try daemon.addTask("task") {
                await daemon.shutdownRequested()
                await door.wait()
            }
            try daemon.addPart("part", onFailure: .report) { part in
                try part.addTask("inner", onFailure: .report) { throw Broken() }
            }
            daemon.addCleanup("clean-up") {
                steps.add("cleaning up")
                await cleaning.wait()
            }
        } onTransition: { transition in
            onTransition(transition)
            if case .reloaded = transition { steps.add("reloaded") }
            if case .reloadFailed = transition { steps.add("reload failed") }
            if case .ended(let task) = transition { steps.add("\(task.name) ended") }
        } drive: { simulator in
            try await steps.wait(for: "part ended")
            try simulator.send(.sighup)
            try await steps.wait(for: "reloaded")
            steps.add("reloads break")
            try simulator.send(.sighup)
            try await steps.wait(for: "reload failed")
            simulator.advance(by: .seconds(1))
            try simulator.send(.sigterm)
            try simulator.send(.sigterm)
            simulator.advance(by: .seconds(3))
            door.open()
            try await steps.wait(for: "cleaning up")
            simulator.advance(by: .seconds(1))
            cleaning.open()
        }
    }

    @Test("Transitions count signals by effect, reloads, work and exits, and time the phases")
    func transitions() async throws {
        let metrics = DaemonMetrics(factory: factory)
        _ = try await life { metrics.record($0) }
        #expect(total("daemon_signals_total", ("signal", "SIGHUP"), ("effect", "beganReload")) == 2)
        #expect(total("daemon_signals_total", ("signal", "SIGTERM"), ("effect", "beganShutdown")) == 1)
        #expect(total("daemon_signals_total", ("signal", "SIGTERM"), ("effect", "duplicate")) == 1)
        #expect(total("daemon_reloads_total", ("result", "succeeded")) == 1)
        #expect(total("daemon_reloads_total", ("result", "failed")) == 1)
        #expect(total("daemon_work_total", ("kind", "task"), ("outcome", "finished")) == 1)
        #expect(total("daemon_work_total", ("kind", "task"), ("outcome", "failed")) == 1)
        #expect(total("daemon_work_total", ("kind", "cleanup"), ("outcome", "finished")) == 1)
        #expect(total("daemon_exits_total", ("status", "exit code 1")) == 1)
        #expect(durations("running") == [1_000_000_000])
        #expect(durations("draining") == [3_000_000_000])
        #expect(durations("cancelling") == [])
        #expect(durations("cleaningUp") == [1_000_000_000])
    }

    @Test("A report counts the same, and has the exact durations")
    func report() async throws {
        let report = try await life { _ in }
        DaemonMetrics(prefix: "own", factory: factory).record(report)
        #expect(total("own_signals_total", ("signal", "SIGTERM"), ("effect", "requestedEnd")) == 1)
        #expect(total("own_reloads_total", ("result", "succeeded")) == 1)
        #expect(total("own_reloads_total", ("result", "failed")) == 1)
        #expect(total("own_work_total", ("kind", "task"), ("outcome", "finished")) == 1)
        #expect(total("own_work_total", ("kind", "cleanup"), ("outcome", "finished")) == 1)
        #expect(total("own_exits_total", ("status", "\(report.exitStatus)")) == 1)
        let draining = factory.timers(label: "own_phase_duration", dimensions: [("phase", "draining")])
        #expect(draining.flatMap(\.values) == [3_000_000_000])
        #expect(factory.timers(label: "own_phase_duration", dimensions: [("phase", "cancelling")]).isEmpty)
    }

    @Test("Dropped transitions and a forced exit are counted")
    func dropsAndForcedExits() {
        let metrics = DaemonMetrics(factory: factory)
        metrics.record(.dropped(40))
        metrics.record(.dropped(2))
        #expect(total("daemon_dropped_transitions_total") == 42)
        metrics.record(.forced(.deadline(.draining), abandoned: ["task"]))
        #expect(total("daemon_exits_total", ("status", "forced")) == 1)
    }
}
