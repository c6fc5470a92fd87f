// Daemon.running, and the transition that names the work a shutdown waits for.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

extension Scene {
    /// The names in each transition that says what the shutdown waits for.
    fileprivate var waits: [[String]] {
        transitions.compactMap { if case .waiting(let names) = $0 { names } else { nil } }
    }
}

@Suite("Running work") struct RunningWorkTests {
    @Test("The list names what runs, its kind, how long it has run, and whether it was cancelled")
    func list() async throws {
        let (body, task, cleanup) = (Blocker(), Blocker(), Blocker())
        let kept = Shared<Daemon?>(nil)
        func running() -> [RunningWork] { kept.now!.running }
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                kept { $0 = daemon }
                daemon.addCleanup("last") {}
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    await cleanup.wait()
                }
                daemon.onGracefulShutdown("stop accepting") { await task.wait() }
                scene.simulator.advance(by: .seconds(3))
                try daemon.addTask("consumer") { await task.wait() }
                scene.simulator.advance(by: .seconds(2))
                try daemon.addThread("thread") { stop in stop.wait() }
                try daemon.addTask("transfer", onShutdown: .complete) { await task.wait() }
                try daemon.addPart("part") { part in await part.shutdownRequested() }
                try await daemon.shield("commit") {
                    scene.step("up")
                    await body.wait()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(running().map(\.name) == ["body", "consumer", "thread", "transfer", "part", "commit"])
            #expect(running().map(\.kind) == [.body, .task, .thread, .shielded, .part, .shielded])
            #expect(running().map(\.since) == [5, 2, 0, 0, 0, 0].map { Duration.seconds($0) })
            #expect(running().allSatisfy { !$0.isCancelled })
            scene.simulator.advance(by: .milliseconds(1500))
            #expect(running().map(\.since).prefix(2) == [.milliseconds(6500), .milliseconds(3500)])
            #expect(running()[1].description == "task consumer for 3500 ms")
            try scene.send(.sigterm)
            try await scene.wait("for the part and the thread") { running().count == 5 }
            #expect(Set(running().map(\.name)) == ["body", "consumer", "transfer", "commit", "stop accepting"])
            #expect(running().allSatisfy { !$0.isCancelled })
            scene.simulator.advance(seconds: 20)
            let cancelled = running().filter(\.isCancelled).map(\.name)
            #expect(Set(cancelled) == ["body", "consumer", "stop accepting"])
            #expect(running()[1].description == "task consumer for 23500 ms, cancelled")
            body.release()
            task.release()
            try await scene.wait(for: "flush")
            #expect(running().map(\.name) == ["flush"])
            #expect(running().first?.kind == .cleanup)
            cleanup.release()
        }
        #expect(running().isEmpty, "nothing runs after the end")
        _ = scene
    }

    @Test("A shutdown says every five seconds what it waits for, in every phase, and nothing before or after it")
    func waiting() async throws {
        let (consumer, body, cleanup) = (Blocker(), Blocker(), Blocker())
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: .server.with(cancelPeriod: .seconds(60), cleanupPeriod: .seconds(60)),
                onTransition: scene.watch
            ) { daemon in
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    await cleanup.wait()
                }
                try daemon.addTask("consumer") {
                    await consumer.wait()
                    scene.step("consumed")
                }
                scene.step("up")
                await body.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            scene.simulator.advance(seconds: 100)
            #expect(scene.waits.isEmpty)
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 4.999)
            #expect(scene.waits.isEmpty)
            scene.simulator.advance(seconds: 0.001)
            #expect(scene.waits == [["body", "consumer"]])
            scene.simulator.advance(seconds: 4.999)
            #expect(scene.waits.count == 1)
            scene.simulator.advance(seconds: 0.001)
            #expect(scene.waits.count == 2)
            consumer.release()
            try await scene.wait(forLine: "task consumer: finished")
            scene.simulator.advance(seconds: 15)
            #expect(scene.phases == [.draining, .cancelling])
            #expect(scene.waits.dropFirst(2) == [["body"], ["body"], ["body"]], "each on its way")
            body.release()
            try await scene.wait(for: "flush")
            scene.simulator.advance(seconds: 5)
            #expect(scene.waits.dropFirst(5) == [["flush"]])
            cleanup.release()
        }
        #expect(scene.waits.count == 6)
        scene.simulator.advance(seconds: 100)
        #expect(scene.waits.count == 6)
        #expect(scene.lines.contains("waiting for body, consumer"))
    }

    @Test("A daemon that runs on after a restart is not reported to wait")
    func restart() async throws {
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: { 1 }) { daemon, _ in
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await scene.wait(forLine: "reloaded")
            try await scene.wait("for the new body") { scene.steps.count == 2 }
            scene.simulator.advance(seconds: 100)
            #expect(scene.waits.isEmpty)
            try scene.send(.sigterm)
        }
        #expect(scene.waits.isEmpty)
    }
}
