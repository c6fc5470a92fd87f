// Periods: how long each phase may last, how long it lasted, and what a hard exit makes of them.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecyclePeriods {
    @Test("without a grace period work is cancelled by the first signal", arguments: [0, -5])
    func noGrace(seconds: Int) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(gracePeriod: .seconds(seconds)), onTransition: scene.watch
            ) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases.first == .cancelling)
        }
        #expect(scene.phases == [.cancelling, .cleaningUp])
        #expect(scene.steps == ["up", "hook"])
        #expect(report.outcomes == ["body": "cancelled", "hook": "finished"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("without a cancel period what does not drain is abandoned", arguments: [0, -1])
    func noCancelPeriod(seconds: Int) async throws {
        let door = Door()
        defer { door.open() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(cancelPeriod: .seconds(seconds)), onTransition: scene.watch
            ) { daemon in
                scene.step("up")
                await door.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            scene.simulator.advance(seconds: 20)
        }
        #expect(report.missedDeadline == .cancelling)
    }

    @Test("periods without end are no trouble", arguments: [Duration.seconds(Int64.max), .seconds(1 << 40)])
    func endless(period: Duration) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.nginx.with(
                    gracePeriod: period, cancelPeriod: period, cleanupPeriod: period, hardExitPeriod: period),
                onTransition: scene.watch
            ) { daemon in
                for name in ["a", "b", "c"] { daemon.addCleanup(name) { scene.step(name) } }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            scene.simulator.advance(seconds: 1)
            try scene.send(.sigquit)
            scene.simulator.advance(by: .seconds(86_400))
            #expect(scene.phases == [.draining])
            try scene.send(.sigquit)
        }
        #expect(scene.steps == ["up", "c", "b", "a"])
        #expect(report.forcedExit == nil)
        #expect(report.duration(of: .draining) == .seconds(86_400))
    }

    @Test("the report says how long each phase and each piece of work lasted")
    func times() async throws {
        let body = Door()
        let hook = Door()
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") {
                    scene.step("hook")
                    await hook.wait()
                }
                scene.step("up")
                await body.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            scene.simulator.advance(seconds: 3)
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 5)
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 2)
            body.open()
            try await scene.wait(for: "hook")
            scene.simulator.advance(seconds: 0.5)
            hook.open()
        }
        #expect(report.duration(of: .running) == .seconds(3))
        #expect(report.duration(of: .draining) == .seconds(5))
        #expect(report.duration(of: .cancelling) == .seconds(2))
        #expect(report.duration(of: .cleaningUp) == .milliseconds(500))
        #expect(report.task("body")?.duration == .seconds(10))
        #expect(report.task("hook")?.duration == .milliseconds(500))
        #expect(report.signals.map(\.monotonicNanoseconds) == [3_000_000_000, 8_000_000_000])
    }

    @Test("a hard exit cancels at once, runs the hooks, and ends by that signal")
    func hardExit() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .nginx, onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                try daemon.addTask("task") { try await untilCancelled() }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases.first == .cancelling)
        }
        #expect(scene.responses == [.stoppedImmediately])
        #expect(scene.phases == [.cancelling, .cleaningUp])
        #expect(report.outcomes == ["body": "cancelled", "task": "cancelled", "hook": "finished"])
        #expect(report.hardExit?.signal == .sigterm)
        #expect(report.signal?.signal == .sigterm)
        #expect(report.exitStatus == .signal(.sigterm))
        #expect(report.forcedExit == nil)
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("a hard exit gives its own period, or the other if that is shorter", arguments: [1, 5], [1, 5])
    func hardExitPeriods(cancel: Int, hard: Int) async throws {
        let door = Door()
        defer { door.open() }
        let policy = SignalPolicy.nginx.with(
            cancelPeriod: .seconds(cancel), cleanupPeriod: .seconds(cancel), hardExitPeriod: .seconds(hard))
        let seconds = Double(min(cancel, hard))
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                scene.step("up")
                await door.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigint)
            scene.simulator.advance(seconds: seconds - 0.1)
            #expect(scene.simulator.forcedExit == nil)
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.simulator.forcedExit == .sigint)
        }
        #expect(report.missedDeadline == .cancelling)
        #expect(scene.responses == [.stoppedImmediately])

        let hook = Door()
        defer { hook.open() }
        let (cleaning, other) = try await simulate { scene in
            try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") {
                    scene.step("hook")
                    await hook.wait()
                }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigint)
            try await scene.wait(for: "hook")
            scene.simulator.advance(seconds: seconds - 0.1)
            #expect(scene.simulator.forcedExit == nil)
            scene.simulator.advance(seconds: 0.1)
        }
        #expect(cleaning.missedDeadline == .cleaningUp)
        #expect(other.simulator.forcedExit == .sigint)
    }

    @Test("a hard exit cuts a graceful shutdown short")
    func hardExitWhileDraining() async throws {
        let door = Door()
        defer { door.open() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(policy: .gunicorn, onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") {
                    scene.step("hook")
                    await door.wait()
                }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            try scene.send(.sigint)
            #expect(scene.phases.prefix(2) == [.draining, .cancelling])
            try await scene.wait(for: "hook")
            door.open()
        }
        #expect(report.signals.map(\.signal) == [.sigterm, .sigint])
        #expect(report.hardExit?.signal == .sigint)
        #expect(report.exitStatus == .signal(.sigint))
        #expect(report.outcomes == ["body": "cancelled", "hook": "finished"])
        #expect(report.forcedExit == nil)
    }

    @Test("a second hard exit forces the end", arguments: [SignalPolicy.SecondSignal.escalate, .forceExit])
    func secondHardExit(second: SignalPolicy.SecondSignal) async throws {
        let door = Door()
        defer { door.open() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.uwsgi.with(secondSignal: second), onTransition: scene.watch
            ) { daemon in
                scene.step("up")
                await door.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigquit, .sigint)
        }
        #expect(scene.responses == [.stoppedImmediately, .forcedExit])
        #expect(report.forcingSignal == .sigint)
        #expect(report.exitStatus == .signal(.sigquit))
        #expect(scene.simulator.forcedExit == .sigquit)
    }
}
