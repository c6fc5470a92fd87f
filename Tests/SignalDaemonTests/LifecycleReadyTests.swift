// Tests of tests: when what the body registers is in place.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleReadiness {
    @Test("waitUntilReady returns when the body has said so, and not before")
    func ready() async throws {
        for _ in 0..<50 {
            try await withSimulatedSignals { simulator in
                async let result = Daemon.run { daemon in
                    for _ in 0..<20 { await Task.yield() }
                    try daemon.addTask("task") { await daemon.shutdownRequested() }
                    daemon.addCleanup("hook") {}
                    daemon.notifyReady()
                }
                await simulator.waitUntilReady()
                try simulator.send(.sigterm)
                let report = try await result
                #expect(report.task("task")?.kind == .task)
                #expect(report.task("hook")?.kind == .hook)
                #expect(report.exitStatus == .code(0))
            }
        }
    }

    @Test("waitUntilReady returns when its task is cancelled")
    func cancelled() async {
        await withSimulatedSignals { simulator in
            let task = Task { await simulator.waitUntilReady() }
            task.cancel()
            await task.value
        }
    }

    @Test("after restarts, the report's task of a name is the last body's")
    func lastOfAName() async throws {
        struct Failure: Error {}
        try await withSimulatedSignals { simulator in
            let loads = Shared(0)
            async let result = Daemon.run {
                loads { $0 += 1 }
                return loads.now
            } body: { daemon, number in
                try daemon.addTask("task", onFailure: .report) {
                    await daemon.shutdownRequested()
                    if number == 2 { throw Failure() }
                }
                if number == 2 { try simulator.send(.sigterm) }
                daemon.notifyReady()
                await daemon.shutdownRequested()
            }
            await simulator.waitUntilReady()
            try simulator.send(.sighup)
            let report = try await result
            #expect(report.reloads == 1)
            #expect(
                report.tasks.filter { $0.name == "task" }.map(\.outcome.description) == [
                    "finished", "failed: Failure()",
                ])
            #expect(report.task("task")?.outcome.description == "failed: Failure()")
        }
    }
}
