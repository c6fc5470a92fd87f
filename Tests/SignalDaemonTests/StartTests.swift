// The start of a daemon: the first configuration, task-local values, and callers that are cancelled already.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("The start") struct StartTests {
    @Test("The error of a first load that fails is the result, and the body never runs")
    func firstLoadFails() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch, load: { () -> Int in throw Broken() }
            ) { _, _ in
                scene.step("body")
            }
        } drive: { _ in
        }
        #expect(scene.steps.isEmpty)
        #expect(report.bodyError is Broken)
        #expect(report.exitStatus == .code(1))
        #expect(report.reloads == 0)
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("A shutdown during the first load keeps the body from running")
    func endedDuringFirstLoad() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    scene.step("loading")
                    try? await untilCancelled()
                    return 1
                }
            ) { _, _ in
                scene.step("body")
            }
        } drive: { scene in
            try await scene.wait(for: "loading")
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 20)
        }
        #expect(scene.steps == ["loading"])
        #expect(report.bodyError is CancellationError)
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.forcedExit == nil)
    }

    @Test("A HUP during the first load causes a reload after it", arguments: [true, false])
    func reloadDuringFirstLoad(applies: Bool) async throws {
        let blocker = Blocker()
        let version = Shared(0)
        let (report, _) = try await simulate { scene in
            let use: @Sendable (Int) async throws -> Void = { scene.step("has \($0)") }
            let apply = applies ? use : nil
            return try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    let seen = version.now
                    scene.step("loading")
                    await blocker.wait()
                    return seen
                },
                apply: apply
            ) { daemon, version in
                scene.step("has \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "loading")
            version { $0 = 1 }
            try scene.send(.sighup)
            blocker.release()
            try await scene.wait(for: "has 1")
            try scene.send(.sigterm)
        }
        #expect(report.forcedExit == nil)
    }

    @TaskLocal static var local = 0

    @Test("The body and the tasks have the task-local values of their callers")
    func taskLocals() async throws {
        _ = try await simulate { scene in
            try await Self.$local.withValue(5) {
                try await Daemon.run(onTransition: scene.watch) { daemon in
                    if Self.local == 5 { scene.step("body") }
                    try Self.$local.withValue(6) {
                        try daemon.addTask("task") { if Self.local == 6 { scene.step("task") } }
                    }
                }
            }
        } drive: { scene in
            try await scene.wait(for: "task")
            #expect(scene.steps.contains("body"))
        }
    }

    @Test("A daemon that starts in a cancelled task ends at once, and its clean-ups run")
    func cancelledBefore() async throws {
        let (report, scene) = try await simulate { scene in
            let task = Task {
                try? await untilCancelled()
                return try await Daemon.run(onTransition: scene.watch) { daemon in
                    daemon.addCleanup("flush") { scene.step("cleanup cancelled: \(Task.isCancelled)") }
                    try await untilCancelled()
                }
            }
            task.cancel()
            return try await task.value
        } drive: { _ in
        }
        #expect(report.reason == .cancelled)
        #expect(scene.steps == ["cleanup cancelled: false"])
    }

    @Test("An action that is cancelled before its task has started is cancelled when it starts")
    func cancelledWhileStarting() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) { daemon in
                scene.step("up")
                try? await untilCancelled()
                daemon.onGracefulShutdown("late") { try await untilCancelled() }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm, .sigterm)
        }
        #expect(report.outcomes == ["body": "finished", "late": "cancelled"])
        #expect(report.forcedExit == nil)
    }
}
