// Forced exits: by a second signal, after a restart, and by a signal that stops a process by default.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Forced exits") struct ForcedExitTests {
    static let forcing: [(SignalPolicy.SecondSignal, DaemonPhase)] = [
        (.escalate, .cancelling), (.escalate, .cleaningUp),
        (.forceExit, .draining), (.forceExit, .cancelling), (.forceExit, .cleaningUp),
    ]

    @Test("A second signal forces the exit after draining, or at once if the policy asks for it", arguments: forcing)
    func forces(second: SignalPolicy.SecondSignal, moment: DaemonPhase) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let seen = Shared<[DaemonExitStatus]>([])
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                policy: SignalPolicy.server.with(secondSignal: second, duplicateWindow: .zero),
                onTransition: scene.watch,
                onForcedExit: { report in seen { $0.append(report.exitStatus) } }
            ) { daemon in
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    await blocker.wait()
                }
                scene.step("up")
                if moment == .cleaningUp { await daemon.shutdownRequested() } else { await blocker.wait() }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigint)
            if moment == .cancelling { scene.simulator.advance(seconds: 20) }
            if moment == .cleaningUp { try await scene.wait(for: "flush") }
            #expect(scene.phases.last == moment)
            try scene.send(.sigterm)
            #expect(scene.responses == [.beganShutdown, .forcedExit])
            #expect(scene.lines.last?.hasPrefix("forced to exit: by SIGTERM") == true, "\(scene.lines)")
        }
        #expect(report.forcingSignal == .sigterm)
        #expect(report.exitStatus == .signal(.sigint), "it dies by the signal that began it")
        #expect(scene.simulator.forcedExit == .sigint)
        #expect(seen.now == [.signal(.sigint)], "onForcedExit is called, once")
        if moment == .cleaningUp {
            #expect(report.outcomes == ["body": "finished", "flush": "abandoned"])
            #expect(report.bodyError == nil)
        } else {
            #expect(report.outcomes["body"] == "abandoned")
            #expect((report.bodyError as? SignalBridgeError)?.code == .forcedExit)
            #expect(!scene.steps.contains("flush"), "no clean-up runs")
        }
    }

    @Test("After a restart, a forced exit does not report the result of the old body")
    func resultAfterRestart() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let seen = Shared<[String]>([])
        let loads = Shared(0)
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch,
                onForcedExit: { report in seen { $0.append("\(report.result)") } },
                load: {
                    loads { $0 += 1 }
                    return loads.now
                }
            ) { daemon, version -> Int in
                scene.step("body \(version)")
                if version == 1 { await daemon.shutdownRequested() } else { await blocker.wait() }
                return version
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            try scene.send(.sigterm, .sigterm, .sigterm)
        }
        #expect(report.task("body")?.outcome.description == "abandoned")
        #expect((report.bodyError as? SignalBridgeError)?.code == .forcedExit)
        #expect(seen.now.count == 1 && seen.now.allSatisfy { $0.hasPrefix("failure") }, "\(seen.now)")
    }

    @Test("A forced exit before the new body has started does not report the result of the old body")
    func resultBeforeNewBody() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(50), cancelPeriod: .milliseconds(50))
            _ = try await Daemon.run(
                policy: policy,
                onTransition: { if case .reloaded = $0 { kill(getpid(), SIGTERM) } },
                onForcedExit: { report in say("\(report.result) \(report.outcomes)") },
                load: { 1 }
            ) { daemon, _ -> String in
                say("a body runs")
                daemon.addCleanup("block") {  // the last work of the old body: after it Swift's pool runs nothing
                    for _ in 0..<256 { Task.detached { hang() } }
                }
                kill(getpid(), SIGHUP)
                await daemon.shutdownRequested()
                return "the old result"
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.hasPrefix("a body runs\nfailure("), "\(output)")
        #expect(output.contains("abandoned") && !output.contains("the old result"), "\(output)")
    }

    static let stopping = [SIGTSTP, SIGTTIN, SIGTTOU].map(SignalNumber.init(rawValue:))

    @Test("A forced exit by a signal that stops by default gives the exit code 128 + signal", arguments: stopping)
    func stoppingSignal(signal: SignalNumber) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            let policy = try SignalPolicy(graceful: [signal]).with(duplicateWindow: .zero)
            return try await Daemon.run(policy: policy, onTransition: scene.watch) { _ in
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(signal, signal, signal)
        }
        #expect(report.forcingSignal == signal)
        #expect(report.exitStatus == .code(128 + signal.rawValue))
        #expect(scene.simulator.forcedExit == signal)
    }
}
