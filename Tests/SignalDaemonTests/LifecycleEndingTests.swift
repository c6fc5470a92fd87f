// Endings that no signal begins, what runs when one is asked for, and what onTransition is told.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleEndings {
    @Test("a body that returns waits for the tasks, and nothing is told to stop")
    func bodyReturns() async throws {
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                try daemon.addTask("task") {
                    scene.step("up")
                    await door.wait()
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
            door.open()
        }
        #expect(scene.steps == ["up", "shutting down: false, cancelled: false", "another", "hook"])
        #expect(scene.phases == [.cleaningUp])
        #expect(report.reason == .finished)
        #expect(report.signal == nil)
        #expect(try report.result.get() == "done")
        #expect(report.exitStatus == .code(0))
        #expect(report.outcomes == ["body": "finished", "task": "finished", "another": "finished", "hook": "finished"])
    }

    @Test("signals go on as ever when the body has returned")
    func signalAfterBody() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("task") { try await untilCancelled() }
            }
        } drive: { scene in
            try await scene.wait(forLine: "body: finished")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            try scene.send(.sigterm)
        }
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.outcomes == ["body": "finished", "task": "cancelled"])
    }

    @Test("shutdown() is a graceful one, once")
    func requested() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") {
                    daemon.shutdown()
                    scene.step("hook")
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
        #expect(scene.steps == ["hook"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.reason == .requested)
        #expect(report.exitStatus == .code(0))
    }

    @Test("cancelling the task that runs the daemon cancels the work, and the hooks run uncancelled")
    func cancelled() async throws {
        let door = Door()
        let cancel = Shared<(@Sendable () -> Void)?>(nil)
        let (report, scene) = try await simulate { scene in
            let task = Task {
                try await Daemon.run(onTransition: scene.watch) { daemon in
                    daemon.addCleanup("hook") {
                        await Task.yield()
                        scene.step("hook cancelled: \(Task.isCancelled)")
                    }
                    try daemon.addTask("task") { try await untilCancelled() }
                    try daemon.addTask("shielded", onShutdown: .complete) {
                        await door.wait()
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
            door.open()
        }
        #expect(scene.steps == ["up", "shielded cancelled: false", "hook cancelled: false"])
        #expect(report.reason == .cancelled)
        #expect(report.bodyError is CancellationError)
        #expect(report.exitStatus == .code(0))
        #expect(report.forcedExit == nil)
    }

    @Test("a daemon that starts in a cancelled task ends at once, and its hooks run")
    func cancelledBefore() async throws {
        let (report, scene) = try await simulate { scene in
            let task = Task {
                try? await untilCancelled()
                return try await Daemon.run(onTransition: scene.watch) { daemon in
                    daemon.addCleanup("hook") { scene.step("hook cancelled: \(Task.isCancelled)") }
                    try await untilCancelled()
                }
            }
            task.cancel()
            return try await task.value
        } drive: { _ in
        }
        #expect(report.reason == .cancelled)
        #expect(scene.steps == ["hook cancelled: false"])
    }

    @Test("actions run together when shutdown is requested, or at once if it has been, and are waited for")
    func actions() async throws {
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                daemon.onGracefulShutdown {
                    scene.step("first")
                    await door.wait()
                }
                daemon.onGracefulShutdown {
                    scene.step("second")
                    throw Broken()
                }
                daemon.onGracefulShutdown {
                    scene.step("third")
                    try await untilCancelled()
                }
                scene.step("up")
                await daemon.shutdownRequested()
                daemon.onGracefulShutdown { scene.step("late") }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(scene.steps == ["up"])
            try scene.send(.sigterm)
            for step in ["first", "second", "third", "late"] { try await scene.wait(for: step) }
            try await scene.wait(forLine: "body: finished")
            #expect(scene.phases == [.draining])
            scene.simulator.advance(seconds: 20)
            #expect(scene.phases == [.draining, .cancelling])
            door.open()
        }
        #expect(scene.steps.last == "hook")
        let outcomes = report.tasks.filter { $0.kind == .action }.map(\.outcome.description).sorted()
        #expect(outcomes == ["cancelled", "failed: Broken()", "finished", "finished"])
        #expect(report.exitStatus == .code(1))
    }

    @Test("actions are not run when the work ends by itself")
    func noActions() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                daemon.onGracefulShutdown { scene.step("action") }
            }
        } drive: { _ in
        }
        #expect(report.reason == .finished)
        #expect(scene.steps == ["hook"])
    }

    @Test("onTransition is told all, in order, one at a time")
    func transitions() async throws {
        let inside = Shared((now: 0, most: 0))
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: { transition in
                    inside {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                    }
                    scene.watch(transition)
                    usleep(500)
                    inside { $0.now -= 1 }
                }
            ) { daemon in
                daemon.addCleanup("first") { throw Broken() }
                daemon.addCleanup("second") {}
                scene.step("up")
                await door.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sigterm, sender: .init(processID: 1, userID: 0))
            scene.simulator.advance(seconds: 2)
            door.open()
        }
        let signal = "SIGTERM from pid 1 (uid 0)"
        #expect(
            scene.lines == [
                "started", "\(signal) shuts down", "draining: \(signal)", "body: finished", "cleaning up: \(signal)",
                "hook second: finished", "hook first: failed: Broken()", "finished: exit code 1",
            ])
        #expect(inside.now == (0, 1))
        let text = report.description
        for part in [signal, "draining for 2", "body: finished", "hook first: failed: Broken()", "exit code 1"] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(!text.contains("forced"))
    }
}
