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
