// Hooks: order, shares of the time, and those that hang.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleHooks {
    @Test("hooks run one by one, the last registered first, after all work has ended")
    func order() async throws {
        let active = Shared((now: 0, most: 0))
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                for index in 0..<5 {
                    daemon.addCleanup("\(index)") {
                        active {
                            $0.now += 1
                            $0.most = max($0.most, $0.now)
                        }
                        for _ in 0..<5 { await Task.yield() }
                        scene.step("\(index)")
                        active { $0.now -= 1 }
                    }
                }
                try daemon.addTask("task") {
                    await daemon.shutdownRequested()
                    try await scene.wait(forLine: "body: finished")
                    scene.step("task")
                }
                daemon.onGracefulShutdown { scene.step("action") }
                daemon.shutdown()
            }
        } drive: { _ in
        }
        #expect(scene.steps.suffix(5) == ["4", "3", "2", "1", "0"])
        #expect(scene.steps.prefix(2).sorted() == ["action", "task"])
        #expect(active.now.most == 1)
        #expect(report.tasks.suffix(5).map(\.name) == ["4", "3", "2", "1", "0"])
    }

    @Test("a hook that hangs is cancelled when its share is up, and the others run", arguments: [true, false])
    func hangs(reacts: Bool) async throws {
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("a") { scene.step("a") }
                daemon.addCleanup("b") { scene.step("b") }
                daemon.addCleanup("hangs") {
                    scene.step("hangs")
                    if reacts { try await untilCancelled() } else { await door.wait() }
                }
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "hangs")
            // Three hooks are left, so this one has a quarter of the four seconds.
            scene.simulator.advance(seconds: 0.9)
            try await Task.sleep(for: .milliseconds(20))
            #expect(scene.steps == ["hangs"])
            #expect(!scene.lines.contains("hook hangs is out of time"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("hook hangs is out of time"))
            try await scene.wait(for: "a")
            door.open()
        }
        #expect(scene.steps == ["hangs", "b", "a"])
        #expect(report.outcomes["a"] == "finished" && report.outcomes["b"] == "finished")
        #expect(report.outcomes["hangs"] == (reacts ? "cancelled" : "finished"))
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(1), "a hook that does not end within its share spoils the exit status")
    }

    @Test("the share of each hook is 1/(n + 1) of what is left")
    func shares() async throws {
        let door = Door()
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(cleanupPeriod: .seconds(12)), onTransition: scene.watch
            ) { daemon in
                for name in ["d", "c", "b", "a"] {
                    daemon.addCleanup(name) {
                        scene.step(name)
                        await door.wait()
                    }
                }
                daemon.shutdown()
            }
        } drive: { scene in
            // 12/5 each, for what is left of 12 seconds after one is 48/5, a fourth of that is 12/5 again, and so on.
            for (index, name) in ["a", "b", "c", "d"].enumerated() {
                try await scene.wait(for: name)
                scene.simulator.advance(seconds: 2.3)
                #expect(!scene.lines.contains("hook \(name) is out of time"))
                scene.simulator.advance(seconds: 0.1)
                #expect(scene.lines.contains("hook \(name) is out of time"))
                #expect(scene.simulator.now == .milliseconds(2400 * (index + 1)))
            }
            scene.simulator.advance(seconds: 2.3)
            #expect(!scene.lines.contains { $0.hasPrefix("forced") })
            door.open()
        }
        #expect(report.forcedExit == nil)
        #expect(report.tasks.filter { $0.kind == .hook }.count == 4)
        #expect(report.exitStatus == .code(1))
    }

    @Test("a quick hook leaves its share to the others")
    func quickHook() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("slow") {
                    scene.step("slow")
                    try await untilCancelled()
                }
                daemon.addCleanup("quick") {}
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "slow")
            scene.simulator.advance(seconds: 1.9)  // of the two seconds that are half of the period
            #expect(!scene.lines.contains("hook slow is out of time"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("hook slow is out of time"))
        }
        #expect(report.outcomes == ["body": "finished", "quick": "finished", "slow": "cancelled"])
        #expect(report.exitStatus == .code(1))
    }

    @Test("when all hooks hang, each is cancelled in its turn")
    func allHang() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                for name in ["c", "b", "a"] {
                    daemon.addCleanup(name) {
                        scene.step(name)
                        try await untilCancelled()
                    }
                }
                daemon.shutdown()
            }
        } drive: { scene in
            for name in ["a", "b", "c"] {
                try await scene.wait(for: name)
                scene.simulator.advance(seconds: 1)
                try await scene.wait(forLine: "hook \(name): cancelled")
            }
        }
        #expect(report.forcedExit == nil)
        #expect(scene.steps == ["a", "b", "c"])
    }

    @Test("a hook that throws is reported, and the next one runs")
    func throwing() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("next") { scene.step("next") }
                daemon.addCleanup("broken") { throw Broken() }
                daemon.addCleanup("gives up") { throw CancellationError() }
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["next"])
        #expect(report.outcomes["broken"] == "failed: Broken()")
        #expect(report.outcomes["gives up"]?.hasPrefix("failed") == true, "nobody cancelled it")
        #expect(report.reason == .finished)
        #expect(report.exitStatus == .code(1))
    }

    @Test("a hook registered while hooks run is the next")
    func registeredLate() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("first") { scene.step("first") }
                daemon.addCleanup("second") {
                    scene.step("second")
                    let taken = daemon.addCleanup("in second") { scene.step("in second") }
                    #expect(taken)
                }
                daemon.addCleanup("last") {
                    let taken = daemon.addCleanup("in last") { scene.step("in last") }
                    #expect(taken)
                }
                scene.step("up")
                await daemon.shutdownRequested()
                let taken = daemon.addCleanup("while draining") { scene.step("while draining") }
                #expect(taken)
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up", "while draining", "in last", "second", "in second", "first"])
        #expect(report.tasks.filter { $0.kind == .hook }.count == 6)
        #expect(report.exitStatus == .code(0))
    }

    @Test("the last hook may register another")
    func registeredByLast() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("0") {
                    daemon.addCleanup("1") { daemon.addCleanup("2") { scene.step("2") } }
                }
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["2"])
        #expect(report.outcomes.count == 4)
    }

    @Test("hooks of a body that throws run")
    func bodyThrows() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                throw Broken()
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["hook"])
        #expect(report.bodyError is Broken)
        #expect(report.reason == .failure(of: "body"))
    }
}
