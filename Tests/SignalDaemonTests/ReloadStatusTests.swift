// The status that the supervisor gets when a reload fails.
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

private struct Unreadable: Error, CustomStringConvertible { let description = "line 3:\nMAINPID=1 is unknown" }

@Suite("Status of a reload") struct ReloadStatusTests {
    @Test(
        "A reload that failed is a status in one line, with READY where the daemon was ready", arguments: [true, false])
    func failed(isReady: Bool) async throws {
        let inbox = try Inbox()
        let (report, _) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                try daemon.onReload { throw Unreadable() }
                if isReady { daemon.notifyReady() }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await inbox.wait(for: "STATUS=reload failed: line 3: MAINPID=1 is unknown")
            try scene.send(.sigterm)
        }
        #expect(report.failedReloads.count == 1)
        let datagrams = inbox.datagrams.filter { $0.contains("STATUS=") }
        #expect(
            datagrams == [(isReady ? "READY=1\n" : "") + "STATUS=reload failed: line 3: MAINPID=1 is unknown"],
            "\(inbox.datagrams)")
        #expect(inbox.count("READY=1") == (isReady ? 2 : 0))
    }

    @Test("The description of a reload's error may use the daemon")
    func description() async throws {
        struct Overloaded: Error, CustomStringConvertible {
            let daemon: Daemon
            var description: String { "\(daemon.running.map(\.name))" }
        }
        let inbox = try Inbox()
        for supervisor in [.disabled, Supervisor(socket: inbox.name)] {
            let (report, _) = try await simulate { scene in
                try await Daemon.run(supervisor: supervisor, onTransition: scene.watch) { daemon in
                    try daemon.onReload { throw Overloaded(daemon: daemon) }
                    scene.step("up")
                    await daemon.shutdownRequested()
                }
            } drive: { scene in
                try await scene.wait(for: "up")
                try scene.send(.sighup)
                try await scene.wait("for the failure") {
                    scene.transitions.contains { if case .reloadFailed = $0 { true } else { false } }
                }
                if supervisor != .disabled { try await inbox.wait(for: "STATUS=reload failed: [\"body\"]") }
                try scene.send(.sigterm)
            }
            #expect(report.failedReloads.count == 1)
        }
    }

    @Test("A reload that succeeds sets no status")
    func succeeded() async throws {
        let inbox = try Inbox()
        _ = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                try daemon.onReload {}
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
        #expect(!inbox.lines.contains { $0.hasPrefix("STATUS=") })
    }
}
