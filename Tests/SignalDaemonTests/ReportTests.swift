// The report and the transitions: complete, in order, bounded.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Reports") struct ReportTests {
    @Test("onTransition gets every transition, in order, one at a time")
    func transitions() async throws {
        let inside = Shared((now: 0, most: 0))
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: { transition in
                    inside {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                    }
                    scene.watch(transition)
                    usleep(500)
                    inside { $0.now -= 1 }
                }
            ) { daemon in
                daemon.addCleanup("first") { throw Broken() }
                daemon.addCleanup("second") {}
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sigterm, sender: .init(processID: 1, userID: 0))
            scene.simulator.advance(seconds: 2)
            blocker.release()
        }
        let signal = "SIGTERM from pid 1 (uid 0)"
        #expect(
            scene.lines == [
                "started", "\(signal) shuts down", "draining: \(signal)", "body: finished", "cleaning up: \(signal)",
                "cleanup second: finished", "cleanup first: failed: Broken()", "finished: exit code 1",
            ])
        #expect(inside.now == (0, 1))
        let text = report.description
        for part in [signal, "draining for 2", "body: finished", "cleanup first: failed: Broken()", "exit code 1"] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(!text.contains("forced"))
    }

    @Test("The report lists the last 1,000 tasks that ended before the shutdown, and an older failure still counts")
    func unlisted() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("first", onFailure: .report) { throw Broken() }
                try await scene.wait(forLine: "task first: failed: Broken()")
                for index in 0..<1100 { try daemon.addTask("t\(index)") {} }
                try await scene.wait("for all") {
                    scene.transitions.filter { if case .ended = $0 { true } else { false } }.count == 1101
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(report.omittedTaskCount == 101)
        #expect(report.tasks.filter { $0.kind == .task }.count == 1000)
        #expect(report.task("first") == nil)
        #expect(report.task("body") != nil)
        #expect(report.exitStatus == .code(1))
    }

    @Test("After a restart, task(_:) is the new body's task of that name")
    func lastOfAName() async throws {
        struct Failure: Error {}
        try await withSimulatedSignals { simulator in
            let loads = Shared(0)
            async let result = Daemon.run {
                loads { $0 += 1 }
                return loads.now
            } body: { daemon, number in
                try daemon.addTask("task", onFailure: .report) {
                    await daemon.shutdownRequested()
                    if number == 2 { throw Failure() }
                }
                if number == 2 { try simulator.send(.sigterm) }
                daemon.notifyReady()
                await daemon.shutdownRequested()
            }
            await simulator.waitUntilReady()
            try simulator.send(.sighup)
            let report = try await result
            #expect(report.reloads == 1)
            #expect(
                report.tasks.filter { $0.name == "task" }.map(\.outcome.description) == [
                    "finished", "failed: Failure()",
                ])
            #expect(report.task("task")?.outcome.description == "failed: Failure()")
        }
    }
}
