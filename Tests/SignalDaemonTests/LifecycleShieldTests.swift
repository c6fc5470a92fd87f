// What cancellation does not reach, and what threads are told.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleShields {
    @Test("a shielded task is not cancelled, and is waited for")
    func shieldedTask() async throws {
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("shielded", onShutdown: .complete) {
                    await daemon.shutdownRequested()
                    await door.wait()
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
            door.open()
        }
        #expect(scene.steps == ["up", "cancelled: false"])
        #expect(report.outcomes == ["shielded": "finished", "other": "cancelled", "body": "finished"])
        #expect(report.task("shielded")?.kind == .shielded)
        #expect(report.exitStatus == .code(0))
    }

    @Test("only a forced end cuts a shield")
    func abandoned() async throws {
        let door = Door()
        defer { door.open() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("task", onShutdown: .complete) { await door.wait() }
                scene.step("up")
                try await daemon.shield("commit") { await door.wait() }
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

    @Test("shield completes though its caller is cancelled, and returns its result")
    func shield() async throws {
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                let value = try await daemon.shield("commit") {
                    scene.step("committing")
                    await door.wait()
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
            door.open()
        }
        #expect(scene.steps == ["committing", "shield cancelled: false", "caller cancelled: true"])
        #expect(try report.result.get() == 42)
        #expect(report.outcomes == ["commit": "finished", "body": "finished"])
        #expect(report.task("commit")?.kind == .shielded)
    }

    @Test("shield completes in a cancelled task, during shutdown and in hooks, and throws what it throws")
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
                daemon.addCleanup("hook") {
                    scene.step(try await daemon.shield("in hook") { "in hook" })
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
        #expect(scene.steps == ["whole", "up", "while draining", "in hook"])
        #expect(report.outcomes["broken"] == "failed: Broken()")
        #expect(report.outcomes["own"] == "finished")
        #expect(report.outcomes["in hook"] == "finished")
    }

    @Test("a daemon waits for a shield that nobody waits for any more")
    func forgottenShield() async throws {
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                Task {
                    try await daemon.shield("commit") {
                        scene.step("committing")
                        await door.wait()
                        scene.step("committed")
                    }
                }
                try await scene.wait(for: "committing")
            }
        } drive: { scene in
            try await scene.wait(forLine: "body: finished")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            door.open()
        }
        #expect(scene.steps == ["committing", "committed", "hook"])
        #expect(report.outcomes == ["body": "finished", "commit": "finished", "hook": "finished"])
    }

    @Test("threads are told what tasks are told", arguments: [ShutdownBehavior.drain, .cancel, .complete])
    func threads(style: ShutdownBehavior) async throws {
        let looks = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addThread("thread", onShutdown: style) { token in
                    #expect(!token.wait(timeout: .zero))
                    scene.step("up: \(token.isRequested), \(token.isCancelled)")
                    let requested = token.wait()
                    while looks.now < 1 { usleep(1000) }
                    scene.step("first: \(requested), \(token.isRequested), \(token.isCancelled)")
                    while looks.now < 2 { usleep(1000) }
                    scene.step("second: \(token.isRequested), \(token.isCancelled)")
                    #expect(token.wait())
                    try token.checkCancellation()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up: false, false")
            try scene.send(.sigterm)
            looks { $0 = 1 }
            try await scene.wait(for: "first: true, true, \(style == .cancel)")
            scene.simulator.advance(seconds: 20)
            looks { $0 = 2 }
        }
        #expect(scene.steps.last == "second: true, \(style != .complete)")
        #expect(report.outcomes["thread"] == (style == .complete ? "finished" : "cancelled"))
        #expect(report.task("thread")?.kind == .thread)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("a thread that fails is the cause of the end, and one that hangs is abandoned")
    func badThreads() async throws {
        let stop = Shared(false)
        defer { stop { $0 = true } }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addThread("hangs") { _ in
                    scene.step("hangs")
                    while !stop.now { usleep(1000) }
                }
                try daemon.addThread("broken") { _ in throw Broken() }
            }
        } drive: { scene in
            try await scene.wait(for: "hangs")
            try await scene.wait(for: .draining)
            scene.simulator.advance(seconds: 24)
        }
        #expect(report.reason == .failure(of: "broken"))
        #expect(report.outcomes == ["body": "finished", "broken": "failed: Broken()", "hangs": "abandoned"])
        #expect(report.missedDeadline == .cancelling)
        #expect(report.exitStatus == .code(1))
        #expect(scene.simulator.forcedExit == nil)
    }
}
