// Tasks: the ways in which they end, and what the report lists.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Tasks") struct WorkTests {
    @Test("The report lists ten tasks, three of which fail during the shutdown")
    func ten() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                for index in 0..<10 {
                    try daemon.addTask("t\(index)", onShutdown: (6...7).contains(index) ? .cancel : .drain) {
                        switch index {
                        case 0...2:
                            await daemon.shutdownRequested()
                            throw Broken()
                        case 3...5:
                            await daemon.shutdownRequested()
                        default:
                            try await untilCancelled()
                        }
                    }
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait("until nine have ended") {
                scene.transitions.filter { if case .ended = $0 { true } else { false } }.count == 9
            }
            #expect(scene.phases == [.draining], "a failure in a shutdown changes nothing")
            scene.simulator.advance(seconds: 20)
        }
        var expected = ["body": "finished", "flush": "finished"]
        for index in 0...2 { expected["t\(index)"] = "failed: Broken()" }
        for index in 3...5 { expected["t\(index)"] = "finished" }
        for index in 6...9 { expected["t\(index)"] = "cancelled" }
        #expect(report.outcomes == expected)
        #expect(report.tasks.count == 12)
        #expect(report.omittedTaskCount == 0)
        #expect(Set(report.tasks.suffix(3).map(\.name)) == ["t8", "t9", "flush"], "in the order in which they ended")
        #expect(report.tasks.last?.name == "flush")
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.exitStatus == .code(1))
        #expect(report.task("body")?.kind == .body)
        #expect(report.task("t6")?.kind == .task)
        #expect(report.task("flush")?.kind == .cleanup)
        #expect(report.task("t10") == nil)
    }

    @Test("Work that fails shuts the rest down gracefully, and is the reason", arguments: [false, true])
    func failure(ofBody: Bool) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addTask("waits") {
                    await daemon.shutdownRequested()
                    #expect(!Task.isCancelled)
                    scene.step("waits")
                }
                if ofBody { throw Broken() }
                try daemon.addTask("broken") { throw Broken() }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "flush")
        }
        #expect(scene.steps == ["waits", "flush"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.reason == .failure(of: ofBody ? "body" : "broken"))
        #expect(report.outcomes[ofBody ? "body" : "broken"] == "failed: Broken()")
        #expect(ofBody == (report.bodyError is Broken))
        #expect(report.signal == nil && report.signals.isEmpty)
        #expect(report.exitStatus == .code(1))
    }

    @Test("A failure that does not end the daemon is reported, and the exit code is 1")
    func toleratedFailure() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("tolerated", onFailure: .report) { throw Broken() }
                try daemon.addThread("thread", onFailure: .report) { _ in throw Broken() }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(forLine: "task tolerated: failed: Broken()")
            try await scene.wait(forLine: "thread thread: failed: Broken()")
            #expect(scene.phases == [])
            try scene.send(.sigint)
        }
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.exitStatus == .code(1), "and not death by SIGINT")
    }

    @Test(
        "A CancellationError of work that was not cancelled is a failure, and during a shutdown it counts as cancelled")
    func ownCancellation() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("early") { throw CancellationError() }
                await daemon.shutdownRequested()
                throw CancellationError()
            }
        } drive: { _ in
        }
        #expect(report.reason == .failure(of: "early"))
        if case .failed(let error)? = report.task("early")?.outcome {
            #expect(error is CancellationError)
        } else {
            Issue.record("\(report.outcomes)")
        }
        #expect(report.outcomes["body"] == "cancelled", "as startup and cancelOnShutdown throw it")
        #expect(report.bodyError is CancellationError)
        #expect(report.exitStatus == .code(1))
    }

    @Test("Cancelled work has failed if it throws another error, and has finished if it returns")
    func cancelledOutcomes() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("throws", onShutdown: .cancel) {
                    try? await untilCancelled()
                    throw Broken()
                }
                try daemon.addTask("returns", onShutdown: .cancel) { try? await untilCancelled() }
                try daemon.addTask("drains") {
                    await daemon.shutdownRequested()
                    #expect(!Task.isCancelled)
                }
                scene.step("up")
                await daemon.shutdownRequested()
                #expect(!Task.isCancelled)
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        let expected = ["throws": "failed: Broken()", "returns": "finished", "drains": "finished", "body": "finished"]
        #expect(report.outcomes == expected)
    }

    @Test("Work is refused once a shutdown has begun, and after the end")
    func refused() async throws {
        let kept = Shared<Daemon?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) { daemon in
                kept { $0 = daemon }
                @Sendable func tryToAdd(_ moment: String) {
                    let task = refusal { try daemon.addTask("late") { scene.step("ran") } }
                    let thread = refusal { try daemon.addThread("late") { _ in scene.step("ran") } }
                    if task?.code == .shuttingDown, thread?.code == .shuttingDown { scene.step(moment) }
                }
                daemon.addCleanup("flush") { tryToAdd("cleaning up") }
                scene.step("up")
                await daemon.shutdownRequested()
                tryToAdd("draining")
                try? await untilCancelled()
                tryToAdd("cancelling")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(for: "draining")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up", "draining", "cancelling", "cleaning up"])
        #expect(report.outcomes == ["body": "finished", "flush": "finished"])
        let daemon = try #require(kept.now)
        let task = refusal { try daemon.addTask("late") { scene.step("ran") } }
        let thread = refusal { try daemon.addThread("late") { _ in scene.step("ran") } }
        let cleanup = daemon.addCleanup("late") { scene.step("ran") }
        #expect(task?.code == .shuttingDown && task?.description.isEmpty == false)
        #expect(thread?.code == .shuttingDown)
        #expect(!cleanup)
        #expect(daemon.isShuttingDown)
        daemon.shutdown()
        await #expect(throws: SignalBridgeError.self) { try await daemon.reload() }
        daemon.notifyReady()
        daemon.setStatus("late")
        #expect(!scene.steps.contains("ran"))
    }
}
