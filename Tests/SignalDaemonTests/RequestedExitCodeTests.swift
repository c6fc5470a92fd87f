// The exit code that the program asks for: shutdown(exitCode:).
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Requested exit codes") struct RequestedExitCodeTests {
    @Test("The first code that was requested is the exit code, whatever else happens")
    func first() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("late") { daemon.shutdown(exitCode: 4) }
                daemon.shutdown(exitCode: 75)
                daemon.shutdown(exitCode: 3)
                daemon.shutdown()
                throw Broken()
            }
        } drive: { _ in
        }
        #expect(report.exitStatus == .code(75))
        #expect(report.reason == .requested)
        #expect(scene.lines.last == "finished: exit code 75")
        #expect(report.outcomes["body"]?.hasPrefix("failed") == true)
    }

    @Test("A code that is requested during a shutdown counts, if none was", arguments: [UInt8(0), 1, 255])
    func later(code: UInt8) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("code") { daemon.shutdown(exitCode: code) }
                scene.step("up")
                await daemon.shutdownRequested()
                daemon.shutdown()
                throw Broken()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigint)
        }
        #expect(report.exitStatus == .code(Int32(code)), "and not death by SIGINT, nor 1 for the failure")
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(scene.lines.last == "finished: exit code \(code)")
    }

    @Test("The requested code is the code of a forced exit, too", arguments: [true, false])
    func forced(byTime: Bool) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, _) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.shutdown(exitCode: 75)
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            if byTime {
                scene.simulator.advance(seconds: 24)
            } else {
                for _ in 1...3 {
                    try scene.send(.sigterm)
                    scene.simulator.advance(seconds: 1)
                }
            }
        }
        #expect(report.forcedExit != nil)
        #expect(report.missedDeadline == (byTime ? .cancelling : nil))
        #expect(report.exitStatus == .code(75))
    }

    @Test("The requested code is the code of a hard exit, too")
    func hardExit() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(policy: .nginx) { daemon in
                scene.step("up")
                await daemon.shutdownRequested()
                daemon.shutdown(exitCode: 9)
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        #expect(report.hardExit != nil)
        #expect(report.exitStatus == .code(9))
    }

    @Test("Without a code, the reason decides; after the end a code has no effect")
    func none() async throws {
        let kept = Shared<Daemon?>(nil)
        let (report, _) = try await simulate { _ in
            try await Daemon.run { daemon in
                kept { $0 = daemon }
                daemon.shutdown()
            }
        } drive: { _ in
        }
        kept.now?.shutdown(exitCode: 5)
        #expect(report.exitStatus == .code(0))
        #expect(report.reason == .requested)
    }
}
