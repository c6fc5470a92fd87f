// Daemons of threads, without Swift concurrency, in a simulation.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// A simulated daemon of threads, on a thread of its own.
private func block<Value: Sendable>(
    in scene: Scene, _ run: @escaping @Sendable () throws -> DaemonReport<Value>
) async throws -> DaemonReport<Value> {
    try await onThread { scene.simulator.withSimulation { Result { try run() } } }.get()
}

@Suite("Threads") struct ThreadTests {
    @Test(
        "A shutdown asks the threads to stop, and the clean-ups run after that",
        arguments: [SignalNumber.sigterm, .sigint])
    func workers(signal: SignalNumber) async throws {
        let (report, scene) = try await simulate { scene in
            try await block(in: scene) {
                try Daemon.runBlocking(onTransition: scene.watch) { daemon in
                    for name in ["first", "second"] { daemon.addCleanup(name) { scene.step("cleanup \(name)") } }
                    daemon.onGracefulShutdown { scene.step("action") }
                    for number in 1...3 {
                        try daemon.addThread("worker \(number)") { stop in
                            scene.step("up")
                            while !stop.wait(timeout: .milliseconds(1)) {}
                            #expect(stop.isRequested && !stop.isCancelled)
                            scene.step("worker")
                        }
                    }
                    #expect(!daemon.isShuttingDown)
                    #expect(!daemon.waitForShutdown(timeout: .zero))
                    scene.step("up")
                    #expect(daemon.waitForShutdown())
                    #expect(daemon.isShuttingDown)
                    return 5
                }
            }
        } drive: { scene in
            try await scene.wait("for four") { scene.steps.count == 4 }
            try scene.send(signal)
        }
        #expect(try report.result.get() == 5)
        #expect(scene.steps.suffix(2) == ["cleanup second", "cleanup first"])
        #expect(scene.steps.filter { $0 == "worker" }.count == 3)
        #expect(scene.steps.contains("action"))
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.tasks.map(\.kind).filter { $0 == .thread }.count == 3)
        #expect(report.task("body")?.kind == .body)
        #expect(report.tasks.count == 7)
        #expect(report.exitStatus == (signal == .sigint ? .signal(.sigint) : .code(0)))
    }

    @Test("Threads run on after the body has returned")
    func bodyReturned() async throws {
        let (report, _) = try await simulate { scene in
            try await block(in: scene) {
                try Daemon.runBlocking(onTransition: scene.watch) { daemon in
                    try daemon.addThread("worker") { stop in
                        scene.step("up")
                        stop.wait()
                    }
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try await scene.wait(forLine: "body: finished")
            #expect(scene.phases.isEmpty)
            try scene.send(.sigterm)
        }
        #expect(report.outcomes == ["body": "finished", "worker": "finished"])
        #expect(report.reason == report.signal.map { .signal($0) })
    }

    @Test("A blocking daemon ends with its work, and a body that throws is a failure", arguments: [false, true])
    func ending(fails: Bool) async throws {
        let (report, scene) = try await simulate { scene in
            try await block(in: scene) {
                try Daemon.runBlocking(onTransition: scene.watch) { daemon in
                    daemon.addCleanup("flush") { scene.step("flush") }
                    try daemon.addThread("worker") { stop in if fails { stop.wait() } }
                    if fails { throw Broken() }
                }
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["flush"])
        #expect(report.reason == (fails ? .failure(of: "body") : .finished))
        #expect((report.bodyError is Broken) == fails)
        #expect(report.exitStatus == .code(fails ? 1 : 0))
    }

    @Test("Signals and deadlines escalate the shutdown, and cancel the threads", arguments: [true, false])
    func escalation(bySignal: Bool) async throws {
        let (report, _) = try await simulate { scene in
            try await block(in: scene) {
                try Daemon.runBlocking(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) {
                    daemon in
                    try daemon.addThread("cancels", onShutdown: .cancel) { stop in
                        stop.wait()
                        while !stop.isCancelled { usleep(1000) }
                        scene.step("cancels")
                    }
                    try daemon.addThread("drains") { stop in
                        while !stop.isCancelled { usleep(1000) }
                        scene.step("drains")
                        try stop.checkCancellation()
                    }
                    scene.step("up")
                    daemon.waitForShutdown()
                    scene.step("body")
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(for: "cancels")
            try await scene.wait(for: "body")
            #expect(scene.phases == [.draining] && !scene.steps.contains("drains"))
            if bySignal { try scene.send(.sigterm) } else { scene.simulator.advance(seconds: 20) }
            #expect(scene.phases.prefix(2) == [.draining, .cancelling])
        }
        #expect(report.outcomes == ["body": "finished", "cancels": "finished", "drains": "cancelled"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("Threads that do not stop are abandoned at the deadline or by a signal", arguments: [true, false])
    func forced(bySignal: Bool) async throws {
        let free = Shared(false)
        defer { free { $0 = true } }
        let (report, scene) = try await simulate { scene in
            try await block(in: scene) {
                try Daemon.runBlocking(
                    policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch,
                    onForcedExit: { report in scene.step("force \(report.exitStatus)") }
                ) { daemon in
                    try daemon.addThread("stuck") { _ in
                        scene.step("up")
                        while !free.now { usleep(1000) }
                    }
                    daemon.waitForShutdown()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigint)
            try await scene.wait(forLine: "body: finished")
            if bySignal { try scene.send(.sigterm, .sigterm) } else { scene.simulator.advance(seconds: 24) }
        }
        #expect(report.outcomes == ["body": "finished", "stuck": "abandoned"])
        #expect(report.missedDeadline == (bySignal ? nil : .cancelling))
        #expect(report.forcingSignal == (bySignal ? .sigterm : nil))
        #expect(scene.steps == ["up", "force death by SIGINT"])
        #expect(scene.simulator.forcedExit == .sigint)
        #expect(report.exitStatus == .signal(.sigint))
    }

    @Test("A clean-up that blocks beyond its share does not delay the next one")
    func blockingCleanup() async throws {
        let free = Shared(false)
        let (report, scene) = try await simulate { scene in
            try await block(in: scene) {
                try Daemon.runBlocking(onTransition: scene.watch) { daemon in
                    daemon.addCleanup("last") { scene.step("last") }
                    daemon.addCleanup("broken") { throw Broken() }
                    daemon.addCleanup("hangs") {
                        scene.step("hangs")
                        while !free.now { usleep(1000) }
                    }
                    daemon.shutdown()
                    let refused = refusal { try daemon.addThread("late") { _ in scene.step("late") } }
                    #expect(refused?.code == .shuttingDown)
                }
            }
        } drive: { scene in
            try await scene.wait(for: "hangs")
            scene.simulator.advance(seconds: 1.1)
            #expect(!scene.steps.contains("last"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("cleanup hangs takes more than its share"))
            try await scene.wait(for: "last")
            #expect(!scene.lines.contains("cleanup hangs timed out"))
            free { $0 = true }
        }
        #expect(scene.steps == ["hangs", "last"])
        #expect(report.outcomes["hangs"] == "finished" && report.task("hangs")?.duration == .milliseconds(1200))
        #expect(report.outcomes["last"] == "finished" && report.outcomes["broken"] == "failed: Broken()")
        #expect(report.reason == .requested)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(1))
    }

    @Test("After a burst of 1,000 HUPs a reload has seen the last one, and two never run at once")
    func reloads() async throws {
        let version = Shared(0)
        let seen = Shared(0)
        let active = Shared((now: 0, most: 0))
        let (report, scene) = try await simulate { scene in
            try await block(in: scene) {
                try Daemon.runBlocking(onTransition: scene.watch) { daemon in
                    try daemon.onReload {
                        active {
                            $0.now += 1
                            $0.most = max($0.most, $0.now)
                        }
                        let current = version.now
                        usleep(100)
                        seen { $0 = current }
                        active { $0.now -= 1 }
                    }
                    try daemon.reload()
                    scene.step("up")
                    daemon.waitForShutdown()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            for _ in 0..<1000 {
                version { $0 += 1 }
                try scene.send(.sighup)
            }
            try await scene.wait("for the last") { seen.now == 1000 }
            try scene.send(.sigterm)
        }
        #expect(active.now.most == 1)
        #expect(report.reloads >= 1)
        #expect(report.failedReloads.isEmpty)
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test(
        "A stop token is to a thread what a cancellation is to a task",
        arguments: [ShutdownBehavior.drain, .cancel, .complete])
    func threads(style: ShutdownBehavior) async throws {
        let looks = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addThread("thread", onShutdown: style) { token in
                    #expect(!token.wait(timeout: .zero))
                    scene.step("up: \(token.isRequested), \(token.isCancelled)")
                    let requested = token.wait()
                    while looks.now < 1 { usleep(1000) }
                    scene.step("first: \(requested), \(token.isRequested), \(token.isCancelled)")
                    while looks.now < 2 { usleep(1000) }
                    scene.step("second: \(token.isRequested), \(token.isCancelled)")
                    #expect(token.wait())
                    try token.checkCancellation()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up: false, false")
            try scene.send(.sigterm)
            looks { $0 = 1 }
            try await scene.wait(for: "first: true, true, \(style == .cancel)")
            scene.simulator.advance(seconds: 20)
            looks { $0 = 2 }
        }
        #expect(scene.steps.last == "second: true, \(style != .complete)")
        #expect(report.outcomes["thread"] == (style == .complete ? "finished" : "cancelled"))
        #expect(report.task("thread")?.kind == .thread)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A thread that fails is the reason for the end, and one that hangs is abandoned")
    func badThreads() async throws {
        let stop = Shared(false)
        defer { stop { $0 = true } }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addThread("hangs") { _ in
                    scene.step("hangs")
                    while !stop.now { usleep(1000) }
                }
                try daemon.addThread("broken") { _ in throw Broken() }
            }
        } drive: { scene in
            try await scene.wait(for: "hangs")
            try await scene.wait(for: .draining)
            scene.simulator.advance(seconds: 24)
        }
        #expect(report.reason == .failure(of: "broken"))
        #expect(report.outcomes == ["body": "finished", "broken": "failed: Broken()", "hangs": "abandoned"])
        #expect(report.missedDeadline == .cancelling)
        #expect(report.exitStatus == .code(1))
        #expect(scene.simulator.forcedExit == nil)
    }
}
