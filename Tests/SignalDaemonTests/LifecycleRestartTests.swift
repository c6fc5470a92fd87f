// Reloads that restart the body.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleRestarts {
    @Test("the old body, its tasks and its hooks have ended before the new body starts")
    func order() async throws {
        let version = Shared(1)
        let old = Shared<Daemon?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { version.now }) { daemon, version in
                old { $0 = $0 ?? daemon }
                daemon.addCleanup("first hook") { scene.step("first hook \(version)") }
                daemon.addCleanup("hook") { scene.step("hook \(version)") }
                daemon.onGracefulShutdown { scene.step("action \(version)") }
                try daemon.addTask("cancels", onShutdown: .cancel) {
                    try? await untilCancelled()
                    scene.step("cancels \(version)")
                }
                try daemon.addTask("drains") {
                    await daemon.shutdownRequested()
                    scene.step("drains \(version), \(daemon.isShuttingDown), \(Task.isCancelled)")
                }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
                scene.step("end of body \(version)")
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            version { $0 = 2 }
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            let first = scene.steps
            let daemon = try #require(old.now)
            let task = refusal { try daemon.addTask("late") { scene.step("late") } }
            #expect(task?.code == .shuttingDown, "the old one refuses new work")
            #expect(first.first == "body 1" && first.last == "body 2")
            #expect(first.dropLast().suffix(2) == ["hook 1", "first hook 1"])
            let ended = first[1...4].sorted()
            #expect(ended == ["action 1", "cancels 1", "drains 1, true, false", "end of body 1"], "\(first)")
            try scene.send(.sigterm)
        }
        #expect(scene.steps.suffix(2) == ["hook 2", "first hook 2"])
        #expect(!scene.steps.contains("late"))
        #expect(report.reloads == 1)
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.exitStatus == .code(0))
        #expect(scene.lines.filter { $0 == "started" }.count == 2)
    }

    @Test("a restart cancels after the grace period, and then waits, but forces nothing")
    func waits() async throws {
        let door = Door()
        let calls = Shared(0)
        let (report, scene) = try await simulate { scene in
            let load: @Sendable () async throws -> Int = {
                calls { calls in
                    calls += 1
                    return calls
                }
            }
            return try await Daemon.run(onTransition: scene.watch, load: load) { daemon, version in
                if version == 1 {
                    try daemon.addTask("stuck") {
                        await door.wait()
                        scene.step("stuck cancelled: \(Task.isCancelled)")
                    }
                    try daemon.addTask("reacts") {
                        try? await untilCancelled()
                        scene.step("reacts")
                    }
                }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(forLine: "body: finished")
            scene.simulator.advance(seconds: 19)
            try await Task.sleep(for: .milliseconds(20))
            #expect(!scene.steps.contains("reacts"))
            scene.simulator.advance(seconds: 1)
            try await scene.wait(for: "reacts")
            #expect(!scene.lines.contains("restart waits for stuck"))
            scene.simulator.advance(seconds: 1000)
            try await scene.wait(forLine: "restart waits for stuck")
            #expect(scene.simulator.forcedExit == nil)
            #expect(!scene.steps.contains("body 2"))
            door.open()
            try await scene.wait(for: "body 2")
            try scene.send(.sigterm)
        }
        #expect(scene.steps.contains("stuck cancelled: true"))
        #expect(report.forcedExit == nil)
        #expect(report.reloads == 1)
    }

    @Test("a shutdown wins over a restart that waits")
    func shutdownWhileWaiting() async throws {
        let door = Door()
        defer { door.open() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { 1 }) { daemon, _ in
                daemon.onGracefulShutdown { scene.step("asked") }
                scene.step("body")
                await door.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "body")
            try scene.send(.sighup)
            try await scene.wait(for: "asked")
            scene.simulator.advance(seconds: 100)
            try await scene.wait(forLine: "restart waits for body")
            try scene.send(.sigterm)
            #expect(scene.responses.last == .beganShutdown)
            scene.simulator.advance(seconds: 24)
        }
        #expect(report.forcedExit != nil)
        #expect(scene.simulator.forcedExit == .sigterm)
        #expect(scene.steps.filter { $0 == "body" }.count == 1)
    }
}
