// Daemon.current and cancelOnShutdown, for code that was not given its daemon.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// The name of the work that only the current daemon has: "none" outside of a daemon.
private func marker() -> String {
    guard let daemon = Daemon.current else { return "none" }
    return daemon.running.map(\.name).last { $0.hasPrefix("marker") } ?? "unmarked"
}

@Suite("The current daemon") struct CurrentDaemonTests {
    @Test("Every kind of work knows its daemon, and so do child tasks")
    func everyKind() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                // Runs until the end of all other work, and identifies this daemon.
                try daemon.addTask("marker", onShutdown: .complete) {
                    try await scene.wait("for all steps") { scene.steps.filter { $0.hasPrefix("work") }.count == 10 }
                }
                scene.step("work body \(marker())")
                async let child = marker()
                scene.step("work child \(await child)")
                scene.step("work unstructured \(await Task { marker() }.value)")
                scene.step("detached \(await Task.detached { marker() }.value)")
                try daemon.addTask("task") {
                    await withTaskGroup(of: Void.self) { group in
                        group.addTask { scene.step("work task \(marker())") }
                    }
                }
                try daemon.addThread("thread") { _ in scene.step("work thread \(marker())") }
                try daemon.onReload { scene.step("work reload \(marker())") }
                try await daemon.reload()
                try daemon.onSignal(.sigusr1) { _ in scene.step("work signal \(marker())") }
                try scene.send(.sigusr1)
                try await daemon.shield("commit") { scene.step("work shield \(marker())") }
                let started = try await daemon.startup { marker() }
                scene.step("work startup \(started)")
                daemon.onGracefulShutdown { scene.step("work action \(marker())") }
                daemon.addCleanup("flush") { scene.step("cleanup \(Daemon.current?.running.map(\.name) ?? [])") }
                daemon.shutdown()
            }
        } drive: { _ in
        }
        let kinds = [
            "body", "child", "unstructured", "task", "thread", "reload", "signal", "shield", "startup", "action",
        ]
        #expect(Set(scene.steps.filter { $0.hasPrefix("work") }) == Set(kinds.map { "work \($0) marker" }))
        #expect(scene.steps.contains("detached none"))
        #expect(scene.steps.last == #"cleanup ["flush"]"#)
        #expect(Daemon.current == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("There is no current daemon outside of one, and each of two has its own")
    func two() async throws {
        #expect(Daemon.current == nil)
        let (_, scene) = try await simulate { scene in
            #expect(Daemon.current == nil)
            return try await Daemon.run { daemon in
                try daemon.addTask("marker outer") { await daemon.shutdownRequested() }
                let report = try await withSimulatedSignals { _ in
                    try await Daemon.run { inner in
                        try inner.addTask("marker inner") { await inner.shutdownRequested() }
                        scene.step(marker())
                        Daemon.current?.shutdown(exitCode: 3)
                    }
                }
                #expect(report.exitStatus == .code(3))
                scene.step(marker())
                #expect(!daemon.isShuttingDown)
                daemon.shutdown()
            }
        } drive: { _ in
            #expect(Daemon.current == nil)
        }
        #expect(scene.steps == ["marker inner", "marker outer"])
    }

    @Test("In a part, the current daemon is the part")
    func part() async throws {
        let (_, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                try daemon.addTask("marker outer") { await daemon.shutdownRequested() }
                try daemon.addPart("part") { part in
                    try part.addTask("marker part") { await part.shutdownRequested() }
                    scene.step(marker())
                    Daemon.current?.shutdown()
                }
                try await scene.wait("for the part") { !daemon.running.contains { $0.name == "part" } }
                scene.step("\(marker()), \(daemon.isShuttingDown)")
                daemon.shutdown()
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["marker part", "marker outer, false"])
    }

    @Test("The body of runBlocking and its threads know their daemon")
    func blocking() async throws {
        let steps = Shared<[String]>([])
        let status = await withSimulatedSignals { simulator in
            await onThread {
                simulator.withSimulation {
                    let report = try? Daemon.runBlocking { daemon in
                        try daemon.addThread("marker") { stop in
                            steps { $0.append("thread \(marker())") }
                            stop.wait()
                        }
                        while steps.now.isEmpty { usleep(1000) }
                        steps { $0.append("body \(marker())") }
                        Daemon.current?.shutdown(exitCode: 9)
                    }
                    #expect(Daemon.current == nil)
                    return report?.exitStatus
                }
            }
        }
        #expect(steps.now == ["thread marker", "body marker"])
        #expect(status == .code(9))
    }

    @Test("cancelOnShutdown cancels its operation when a shutdown is requested, and no other work")
    func cancelled() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.addTask("ticker") {
                    do {
                        try await Daemon.current?.cancelOnShutdown {
                            scene.step("ticking")
                            try await untilCancelled()
                        }
                    } catch {
                        scene.step("\(type(of: error)), \(Task.isCancelled)")
                        throw error
                    }
                }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "ticking")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["ticking", "CancellationError, false"])
        #expect(report.outcomes == ["body": "finished", "ticker": "cancelled"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.exitStatus == .code(0))
    }

    @Test("cancelOnShutdown passes on results and errors, and the cancellation of its caller")
    func passesOn() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                let value = try await daemon.cancelOnShutdown { 7 }
                scene.step("\(value)")
                do {
                    try await daemon.cancelOnShutdown { throw Broken() }
                } catch {
                    scene.step("\(type(of: error))")
                }
                let caller = Task {
                    try await daemon.cancelOnShutdown {
                        scene.step("inside")
                        try await untilCancelled()
                    }
                }
                try await scene.wait(for: "inside")
                caller.cancel()
                if case .failure(let error) = await caller.result { scene.step("\(type(of: error))") }
                #expect(!daemon.isShuttingDown)
                daemon.shutdown()
                let late = try await daemon.cancelOnShutdown { Task.isCancelled }
                scene.step("late: \(late)")
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["7", "Broken", "inside", "CancellationError", "late: true"])
        #expect(report.exitStatus == .code(0))
    }
}
