// Corners: callers that are cancelled, calls from the wrong moment, and what is kept of very many.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleEdges {
    @Test("shutdownRequested returns when its task is cancelled, and when shutdown began long ago")
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
                daemon.addCleanup("hook") {
                    await daemon.shutdownRequested()
                    scene.step("hook")
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["waits", "cancelled: true, false", "up", "hook"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("of reloads that fail the last 100 are kept")
    func manyFailedReloads() async throws {
        struct Numbered: Error { let number: Int }
        let calls = Shared(0)
        let (failures, feed) = AsyncStream<Void>.makeStream()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: { transition in
                    scene.watch(transition)
                    if case .reloadFailed = transition { feed.yield() }
                }
            ) { daemon in
                try daemon.onReload {
                    throw Numbered(
                        number: calls { calls in
                            calls += 1
                            return calls
                        })
                }
                var iterator = failures.makeAsyncIterator()
                for _ in 1...105 {
                    daemon.reload()
                    await iterator.next()
                }
            }
        } drive: { _ in
        }
        #expect(report.failedReloads.compactMap { ($0 as? Numbered)?.number } == Array(6...105))
        #expect(report.reloads == 0)
        #expect(report.exitStatus == .code(0))
        #expect(scene.lines.filter { $0 == "reloading" }.count == 105)
    }

    @Test("onReload actions run with the old body, before the restart")
    func actionBeforeRestart() async throws {
        let calls = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    calls { calls in
                        calls += 1
                        return calls
                    }
                }
            ) { daemon, version in
                try daemon.onReload { scene.step("action \(version)") }
                daemon.addCleanup("hook") { scene.step("hook \(version)") }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            try scene.send(.sighup)
            try await scene.wait(for: "body 3")
            try scene.send(.sigterm)
        }
        #expect(
            scene.steps == [
                "body 1", "action 1", "hook 1", "body 2", "action 2", "hook 2", "body 3", "hook 3",
            ], "an action belongs to the body that registered it")
        #expect(report.reloads == 2)
    }

    @Test("HUPs that come while a restart waits lead to exactly one more")
    func reloadWhileWaiting() async throws {
        let door = Door()
        let calls = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    calls { calls in
                        calls += 1
                        return calls
                    }
                }
            ) { daemon, version in
                daemon.onGracefulShutdown { scene.step("asked \(version)") }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
                if version == 1 { await door.wait() }
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "asked 1")
            for _ in 0..<5 { try scene.send(.sighup) }
            #expect(Set(scene.responses) == [.beganReload, .queuedReload] && scene.responses.first == .beganReload)
            door.open()
            try await scene.wait(for: "body 3")
            try await Task.sleep(for: .milliseconds(50))  // in which a fourth would start
            try scene.send(.sigterm)
        }
        #expect(scene.steps.filter { $0.hasPrefix("body") } == ["body 1", "body 2", "body 3"])
        #expect(report.reloads == 2)
    }

    @Test("an old body's daemon does nothing to the new one", arguments: [false, true])
    func oldDaemon(asks: Bool) async throws {
        let old = Shared<Daemon?>(nil)
        let calls = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    calls { calls in
                        calls += 1
                        return calls
                    }
                }
            ) { daemon, version in
                old { $0 = $0 ?? daemon }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            let daemon = try #require(old.now)
            #expect(daemon.isShuttingDown)
            await daemon.shutdownRequested()
            let thread = refusal { try daemon.addThread("late") { _ in scene.step("late") } }
            #expect(thread?.code == .shuttingDown)
            let reload = refusal { try daemon.onReload { scene.step("late") } }
            #expect(reload?.code == .shuttingDown)
            #expect(scene.phases.last != .cancelling)
            if asks { daemon.shutdown() } else { try scene.send(.sigterm) }
        }
        #expect(scene.steps == ["body 1", "body 2"])
        #expect(report.reason == (asks ? .requested : report.signal.map { .signal($0) }))
    }

    @Test("the body that a reload has ended by failing is a failure, and no new one starts")
    func oldBodyFails() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { 1 }) { daemon, _ in
                daemon.addCleanup("hook") { scene.step("hook") }
                scene.step("body")
                throw Broken()
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["body", "hook"])
        #expect(report.reason == .failure(of: "body"))
        #expect(report.exitStatus == .code(1))
    }

    @Test("a signal that comes with the last transition is in the report, or does what it always does")
    func atTheLastMoment() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: { transition in
                    scene.watch(transition)
                    if case .finished = transition { try? scene.send(.sigterm) }
                }
            ) { _ in }
        } drive: { _ in
        }
        #expect(report.reason == .finished)
        #expect(!report.signals.isEmpty || scene.simulator.forcedExit == .sigterm, "\(scene.lines)")
    }
}
