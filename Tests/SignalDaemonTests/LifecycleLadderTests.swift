// The ladder, by the simulated clock: what each signal and each deadline leads to, at every moment.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleLadder {
    @Test("one signal is enough", arguments: [SignalNumber.sigterm, .sigint])
    func one(signal: SignalNumber) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                try daemon.addTask("task") {
                    await daemon.shutdownRequested()
                    scene.step("task")
                }
                #expect(!daemon.isShuttingDown)
                scene.step("up")
                await daemon.shutdownRequested()
                #expect(daemon.isShuttingDown)
                return 7
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(signal)
            #expect(scene.phases.first == .draining, "before send returns")
        }
        #expect(try report.result.get() == 7)
        #expect(scene.steps == ["up", "task", "hook"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(scene.responses == [.beganShutdown])
        #expect(report.outcomes == ["body": "finished", "task": "finished", "hook": "finished"])
        #expect(report.signal?.signal == signal)
        #expect(report.signal?.sender == .current)
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.signals.count == 1)
        #expect(report.forcedExit == nil && report.hardExit == nil)
        #expect(report.exitStatus == (signal == .sigint ? .signal(.sigint) : .code(0)))
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("a second signal while work drains cancels it")
    func escalate() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                try daemon.addTask("task") { try await untilCancelled() }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            try scene.send(.sigint)
            #expect(scene.phases == [.draining, .cancelling])
        }
        #expect(scene.responses == [.beganShutdown, .escalated])
        #expect(scene.phases == [.draining, .cancelling, .cleaningUp])
        #expect(report.outcomes == ["body": "cancelled", "task": "cancelled", "hook": "finished"])
        #expect(report.bodyError is CancellationError)
        #expect(report.signals.map(\.signal) == [.sigterm, .sigint])
        #expect(report.signal?.signal == .sigterm)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0), "the first signal decides")
    }

    static let forcing: [(SignalPolicy.SecondSignal, DaemonPhase)] = [
        (.escalate, .cancelling), (.escalate, .cleaningUp),
        (.forceExit, .draining), (.forceExit, .cancelling), (.forceExit, .cleaningUp),
    ]

    @Test("a second signal forces the exit: past draining, or at once if the policy says so", arguments: forcing)
    func forces(second: SignalPolicy.SecondSignal, moment: DaemonPhase) async throws {
        let door = Door()
        defer { door.open() }
        let told = Shared<[DaemonExitStatus]>([])
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(secondSignal: second), onTransition: scene.watch,
                onForce: { report in told { $0.append(report.exitStatus) } }
            ) { daemon in
                daemon.addCleanup("hook") {
                    scene.step("hook")
                    await door.wait()
                }
                scene.step("up")
                if moment == .cleaningUp { await daemon.shutdownRequested() } else { await door.wait() }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigint)
            if moment == .cancelling { scene.simulator.advance(seconds: 20) }
            if moment == .cleaningUp { try await scene.wait(for: "hook") }
            #expect(scene.phases.last == moment)
            try scene.send(.sigterm)
            #expect(scene.responses == [.beganShutdown, .forcedExit])
            #expect(scene.lines.last?.hasPrefix("forced: by SIGTERM") == true, "\(scene.lines)")
        }
        #expect(report.forcingSignal == .sigterm)
        #expect(report.exitStatus == .signal(.sigint), "it dies by the signal that began it")
        #expect(scene.simulator.forcedExit == .sigint)
        #expect(told.now == [.signal(.sigint)], "onForce is called, once")
        if moment == .cleaningUp {
            #expect(report.outcomes == ["body": "finished", "hook": "abandoned"])
            #expect(report.bodyError == nil)
        } else {
            #expect(report.outcomes["body"] == "abandoned")
            #expect((report.bodyError as? SignalBridgeError)?.code == .forcedExit)
            #expect(!scene.steps.contains("hook"), "hooks are not run")
        }
    }

    @Test("a third signal forces the exit, after a second one has cancelled")
    func third() async throws {
        let door = Door()
        defer { door.open() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                scene.step("up")
                await door.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm, .sigterm, .sigterm)
        }
        #expect(scene.responses == [.beganShutdown, .escalated, .forcedExit])
        #expect(report.signals.count == 3)
        #expect(scene.simulator.forcedExit == .sigterm)
    }

    @Test("the first signal joins a shutdown that something else began, and the second escalates")
    func joins() async throws {
        for fails in [false, true] {
            let (report, scene) = try await simulate { scene in
                try await Daemon.run(onTransition: scene.watch) { daemon in
                    scene.step("up")
                    if fails { try daemon.addTask("broken") { throw Broken() } } else { daemon.shutdown() }
                    try await untilCancelled()
                }
            } drive: { scene in
                try await scene.wait(for: .draining)
                try scene.send(.sigterm)
                #expect(scene.phases == [.draining])
                try scene.send(.sigterm)
                #expect(scene.phases.prefix(2) == [.draining, .cancelling])
            }
            #expect(scene.responses == [.joinedShutdown, .escalated])
            #expect(report.reason == (fails ? .failure(of: "broken") : .requested))
            #expect(report.signals.count == 2)
            #expect(report.exitStatus == .code(fails ? 1 : 0))
        }
    }

    @Test("work that does not end is cancelled after the grace period, and abandoned after the cancel period")
    func deadlines() async throws {
        let door = Door()
        defer { door.open() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                try daemon.addTask("quick") { await daemon.shutdownRequested() }
                try daemon.addTask("stuck") { await door.wait() }
                scene.step("up")
                await door.wait()
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
            #expect(scene.lines.last?.hasPrefix("forced: ") == true, "\(scene.lines)")
        }
        #expect(report.missedDeadline == .cancelling)
        #expect(scene.simulator.forcedExit == .sigterm)
        #expect(report.exitStatus == .signal(.sigterm))
        #expect(report.tasks.first?.name == "quick")
        let work = report.outcomes.filter { $0.key != "hook" }
        #expect(work == ["quick": "finished", "stuck": "abandoned", "body": "abandoned"])
        #expect(!scene.steps.contains("hook"))
        let abandoned = scene.transitions.compactMap { if case .forced(_, let names) = $0 { names } else { nil } }
        #expect(abandoned.map { Set($0).subtracting(["hook"]) } == [["body", "stuck"]])
    }

    @Test("a clock that jumps passes every deadline on its way")
    func jump() async throws {
        let door = Door()
        defer { door.open() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                scene.step("up")
                await door.wait()
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

    @Test("a hook that never ends is abandoned after the clean-up period, and the others have run")
    func cleanupDeadline() async throws {
        let door = Door()
        defer { door.open() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("last") { scene.step("last") }
                daemon.addCleanup("stuck") {
                    scene.step("stuck")
                    await door.wait()
                }
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "stuck")
            scene.simulator.advance(seconds: 3)  // more than its share
            try await scene.wait(for: "last")
            #expect(!scene.lines.contains { $0.hasPrefix("forced") })
            scene.simulator.advance(seconds: 1)
        }
        #expect(report.missedDeadline == .cleaningUp)
        #expect(report.outcomes == ["body": "finished", "last": "finished", "stuck": "abandoned"])
        #expect(report.exitStatus == .code(1), "no signal began it")
        #expect(scene.simulator.forcedExit == nil)
    }
}
