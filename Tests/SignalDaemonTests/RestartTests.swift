// Reloads that restart the body.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// A `load` whose values are 1, 2, 3 and so on.
private func numbers() -> @Sendable () async throws -> Int {
    let last = Shared(0)
    return {
        last { last in
            last += 1
            return last
        }
    }
}

@Suite("Restarts by a reload") struct RestartTests {
    @Test("The old body, its tasks and its clean-ups have ended before the new body starts")
    func order() async throws {
        let version = Shared(1)
        let old = Shared<Daemon?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { version.now }) { daemon, version in
                old { $0 = $0 ?? daemon }
                daemon.addCleanup("first flush") { scene.step("first flush \(version)") }
                daemon.addCleanup("flush") { scene.step("cleanup \(version)") }
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
            #expect(first.dropLast().suffix(2) == ["cleanup 1", "first flush 1"])
            let ended = first[1...4].sorted()
            #expect(ended == ["action 1", "cancels 1", "drains 1, true, false", "end of body 1"], "\(first)")
            try scene.send(.sigterm)
        }
        #expect(scene.steps.suffix(2) == ["cleanup 2", "first flush 2"])
        #expect(!scene.steps.contains("late"))
        #expect(report.reloads == 1)
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.exitStatus == .code(0))
        #expect(scene.lines.filter { $0 == "started" }.count == 2)
    }

    @Test("A restart cancels after the grace period, then waits, and forces nothing")
    func waits() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: numbers()) { daemon, version in
                if version == 1 {
                    try daemon.addTask("stuck") {
                        await blocker.wait()
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
            blocker.release()
            try await scene.wait(for: "body 2")
            try scene.send(.sigterm)
        }
        #expect(scene.steps.contains("stuck cancelled: true"))
        #expect(report.forcedExit == nil)
        #expect(report.reloads == 1)
    }

    @Test("The actions of onReload run before the restart, and belong to the body that registered them")
    func actionBeforeRestart() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: numbers()
            ) { daemon, version in
                try daemon.onReload { scene.step("action \(version)") }
                daemon.addCleanup("flush") { scene.step("cleanup \(version)") }
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
                "body 1", "action 1", "cleanup 1", "body 2", "action 2", "cleanup 2", "body 3", "cleanup 3",
            ], "an action belongs to the body that registered it")
        #expect(report.reloads == 2)
    }

    @Test("HUPs while a restart waits lead to exactly one more")
    func reloadWhileWaiting() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: numbers()
            ) { daemon, version in
                daemon.onGracefulShutdown { scene.step("asked \(version)") }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
                if version == 1 { await blocker.wait() }
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "asked 1")
            for _ in 0..<5 { try scene.send(.sighup) }
            #expect(Set(scene.responses) == [.beganReload, .queuedReload] && scene.responses.first == .beganReload)
            blocker.release()
            try await scene.wait(for: "body 3")
            try await Task.sleep(for: .milliseconds(50))  // in which a fourth would start
            try scene.send(.sigterm)
        }
        let bodies = scene.steps.filter { $0.hasPrefix("body") }
        #expect(bodies.count == 3 && bodies.first == "body 1" && bodies.last == "body 3", "\(bodies)")
        #expect(report.reloads == 2)
    }

    @Test("The daemon of an old body has no effect on the new body's work", arguments: [false, true])
    func oldDaemon(asks: Bool) async throws {
        let old = Shared<Daemon?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: numbers()
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

    @Test("A body that fails ends the daemon, and no new one starts")
    func oldBodyFails() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { 1 }) { daemon, _ in
                daemon.addCleanup("flush") { scene.step("flush") }
                scene.step("body")
                throw Broken()
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["body", "flush"])
        #expect(report.reason == .failure(of: "body"))
        #expect(report.exitStatus == .code(1))
    }

    @Test("After a burst of 1,000 HUPs one body runs, with what was loaded last")
    func restartBurst() async throws {
        let source = ConfigurationSource()
        let bodies = ConfigurationSource()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: source.load) { daemon, version in
                bodies.enter()
                defer { bodies.leave() }
                daemon.addCleanup("flush") {
                    bodies.enter()
                    await Task.yield()
                    bodies.leave()
                }
                scene.step("\(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "0")
            for _ in 0..<1000 {
                source.change()
                try scene.send(.sighup)
            }
            try await scene.wait(for: "1000")
            try scene.send(.sigterm)
        }
        #expect(source.most == 1)
        #expect(bodies.most == 1)
        #expect(report.forcedExit == nil)
        let versions = scene.steps.compactMap { Int($0) }
        #expect(versions == versions.sorted())
        #expect(versions.count == report.reloads + 1)
        #expect(scene.transitions.filter { if case .started = $0 { true } else { false } }.count == versions.count)
    }

    @Test("Work of the old body may wait for the reload that restarts it, and a thread for the next one")
    func callersOfReload() async throws {
        let bodies = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { 1 }) { daemon, _ in
                let number = bodies { bodies in
                    bodies += 1
                    return bodies
                }
                if number == 1 {
                    try daemon.addThread("admin") { stop in
                        try daemon.reload()
                        scene.step("restarts")
                        stop.wait()
                        do { try daemon.reload() } catch { scene.step("\(error is CancellationError)") }
                    }
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait("for two restarts") { bodies.now == 3 }
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["restarts", "true"], "the second reload follows, and nobody waits for it")
        #expect(report.reloads == 2)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A restart waits for the work of a part, and a shutdown meanwhile does not", arguments: [false, true])
    func part(isStuck: Bool) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: numbers()) { daemon, version in
                if version == 1 {
                    try daemon.addPart("part") { part in
                        part.addCleanup("flush") { scene.step("flush") }
                        try part.addTask("work", onShutdown: .complete) { await blocker.wait() }
                        await part.shutdownRequested()
                    }
                }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(forLine: "body: finished")
            scene.simulator.advance(seconds: 1000)
            try await scene.wait(forLine: "restart waits for part")
            #expect(scene.steps == ["body 1"])
            if isStuck {
                try scene.send(.sigterm)
                scene.simulator.advance(seconds: 2)  // half of the period, and the daemon is not forced to end
                return
            }
            blocker.release()
            try await scene.wait(for: "body 2")
            try scene.send(.sigterm)
        }
        #expect(report.part("part")?.outcomes["work"] == (isStuck ? "abandoned" : "finished"))
        #expect(scene.steps == ["body 1"] + (isStuck ? [] : ["flush", "body 2"]))
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(isStuck ? 1 : 0))
    }

    @Test("A watchdog check ends with the body that set it")
    func watchdogCheck() async throws {
        let inbox = try Inbox()
        let supervisor = Supervisor(socket: inbox.name, watchdog: .seconds(2))
        _ = try await simulate { scene in
            try await Daemon.run(supervisor: supervisor, onTransition: scene.watch, load: numbers()) {
                daemon, version in
                if version == 1 { daemon.setWatchdogCheck { false } }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            scene.simulator.advance(seconds: 1)
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            #expect(inbox.count("WATCHDOG=1") == 0)
            scene.simulator.advance(seconds: 1)
            try await inbox.wait(for: "WATCHDOG=1")
            try scene.send(.sigterm)
        }
    }

    @Test(
        "A SIGINT that comes while no body has registered it has no effect, at the end either",
        arguments: [false, true])
    func interruptBetweenBodies(isRegisteredAgain: Bool) async throws {
        let policy = try SignalPolicy(graceful: [.sigterm], reload: [.sighup])
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: policy, onTransition: scene.watch, load: numbers()) { daemon, version in
                if version != 2 { try daemon.onSignal(.sigint) { _ in scene.step("heard by \(version)") } }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            try scene.send(.sigint)
            if isRegisteredAgain {
                try scene.send(.sighup)
                try await scene.wait(for: "body 3")
                try scene.send(.sigint)
                try await scene.wait(for: "heard by 3")
            }
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["body 1", "body 2"] + (isRegisteredAgain ? ["body 3", "heard by 3"] : []))
        #expect(scene.simulator.forcedExit == nil, "the process would have died")
        #expect(report.exitStatus == .code(0))
    }

    @Test("A signal of onSignal is harmless while no body has registered it, and is restored at the end")
    func signalBetweenBodies() async throws {
        let bodies = Shared(0)
        let (report, scene) = try await simulate { scene in
            let report = try await Daemon.run(onTransition: scene.watch, load: { 1 }) { daemon, _ in
                let number = bodies { bodies in
                    bodies += 1
                    return bodies
                }
                if number != 2 { try daemon.onSignal(.sigusr1) { _ in scene.step("heard by \(number)") } }
                scene.step("body \(number)")
                await daemon.shutdownRequested()
            }
            scene.step("\(disposition(of: .sigusr1) == .default)")
            return report
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            try scene.send(.sigusr1)
            try scene.send(.sighup)
            try await scene.wait(for: "body 3")
            try scene.send(.sigusr1)
            try await scene.wait(for: "heard by 3")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["body 1", "body 2", "body 3", "heard by 3", "true"])
        #expect(scene.simulator.forcedExit == nil, "the process would have died")
        #expect(report.reloads == 2)
    }
}
