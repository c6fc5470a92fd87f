// Draining: work that finishes, work that is cancelled after the grace period, and the requests that begin it.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Draining") struct DrainTests {
    @Test("A body that returns waits for its tasks, and nothing asks them to finish")
    func bodyReturns() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addTask("task") {
                    scene.step("up")
                    await blocker.wait()
                    scene.step("shutting down: \(daemon.isShuttingDown), cancelled: \(Task.isCancelled)")
                    try daemon.addTask("another") { scene.step("another") }
                }
                return "done"
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try await scene.wait(forLine: "body: finished")
            scene.simulator.advance(seconds: 100)
            #expect(scene.phases == [])
            blocker.release()
        }
        #expect(scene.steps == ["up", "shutting down: false, cancelled: false", "another", "flush"])
        #expect(scene.phases == [.cleaningUp])
        #expect(report.reason == .finished)
        #expect(report.signal == nil)
        #expect(try report.result.get() == "done")
        #expect(report.exitStatus == .code(0))
        #expect(
            report.outcomes == ["body": "finished", "task": "finished", "another": "finished", "flush": "finished"])
    }

    @Test("shutdown() begins one graceful shutdown, however often it is called")
    func requested() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") {
                    daemon.shutdown()
                    scene.step("flush")
                }
                try daemon.addTask("task") {
                    for _ in 0..<3 { daemon.shutdown() }
                    await daemon.shutdownRequested()
                    #expect(!Task.isCancelled)
                }
                await daemon.shutdownRequested()
                #expect(!Task.isCancelled)
                daemon.shutdown()
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["flush"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.reason == .requested)
        #expect(report.exitStatus == .code(0))
    }

    @Test("Cancelling the task that runs the daemon cancels its work, but not its clean-ups")
    func cancelled() async throws {
        let blocker = Blocker()
        let cancel = Shared<(@Sendable () -> Void)?>(nil)
        let (report, scene) = try await simulate { scene in
            let task = Task {
                try await Daemon.run(onTransition: scene.watch) { daemon in
                    daemon.addCleanup("flush") {
                        await Task.yield()
                        scene.step("cleanup cancelled: \(Task.isCancelled)")
                    }
                    try daemon.addTask("task") { try await untilCancelled() }
                    try daemon.addTask("shielded", onShutdown: .complete) {
                        await blocker.wait()
                        scene.step("shielded cancelled: \(Task.isCancelled)")
                    }
                    scene.step("up")
                    try await untilCancelled()
                }
            }
            cancel { $0 = { task.cancel() } }
            return try await task.value
        } drive: { scene in
            try await scene.wait(for: "up")
            try await scene.wait("for the task") { cancel.now != nil }
            cancel.now?()
            try await scene.wait(forLine: "task task: cancelled")
            try await scene.wait(forLine: "body: cancelled")
            #expect(scene.phases == [.cancelling])
            blocker.release()
        }
        #expect(scene.steps == ["up", "shielded cancelled: false", "cleanup cancelled: false"])
        #expect(report.reason == .cancelled)
        #expect(report.bodyError is CancellationError)
        #expect(report.exitStatus == .code(0))
        #expect(report.forcedExit == nil)
    }

    @Test("shutdownRequested returns when its task is cancelled, and at once after the shutdown began")
    func shutdownRequested() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                let waits = Task {
                    scene.step("waits")
                    await daemon.shutdownRequested()
                    scene.step("cancelled: \(Task.isCancelled), \(daemon.isShuttingDown)")
                }
                try await scene.wait(for: "waits")
                waits.cancel()
                await waits.value
                scene.step("up")
                async let one: Void = daemon.shutdownRequested()
                async let two: Void = daemon.shutdownRequested()
                _ = await (one, two)
                for _ in 0..<3 { await daemon.shutdownRequested() }
                daemon.addCleanup("flush") {
                    await daemon.shutdownRequested()
                    scene.step("flush")
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["waits", "cancelled: true, false", "up", "flush"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("Work that does not end is cancelled after the grace period and abandoned after the cancel period")
    func deadlines() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addTask("quick") { await daemon.shutdownRequested() }
                try daemon.addTask("stuck") { await blocker.wait() }
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(forLine: "task quick: finished")
            scene.simulator.advance(seconds: 19.5)
            #expect(scene.phases == [.draining])
            scene.simulator.advance(seconds: 0.5)
            #expect(scene.phases == [.draining, .cancelling])
            scene.simulator.advance(seconds: 3.5)
            #expect(scene.simulator.forcedExit == nil)
            scene.simulator.advance(seconds: 0.5)
            #expect(scene.lines.last?.hasPrefix("forced to exit: ") == true, "\(scene.lines)")
        }
        #expect(report.missedDeadline == .cancelling)
        #expect(scene.simulator.forcedExit == .sigterm)
        #expect(report.exitStatus == .signal(.sigterm))
        #expect(report.tasks.first?.name == "quick")
        let work = report.outcomes.filter { $0.key != "flush" }
        #expect(work == ["quick": "finished", "stuck": "abandoned", "body": "abandoned"])
        #expect(!scene.steps.contains("flush"))
        let abandoned = scene.transitions.compactMap { if case .forced(_, let names) = $0 { names } else { nil } }
        #expect(abandoned.map { Set($0).subtracting(["flush"]) } == [["body", "stuck"]])
    }

    @Test("A clock that jumps passes each deadline in turn")
    func jump() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            scene.simulator.advance(seconds: 1000)
            #expect(scene.phases == [])
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 1000)
        }
        #expect(scene.phases == [.draining, .cancelling])
        #expect(report.missedDeadline == .cancelling)
        #expect(report.duration(of: .running) == .seconds(1000))
        #expect(report.duration(of: .draining) == .seconds(20))
        #expect(report.duration(of: .cancelling) == .seconds(4))
        #expect(report.duration(of: .cleaningUp) == .zero)
    }
}
