// Signals of the program's own: Daemon.onSignal.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Signals of the program's own") struct OnSignalTests {
    @Test("An action gets every delivery in order, with count, sender and value", .enabled(if: hasRealtimeSignals))
    func details() async throws {
        let signals: [SignalNumber] = [.sigusr1, .realtime(2)]
        for signal in signals {
            let received = Shared<[SignalEvent]>([])
            _ = try await simulate { scene in
                try await Daemon.run { daemon in
                    try daemon.onSignal(signal) { event in
                        await Task.yield()
                        received { $0.append(event) }
                    }
                    scene.step("up")
                    await daemon.shutdownRequested()
                }
            } drive: { scene in
                try await scene.wait(for: "up")
                for number in 1...50 {
                    let sender = SignalEvent.Sender(processID: pid_t(1000 + number), userID: 7)
                    try scene.simulator.send(signal, value: number, sender: sender)
                }
                try scene.simulator.send(signal, sender: nil)
                try await scene.wait("for 51 events") { received.now.count >= 51 }
                try scene.send(.sigterm)
            }
            #expect(received.now.compactMap(\.value) == Array(1...50))
            #expect(received.now.dropLast().compactMap { $0.sender?.processID } == (1001...1050).map { pid_t($0) })
            #expect(received.now.allSatisfy { $0.signal == signal && $0.count == 1 })
            #expect(received.now.last?.sender == nil && received.now.last?.cause == .kernel)
        }
    }

    @Test("An action is called while the daemon drains, cancels and cleans up, until the very end")
    func everyPhase() async throws {
        let (body, cleanup) = (Blocker(), Blocker())
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onSignal(.sigusr1) { event in scene.step("reopened \(event.value!)") }
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    await cleanup.wait()
                }
                scene.step("up")
                await body.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sigusr1, value: 1)
            try await scene.wait(for: "reopened 1")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            try scene.simulator.send(.sigusr1, value: 2)
            try await scene.wait(for: "reopened 2")
            scene.simulator.advance(seconds: 20)
            #expect(scene.phases == [.draining, .cancelling])
            try scene.simulator.send(.sigusr1, value: 3)
            try await scene.wait(for: "reopened 3")
            body.release()
            try await scene.wait(for: "flush")
            try scene.simulator.send(.sigusr1, value: 4)
            try await scene.wait(for: "reopened 4")
            cleanup.release()
        }
        #expect(scene.simulator.forcedExit == nil)
        #expect(scene.responses == [.beganShutdown], "it has no effect on the daemon")
        #expect(report.signals.count == 1)
        #expect(Set(report.outcomes.keys) == ["body", "flush"], "it is no work of the daemon's")
    }

    @Test("An action can be registered during a shutdown")
    func duringShutdown() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                scene.step("up")
                await daemon.shutdownRequested()
                try daemon.onSignal(.sigusr2) { _ in scene.step("usr2") }
                scene.step("registered")
                try await scene.wait(for: "usr2")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            try await scene.wait(for: "registered")
            try scene.send(.sigusr2)
        }
        #expect(scene.steps == ["up", "registered", "usr2"])
        #expect(report.exitStatus == .code(0))
    }

    @Test("An action that hangs holds up neither other actions nor the end")
    func hangs() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                try daemon.onSignal(.sigusr1) { _ in
                    scene.step("hangs")
                    await blocker.wait()
                }
                try daemon.onSignal(.sigusr1) { _ in scene.step("another action") }
                try daemon.onSignal(.sigusr2) { _ in scene.step("another signal") }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigusr1, .sigusr2)
            try await scene.wait(for: "hangs")
            try await scene.wait(for: "another action")
            try await scene.wait(for: "another signal")
            try scene.send(.sigusr1)
            try await scene.wait("for the second event") { scene.steps.filter { $0 == "another action" }.count == 2 }
            try scene.send(.sigterm)
        }
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
        #expect(scene.steps.filter { $0 == "hangs" }.count == 1, "one at a time")
    }

    @Test("A signal of the policy is refused", arguments: [SignalNumber.sigterm, .sigint, .sighup])
    func ofThePolicy(signal: SignalNumber) async throws {
        let (report, _) = try await simulate { _ in
            try await Daemon.run { daemon in
                let error = refusal { try daemon.onSignal(signal) { _ in } }
                #expect(error?.code == .duplicateSignal)
                #expect(error?.signal == signal)
            }
        } drive: { _ in
        }
        #expect(report.exitStatus == .code(0))
    }

    @Test("A signal that cannot be caught is refused")
    func uncatchable() async throws {
        _ = try await simulate { _ in
            try await Daemon.run { daemon in
                let refused: [(SignalNumber, SignalBridgeError.Code)] = [
                    (.sigkill, .uncatchable), (.sigstop, .uncatchable), (.sigsegv, .synchronousFault),
                    (SignalNumber(rawValue: 1000), .outOfRange),
                ]
                for (signal, code) in refused {
                    #expect(refusal { try daemon.onSignal(signal) { _ in } }?.code == code, "\(signal)")
                }
            }
        } drive: { _ in
        }
    }

    @Test("After the end an action is refused, and the disposition is as it was before")
    func afterTheEnd() async throws {
        let kept = Shared<Daemon?>(nil)
        let (_, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                kept { $0 = daemon }
                try daemon.onSignal(.sigusr1) { _ in scene.step("called") }
                #expect(disposition(of: .sigusr1) == .handler)
            }
        } drive: { _ in
        }
        let simulator = scene.simulator
        #expect(simulator.withSimulation { disposition(of: .sigusr1) } == .default)
        for signal in [SignalNumber.sigusr1, .sigusr2] {
            let error = simulator.withSimulation { refusal { try kept.now?.onSignal(signal) { _ in } } }
            #expect(error?.code == .shuttingDown)
            #expect(simulator.withSimulation { disposition(of: signal) } == .default)
        }
        try simulator.send(.sigusr1)
        #expect(simulator.forcedExit == .sigusr1, "it takes its default action again")
        #expect(!scene.steps.contains("called"))
    }

    @Test("A restart ends the actions of the old body, and its signals stay subscribed")
    func restart() async throws {
        let version = Shared(0)
        let old = Shared<Daemon?>(nil)
        let load: @Sendable () -> Int = {
            version { version in
                version += 1
                return version
            }
        }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(load: load) { daemon, version in
                old { $0 = $0 ?? daemon }
                try daemon.onSignal(.sigusr1) { event in scene.step("body \(version): \(event.value!)") }
                if version == 1 { try daemon.onSignal(.sigusr2) { _ in scene.step("old") } }
                scene.step("up \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up 1")
            try scene.simulator.send(.sigusr1, value: 1)
            try await scene.wait(for: "body 1: 1")
            try scene.send(.sighup)
            try await scene.wait(for: "up 2")
            #expect(disposition(of: .sigusr2) == .handler, "no default action between two bodies")
            try scene.simulator.send(.sigusr2)
            try scene.simulator.send(.sigusr1, value: 2)
            try await scene.wait(for: "body 2: 2")
            let error = refusal { try old.now?.onSignal(.sigusr2) { _ in scene.step("refused") } }
            #expect(error?.code == .shuttingDown)
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up 1", "body 1: 1", "up 2", "body 2: 2"])
        #expect(report.reloads == 1)
    }
}
