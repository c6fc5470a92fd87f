// Daemon.atExit: the final actions, which run last of all.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Final actions") struct AtExitTests {
    @Test("Final actions run after everything else, the last registered first, once")
    func last() async throws {
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.atExit { scene.step("first") }
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    daemon.atExit { scene.step("third") }
                }
                daemon.atExit { scene.step("second") }
                try daemon.addTask("task") {
                    await daemon.shutdownRequested()
                    scene.step("task")
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up", "task", "flush", "third", "second", "first"])
    }

    @Test(
        "Final actions run at a forced exit too, before onForcedExit, and clean-ups do not", arguments: [true, false])
    func forced(byTime: Bool) async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch, onForcedExit: { (_: DaemonReport<Void>) in scene.step("onForcedExit") }
            ) { daemon in
                daemon.atExit { scene.step("first") }
                daemon.atExit { scene.step("second") }
                daemon.addCleanup("flush") { scene.step("flush") }
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: byTime ? 24 : 1)
            if !byTime {
                try scene.send(.sigterm)
                scene.simulator.advance(seconds: 1)
                try scene.send(.sigterm)
            }
            #expect(scene.steps == ["up", "second", "first", "onForcedExit"])
            blocker.release()
        }
        #expect(report.forcedExit != nil)
        try await Task.sleep(for: .milliseconds(50))
        #expect(scene.steps.count == 4, "once, although the body ends after that")
    }

    @Test("Final actions outlive a restart of the body")
    func restart() async throws {
        let loads = Shared(0)
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(
                load: {
                    loads { loads in
                        loads += 1
                        return loads
                    }
                }
            ) { daemon, version in
                daemon.atExit { scene.step("final \(version)") }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            #expect(scene.steps == ["body 1", "body 2"])
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["body 1", "body 2", "final 2", "final 1"])
    }

    @Test("The final actions of a part run last of all, at a forced exit too", arguments: [true, false])
    func part(isForced: Bool) async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                daemon.atExit { scene.step("outer") }
                try daemon.addPart("part") { part in
                    part.atExit { scene.step("part") }
                    part.addCleanup("part's flush") { scene.step("part's flush") }
                    scene.step("up")
                    await part.shutdownRequested()
                    if isForced { await blocker.wait() }
                }
                await daemon.shutdownRequested()
                if isForced { await blocker.wait() }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            if isForced { scene.simulator.advance(seconds: 30) }
        }
        #expect((report.forcedExit != nil) == isForced)
        #expect(
            scene.steps == (isForced ? ["up", "part", "outer"] : ["up", "part's flush", "flush", "part", "outer"]))
        blocker.release()
    }
}
