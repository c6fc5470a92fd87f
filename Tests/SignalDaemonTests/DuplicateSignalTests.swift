// One request that arrives as two signals, by the simulated clock.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

extension Scene {
    /// A person presses Ctrl-C: the terminal sends SIGINT.
    fileprivate func pressKey(_ signal: SignalNumber = .sigint) throws { try simulator.send(signal, sender: nil) }
}

/// A daemon whose body and clean-up end when the test says so.
private func simulateStubborn(
    _ policy: SignalPolicy = .server, drive: (Scene, _ body: Blocker, _ cleanup: Blocker) async throws -> Void
) async throws -> (report: DaemonReport<Void>, scene: Scene) {
    let (body, cleanup) = (Blocker(), Blocker())
    defer {
        body.release()
        cleanup.release()
    }
    return try await simulate { scene in
        try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
            daemon.addCleanup("flush") {
                scene.step("flush")
                await cleanup.wait()
            }
            scene.step("up")
            await body.wait()
        }
    } drive: { scene in
        try await scene.wait(for: "up")
        try await drive(scene, body, cleanup)
        body.release()
        cleanup.release()
    }
}

@Suite("Duplicate signals") struct DuplicateSignalTests {
    static let pairs: [[SignalNumber]] = [[.sigterm, .sigterm], [.sigterm, .sigint], [.sigint, .sigterm]]

    @Test(
        "A second signal within half a second is the same request: it is counted and does not escalate",
        arguments: pairs)
    func within(pair: [SignalNumber]) async throws {
        let (report, scene) = try await simulateStubborn { scene, _, _ in
            try scene.send(pair[0])
            scene.simulator.advance(by: .milliseconds(499))
            try scene.send(pair[1])
            #expect(scene.phases == [.draining])
        }
        #expect(scene.responses == [.beganShutdown, .duplicate])
        #expect(scene.phases == [.draining, .cleaningUp])
        #expect(report.duplicateSignals == 1)
        #expect(report.signals.map(\.signal) == [pair[0]], "the duplicate is no request of its own")
        #expect(report.description.contains("duplicate signals: 1"))
        #expect(scene.lines.contains("\(pair[1]) from \(SignalEvent.Sender.current) is a duplicate"))
        #expect(report.forcedExit == nil)
    }

    @Test("A signal after the window escalates", arguments: pairs)
    func after(pair: [SignalNumber]) async throws {
        let (report, scene) = try await simulateStubborn { scene, _, _ in
            try scene.send(pair[0])
            scene.simulator.advance(by: .milliseconds(500))
            try scene.send(pair[1])
            #expect(scene.phases == [.draining, .cancelling])
        }
        #expect(scene.responses == [.beganShutdown, .escalated])
        #expect(report.duplicateSignals == 0)
        #expect(report.signals.map(\.signal) == pair)
    }

    @Test("Duplicates do not prolong the window")
    func notProlonged() async throws {
        let (report, scene) = try await simulateStubborn { scene, _, _ in
            for _ in 0..<5 {
                try scene.send(.sigterm)
                scene.simulator.advance(by: .milliseconds(125))
            }
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .duplicate, .duplicate, .escalated])
        #expect(report.duplicateSignals == 3)
    }

    @Test("A duplicate has no effect in any phase, and the window begins again with each request that has one")
    func everyPhase() async throws {
        let (report, scene) = try await simulateStubborn { scene, body, cleanup in
            try scene.send(.sigterm, .sigterm)
            #expect(scene.phases == [.draining])
            scene.simulator.advance(by: .milliseconds(600))
            try scene.send(.sigterm, .sigterm)
            #expect(scene.phases == [.draining, .cancelling])
            body.release()
            try await scene.wait(for: "flush")
            scene.simulator.advance(by: .milliseconds(400))
            try scene.send(.sigint)
            #expect(scene.phases == [.draining, .cancelling, .cleaningUp])
            cleanup.release()
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .escalated, .duplicate, .duplicate])
        #expect(report.duplicateSignals == 3)
        #expect(report.forcedExit == nil)
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("A signal after the window forces the exit after draining")
    func forces() async throws {
        let (report, scene) = try await simulateStubborn { scene, _, _ in
            try scene.send(.sigterm)
            scene.simulator.advance(by: .milliseconds(600))
            try scene.send(.sigterm)
            scene.simulator.advance(by: .milliseconds(600))
            try scene.send(.sigterm, .sigterm)
        }
        #expect(scene.responses == [.beganShutdown, .escalated, .forcedExit])
        #expect(report.forcingSignal == .sigterm)
    }

    @Test(
        "A hang-up that the shell and then the kernel report is one request",
        arguments: [SignalPolicy.server, .commandLine])
    func hangup(policy: SignalPolicy) async throws {
        let (report, scene) = try await simulateStubborn(policy) { scene, _, _ in
            try scene.simulator.send(.sighup)
            scene.simulator.advance(by: .milliseconds(2))
            try scene.simulator.send(.sighup, sender: nil)
        }
        // A SIGHUP that reloads has no effect on a shutdown, duplicate or not.
        #expect(scene.responses == [.beganShutdown, policy == .server ? .ignoredDuringShutdown : .duplicate])
        #expect(report.duplicateSignals == (policy == .server ? 0 : 1))
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A hang-up that the kernel and then the shell report does not escalate")
    func hangupByTheKernelFirst() async throws {
        for policy in [SignalPolicy.server, .commandLine] {
            let (report, scene) = try await simulateStubborn(policy) { scene, _, _ in
                try scene.simulator.send(.sighup, sender: nil)
                try scene.simulator.send(.sighup)
            }
            #expect(scene.responses.count == 2 && scene.responses[0] == .beganShutdown)
            #expect(scene.responses.last == (policy == .server ? .ignoredDuringShutdown : .duplicate))
            #expect(report.forcedExit == nil)
        }
    }

    @Test(
        "Two key presses escalate within the window, although a launcher passes on each of them",
        arguments: [true, false], [SignalNumber.sigint, .sigterm])
    func keyPresses(launcherIsFirst: Bool, passedOn: SignalNumber) async throws {
        let (report, scene) = try await simulateStubborn { scene, _, _ in
            for press in 1...2 {
                if launcherIsFirst { try scene.send(passedOn) }
                try scene.pressKey()
                if !launcherIsFirst { try scene.send(passedOn) }
                scene.simulator.advance(by: .milliseconds(100))
                #expect(scene.phases.count == press)
            }
        }
        #expect(scene.phases == [.draining, .cancelling, .cleaningUp])
        #expect(report.signals.count == 2)
        #expect(report.duplicateSignals == 2)
        #expect(report.forcedExit == nil)
    }

    @Test("Three key presses at once force the exit", arguments: [SignalNumber.sigint, .sigquit])
    func threeKeyPresses(key: SignalNumber) async throws {
        let policy = try SignalPolicy(graceful: [key])
        let (report, scene) = try await simulateStubborn(policy) { scene, _, _ in
            for _ in 1...3 { try scene.pressKey(key) }
        }
        #expect(scene.responses == [.beganShutdown, .escalated, .forcedExit])
        #expect(report.forcingSignal == key)
        #expect(report.duplicateSignals == 0)
    }

    @Test("Two SIGTERM from the kernel are no key presses")
    func noKeyPress() async throws {
        let (report, scene) = try await simulateStubborn { scene, _, _ in
            for _ in 1...3 { try scene.pressKey(.sigterm) }
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .duplicate])
        #expect(report.duplicateSignals == 2)
    }

    @Test("A hard exit within the window of a graceful signal is a request of its own")
    func hardExit() async throws {
        let (report, scene) = try await simulateStubborn(.nginx) { scene, _, _ in
            try scene.send(.sigquit, .sigterm)
            #expect(scene.phases == [.draining, .cancelling])
            try scene.send(.sigterm, .sigquit)
        }
        #expect(scene.responses == [.beganShutdown, .stoppedImmediately, .duplicate, .duplicate])
        #expect(report.hardExit?.signal == .sigterm)
        #expect(report.duplicateSignals == 2)
        #expect(report.forcedExit == nil)
        #expect(report.exitStatus == .signal(.sigterm))
    }

    @Test("A duplicate does not force the exit where every second signal does")
    func forcingPolicy() async throws {
        let (report, scene) = try await simulateStubborn(.commandLine) { scene, _, _ in
            try scene.send(.sigint, .sigterm)
            #expect(scene.responses == [.beganShutdown, .duplicate])
            scene.simulator.advance(by: .milliseconds(500))
            try scene.send(.sigterm)
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .forcedExit])
        #expect(report.duplicateSignals == 1)
        #expect(report.exitStatus == .signal(.sigint))
    }

    @Test("Where a second signal is ignored, a duplicate is a duplicate, and a later signal is ignored")
    func ignoringPolicy() async throws {
        let (report, scene) = try await simulateStubborn(.server.with(secondSignal: .ignored)) { scene, _, _ in
            try scene.send(.sigterm, .sigterm)
            scene.simulator.advance(by: .milliseconds(500))
            try scene.send(.sigterm)
            #expect(scene.phases == [.draining])
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .ignored])
        #expect(report.duplicateSignals == 1)
        #expect(report.signals.count == 2)
    }

    @Test("Without a window every signal is a request", arguments: [Duration.zero, .seconds(-1)])
    func noWindow(window: Duration) async throws {
        let (report, scene) = try await simulateStubborn(.server.with(duplicateWindow: window)) { scene, _, _ in
            try scene.send(.sigterm, .sigterm, .sigterm)
        }
        #expect(scene.responses == [.beganShutdown, .escalated, .forcedExit])
        #expect(report.duplicateSignals == 0)
    }

    @Test("A policy may have a longer window")
    func longWindow() async throws {
        let (report, scene) = try await simulateStubborn(.server.with(duplicateWindow: .seconds(3))) { scene, _, _ in
            try scene.send(.sigterm)
            scene.simulator.advance(by: .milliseconds(2999))
            try scene.send(.sigterm)
            scene.simulator.advance(by: .milliseconds(1))
            try scene.send(.sigterm)
        }
        #expect(scene.responses == [.beganShutdown, .duplicate, .escalated])
        #expect(report.duplicateSignals == 1)
    }

    @Test("A signal that joins a shutdown which the program requested may arrive twice, too")
    func joins() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.shutdown()
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm, .sigterm)
            #expect(scene.phases == [.draining])
            scene.simulator.advance(by: .milliseconds(500))
            try scene.send(.sigterm)
        }
        #expect(scene.responses == [.joinedShutdown, .duplicate, .escalated])
        #expect(report.duplicateSignals == 1)
        #expect(report.reason == .requested)
    }
}
