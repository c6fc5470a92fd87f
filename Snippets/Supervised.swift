// A daemon under systemd: when it is ready, how it is, and whether it is well.
// signals: TERM
// snippet.hide
import SignalBridge

actor Connections {
    var count = 0
    var areAlive: Bool { true }
}
let connections = Connections()

func serve() async throws {
    // snippet.show
    let report = try await runDaemon { daemon in
        daemon.ready()  // now, and not before: what depends on this daemon starts
        daemon.status("\(await connections.count) connections")
        daemon.watchdog { await connections.areAlive }
        await daemon.shutdownRequested()
    }
    report.exit()
    // snippet.hide
}

try await serve()
