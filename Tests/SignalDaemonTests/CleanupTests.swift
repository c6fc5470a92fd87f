// Clean-ups: their order, their shares of the time, and those that hang.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Clean-ups") struct CleanupTests {
    @Test("Clean-ups run one by one after all work has ended, the last registered first")
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

    @Test(
        "A clean-up that hangs runs on beside the others after its share, and is cancelled when nine tenths of the time are over",
        arguments: [true, false])
    func hangs(reacts: Bool) async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("a") { scene.step("a") }
                daemon.addCleanup("b") { scene.step("b") }
                daemon.addCleanup("hangs") {
                    scene.step("hangs")
                    if reacts { try await untilCancelled() } else { await blocker.wait() }
                }
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "hangs")
            // Three clean-ups are left, so this one has a third of the 3.6 seconds.
            scene.simulator.advance(seconds: 1.1)
            try await Task.sleep(for: .milliseconds(20))
            #expect(scene.steps == ["hangs"])
            #expect(!scene.lines.contains("cleanup hangs takes more than its share"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("cleanup hangs takes more than its share"))
            try await scene.wait(for: "a")
            try await scene.wait(forLine: "cleanup a: finished")
            scene.simulator.advance(seconds: 2.3)
            #expect(!scene.lines.contains("cleanup hangs timed out"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("cleanup hangs timed out"))
            blocker.release()
        }
        #expect(scene.steps == ["hangs", "b", "a"])
        #expect(report.outcomes["a"] == "finished" && report.outcomes["b"] == "finished")
        #expect(report.outcomes["hangs"] == (reacts ? "cancelled" : "finished"))
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(1), "a clean-up that does not end in time makes the exit code 1")
    }

    @Test("A clean-up that takes more than its share may take what the others leave, and the exit code is 0")
    func overruns() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("next") { scene.step("next") }
                daemon.addCleanup("slow") {
                    scene.step("slow")
                    await blocker.wait()
                    scene.step("slow cancelled: \(Task.isCancelled)")
                }
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "slow")
            scene.simulator.advance(seconds: 1.8)
            try await scene.wait(forLine: "cleanup next: finished")
            scene.simulator.advance(seconds: 1.7)
            blocker.release()
        }
        #expect(scene.steps == ["slow", "next", "slow cancelled: false"])
        #expect(scene.lines.contains("cleanup slow takes more than its share"))
        #expect(report.outcomes == ["body": "finished", "next": "finished", "slow": "finished"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("The clean-ups that are left share nine tenths of the time, and all are cancelled when those are over")
    func shares() async throws {
        let blocker = Blocker()
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(cleanupPeriod: .seconds(12)), onTransition: scene.watch
            ) { daemon in
                for name in ["d", "c", "b", "a"] {
                    daemon.addCleanup(name) {
                        scene.step(name)
                        await blocker.wait()
                    }
                }
                daemon.shutdown()
            }
        } drive: { scene in
            // Each has a fourth of 10.8 seconds: after the first 8.1 are left, and a third of that is 2.7 again.
            for (index, name) in ["a", "b", "c", "d"].enumerated() {
                try await scene.wait(for: name)
                scene.simulator.advance(seconds: 2.6)
                #expect(!scene.lines.contains { $0.hasPrefix("cleanup \(name) ") })
                #expect(!scene.lines.contains { $0.hasSuffix("timed out") })
                scene.simulator.advance(seconds: 0.1)
                #expect(
                    scene.lines.contains("cleanup \(name) \(name == "d" ? "timed out" : "takes more than its share")"))
                #expect(scene.simulator.now == .milliseconds(2700 * (index + 1)))
            }
            let cancelled = scene.lines.filter { $0.hasSuffix("timed out") }
            #expect(cancelled.sorted() == ["a", "b", "c", "d"].map { "cleanup \($0) timed out" })
            scene.simulator.advance(seconds: 1.1)
            #expect(!scene.lines.contains { $0.hasPrefix("forced") })
            blocker.release()
        }
        #expect(report.forcedExit == nil)
        #expect(report.tasks.filter { $0.kind == .cleanup }.count == 4)
        #expect(report.exitStatus == .code(1))
    }

    @Test("The time that a quick clean-up leaves goes to the others")
    func quickCleanup() async throws {
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
            scene.simulator.advance(seconds: 3.5)  // of the 3.6 seconds that are nine tenths of the period
            #expect(!scene.lines.contains("cleanup slow timed out"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("cleanup slow timed out"))
        }
        #expect(report.outcomes == ["body": "finished", "quick": "finished", "slow": "cancelled"])
        #expect(report.exitStatus == .code(1))
    }

    @Test("When all clean-ups hang, each has its turn, and all are cancelled together")
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
                #expect(!scene.lines.contains { $0.hasSuffix(": cancelled") })
                scene.simulator.advance(seconds: 1.2)
            }
            for name in ["a", "b", "c"] { try await scene.wait(forLine: "cleanup \(name): cancelled") }
        }
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(1))
        #expect(scene.steps == ["a", "b", "c"])
    }

    @Test("A clean-up that never ends is abandoned after the clean-up period, and the others have run")
    func cleanupDeadline() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("last") { scene.step("last") }
                daemon.addCleanup("stuck") {
                    scene.step("stuck")
                    await blocker.wait()
                }
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "stuck")
            scene.simulator.advance(seconds: 3)  // more than its share
            try await scene.wait(for: "last")
            #expect(!scene.lines.contains { $0.hasPrefix("forced") })
            scene.simulator.advance(seconds: 1)
        }
        #expect(report.missedDeadline == .cleaningUp)
        #expect(report.outcomes == ["body": "finished", "last": "finished", "stuck": "abandoned"])
        #expect(report.exitStatus == .code(1), "no signal began it")
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("A clean-up that throws is reported, and the next one runs")
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
        #expect(report.outcomes["gives up"] == "cancelled", "the daemon is ending")
        #expect(report.reason == .finished)
        #expect(report.exitStatus == .code(1))
    }

    @Test("A clean-up with a limit is cancelled when that is over, and the next one starts", arguments: [true, false])
    func limit(reacts: Bool) async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("next") { scene.step("next") }
                daemon.addCleanup("limited", within: .milliseconds(500)) {
                    scene.step("limited")
                    if reacts { try await untilCancelled() } else { await blocker.wait() }
                }
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "limited")
            scene.simulator.advance(seconds: 0.4)
            #expect(!scene.lines.contains("cleanup limited timed out"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("cleanup limited timed out"))
            try await scene.wait(forLine: "cleanup next: finished")
            blocker.release()
        }
        #expect(scene.steps == ["limited", "next"])
        #expect(!scene.lines.contains("cleanup limited takes more than its share"))
        #expect(report.outcomes["limited"] == (reacts ? "cancelled" : "finished"))
        #expect(report.exitStatus == .code(1))
    }

    @Test("A limit is kept free for the clean-up that waits, and what the others have is shared")
    func limitAndShares() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                let limits: [(String, Duration?)] = [("last", nil), ("limited", .milliseconds(1600)), ("first", nil)]
                for (name, limit) in limits {
                    daemon.addCleanup(name, within: limit) {
                        scene.step(name)
                        await blocker.wait()
                    }
                }
                daemon.shutdown()
            }
        } drive: { scene in
            // 3.6 seconds less 1.6: each of the two without a limit has one second.
            for (name, milliseconds, line) in [
                ("first", 1000, "takes more than its share"), ("limited", 1600, "timed out"),
                ("last", 1000, "timed out"),
            ] {
                try await scene.wait(for: name)
                scene.simulator.advance(by: .milliseconds(milliseconds - 1))
                #expect(!scene.lines.contains("cleanup \(name) \(line)"))
                scene.simulator.advance(by: .milliseconds(1))
                #expect(scene.lines.contains("cleanup \(name) \(line)"))
            }
            #expect(scene.simulator.now == .milliseconds(3600))
            #expect(scene.lines.contains("cleanup first timed out"))
            blocker.release()
        }
        #expect(scene.steps == ["first", "limited", "last"])
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(1))
    }

    @Test(
        "A clean-up that ends within its limit has the usual outcome, and a longer limit than the period ends with that"
    )
    func generousLimit() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("hangs", within: .seconds(100)) {
                    scene.step("hangs")
                    try await untilCancelled()
                }
                daemon.addCleanup("quick", within: .seconds(1)) {}
                daemon.shutdown()
            }
        } drive: { scene in
            try await scene.wait(for: "hangs")
            scene.simulator.advance(seconds: 3.5)
            #expect(!scene.lines.contains("cleanup hangs timed out"))
            scene.simulator.advance(seconds: 0.1)
            #expect(scene.lines.contains("cleanup hangs timed out"))
        }
        #expect(report.outcomes == ["body": "finished", "quick": "finished", "hangs": "cancelled"])
        #expect(report.forcedExit == nil)
    }

    @Test("A clean-up that is registered while others run is next")
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
        #expect(report.tasks.filter { $0.kind == .cleanup }.count == 6)
        #expect(report.exitStatus == .code(0))
    }

    @Test("The last clean-up may register another one")
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

    @Test("The clean-ups of a body that throws run")
    func bodyThrows() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                throw Broken()
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["flush"])
        #expect(report.bodyError is Broken)
        #expect(report.reason == .failure(of: "body"))
    }
}
