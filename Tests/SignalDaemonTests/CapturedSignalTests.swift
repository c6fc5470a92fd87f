// Signals from before the daemon: SignalPolicy.captureSignals, and a daemon that takes the subscription over.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

private let parent = SignalEvent.Sender(processID: 4242, userID: 7)

@Suite("Captured signals") struct CapturedSignalTests {
    @Test("A signal that came before the daemon ends it, once, and its sender is in the report")
    func before() async throws {
        try await withSimulatedSignals { simulator in
            let scene = Scene(simulator: simulator)
            let early = try SignalPolicy.server.captureSignals()
            try simulator.send(.sigterm, sender: parent)
            let report = try await Daemon.run(takingOver: early, onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try await daemon.startup { try await untilCancelled() }
            }
            #expect(scene.steps == ["flush"])
            #expect(report.signals.map(\.signal) == [.sigterm])
            #expect(report.signal?.sender == parent)
            #expect(scene.responses == [.beganShutdown])
            #expect(report.duplicateSignals == 0)
            #expect(report.exitStatus == .code(0))
            if case .started? = scene.transitions.first {} else { Issue.record("\(scene.lines)") }
            #expect(simulator.forcedExit == nil, "nothing is raised again")
        }
    }

    @Test("A signal that both subscriptions have is counted once")
    func between() async throws {
        try await withSimulatedSignals { simulator in
            let scene = Scene(simulator: simulator)
            let policy = try SignalPolicy(graceful: [.sigterm, .sigint], reload: [.sigusr1])
            let early = try policy.captureSignals()
            try simulator.send(.sigint, sender: parent)
            // The daemon subscribes to TERM, then to USR1, and then takes over.
            let sender = Task(executorPreference: InlineExecutor()) {
                await simulator.waitForSubscriber(of: .sigusr1)
                try simulator.send(.sigterm, sender: parent)
                scene.step("sent")
            }
            let report = try await Daemon.run(
                policy: policy.with(duplicateWindow: .zero), takingOver: early, onTransition: scene.watch,
                load: { 1 }, apply: { _ in }
            ) { daemon, _ in
                await daemon.shutdownRequested()
            }
            try await sender.value
            #expect(scene.steps == ["sent"])
            #expect(report.signals.map(\.signal) == [.sigint, .sigterm])
            #expect(report.signals.allSatisfy { $0.sender == parent })
            #expect(report.duplicateSignals == 0)
            #expect(simulator.forcedExit == nil)
        }
    }

    @Test("Signals from before the daemon keep their order and their times", arguments: [true, false])
    func order(isSlow: Bool) async throws {
        let (report, scene) = try await simulate { scene in
            let early = try SignalPolicy.server.captureSignals()
            try scene.send(.sigint)
            scene.simulator.advance(by: isSlow ? .seconds(2) : .milliseconds(20))
            try scene.send(.sigterm)
            return try await Daemon.run(takingOver: early, onTransition: scene.watch) { daemon in
                await daemon.shutdownRequested()
                if isSlow { try await untilCancelled() }
            }
        } drive: { _ in
        }
        #expect(scene.responses == [.beganShutdown, isSlow ? .escalated : .duplicate])
        #expect(report.signal?.signal == .sigint)
        #expect(report.signals.count == (isSlow ? 2 : 1))
        #expect(report.duplicateSignals == (isSlow ? 0 : 1))
    }

    @Test("Without a signal before it, the daemon gets what comes later, and the earlier subscription has ended")
    func nothing() async throws {
        let (report, scene) = try await simulate { scene in
            let early = try SignalPolicy.server.captureSignals()
            return try await Daemon.run(takingOver: early, onTransition: scene.watch) { daemon in
                var iterator = early.makeAsyncIterator()
                let event = await iterator.next()
                scene.step("early: \(event.map(\.description) ?? "ended")")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "early: ended")
            try scene.send(.sigterm)
        }
        #expect(scene.responses == [.beganShutdown])
        #expect(report.signals.count == 1)
        #expect(scene.simulator.forcedExit == nil)
        #expect(scene.simulator.withSimulation { disposition(of: .sigterm) } == .default)
    }

    @Test("HUP is captured, because the kernel may send it; other reload signals are not")
    func captured() async throws {
        try await withSimulatedSignals { simulator in
            let policy = try SignalPolicy(hardExit: [.sigquit], graceful: [.sigterm], reload: [.sighup, .sigusr1])
            let early = try policy.captureSignals()
            for (signal, isCaptured) in [
                (SignalNumber.sigquit, true), (.sigterm, true), (.sighup, true), (.sigusr1, false), (.sigint, false),
            ] {
                #expect(disposition(of: signal) == (isCaptured ? .handler : .default), "\(signal)")
            }
            early.finish()
        }
    }
}
