// Hard exits: their effect, their period, and their exit status.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Hard exits") struct HardExitTests {
    @Test("A hard exit cancels at once, runs the clean-ups, and ends the process by its signal")
    func hardExit() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .nginx, onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
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
        #expect(report.outcomes == ["body": "cancelled", "task": "cancelled", "flush": "finished"])
        #expect(report.hardExit?.signal == .sigterm)
        #expect(report.signal?.signal == .sigterm)
        #expect(report.exitStatus == .signal(.sigterm))
        #expect(report.forcedExit == nil)
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("A hard exit has its own period, or the usual one if that is shorter", arguments: [1, 5], [1, 5])
    func hardExitPeriods(cancel: Int, hard: Int) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let policy = SignalPolicy.nginx.with(
            cancelPeriod: .seconds(cancel), cleanupPeriod: .seconds(cancel), hardExitPeriod: .seconds(hard))
        let seconds = Double(min(cancel, hard))
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                scene.step("up")
                await blocker.wait()
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

        let cleanup = Blocker()
        defer { cleanup.release() }
        let (cleaning, other) = try await simulate { scene in
            try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    await cleanup.wait()
                }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigint)
            try await scene.wait(for: "flush")
            scene.simulator.advance(seconds: seconds - 0.1)
            #expect(scene.simulator.forcedExit == nil)
            scene.simulator.advance(seconds: 0.1)
        }
        #expect(cleaning.missedDeadline == .cleaningUp)
        #expect(other.simulator.forcedExit == .sigint)
    }

    @Test("A part shares the period of a hard exit, so the daemon's own clean-ups run")
    func part() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .nginx, onTransition: scene.watch) { daemon in
                daemon.addCleanup("remove the PID file") { scene.step("removed") }
                try daemon.addPart("part") { part in
                    part.addCleanup("flush") {
                        scene.step("flush")
                        try await untilCancelled()
                    }
                    scene.step("up")
                    try await untilCancelled()
                }
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(for: "flush")
            scene.simulator.advance(seconds: 0.46)
        }
        #expect(scene.steps == ["up", "flush", "removed"])
        #expect(report.forcedExit == nil)
        #expect(report.part("part")?.outcomes == ["body": "cancelled", "flush": "cancelled"])
        #expect(report.exitStatus == .signal(.sigterm))
    }

    @Test("A hard exit cuts a graceful shutdown short")
    func hardExitWhileDraining() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(policy: .gunicorn, onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    await blocker.wait()
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
            try await scene.wait(for: "flush")
            blocker.release()
        }
        #expect(report.signals.map(\.signal) == [.sigterm, .sigint])
        #expect(report.hardExit?.signal == .sigint)
        #expect(report.exitStatus == .signal(.sigint))
        #expect(report.outcomes == ["body": "cancelled", "flush": "finished"])
        #expect(report.forcedExit == nil)
    }

    @Test("A second hard exit forces the end", arguments: [SignalPolicy.SecondSignal.escalate, .forceExit])
    func secondHardExit(second: SignalPolicy.SecondSignal) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.uwsgi.with(secondSignal: second, duplicateWindow: .zero), onTransition: scene.watch
            ) { daemon in
                scene.step("up")
                await blocker.wait()
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
