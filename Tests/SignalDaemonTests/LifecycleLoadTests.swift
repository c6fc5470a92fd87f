// First loads, reloads that meet a shutdown, and daemons that have none.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleLoads {
    @Test(
        "a shutdown wins over a load that runs: nothing is applied, no body starts",
        arguments: [true, false], [true, false])
    func shutdownDuringReload(applies: Bool, reacts: Bool) async throws {
        let door = Door()
        let calls = Shared(0)
        let (report, scene) = try await simulate { scene in
            let apply: @Sendable (Int) async throws -> Void = { scene.step("applied \($0)") }
            return try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    let call = calls { calls in
                        calls += 1
                        return calls
                    }
                    if call > 1 {
                        scene.step("loading")
                        if reacts { try await untilCancelled() } else { await door.wait() }
                        scene.step("loaded")
                    }
                    return call
                },
                apply: applies ? apply : nil
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
            door.open()
        }
        #expect(scene.steps.filter { $0 != "loaded" } == ["body 1", "loading"])
        #expect(report.reloads == 0)
        #expect(report.outcomes == ["body": "finished"])
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("a first load that fails is the result, and the body never runs")
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

    @Test("a daemon that is ended during its first load never runs its body")
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

    @Test("a HUP that comes during the first load is not lost", arguments: [true, false])
    func reloadDuringFirstLoad(applies: Bool) async throws {
        let door = Door()
        let version = Shared(0)
        let (report, _) = try await simulate { scene in
            let apply: @Sendable (Int) async throws -> Void = { scene.step("has \($0)") }
            return try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    let seen = version.now
                    scene.step("loading")
                    await door.wait()
                    return seen
                },
                apply: applies ? apply : nil
            ) { daemon, version in
                scene.step("has \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "loading")
            version { $0 = 1 }
            try scene.send(.sighup)
            door.open()
            try await scene.wait(for: "has 1")
            try scene.send(.sigterm)
        }
        #expect(report.forcedExit == nil)
    }

    @Test("without a reload, reload signals are left alone")
    func noReload() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.reload()
                scene.step("up")
                await daemon.shutdownRequested()
                let refused = refusal { try daemon.onReload {} }
                scene.step("\(refused == nil ? "taken" : "refused")")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(disposition(of: .sighup) == .default)
            #expect(disposition(of: .sigterm) == .handler)
            try scene.send(.sighup)
            try scene.send(.sigterm)
        }
        #expect(scene.simulator.forcedExit == .sighup, "the process would have died")
        #expect(scene.steps == ["up", "refused"], "no reload is taken while shutting down")
        #expect(scene.responses == [.beganShutdown])
        #expect(report.reloads == 0)
    }

    @Test("onReload needs signals in the policy; reload() asks as a signal does")
    func asked() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .docker, onTransition: scene.watch) { daemon in
                let refused = refusal { try daemon.onReload {} }
                #expect(refused?.code == .noSignals)
                daemon.shutdown()
            }
        } drive: { _ in
        }
        #expect(report.exitStatus == .code(0))
        #expect(scene.phases.first == .draining)

        let (other, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload { scene.step("reloaded") }
                daemon.reload()
                try await scene.wait(for: "reloaded")
                try await scene.wait(forLine: "reloaded")
            }
        } drive: { _ in
        }
        #expect(other.reloads == 1)
        #expect(other.reason == .finished)
    }
}
