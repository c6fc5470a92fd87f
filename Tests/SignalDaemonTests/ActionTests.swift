// The actions of onGracefulShutdown.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Actions at a shutdown") struct ActionTests {
    @Test(
        "Actions run at the same time when a shutdown is requested, or at once if it was, and the daemon waits for them"
    )
    func actions() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                daemon.onGracefulShutdown {
                    scene.step("first")
                    await blocker.wait()
                }
                daemon.onGracefulShutdown {
                    scene.step("second")
                    throw Broken()
                }
                daemon.onGracefulShutdown {
                    scene.step("third")
                    try await untilCancelled()
                }
                scene.step("up")
                await daemon.shutdownRequested()
                daemon.onGracefulShutdown { scene.step("late") }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(scene.steps == ["up"])
            try scene.send(.sigterm)
            for step in ["first", "second", "third", "late"] { try await scene.wait(for: step) }
            try await scene.wait(forLine: "body: finished")
            #expect(scene.phases == [.draining])
            scene.simulator.advance(seconds: 20)
            #expect(scene.phases == [.draining, .cancelling])
            blocker.release()
        }
        #expect(scene.steps.last == "flush")
        let outcomes = report.tasks.filter { $0.kind == .action }.map(\.outcome.description).sorted()
        #expect(outcomes == ["cancelled", "failed: Broken()", "finished", "finished"])
        #expect(report.exitStatus == .code(1))
    }

    @Test("Actions do not run when all work ends by itself")
    func noActions() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                daemon.onGracefulShutdown { scene.step("action") }
            }
        } drive: { _ in
        }
        #expect(report.reason == .finished)
        #expect(scene.steps == ["flush"])
    }

    @Test("isShuttingDown is true for each action and for each transition of a shutdown")
    func isShuttingDownBeforeActions() async {
        await #expect(processExitsWith: .success) {
            limit()
            let wrong = Shared<[String]>([])
            for _ in 0..<200 {
                let running = Shared<Daemon?>(nil)
                _ = try await Daemon.run(
                    policy: .server,
                    onTransition: { transition in
                        guard case .entered = transition, running.now?.isShuttingDown == false else { return }
                        wrong { $0.append("\(transition)") }
                    }
                ) { daemon in
                    running { $0 = daemon }
                    daemon.onGracefulShutdown { if !daemon.isShuttingDown { wrong { $0.append("an action") } } }
                    kill(getpid(), SIGTERM)
                    await daemon.shutdownRequested()
                }
                running { $0 = nil }
            }
            #expect(wrong.now == [])
        }
    }

    @Test("A closure that was registered and never called is released at the end")
    func neverCalled() async throws {
        let registered = Shared<WeakThing?>(nil)
        try await withSimulatedSignals { _ in
            _ = try await Daemon.run { daemon in
                let thing = Thing()
                daemon.onGracefulShutdown { withExtendedLifetime((daemon, thing)) {} }
                try daemon.onReload { withExtendedLifetime((daemon, thing)) {} }
                registered { $0 = WeakThing(thing: thing) }
            }
        }
        let weak = try #require(registered.now)
        #expect(await eventually { weak.thing == nil })
    }

    @Test("A closure that is registered after the end is released")
    func registeredLate() async throws {
        func register(_ daemon: Daemon) -> WeakThing {
            let thing = Thing()
            daemon.setWatchdogCheck { withExtendedLifetime((daemon, thing)) { true } }
            daemon.onGracefulShutdown { withExtendedLifetime((daemon, thing)) {} }
            daemon.addCleanup("late") { withExtendedLifetime((daemon, thing)) {} }
            return WeakThing(thing: thing)
        }
        let daemon = Shared<Daemon?>(nil)
        try await withSimulatedSignals { _ in
            _ = try await Daemon.run { running in daemon { $0 = running } }
        }
        let registered = register(daemon.now!)
        daemon { $0 = nil }
        #expect(await eventually { registered.thing == nil })
    }

    @Test("Actions do not run when all work ends by itself during a reload")
    func noActionsDuringReload() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.onGracefulShutdown { scene.step("action") }
                try daemon.onReload {
                    scene.step("reloading")
                    try? await untilCancelled()
                    daemon.onGracefulShutdown { scene.step("late action") }
                }
                Task { try await daemon.reload() }
                try await scene.wait(for: "reloading")
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["reloading"])
        #expect(scene.phases == [.cancelling, .cleaningUp])
        #expect(report.reason == .finished)
        #expect(report.outcomes == ["body": "finished"])
    }

    @Test("Actions do not run when all work ends by itself during a reload by a real signal")
    func noActionsDuringRealReload() async {
        await #expect(processExitsWith: .success) {
            limit()
            let scene = Scene()
            let report = try await Daemon.run { daemon in
                daemon.onGracefulShutdown { scene.step("action") }
                try daemon.onReload {
                    scene.step("reloading")
                    try? await untilCancelled()
                }
                kill(getpid(), SIGHUP)
                try await scene.wait(for: "reloading")
            }
            #expect(scene.steps == ["reloading"])
            #expect(report.reason == .finished)
        }
    }
}

private final class Thing: Sendable {}

private struct WeakThing: @unchecked Sendable {
    weak var thing: Thing?
    @Test("The final actions of a part run at the end of the daemon, also where the part was abandoned")
    func exitOfAPart() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.atExit { scene.step("first registered") }
                try daemon.addPart("part") { part in
                    part.atExit { scene.step("of the part") }
                    scene.step("up")
                    await blocker.wait()
                }
                daemon.addCleanup("flush") { scene.step("cleanup") }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            scene.simulator.advance(by: .seconds(23))
            try await scene.wait(for: "cleanup")
        }
        blocker.release()
        #expect(scene.steps == ["up", "cleanup", "of the part", "first registered"])
        #expect(report.part("part")?.forcedExit != nil)
    }
}
