// Work that a cancellation does not reach.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Shielded work") struct ShieldTests {
    @Test("A task that completes is not cancelled, and the daemon waits for it")
    func shieldedTask() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("shielded", onShutdown: .complete) {
                    await daemon.shutdownRequested()
                    await blocker.wait()
                    scene.step("cancelled: \(Task.isCancelled)")
                }
                try daemon.addTask("other") { try await untilCancelled() }
                scene.step("up")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 20)
            try await scene.wait(forLine: "task other: cancelled")
            #expect(scene.phases == [.draining, .cancelling])
            scene.simulator.advance(seconds: 3)
            blocker.release()
        }
        #expect(scene.steps == ["up", "cancelled: false"])
        #expect(report.outcomes == ["shielded": "finished", "other": "cancelled", "body": "finished"])
        #expect(report.task("shielded")?.kind == .shielded)
        #expect(report.exitStatus == .code(0))
    }

    @Test("Only a forced exit ends shielded work early")
    func abandoned() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("task", onShutdown: .complete) { await blocker.wait() }
                scene.step("up")
                try await daemon.shield("commit") { await blocker.wait() }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 100)
        }
        #expect(report.missedDeadline == .cancelling)
        #expect(report.outcomes["task"] == "abandoned")
        #expect(report.outcomes["commit"] == "abandoned")
    }

    @Test("shield completes although its caller is cancelled, and returns its result")
    func shield() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) { daemon in
                let value = try await daemon.shield("commit") {
                    scene.step("committing")
                    await blocker.wait()
                    scene.step("shield cancelled: \(Task.isCancelled)")
                    return 42
                }
                scene.step("caller cancelled: \(Task.isCancelled)")
                return value
            }
        } drive: { scene in
            try await scene.wait(for: "committing")
            try scene.send(.sigterm, .sigterm)
            #expect(scene.phases == [.draining, .cancelling])
            blocker.release()
        }
        #expect(scene.steps == ["committing", "shield cancelled: false", "caller cancelled: true"])
        #expect(try report.result.get() == 42)
        #expect(report.outcomes == ["commit": "finished", "body": "finished"])
        #expect(report.task("commit")?.kind == .shielded)
    }

    @Test(
        "shield completes in a cancelled task, during the shutdown and in a clean-up, and throws the operation's error")
    func shieldElsewhere() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                let task = Task {
                    try? await untilCancelled()
                    return try await daemon.shield("own") {
                        for _ in 0..<10 { await Task.yield() }
                        return Task.isCancelled ? "cancelled" : "whole"
                    }
                }
                task.cancel()
                scene.step(try await task.value)
                daemon.addCleanup("flush") {
                    scene.step(try await daemon.shield("in flush") { "in flush" })
                }
                scene.step("up")
                await daemon.shutdownRequested()
                scene.step(try await daemon.shield("while draining") { "while draining" })
                await #expect(throws: Broken.self) { try await daemon.shield("broken") { throw Broken() } }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["whole", "up", "while draining", "in flush"])
        #expect(report.outcomes["broken"] == "failed: Broken()")
        #expect(report.outcomes["own"] == "finished")
        #expect(report.outcomes["in flush"] == "finished")
    }

    @Test("The daemon waits for shielded work although its caller has gone")
    func abandonedCaller() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                Task {
                    try await daemon.shield("commit") {
                        scene.step("committing")
                        await blocker.wait()
                        scene.step("committed")
                    }
                }
                try await scene.wait(for: "committing")
            }
        } drive: { scene in
            try await scene.wait(forLine: "body: finished")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            blocker.release()
        }
        #expect(scene.steps == ["committing", "committed", "flush"])
        #expect(report.outcomes == ["body": "finished", "commit": "finished", "flush": "finished"])
    }
}
