// Waiting in a test until a simulated daemon is ready.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Waiting until a daemon is ready") struct ReadinessTests {
    @Test("waitUntilReady returns true after the body called notifyReady, and not before")
    func ready() async throws {
        for _ in 0..<50 {
            try await withSimulatedSignals { simulator in
                async let result = Daemon.run { daemon in
                    for _ in 0..<20 { await Task.yield() }
                    try daemon.addTask("task") { await daemon.shutdownRequested() }
                    daemon.addCleanup("flush") {}
                    daemon.notifyReady()
                }
                #expect(await simulator.waitUntilReady())
                try simulator.send(.sigterm)
                let report = try await result
                #expect(report.task("task")?.kind == .task)
                #expect(report.task("flush")?.kind == .cleanup)
                #expect(report.exitStatus == .code(0))
            }
        }
    }

    @Test("waitUntilReady returns false when its task is cancelled")
    func cancelled() async {
        await withSimulatedSignals { simulator in
            let task = Task { await simulator.waitUntilReady() }
            task.cancel()
            #expect(await !task.value)
        }
    }

    @Test(
        "waitUntilReady returns false if the daemon ends before it is ready",
        arguments: ["the body returns", "the body throws", "a signal ends it", "its exit is forced"])
    func endsFirst(way: String) async throws {
        try await withSimulatedSignals { simulator in
            let (blocker, scene) = (Blocker(), Scene(simulator: simulator))
            let answer = Shared<Bool?>(nil)
            let waits = Task {
                let isReady = await simulator.waitUntilReady()
                answer { $0 = isReady }
            }
            async let result = Daemon.run(policy: .server.with(duplicateWindow: .zero)) { daemon in
                scene.step("up")
                switch way {
                case "the body returns": return
                case "the body throws": throw Broken()
                case "a signal ends it": await daemon.shutdownRequested()
                default: await blocker.wait()
                }
            }
            try await scene.wait(for: "up")
            if way == "a signal ends it" { try simulator.send(.sigterm) }
            if way == "its exit is forced" { for _ in 0..<3 { try simulator.send(.sigterm) } }
            _ = try await result
            #expect(await eventually(within: 10) { answer.now != nil })
            #expect(answer.now == false)
            blocker.release()
            waits.cancel()
        }
    }
}
