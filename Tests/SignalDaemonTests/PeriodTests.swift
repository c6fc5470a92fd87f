// The periods of a policy: none, endless, and as the report lists them.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Periods") struct PeriodTests {
    @Test("The first signal cancels work at once if there is no grace period", arguments: [0, -5])
    func noGrace(seconds: Int) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(gracePeriod: .seconds(seconds)), onTransition: scene.watch
            ) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases.first == .cancelling)
        }
        #expect(scene.phases == [.cancelling, .cleaningUp])
        #expect(scene.steps == ["up", "flush"])
        #expect(report.outcomes == ["body": "cancelled", "flush": "finished"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("Work that does not drain is abandoned at once if there is no cancel period", arguments: [0, -1])
    func noCancelPeriod(seconds: Int) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(cancelPeriod: .seconds(seconds)), onTransition: scene.watch
            ) { daemon in
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            scene.simulator.advance(seconds: 20)
        }
        #expect(report.missedDeadline == .cancelling)
    }

    @Test("A period may be endless", arguments: [Duration.seconds(Int64.max), .seconds(1 << 40)])
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

    @Test("The report lists the duration of each phase and of each piece of work")
    func times() async throws {
        let body = Blocker()
        let cleanup = Blocker()
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    await cleanup.wait()
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
            body.release()
            try await scene.wait(for: "flush")
            scene.simulator.advance(seconds: 0.5)
            cleanup.release()
        }
        #expect(report.duration(of: .running) == .seconds(3))
        #expect(report.duration(of: .draining) == .seconds(5))
        #expect(report.duration(of: .cancelling) == .seconds(2))
        #expect(report.duration(of: .cleaningUp) == .milliseconds(500))
        #expect(report.task("body")?.duration == .seconds(10))
        #expect(report.task("flush")?.duration == .milliseconds(500))
        #expect(report.signals.map(\.monotonicNanoseconds) == [3_000_000_000, 8_000_000_000])
    }

    @Test("A negative timeout is over at once")
    func negativeTimeouts() async {
        await #expect(processExitsWith: .success) {
            limit()
            let wait: @Sendable () -> Void = {
                do {
                    let report = try Daemon.runBlocking(policy: .server) { daemon in
                        for timeout in [Duration.seconds(-5), .seconds(Int64.min / 2), .seconds(Int64.min), .zero] {
                            #expect(!daemon.waitForShutdown(timeout: timeout))
                        }
                        try daemon.addThread("waits") { token in
                            for timeout in [Duration.seconds(-5), .seconds(Int64.min), .zero] {
                                #expect(!token.wait(timeout: timeout))
                            }
                        }
                    }
                    #expect(report.exitStatus == .code(0))
                } catch {
                    Issue.record(error)
                }
            }
            await onThread(wait)
            await withSimulatedSignals { simulator in await onThread { simulator.withSimulation(wait) } }
        }
    }
}
