// The start of a program, which a shutdown cancels: Daemon.startup.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Start-up") struct StartupTests {
    @Test(
        "A signal during the start-up cancels it at once, and that is a clean stop",
        arguments: [SignalNumber.sigterm, .sigint])
    func signal(signal: SignalNumber) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try await daemon.startup {
                    scene.step("connecting")
                    try await untilCancelled()
                }
                scene.step("serving")
            }
        } drive: { scene in
            try await scene.wait(for: "connecting")
            try scene.send(signal)
        }
        #expect(scene.steps == ["connecting", "flush"], "without a move of the clock")
        #expect(report.outcomes == ["body": "cancelled", "flush": "finished"])
        #expect(report.exitStatus == (signal == .sigint ? .signal(.sigint) : .code(0)))
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.forcedExit == nil)
    }

    @Test("Whatever a cancelled start-up throws, the stop is clean")
    func otherError() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                do {
                    try await daemon.startup {
                        scene.step("connecting")
                        try? await untilCancelled()
                        throw Broken()
                    }
                } catch {
                    scene.step("\(type(of: error))")
                    throw error
                }
            }
        } drive: { scene in
            try await scene.wait(for: "connecting")
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["connecting", "CancellationError"])
        #expect(report.outcomes == ["body": "cancelled"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("An error of a start-up that nothing has interrupted is a failure")
    func failure() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try await daemon.startup { throw Broken() }
                scene.step("serving")
            }
        } drive: { _ in
        }
        #expect(report.bodyError is Broken)
        #expect(report.reason == .failure(of: "body"))
        #expect(report.exitStatus == .code(1))
        #expect(scene.steps == ["flush"])
    }

    @Test("The result of a start-up is passed on, also if it comes during a shutdown", arguments: [false, true])
    func result(isAsked: Bool) async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run { daemon in
                let port = try await daemon.startup {
                    scene.step("binding")
                    if isAsked { try? await untilCancelled() }
                    return 8080
                }
                return port + 1
            }
        } drive: { scene in
            try await scene.wait(for: "binding")
            if isAsked { try scene.send(.sigterm) }
        }
        #expect(try report.result.get() == 8081)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A shutdown of the program's cancels the start-up too, and one that is over cancels it from the beginning")
    func requested() async throws {
        for isBefore in [false, true] {
            let (report, scene) = try await simulate { scene in
                try await Daemon.run { daemon in
                    if isBefore { daemon.shutdown() }
                    try daemon.addTask("asks") {
                        try await scene.wait(for: "connecting")
                        daemon.shutdown()
                    }
                    try await daemon.startup {
                        scene.step("connecting")
                        try await untilCancelled()
                    }
                }
            } drive: { _ in
            }
            #expect(report.outcomes["body"] == "cancelled")
            #expect(report.reason == .requested)
            #expect(report.exitStatus == .code(0))
            _ = scene
        }
    }

    @Test("The cancellation of the task that runs the daemon reaches the start-up")
    func cancelled() async throws {
        let stopped = Shared(false)
        try await withSimulatedSignals { simulator in
            let scene = Scene(simulator: simulator)
            let task = Task {
                try await Daemon.run { daemon in
                    try await daemon.startup {
                        scene.step("connecting")
                        defer { stopped { $0 = true } }
                        try await untilCancelled()
                    }
                }
            }
            try await scene.wait(for: "connecting")
            task.cancel()
            let report = try await task.value
            #expect(report.reason == .cancelled)
            #expect(report.outcomes == ["body": "cancelled"])
        }
        #expect(stopped.now)
    }
}
