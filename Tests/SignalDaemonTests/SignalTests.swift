// The effects of signals in each phase, by the simulated clock.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Signals") struct SignalTests {
    @Test("One signal ends the daemon gracefully", arguments: [SignalNumber.sigterm, .sigint])
    func one(signal: SignalNumber) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addTask("task") {
                    await daemon.shutdownRequested()
                    scene.step("task")
                }
                #expect(!daemon.isShuttingDown)
                scene.step("up")
                await daemon.shutdownRequested()
                #expect(daemon.isShuttingDown)
                return 7
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(signal)
            #expect(scene.phases.first == .draining, "before send returns")
        }
        #expect(try report.result.get() == 7)
        #expect(scene.steps == ["up", "task", "flush"])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(scene.responses == [.beganShutdown])
        #expect(report.outcomes == ["body": "finished", "task": "finished", "flush": "finished"])
        #expect(report.signal?.signal == signal)
        #expect(report.signal?.sender == .current)
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.signals.count == 1)
        #expect(report.forcedExit == nil && report.hardExit == nil)
        #expect(report.exitStatus == (signal == .sigint ? .signal(.sigint) : .code(0)))
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("A second signal while work drains cancels the work")
    func escalate() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addTask("task") { try await untilCancelled() }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            try scene.send(.sigint)
            #expect(scene.phases == [.draining, .cancelling])
        }
        #expect(scene.responses == [.beganShutdown, .escalated])
        #expect(scene.phases == [.draining, .cancelling, .cleaningUp])
        #expect(report.outcomes == ["body": "cancelled", "task": "cancelled", "flush": "finished"])
        #expect(report.bodyError is CancellationError)
        #expect(report.signals.map(\.signal) == [.sigterm, .sigint])
        #expect(report.signal?.signal == .sigterm)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0), "the first signal decides")
    }

    @Test("A third signal forces the exit after the second one has cancelled")
    func third() async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) { daemon in
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm, .sigterm, .sigterm)
        }
        #expect(scene.responses == [.beganShutdown, .escalated, .forcedExit])
        #expect(report.signals.count == 3)
        #expect(scene.simulator.forcedExit == .sigterm)
    }

    @Test("Within half a second of a signal another one is a duplicate: it is counted, and has no effect")
    func duplicates() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm, .sigterm)
            scene.simulator.advance(by: .milliseconds(499))
            try scene.send(.sigint)
            #expect(scene.responses == [.beganShutdown, .duplicate, .duplicate])
            #expect(scene.phases == [.draining])
            scene.simulator.advance(by: .milliseconds(1))  // the duplicates do not prolong it
            try scene.send(.sigterm)
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .duplicate, .escalated])
        #expect(scene.phases == [.draining, .cancelling, .cleaningUp])
        #expect(report.signals.map(\.signal) == [.sigterm, .sigterm])
        #expect(report.duplicateSignals == 2)
        #expect(report.description.contains("duplicate signals: 2"))
        #expect(report.exitStatus == .code(0))
    }

    @Test("A hard exit right after a graceful signal is a request of its own, and what follows it is a duplicate")
    func hardExitIsNoDuplicate() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .gunicorn, onTransition: scene.watch) { daemon in
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm, .sigquit, .sigquit, .sigterm)
            #expect(scene.phases == [.draining, .cancelling])
            blocker.release()
        }
        #expect(scene.responses == [.beganShutdown, .stoppedImmediately, .duplicate, .duplicate])
        #expect(report.hardExit?.signal == .sigquit)
        #expect(report.duplicateSignals == 2)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .signal(.sigquit))
    }

    @Test("A second Ctrl-C is a request of its own, however quick it is, and what a launcher passes on is not")
    func keyPresses() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sigint, sender: nil)
            try scene.send(.sigint)
            #expect(scene.phases == [.draining])
            try scene.simulator.send(.sigint, sender: nil)
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .escalated])
        #expect(report.duplicateSignals == 1)
        #expect(report.exitStatus == .signal(.sigint))
    }

    @Test("A closed terminal ends a daemon, also right after its shell has made it reload")
    func closedTerminal() async throws {
        for reloads in [true, false] {
            let (report, scene) = try await simulate { scene in
                try await Daemon.run(onTransition: scene.watch) { daemon in
                    if reloads { try daemon.onReload {} }
                    scene.step("up")
                    await daemon.shutdownRequested()
                }
            } drive: { scene in
                try await scene.wait(for: "up")
                try scene.send(.sighup)
                if !reloads { #expect(scene.phases.first == .draining) }
                if reloads { try scene.simulator.send(.sighup, sender: nil) }
            }
            #expect(scene.responses == (reloads ? [.beganReload, .beganShutdown] : [.beganShutdown]))
            #expect(report.signals.map(\.signal) == [.sighup])
            #expect(report.exitStatus == .code(0))
        }
    }

    @Test("A second signal that the policy ignores has no effect, and a first hard exit has its own")
    func ignoredSecondSignal() async throws {
        let blocker = Blocker()
        let policy = SignalPolicy.gunicorn.with(secondSignal: .ignored, duplicateWindow: .zero)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: policy, onTransition: scene.watch) { _ in
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm, .sigterm)
            #expect(scene.phases == [.draining])
            try scene.send(.sigint, .sigint, .sigterm)
            #expect(scene.phases == [.draining, .cancelling])
            blocker.release()
        }
        #expect(scene.responses == [.beganShutdown, .ignored, .stoppedImmediately, .ignored, .ignored])
        #expect(report.signals.count == 5)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .signal(.sigint))
    }

    @Test("The first signal joins a shutdown that something else began, and the second one escalates")
    func joins() async throws {
        for fails in [false, true] {
            let (report, scene) = try await simulate { scene in
                try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) {
                    daemon in
                    scene.step("up")
                    if fails { try daemon.addTask("broken") { throw Broken() } } else { daemon.shutdown() }
                    try await untilCancelled()
                }
            } drive: { scene in
                try await scene.wait(for: .draining)
                try scene.send(.sigterm)
                #expect(scene.phases == [.draining])
                try scene.send(.sigterm)
                #expect(scene.phases.prefix(2) == [.draining, .cancelling])
            }
            #expect(scene.responses == [.joinedShutdown, .escalated])
            #expect(report.reason == (fails ? .failure(of: "broken") : .requested))
            #expect(report.signals.count == 2)
            #expect(report.exitStatus == .code(fails ? 1 : 0))
        }
    }

    @Test("Signals have their usual effects after the body has returned")
    func signalAfterBody() async throws {
        let (report, _) = try await simulate { scene in
            try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) { daemon in
                try daemon.addTask("task") { try await untilCancelled() }
            }
        } drive: { scene in
            try await scene.wait(forLine: "body: finished")
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
            try scene.send(.sigterm)
        }
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.outcomes == ["body": "finished", "task": "cancelled"])
    }

    @Test("A signal that comes with the last transition is in the report or takes its default action")
    func atTheLastMoment() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: { transition in
                    scene.watch(transition)
                    if case .finished = transition { try? scene.send(.sigterm) }
                }
            ) { _ in }
        } drive: { _ in
        }
        #expect(report.reason == .finished)
        #expect(!report.signals.isEmpty || scene.simulator.forcedExit == .sigterm, "\(scene.lines)")
    }

    @Test("A HUP and a TERM that are both pending at the start are reported in this order")
    func pendingAtTheStart() async throws {
        try await withSimulatedSignals { simulator in
            let scene = Scene(simulator: simulator)
            let sender = Task(executorPreference: InlineExecutor()) {
                await simulator.waitForSubscriber(of: .sighup)
                try simulator.send(.sighup)
                try simulator.send(.sigterm)
            }
            let report = try await Daemon.run(onTransition: scene.watch, load: { 1 }, apply: { _ in }) { daemon, _ in
                await daemon.shutdownRequested()
            }
            try await sender.value
            #expect(scene.responses == [.queuedReload, .beganShutdown])
            #expect(report.signals.map(\.signal) == [.sigterm])
        }
    }

    @Test("A HUP and a TERM right after it are reported in this order")
    func hangupThenTermination() async {
        await #expect(processExitsWith: .success) {
            limit()
            for _ in 0..<100 {
                let scene = Scene()
                _ = try await Daemon.run(onTransition: scene.watch) { daemon in
                    try daemon.onReload {}
                    await deliver(.sighup, .sigterm)
                    await daemon.shutdownRequested()
                }
                #expect(scene.responses == [.beganReload, .beganShutdown])
                if scene.responses.last != .beganShutdown { break }
            }
        }
    }
}
