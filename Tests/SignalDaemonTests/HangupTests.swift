// SIGHUP: from a terminal, from a process, and where there is nothing to reload.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Hang-ups") struct HangupTests {
    @Test("SIGHUP of a process reloads; SIGHUP of the terminal ends the daemon gracefully")
    func senders() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.onReload { scene.step("reload") }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sighup)
            try await scene.wait(forLine: "reloaded")
            #expect(scene.phases.isEmpty)
            try scene.simulator.send(.sighup, sender: nil)
            #expect(scene.phases.first == .draining)
        }
        #expect(scene.steps == ["up", "reload", "flush"])
        #expect(scene.responses == [.beganReload, .beganShutdown])
        #expect(report.signals.map(\.signal) == [.sighup])
        #expect(report.signal?.cause == .kernel)
        #expect(report.reason == report.signal.map { .signal($0) })
        #expect(report.reloads == 1)
        #expect(report.exitStatus == .code(0))
    }

    @Test("The terminal's SIGHUP cancels the reload that the shell's began")
    func shellAndKernel() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    scene.step("reload")
                    try await untilCancelled()
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sighup)
            try await scene.wait(for: "reload")
            try scene.simulator.send(.sighup, sender: nil)
        }
        #expect(scene.responses == [.beganReload, .beganShutdown])
        #expect(report.reloads == 0)
        #expect(report.exitStatus == .code(0))
    }

    @Test("Without a reload, a SIGHUP of any sender ends the daemon gracefully", arguments: [true, false])
    func withoutReload(isFromKernel: Bool) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sighup, sender: isFromKernel ? nil : .current)
        }
        #expect(scene.steps == ["up", "flush"])
        #expect(scene.responses == [.beganShutdown])
        #expect(report.exitStatus == .code(0))
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("A SIGHUP of a process during a shutdown neither reloads nor escalates")
    func duringShutdown() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload { scene.step("reload") }
                scene.step("up")
                await blocker.wait()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
            scene.simulator.advance(seconds: 1)
            try scene.send(.sighup)
            #expect(scene.phases == [.draining])
            blocker.release()
        }
        #expect(scene.responses == [.beganShutdown, .ignoredDuringShutdown])
        #expect(scene.steps == ["up"])
        #expect(report.signals.count == 1)
    }

    @Test("Another reload signal is left alone until there is a reload")
    func otherSignals() async throws {
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(policy: .uwsgi, onTransition: scene.watch) { daemon in
                #expect(disposition(of: .sighup) == .handler)
                #expect(disposition(of: .sigterm) == .default)
                try daemon.onReload { scene.step("reload") }
                #expect(disposition(of: .sigterm) == .handler)
                scene.step("up")
                try await scene.wait(for: "reload")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sigterm, sender: nil)
        }
        #expect(scene.responses == [.beganReload], "only SIGHUP means something else when the kernel sends it")
    }

    @Test("Under nohup SIGHUP stays ignored, and the daemon says so", arguments: [true, false])
    func nohup(keeps: Bool) async throws {
        let (report, scene) = try await simulate { scene in
            try SignalNumber.sighup.setDisposition(.ignore)
            try SignalNumber.sigint.setDisposition(.ignore)
            return try await Daemon.run(
                policy: .server.with(keepsIgnored: keeps), onTransition: scene.watch
            ) { daemon in
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sighup, sender: nil)
            #expect(scene.phases.isEmpty == keeps)
            if keeps { try scene.send(.sigterm) }
        }
        #expect(report.signals.map(\.signal) == [keeps ? .sigterm : .sighup])
        let left = scene.transitions.compactMap { if case .leftIgnored(let signals) = $0 { signals } else { nil } }
        #expect(left == (keeps ? [[.sighup, .sigint]] : []))
        #expect(scene.lines.contains("left ignored: SIGHUP, SIGINT") == keeps)
    }
}
