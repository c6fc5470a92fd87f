// Hooks: order, shares of the time, and those that hang.
import Foundation
import SignalBridge
import Testing

@Suite struct LifecycleHooks {
    @Test("hooks run one by one, the last registered first, after all work has ended")
    func order() async throws {
        let active = Shared((now: 0, most: 0))
        let (report, scene) = try await simulate { scene in
            try await runDaemon(onTransition: scene.watch) { daemon in
                for index in 0..<5 {
                    daemon.onShutdown("\(index)") {
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
                daemon.onShutdownRequested { scene.step("action") }
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
            try await runDaemon(onTransition: scene.watch) { daemon in
                daemon.onShutdown("a") { scene.step("a") }
                daemon.onShutdown("b") { scene.step("b") }
                daemon.onShutdown("hangs") {
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
        #expect(report.forced == nil)
        #expect(report.exitStatus == .code(1), "a hook that does not end within its share spoils the exit status")
    }

    @Test("the share of each hook is 1/(n + 1) of what is left")
    func shares() async throws {
        let door = Door()
        let (report, _) = try await simulate { scene in
            try await runDaemon(
                policy: SignalPolicy.server.with(cleanupPeriod: .seconds(12)), onTransition: scene.watch
            ) { daemon in
                for name in ["d", "c", "b", "a"] {
                    daemon.onShutdown(name) {
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
        #expect(report.forced == nil)
        #expect(report.tasks.filter { $0.kind == .hook }.count == 4)
        #expect(report.exitStatus == .code(1))
    }

    @Test("a quick hook leaves its share to the others")
    func quickHook() async throws {
        let (report, _) = try await simulate { scene in
            try await runDaemon(onTransition: scene.watch) { daemon in
                daemon.onShutdown("slow") {
                    scene.step("slow")
                    try await untilCancelled()
                }
                daemon.onShutdown("quick") {}
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
            try await runDaemon(onTransition: scene.watch) { daemon in
                for name in ["c", "b", "a"] {
                    daemon.onShutdown(name) {
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
        #expect(report.forced == nil)
        #expect(scene.steps == ["a", "b", "c"])
    }

    @Test("a hook that throws is reported, and the next one runs")
    func throwing() async throws {
        let (report, scene) = try await simulate { scene in
            try await runDaemon(onTransition: scene.watch) { daemon in
                daemon.onShutdown("next") { scene.step("next") }
                daemon.onShutdown("broken") { throw Broken() }
                daemon.onShutdown("gives up") { throw CancellationError() }
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["next"])
        #expect(report.outcomes["broken"] == "failed: Broken()")
        #expect(report.outcomes["gives up"]?.hasPrefix("failed") == true, "nobody cancelled it")
        #expect(report.cause == .finished)
        #expect(report.exitStatus == .code(1))
    }

    @Test("a hook registered while hooks run is the next")
    func registeredLate() async throws {
        let (report, scene) = try await simulate { scene in
            try await runDaemon(onTransition: scene.watch) { daemon in
                daemon.onShutdown("first") { scene.step("first") }
                daemon.onShutdown("second") {
                    scene.step("second")
                    let taken = daemon.onShutdown("in second") { scene.step("in second") }
                    #expect(taken)
                }
                daemon.onShutdown("last") {
                    let taken = daemon.onShutdown("in last") { scene.step("in last") }
                    #expect(taken)
                }
                scene.step("up")
                await daemon.shutdownRequested()
                let taken = daemon.onShutdown("while draining") { scene.step("while draining") }
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
            try await runDaemon(onTransition: scene.watch) { daemon in
                daemon.onShutdown("0") {
                    daemon.onShutdown("1") { daemon.onShutdown("2") { scene.step("2") } }
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
            try await runDaemon(onTransition: scene.watch) { daemon in
                daemon.onShutdown("hook") { scene.step("hook") }
                throw Broken()
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["hook"])
        #expect(report.bodyError is Broken)
        #expect(report.cause == .failure(of: "body"))
    }
}
