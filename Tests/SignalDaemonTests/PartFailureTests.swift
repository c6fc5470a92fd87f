// Parts that fail, overrun their deadlines, or are abandoned.
import Foundation
import SignalBridge
import TestSupport
import Testing

@testable import SignalDaemon

@Suite("Failing parts") struct PartFailureTests {
    @Test("A part that is added while the process is being forced to end is refused, because no report would have it")
    func late() async throws {
        try await withSimulatedSignals { _ in
            let runtime = try DaemonRuntime(.server, .disabled, DaemonProgram(), nil)
            runtime.parts.abandon(.deadline(.draining))
            let error = #expect(throws: SignalBridgeError.self) {
                try Daemon(runtime, generation: 0).addPart("late") { _ in Issue.record("it began") }
            }
            #expect(error?.code == .shuttingDown)
            #expect(runtime.summary.parts.isEmpty)
            runtime.requestClose()
        }
    }

    @Test("A forced exit does not release the errors of earlier parts, because their deinit may hang")
    func keptErrors() async throws {
        final class Noisy: Error {
            let isReleased: Shared<Bool>
            init(_ isReleased: Shared<Bool>) { self.isReleased = isReleased }
            deinit { isReleased { $0 = true } }
        }
        try await withSimulatedSignals { _ in
            let runtime = try DaemonRuntime(.server, .disabled, DaemonProgram(), nil)
            func addPart(_ id: Int, failing error: (any Error)? = nil) throws {
                let part = try runtime.makePart("part", of: Daemon(runtime, generation: 0), DaemonProgram())
                part.begin()
                #expect(runtime.parts.add(id, "part", part))
                guard let error else { return }
                part.ended(0, error)
                runtime.parts.end(id)
            }
            let isReleased = Shared(false)
            try addPart(1, failing: Noisy(isReleased))
            try addPart(2)
            #expect(!isReleased.now, "the report has it")
            runtime.parts.abandon(.deadline(.draining))  // the report of the second part takes its place
            #expect(!isReleased.now)
            runtime.requestClose()
        }
    }

    @Test("The failure of a part ends the daemon, or is only reported", arguments: [FailureBehavior.shutDown, .report])
    func failure(behavior: FailureBehavior) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addPart("part", onFailure: behavior) { part in
                    part.addCleanup("flush") { scene.step("flush") }
                    try part.addTask("worker") { throw Broken() }
                    await part.shutdownRequested()
                }
                scene.step("up")
                await daemon.shutdownRequested()
                scene.step("told")
            }
        } drive: { scene in
            try await scene.wait(forLine: "part part: failed: Broken()")
            if behavior == .report {
                try await Task.sleep(for: .milliseconds(50))
                #expect(scene.phases.isEmpty)
                try scene.send(.sigterm)
            }
        }
        #expect(report.reason == (behavior == .report ? report.signal.map { .signal($0) } : .failure(of: "part")))
        #expect(scene.steps.contains("flush") && scene.steps.contains("told"))
        #expect(report.exitStatus == .code(1))
        let part = try #require(report.part("part"))
        #expect(part.reason == .failure(of: "worker"))
        #expect(part.outcomes["body"] == "finished" && part.outcomes["worker"] == "failed: Broken()")
        #expect(part.bodyError is Broken)
        #expect(part.exitStatus == .code(1))
    }

    @Test("A part whose body throws has failed, unless it threw because it was told to end")
    func body() async throws {
        for isTold in [false, true] {
            let (report, _) = try await simulate { scene in
                try await Daemon.run(onTransition: scene.watch) { daemon in
                    try daemon.addPart("part") { part in
                        if !isTold { throw Broken() }
                        scene.step("up")
                        try await part.cancelOnShutdown { try await untilCancelled() }
                    }
                    await daemon.shutdownRequested()
                }
            } drive: { scene in
                if isTold {
                    try await scene.wait(for: "up")
                    try scene.send(.sigterm)
                }
            }
            #expect(report.exitStatus == .code(isTold ? 0 : 1))
            #expect(report.outcomes["part"] == (isTold ? "finished" : "failed: Broken()"))
            #expect(report.part("part")?.outcomes == ["body": isTold ? "cancelled" : "failed: Broken()"])
        }
    }

    @Test(
        "A part that is shut down alone and overruns its deadlines is given up, and that is a failure of it",
        arguments: [true, false])
    func overruns(isWork: Bool) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let kept = Shared<Daemon?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("outer flush") { scene.step("outer flush") }
                let part = try daemon.addPart("part") { part in
                    part.addCleanup("flush") {
                        scene.step("flush")
                        if !isWork { await blocker.wait() }
                    }
                    try part.addTask("worker") {
                        scene.step("up")
                        if isWork { await blocker.wait() }
                    }
                    await part.shutdownRequested()
                }
                kept { $0 = part }
                await daemon.shutdownRequested()
                scene.step("told")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try await scene.wait("for the part") { kept.now != nil }
            kept.now?.shutdown()
            if isWork {
                try await scene.wait(forLine: "part: body: finished")
                scene.simulator.advance(seconds: 21.9)
            } else {
                try await scene.wait(for: "flush")
                scene.simulator.advance(seconds: 1.9)
            }
            #expect(scene.phases.isEmpty, "the rest runs on")
            scene.simulator.advance(seconds: 0.1)
        }
        let part = try #require(report.part("part"))
        #expect(part.missedDeadline == (isWork ? .cancelling : .cleaningUp))
        #expect(part.task(isWork ? "worker" : "flush")?.outcome.description == "abandoned")
        #expect(part.outcomes["flush"] == "abandoned", "a clean-up that has not started is abandoned, too")
        #expect((part.bodyError as? SignalBridgeError)?.code == .forcedExit)
        #expect(report.forcedExit == nil, "the process is not forced to end")
        #expect(scene.simulator.forcedExit == nil)
        #expect(report.reason == .failure(of: "part"))
        #expect(report.exitStatus == .code(1))
        #expect(scene.steps.suffix(2) == ["told", "outer flush"])
        #expect(scene.steps.contains("flush") == !isWork)
    }

    @Test("A part that overruns during the daemon's shutdown leaves the other work its time")
    func overrunsWithAll() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addPart("part") { part in
                    scene.step("up")
                    await blocker.wait()
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(forLine: "body: finished")
            scene.simulator.advance(seconds: 20)
            #expect(scene.phases == [.draining, .cancelling])
            // The cancellation reaches the part in a task of its own.
            try await scene.wait(forLine: "part: cancelling: requested by the program")
            scene.simulator.advance(seconds: 2)
        }
        #expect(report.part("part")?.missedDeadline == .cancelling)
        #expect(report.forcedExit == nil)
        #expect(scene.steps == ["up", "flush"])
        #expect(report.exitStatus == .code(1))
    }

    @Test("At a forced exit, what is abandoned in a part is in the part's report")
    func abandoned() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let forced = Shared<DaemonReport<Void>?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, onForcedExit: { report in forced { $0 = report } }) {
                daemon in
                try daemon.addPart("part") { part in
                    part.addCleanup("flush") { scene.step("flush") }
                    try part.addTask("quick") {}
                    try part.addTask("worker") { await blocker.wait() }
                    try part.addPart("inner") { inner in
                        scene.step("up")
                        await blocker.wait()
                    }
                    await part.shutdownRequested()
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try await scene.wait(forLine: "part: task quick: finished")
            for _ in 1...3 {
                try scene.send(.sigterm)
                scene.simulator.advance(seconds: 1)
            }
        }
        for report in [report, try #require(forced.now)] {
            #expect(report.forcingSignal == .sigterm)
            #expect(report.outcomes["part"] == "abandoned")
            let part = try #require(report.part("part"))
            #expect(part.forcingSignal == .sigterm)
            #expect(part.outcomes["quick"] == "finished")
            #expect(part.outcomes["worker"] == "abandoned")
            #expect(part.outcomes["flush"] == "abandoned")
            #expect(part.outcomes["inner"] == "abandoned")
            #expect(part.part("inner")?.outcomes == ["body": "abandoned"])
        }
        #expect(!scene.steps.contains("flush"))
        #expect(scene.simulator.forcedExit == .sigterm)
    }

    @Test("A part that failed before keeps its report at a forced exit")
    func failedBefore() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addPart("part", onFailure: .report) { _ in throw Broken() }
                try await scene.wait(forLine: "part part: failed: Broken()")
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 24)
        }
        #expect(report.missedDeadline == .cancelling)
        #expect(report.part("part")?.outcomes == ["body": "failed: Broken()"])
        #expect(report.part("part")?.forcedExit == nil)
    }

    @Test("A part for which no bridge is left is refused, and the others run on")
    func noBridgeLeft() async {
        await #expect(processExitsWith: .success) {
            limit()
            let report = try await Daemon.run { daemon in
                var count = 0
                do {
                    while count < 100 {
                        try daemon.addPart("part \(count)") { part in await part.shutdownRequested() }
                        count += 1
                    }
                } catch {
                    #expect((error as? SignalBridgeError)?.errnoCode == ENOSPC)
                }
                #expect((60..<64).contains(count))
                daemon.shutdown()
            }
            #expect(report.exitStatus == .code(0))
            #expect(report.tasks.filter { $0.kind == .part && $0.duration < .seconds(20) }.count >= 60)
        }
    }
}
