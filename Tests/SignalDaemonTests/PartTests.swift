// Daemons inside a daemon: Daemon.addPart.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Parts") struct PartTests {
    @Test("A part hears of the shutdown with the daemon around it, and its clean-ups run before that daemon's")
    func together() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addPart("part") { part in
                    part.addCleanup("part's flush") { scene.step("part's flush") }
                    part.onGracefulShutdown { scene.step("part's action") }
                    try part.addTask("worker") {
                        await part.shutdownRequested()
                        scene.step("worker: \(part.isShuttingDown)")
                    }
                    scene.step("up")
                    await part.shutdownRequested()
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(scene.steps.first == "up")
        #expect(Set(scene.steps[1...2]) == ["part's action", "worker: true"])
        #expect(scene.steps.suffix(2) == ["part's flush", "flush"])
        #expect(report.outcomes == ["body": "finished", "part": "finished", "flush": "finished"])
        #expect(report.task("part")?.kind == .part)
        let part = try #require(report.part("part"))
        #expect(
            part.outcomes == [
                "body": "finished", "worker": "finished", "onGracefulShutdown": "finished", "part's flush": "finished",
            ])
        #expect(part.reason == .requested)
        #expect(part.forcedExit == nil)
        if case .failure(let error) = part.result { Issue.record(error) }
        #expect(report.part("another") == nil)
        #expect(report.exitStatus == .code(0))
        #expect(report.description.contains("\n  part:   task worker: finished"), "\(report)")
    }

    @Test("A part is cancelled with the rest, by the deadline or by a second signal", arguments: [true, false])
    func cancelled(byTime: Bool) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addPart("part") { part in
                    part.addCleanup("flush") { scene.step("flush") }
                    try part.addTask("worker") {
                        defer { scene.step("worker") }
                        try await untilCancelled()
                    }
                    scene.step("up")
                    try await untilCancelled()
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 19)
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["up"])
            if byTime { scene.simulator.advance(seconds: 1) } else { try scene.send(.sigterm) }
        }
        #expect(scene.steps == ["up", "worker", "flush"])
        #expect(report.part("part")?.outcomes == ["body": "cancelled", "worker": "cancelled", "flush": "finished"])
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A part has its place in the order of the work")
    func order() async throws {
        let (server, flush) = (Blocker(), Blocker())
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("log", after: "part") {
                    await daemon.shutdownRequested()
                    scene.step("log")
                }
                try daemon.addPart("part", after: "server") { part in
                    part.addCleanup("flush") {
                        scene.step("flush")
                        await flush.wait()
                    }
                    scene.step("up")
                    await part.shutdownRequested()
                    scene.step("part")
                }
                try daemon.addTask("server") { await server.wait() }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(forLine: "body: finished")
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["up"])
            server.release()
            try await scene.wait(for: "flush")
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["up", "part", "flush"])
            flush.release()
        }
        #expect(scene.steps == ["up", "part", "flush", "log"])
        #expect(scene.phases == [.draining, .cleaningUp])
    }

    @Test("A part can be shut down alone, while the rest runs on")
    func alone() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("other") {
                    await daemon.shutdownRequested()
                    scene.step("other")
                }
                let part = try daemon.addPart("part") { part in
                    part.addCleanup("flush") { scene.step("flush") }
                    scene.step("up")
                    await part.shutdownRequested()
                }
                try await scene.wait(for: "up")
                part.shutdown(exitCode: 7)
                try await scene.wait("for its end") { !daemon.running.contains { $0.name == "part" } }
                #expect(part.isShuttingDown && !daemon.isShuttingDown)
                #expect(scene.steps == ["up", "flush"])
                #expect(part.running.isEmpty)
                #expect(refusal { try part.addTask("late") { scene.step("late") } }?.code == .shuttingDown)
                #expect(!part.addCleanup("late") { scene.step("late") })
                try daemon.addTask("more") { scene.step("more") }
                try await scene.wait(for: "more")
                scene.step("running")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "running")
            #expect(scene.phases.isEmpty)
            scene.simulator.advance(seconds: 1000)
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up", "flush", "more", "running", "other"])
        #expect(report.part("part")?.exitStatus == .code(7))
        #expect(report.exitStatus == .code(0))
    }

    @Test("A part that ends by itself is reported, and of two with one name the last")
    func byItself() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run { daemon in
                for number in 1...2 {
                    try daemon.addPart("part") { part in
                        part.onGracefulShutdown { scene.step("never") }
                        try part.addTask("worker \(number)") {}
                    }
                    try await scene.wait("for its end") { daemon.running.count == 1 }
                }
                #expect(scene.steps.isEmpty)
            }
        } drive: { _ in
        }
        #expect(report.part("part")?.outcomes == ["body": "finished", "worker 2": "finished"])
        #expect(report.part("part")?.reason == .finished)
        #expect(report.outcomes["part"] == "finished, finished")
    }

    @Test("A daemon that shuts down takes no parts")
    func refused() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                daemon.shutdown()
                let error = refusal { try daemon.addPart("part") { _ in scene.step("part") } }
                #expect(error?.code == .shuttingDown)
            }
        } drive: { _ in
        }
        #expect(scene.steps.isEmpty)
        #expect(report.outcomes == ["body": "finished"])
    }

    @Test("Parts have parts: a shutdown reaches the outer one first, and the inner one cleans up first")
    func nested() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("outer") { scene.step("outer") }
                try daemon.addPart("a") { a in
                    a.addCleanup("a") { scene.step("a") }
                    try a.addPart("b") { b in
                        b.addCleanup("b") { scene.step("b") }
                        try b.addTask("deep") { await b.shutdownRequested() }
                        scene.step("up")
                        await b.shutdownRequested()
                    }
                    await a.shutdownRequested()
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up", "b", "a", "outer"])
        #expect(report.part("a")?.part("b")?.outcomes["deep"] == "finished")
        #expect(report.part("b") == nil)
        #expect(scene.lines.contains("a: b: task deep: finished"), "\(scene.lines)")
    }

    @Test("The transitions of a part are reported as transitions of the daemon around it")
    func transitions() async throws {
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                let part = try daemon.addPart("part") { part in await part.shutdownRequested() }
                part.shutdown()
                try await scene.wait(forLine: "part: finished: exit code 0")
            }
        } drive: { _ in
        }
        let inner = scene.transitions.compactMap { transition -> String? in
            guard case .part("part", let inner) = transition else { return nil }
            return inner.description
        }
        #expect(
            inner == [
                "started", "draining: requested by the program", "body: finished",
                "cleaning up: requested by the program", "finished: exit code 0",
            ])
        #expect(scene.lines.contains("part part: finished"), "its end is the end of work, too")
    }

    @Test("Reloads and status of a part are the daemon's")
    func forwarded() async throws {
        let inbox = try Inbox()
        let isWell = Shared(false)
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                supervisor: Supervisor(socket: inbox.name, watchdog: .seconds(1)), onTransition: scene.watch
            ) { daemon in
                daemon.notifyReady()
                try daemon.addPart("part") { part in
                    part.setStatus("of the part")
                    part.setWatchdogCheck {
                        scene.step("checked")
                        return isWell.now
                    }
                    try part.onReload { scene.step("reload") }
                    try await part.reload()
                    scene.step("up")
                    await part.shutdownRequested()
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(scene.steps == ["reload", "up"])
            try await inbox.wait(for: "STATUS=of the part")
            try scene.send(.sighup)
            try await scene.wait("for the signal's reload") { scene.lines.filter { $0 == "reloaded" }.count == 2 }
            scene.simulator.advance(seconds: 0.5)
            try await scene.wait(for: "checked")
            try await Task.sleep(for: .milliseconds(50))
            #expect(inbox.count("WATCHDOG=1") == 0)
            isWell { $0 = true }
            scene.simulator.advance(seconds: 0.5)
            try await inbox.wait(for: "WATCHDOG=1")
            try scene.send(.sigterm)
        }
        #expect(report.reloads == 2)
        #expect(report.part("part")?.reloads == 0)
        #expect(inbox.count("STOPPING=1") == 1)
    }

    @Test("A part may have signals of its own, except those of the policy")
    func signals() async throws {
        let (_, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                try daemon.addPart("part") { part in
                    try part.addPart("inner") { inner in
                        #expect(refusal { try inner.onSignal(.sigint) { _ in } }?.code == .duplicateSignal)
                    }
                    #expect(refusal { try part.onSignal(.sigterm) { _ in } }?.code == .duplicateSignal)
                    try part.onSignal(.sigusr1) { _ in scene.step("usr1") }
                    scene.step("up")
                    await part.shutdownRequested()
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigusr1)
            try await scene.wait(for: "usr1")
            try scene.send(.sigterm)
        }
        #expect(scene.simulator.withSimulation { disposition(of: .sigusr1) } == .default)
    }
}
