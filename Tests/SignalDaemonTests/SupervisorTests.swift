// The datagrams that a supervisor gets, by the simulated clock.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Supervisors") struct SupervisorTests {
    @Test(
        "A supervisor gets its datagrams in order, and requests for more time until the end", arguments: [false, true])
    func order(abstract: Bool) async throws {
        let inbox = try Inbox(abstract: abstract)
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") {
                    scene.step("flush")
                    try await untilCancelled()
                }
                daemon.setStatus("starting")
                daemon.notifyReady()
                daemon.setStatus("listening on ☎ = 80")
                await blocker.wait()
            }
        } drive: { scene in
            try await inbox.wait(for: "STATUS=listening on ☎ = 80")
            scene.simulator.advance(seconds: 100)
            #expect(inbox.datagrams == ["STATUS=starting", "READY=1", "STATUS=listening on ☎ = 80"])
            try scene.send(.sigterm)
            try await inbox.wait(for: extend)
            for times in 2...4 {
                scene.simulator.advance(seconds: 5)
                try await inbox.wait(for: extend, times: times)
            }
            blocker.release()
            try await scene.wait(for: "flush")
            scene.simulator.advance(seconds: 3.6)
        }
        #expect(report.forcedExit == nil)
        #expect(inbox.lines[3...] == ["STOPPING=1", extend, extend, extend, extend])
        scene.simulator.advance(seconds: 100)
        try await Task.sleep(for: .milliseconds(50))
        #expect(inbox.lines.count == 8, "silence after the end")
        #expect(!scene.transitions.contains { if case .notificationFailed = $0 { true } else { false } })
    }

    @Test("A daemon that never calls notifyReady sends no READY")
    func neverReady() async throws {
        let inbox = try Inbox()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                try daemon.onReload { scene.step("reload") }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await scene.wait(forLine: "reloaded")
            try scene.send(.sigterm)
        }
        #expect(report.reloads == 1)
        #expect(scene.steps.contains("reload"))
        #expect(inbox.lines == ["STOPPING=1", extend])
    }

    @Test("A reload sends RELOADING when it begins and READY when it ends, also if it fails", arguments: [false, true])
    func reload(fails: Bool) async throws {
        let inbox = try Inbox()
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    try await inbox.wait(for: "RELOADING=1")
                    #expect(inbox.count("READY=1") == 1)
                    if fails { throw Broken() }
                }
                daemon.notifyReady()
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await inbox.wait(for: "READY=1", times: 2)
            try scene.send(.sigterm)
        }
        #expect(scene.lines.contains("reloaded") != fails)
        let kinds = inbox.datagrams.map { $0.split(separator: "=")[0] }
        #expect(kinds[..<4] == ["READY", "RELOADING", "READY", "STOPPING"])
        let parts = inbox.datagrams[1].split(separator: "\n")
        #expect(parts.count == 2 && parts[0] == "RELOADING=1", "both in one datagram")
        #expect(parts.last?.hasPrefix("MONOTONIC_USEC=") == true)
    }

    @Test("A restart sends RELOADING, and READY only when the new body is ready")
    func restart() async throws {
        let inbox = try Inbox()
        let calls = Shared(0)
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch,
                load: {
                    calls { calls in
                        calls += 1
                        return calls
                    }
                }
            ) { daemon, version in
                scene.step("body \(version)")
                if version == 2 { await blocker.wait() }
                daemon.notifyReady()
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await inbox.wait(for: "READY=1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            try await inbox.wait(for: "RELOADING=1")
            try await Task.sleep(for: .milliseconds(50))
            #expect(inbox.count("READY=1") == 1, "the new body is not ready yet")
            blocker.release()
            try await inbox.wait(for: "READY=1", times: 2)
            #expect(inbox.count("STOPPING=1") == 0)
            try scene.send(.sigterm)
        }
        #expect(report.reloads == 1)
        #expect(inbox.count("STOPPING=1") == 1)
        #expect(inbox.count("RELOADING=1") == 1)
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("A status is one line and cannot contain another assignment")
    func injection() async throws {
        let inbox = try Inbox()
        let (report, _) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                daemon.setStatus("one\nMAINPID=1\nSTOPPING=1")
                try daemon.addTask("task") { await daemon.shutdownRequested() }
                scene.step("up")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            let came = await eventually { inbox.lines.contains { $0.hasPrefix("STATUS=one") } }
            #expect(came)
            #expect(inbox.lines.allSatisfy { $0.hasPrefix("STATUS=") }, "\(inbox.datagrams)")
            try scene.send(.sigterm)
        }
        #expect(report.exitStatus == .code(0))
    }

    static let nobody = [
        "/nonexistent/socket", "@signalbridge-nobody", "relative", "/" + String(repeating: "x", count: 200),
    ]

    @Test("A supervisor that cannot be reached is reported, and the daemon runs on", arguments: nobody)
    func unreachable(socket: String) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                supervisor: Supervisor(socket: socket, watchdog: .seconds(1)), onTransition: scene.watch
            ) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                daemon.notifyReady()
                scene.step("up")
                await daemon.shutdownRequested()
                return 3
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try await scene.wait("for a failure") {
                scene.transitions.contains { if case .notificationFailed = $0 { true } else { false } }
            }
            try scene.send(.sigterm)
        }
        #expect(try report.result.get() == 3)
        #expect(report.outcomes == ["body": "finished", "flush": "finished"])
        #expect(report.exitStatus == .code(0))
        let errors = scene.transitions.compactMap { if case .notificationFailed(let error) = $0 { error } else { nil } }
        #expect(errors.allSatisfy { $0.description.contains(socket) }, "\(errors)")
    }

    @Test("A slow onTransition does not delay STOPPING")
    func slowOnTransition() async throws {
        let inbox = try Inbox()
        let (isInside, release) = (Shared(false), DispatchSemaphore(value: 0))
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                supervisor: Supervisor(socket: inbox.name),
                onTransition: { transition in
                    guard case .received = transition else { return }
                    isInside { $0 = true }
                    release.wait()
                }
            ) { daemon in
                daemon.notifyReady()
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            defer { release.signal() }
            try await scene.wait(for: "up")
            let simulator = scene.simulator
            startThread { try? simulator.send(.sigterm) }
            try await scene.wait("for onTransition") { isInside.now }
            try await inbox.wait(for: "STOPPING=1")
        }
        #expect(report.exitStatus == .code(0))
    }

    @Test("notifyReady sends nothing after STOPPING, nor after the end")
    func readyTooLate() async throws {
        let inbox = try Inbox()
        let late = Shared<Daemon?>(nil)
        _ = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name)) { daemon in
                late { $0 = daemon }
                daemon.addCleanup("ready") { daemon.notifyReady() }
                scene.step("up")
                await daemon.shutdownRequested()
                daemon.notifyReady()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sigterm)
        }
        late.now?.notifyReady()
        #expect(inbox.lines == ["STOPPING=1", extend])
    }
}
