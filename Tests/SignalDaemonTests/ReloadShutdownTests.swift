// Shutdowns that meet a reload.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("A shutdown during a reload") struct ReloadShutdownTests {
    @Test(
        "A shutdown cancels the load that runs: nothing is applied, and no new body starts",
        arguments: [true, false], [true, false])
    func shutdownDuringReload(applies: Bool, reacts: Bool) async throws {
        let blocker = Blocker()
        let calls = Shared(0)
        let (report, scene) = try await simulate { scene in
            let use: @Sendable (Int) async throws -> Void = { scene.step("applied \($0)") }
            let apply = applies ? use : nil
            return try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    let call = calls { calls in
                        calls += 1
                        return calls
                    }
                    if call > 1 {
                        scene.step("loading")
                        if reacts { try await untilCancelled() } else { await blocker.wait() }
                        scene.step("loaded")
                    }
                    return call
                },
                apply: apply
            ) { daemon, version in
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "loading")
            try scene.send(.sigterm)
            #expect(scene.phases.first == .draining)
            try scene.send(.sighup)
            #expect(scene.responses == [.beganReload, .beganShutdown, .ignoredDuringShutdown])
            blocker.release()
        }
        #expect(scene.steps.filter { $0 != "loaded" } == ["body 1", "loading"])
        #expect(report.reloads == 0)
        #expect(report.outcomes == ["body": "finished"])
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A shutdown ends a restart that waits")
    func shutdownWhileWaiting() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { 1 }) { daemon, _ in
                daemon.onGracefulShutdown { scene.step("asked") }
                scene.step("body")
                await blocker.wait()
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
