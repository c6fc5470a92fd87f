// snippet.hide
// Something to do on SIGHUP, and nothing else.
// signals: HUP TERM
import SignalBridge
import SignalDaemon

@Sendable func reopenLogFiles() {}

func serve() async throws {
    // snippet.show
    let report = try await Daemon.run { daemon in
        try daemon.onReload { reopenLogFiles() }  // from here on, SIGHUP reloads
        await daemon.shutdownRequested()
    }
    // snippet.hide
    precondition(report.reloads == 1)
    // snippet.show
    report.exit()
    // snippet.hide
}

try await serve()
