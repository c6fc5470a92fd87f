// Signals that come after all work has ended and before `run` returns.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Signals after the last work") struct LateSignalTests {
    /// Ends a daemon by SIGTERM; another one comes at its very end.
    @Sendable private static func run(_ policy: SignalPolicy) async throws {
        let report = try await Daemon.run(
            policy: policy,
            onTransition: { transition in
                guard case .finished = transition else { return }
                kill(getpid(), SIGTERM)
                usleep(100_000)  // the daemon waits for this closure before it closes
            }
        ) { daemon in
            kill(getpid(), SIGTERM)
            await daemon.shutdownRequested()
        }
        #expect(report.exitStatus == .code(0))
        exit(7)
    }

    @Test("A duplicate of what ended the daemon does not kill the process")
    func duplicate() async {
        await #expect(processExitsWith: .exitCode(7)) {
            limit()
            try await Self.run(.server)
        }
    }

    @Test("A signal that is no duplicate is for the process")
    func request() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            try await Self.run(.server.with(duplicateWindow: .zero))
        }
    }

    @Test("In a simulation, too, only a signal that is no duplicate is for the process")
    func simulated() async throws {
        for (window, end) in [(Duration.seconds(1), nil), (.zero, SignalNumber.sigterm)] {
            let (report, scene) = try await simulate { scene in
                try await Daemon.run(
                    policy: .server.with(duplicateWindow: window),
                    onTransition: { transition in
                        if case .finished = transition { try? scene.simulator.send(.sigterm) }
                    }
                ) { daemon in
                    scene.step("up")
                    await daemon.shutdownRequested()
                }
            } drive: { scene in
                try await scene.wait(for: "up")
                try scene.send(.sigterm)
            }
            #expect(report.signals.count == 1)
            #expect(scene.simulator.forcedExit == end)
        }
    }
}
