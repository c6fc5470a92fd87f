// Reloads: no request is lost, two never run at once, and a failure changes nothing.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// A policy with a signal that only onReload subscribes to: HUP is subscribed from the start.
private let reloadByUser = try! SignalPolicy(graceful: [.sigterm], reload: [.sigusr1])

/// Two threads that call onReload at the same moment, and then, if they are subscribed, `subscribed`.
private func register(_ daemon: Daemon, subscribed: @escaping @Sendable () -> Void) throws {
    let ready = Shared(0)
    for name in ["first", "second"] {
        try daemon.addThread(name) { _ in
            ready { $0 += 1 }
            while ready.now < 2 {}
            try daemon.onReload {}
            if disposition(of: .sigusr1) == .handler { subscribed() } else { throw Broken() }
        }
    }
}

@Suite("Reloads") struct ReloadTests {
    @Test("After a burst of 1,000 HUPs a reload begins that has seen the last one, and two never run at once")
    func applyBurst() async throws {
        let source = ConfigurationSource()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch, load: source.load, apply: source.apply
            ) { daemon, version in
                scene.step("up \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up 0")
            for _ in 0..<1000 {
                source.change()
                try scene.send(.sighup)
            }
            try await scene.wait("for the last") { source.applied == 1000 }
            // No reload is left that would load again.
            try await scene.wait("until the reloads are over") {
                scene.lines.filter { $0 == "reloading" }.count == scene.lines.filter { $0 == "reloaded" }.count
            }
            try scene.send(.sigterm)
        }
        #expect(source.most == 1)
        #expect(report.reloads >= 1 && report.reloads <= 1000)
        #expect(source.loads == report.reloads + 1)
        #expect(report.failedReloads.isEmpty)
        #expect(scene.steps == ["up 0"], "the body is not restarted")
        #expect(report.signals.count == 1, "only what ends it")
        #expect(report.exitStatus == .code(0))
    }

    @Test("After a burst of 1,000 HUPs the actions of onReload have run one after the other")
    func actionBurst() async throws {
        let source = ConfigurationSource()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    try await source.apply(try await source.load())
                    scene.step("first")
                }
                try daemon.onReload {
                    source.enter()
                    await Task.yield()
                    scene.step("second")
                    source.leave()
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            for _ in 0..<1000 {
                source.change()
                try scene.send(.sighup)
            }
            try await scene.wait("for the last") { source.applied == 1000 && scene.steps.last == "second" }
            try await scene.wait(forLine: "reloaded")
            try scene.send(.sigterm)
        }
        #expect(source.most == 1)
        #expect(scene.steps.dropFirst().enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? "first" : "second") })
        let all = 1 + 2 * source.loads
        #expect((all - 2...all).contains(scene.steps.count), "all, unless the last was cut short")
        #expect(report.reloads == source.loads || report.reloads == source.loads - 1, "if the last was cut short")
    }

    @Test("Signals during a reload lead to exactly one more")
    func onceMore() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    scene.step("reload")
                    await blocker.wait()
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await scene.wait(for: "reload")
            for _ in 0..<10 { try scene.send(.sighup) }
            #expect(Set(scene.responses) == [.beganReload, .queuedReload] && scene.responses.first == .beganReload)
            blocker.release()
            try await scene.wait("for two") { scene.lines.filter { $0 == "reloaded" }.count == 2 }
            try await Task.sleep(for: .milliseconds(50))  // in which a third would begin
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up", "reload", "reload"])
        #expect(report.reloads == 2)
    }

    @Test("A load that fails leaves the old value and is reported, and the next one works", arguments: [true, false])
    func failingLoad(applies: Bool) async throws {
        let calls = Shared(0)
        let applied = Shared<[Int]>([])
        let use: @Sendable (Int) async throws -> Void = { version in applied { $0.append(version) } }
        let apply = applies ? use : nil
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    let call = calls { calls in
                        calls += 1
                        return calls
                    }
                    if call == 2 { throw Broken() }
                    return call
                },
                apply: apply
            ) { daemon, version in
                daemon.addCleanup("flush") { scene.step("cleanup \(version)") }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(forLine: "reload failed, nothing has changed: Broken()")
            #expect(scene.steps == ["body 1"] && applied.now.isEmpty)
            try scene.send(.sighup)
            if applies {
                try await scene.wait(forLine: "reloaded")
            } else {
                try await scene.wait(for: "body 3")
            }
            try scene.send(.sigterm)
        }
        #expect(applied.now == (applies ? [3] : []))
        #expect(scene.steps == (applies ? ["body 1", "cleanup 1"] : ["body 1", "cleanup 1", "body 3", "cleanup 3"]))
        #expect(report.reloads == 1)
        #expect(report.failedReloads.count == 1)
        #expect(report.failedReloads.first is Broken)
        #expect(report.exitStatus == .code(0))
        #expect(report.description.contains("reload failed: Broken()"))
    }

    @Test("An apply that throws is a failed reload, and so is an action that throws")
    func failingApply() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch, load: { 1 }, apply: { _ in throw Broken() }
            ) { daemon, _ in
                try daemon.onReload { throw CancellationError() }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await scene.wait("for the failure") { scene.lines.contains { $0.hasPrefix("reload failed") } }
            #expect(scene.phases.isEmpty)
            try scene.send(.sigterm)
        }
        #expect(report.reloads == 0)
        #expect(!report.failedReloads.isEmpty)
        #expect(!scene.lines.contains("reloaded"))
        #expect(report.exitStatus == .code(0))
    }

    @Test("A daemon without reloads leaves the reload signals alone, except HUP, which ends it gracefully")
    func noReload() async throws {
        let (report, scene) = try await simulate { scene in
            let policy = try SignalPolicy(graceful: [.sigterm], reload: [.sighup, .sigusr1])
            return try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                await #expect(throws: SignalBridgeError.self) { try await daemon.reload() }
                scene.step("up")
                await daemon.shutdownRequested()
                let refused = refusal { try daemon.onReload {} }
                scene.step("\(refused == nil ? "taken" : "refused")")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(disposition(of: .sigusr1) == .default)
            #expect(disposition(of: .sighup) == .handler)
            #expect(disposition(of: .sigterm) == .handler)
            try scene.send(.sighup)
        }
        #expect(scene.simulator.forcedExit == nil)
        #expect(report.signals.map(\.signal) == [.sighup])
        #expect(report.exitStatus == .code(0))
        #expect(scene.steps == ["up", "refused"], "no reload is taken while shutting down")
        #expect(scene.responses == [.beganShutdown])
        #expect(report.reloads == 0)
    }

    @Test("onReload needs signals in the policy, and reload() has the effect of such a signal")
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
                try await daemon.reload()
                try await scene.wait(forLine: "reloaded")
            }
        } drive: { _ in
        }
        #expect(other.reloads == 1)
        #expect(other.reason == .finished)
    }

    @Test("Two calls of onReload at once are both subscribed when they return")
    func concurrentRegistration() async throws {
        for _ in 0..<flood(400) {
            let subscribed = Shared(0)
            let (report, _) = try await simulate { scene in
                try await Daemon.run(policy: reloadByUser) { daemon in try register(daemon) { subscribed { $0 += 1 } } }
            } drive: { _ in
            }
            #expect(report.outcomes == ["body": "finished", "first": "finished", "second": "finished"])
            #expect(subscribed.now == 2)
            if subscribed.now != 2 { break }
        }
    }

    @Test("Two calls of onReload at once are both subscribed when they return, so a reload signal does not kill")
    func concurrentRealRegistration() async {
        await #expect(processExitsWith: .success) {
            limit()
            for _ in 0..<flood(400) {
                let report = try await Daemon.run(policy: reloadByUser) { daemon in
                    try register(daemon) {
                        setMask([])
                        raise(SIGUSR1)
                    }
                }
                #expect(report.outcomes == ["body": "finished", "first": "finished", "second": "finished"])
            }
        }
    }
}
