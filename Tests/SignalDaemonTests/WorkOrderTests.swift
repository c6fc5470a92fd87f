// Work that a shutdown reaches after other work.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Work after other work") struct WorkOrderTests {
    @Test("Work hears of the shutdown when the work before it has ended, by whichever call it waits")
    func told() async throws {
        let server = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                // Added before the server: names are compared at the shutdown.
                try daemon.addTask("worker", after: "server") {
                    await daemon.shutdownRequested()
                    scene.step("worker")
                }
                try daemon.addTask("loop", after: "server") {
                    try? await daemon.cancelOnShutdown { try await untilCancelled() }
                    scene.step("loop")
                }
                try daemon.addTask("deep", after: "server") {
                    async let told: Void? = Daemon.current?.shutdownRequested()
                    await told
                    scene.step("deep")
                }
                try daemon.addThread("thread", after: "server") { stop in
                    stop.wait()
                    scene.step("thread")
                }
                try daemon.addTask("server") {
                    await daemon.shutdownRequested()
                    scene.step("server told")
                    await server.wait()
                    scene.step("server")
                }
                scene.step("up")
                await daemon.shutdownRequested()
                #expect(daemon.isShuttingDown)
                scene.step("body")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(forLine: "body: finished")
            try await scene.wait(for: "server told")
            scene.simulator.advance(seconds: 19)
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps.count == 3, "\(scene.steps)")
            server.release()
        }
        #expect(scene.steps.dropFirst(3).first == "server")
        #expect(Set(scene.steps.suffix(4)) == ["worker", "loop", "deep", "thread"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.outcomes.values.allSatisfy { $0 == "finished" })
    }

    @Test("The jobs that a server queues to its last request are done")
    func queue() async throws {
        let (jobs, queue) = AsyncStream<Int>.makeStream()
        let done = Shared<[Int]>([])
        let (report, _) = try await simulate { scene in
            try await Daemon.run { daemon in
                try daemon.addTask("worker", onShutdown: .cancel, after: "server") {
                    for await job in jobs { done { $0.append(job) } }
                }
                try daemon.addTask("server") {
                    await daemon.shutdownRequested()
                    for job in 1...20 {
                        queue.yield(job)
                        while done.now.count < job { try await Task.sleep(for: .milliseconds(1)) }
                    }
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(done.now == Array(1...20))
        #expect(report.outcomes == ["body": "finished", "server": "finished", "worker": "finished"])
    }

    @Test("Work that a shutdown cancels is cancelled when the work before it has ended")
    func cancels() async throws {
        let server = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("ticker", onShutdown: .cancel, after: "server") {
                    defer { scene.step("ticker") }
                    try await untilCancelled()
                }
                try daemon.addTask("first", onShutdown: .cancel) {
                    defer { scene.step("first") }
                    try await untilCancelled()
                }
                try daemon.addTask("server") {
                    await server.wait()
                    scene.step("server")
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(for: "first")
            try await scene.wait(forLine: "body: finished")
            scene.simulator.advance(seconds: 19)
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["up", "first"])
            server.release()
        }
        #expect(scene.steps == ["up", "first", "server", "ticker"])
        #expect(report.outcomes["ticker"] == "cancelled")
        #expect(scene.phases == [.draining, .cleaningUp])
    }

    @Test("A chain ends in its order")
    func chain() async throws {
        let names = ["acceptor", "parser", "writer"]
        let blockers = names.map { _ in Blocker() }
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                for (index, name) in names.enumerated().reversed() {
                    try daemon.addTask(name, after: index > 0 ? names[index - 1] : "body") {
                        await daemon.shutdownRequested()
                        scene.step("\(name) told")
                        await blockers[index].wait()
                        scene.step(name)
                    }
                }
                scene.step("up")
                await daemon.shutdownRequested()
                scene.step("body")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            for (index, name) in names.enumerated() {
                try await scene.wait(for: "\(name) told")
                try await Task.sleep(for: .milliseconds(20))
                #expect(scene.steps.last == "\(name) told")
                blockers[index].release()
            }
        }
        #expect(
            scene.steps == [
                "up", "body", "acceptor told", "acceptor", "parser told", "parser", "writer told", "writer",
            ])
    }

    @Test("Work waits for all work of that name")
    func namesakes() async throws {
        let blockers = [Blocker(), Blocker()]
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                for blocker in blockers { try daemon.addTask("connection") { await blocker.wait() } }
                try daemon.addTask("worker", after: "connection") {
                    await daemon.shutdownRequested()
                    scene.step("worker")
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            blockers[0].release()
            try await scene.wait(forLine: "task connection: finished")
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["up"])
            blockers[1].release()
        }
        #expect(scene.steps == ["up", "worker"])
    }

    @Test("Work after work that has ended, or never was, is told at once")
    func unknown() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("short") {}
                for other in ["short", "nobody"] {
                    try daemon.addTask("after \(other)", after: other) {
                        await daemon.shutdownRequested()
                        scene.step("after \(other)")
                    }
                }
                try await scene.wait(forLine: "task short: finished")
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(scene.steps == ["up"])
            try scene.send(.sigterm)
        }
        #expect(Set(scene.steps) == ["up", "after short", "after nobody"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.exitStatus == .code(0))
    }

    @Test("Work may come after an action of the shutdown")
    func afterAction() async throws {
        let action = Blocker()
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.onGracefulShutdown("stop accepting") {
                    scene.step("stopping")
                    await action.wait()
                    scene.step("stopped")
                }
                try daemon.addTask("worker", after: "stop accepting") {
                    await daemon.shutdownRequested()
                    scene.step("worker")
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(for: "stopping")
            try await scene.wait(forLine: "body: finished")
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["up", "stopping"])
            action.release()
        }
        #expect(scene.steps == ["up", "stopping", "stopped", "worker"])
    }

    @Test("Work that would wait for itself is refused")
    func cycle() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                @Sendable func add(_ name: String, after other: String) -> SignalBridgeError.Code? {
                    refusal {
                        try daemon.addTask(name, after: other) {
                            scene.step(name)
                            await daemon.shutdownRequested()
                        }
                    }?.code
                }
                #expect(add("alone", after: "alone") == .invalidArgument)
                #expect(add("a", after: "b") == nil)
                #expect(add("b", after: "a") == .invalidArgument)
                #expect(add("b", after: "c") == nil)
                #expect(add("c", after: "a") == .invalidArgument)
                #expect(
                    refusal { try daemon.addThread("c", after: "a") { _ in scene.step("c") } }?.code == .invalidArgument
                )
                #expect(
                    refusal { try daemon.addPart("c", after: "a") { _ in scene.step("c") } }?.code == .invalidArgument)
                #expect(add("c", after: "d") == nil)
                #expect(daemon.running.map(\.name) == ["body", "a", "b", "c"])
                try await scene.wait("for the tasks") { scene.steps.count == 3 }
                daemon.shutdown()
            }
        } drive: { _ in
        }
        #expect(Set(scene.steps) == ["a", "b", "c"], "a refused operation never runs")
        #expect(report.exitStatus == .code(0))
    }

    @Test(
        "When the grace period is over, or a signal escalates, all work is told and cancelled at once",
        arguments: [true, false])
    func overdue(byTime: Bool) async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("server") { await blocker.wait() }
                try daemon.addTask("worker", after: "server") {
                    await daemon.shutdownRequested()
                    try? await untilCancelled()
                    scene.step("worker: \(Task.isCancelled)")
                }
                try daemon.addTask("ticker", onShutdown: .cancel, after: "worker") {
                    defer { scene.step("ticker") }
                    try await untilCancelled()
                }
                try daemon.addThread("thread", after: "server") { stop in
                    stop.wait()
                    while !stop.isCancelled { usleep(1000) }
                    scene.step("thread: \(stop.isCancelled)")
                }
                try daemon.addTask("transfer", onShutdown: .complete, after: "server") {
                    await daemon.shutdownRequested()
                    scene.step("transfer: \(Task.isCancelled)")
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(forLine: "body: finished")
            scene.simulator.advance(seconds: 1)
            try await Task.sleep(for: .milliseconds(20))
            #expect(scene.steps == ["up"])
            if byTime { scene.simulator.advance(seconds: 19) } else { try scene.send(.sigterm) }
            try await scene.wait("for all of them") { scene.steps.count == 5 }
            #expect(Set(scene.steps) == ["up", "worker: true", "ticker", "thread: true", "transfer: false"])
            blocker.release()
        }
        #expect(scene.phases == [.draining, .cancelling, .cleaningUp])
        #expect(report.forcedExit == nil)
    }
}
