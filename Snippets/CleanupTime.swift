// snippet.hide
// Clean-ups, one of them with a limit of its own.
// signals: TERM
import SignalDaemon

@Sendable func flushMetrics() async throws {}
@Sendable func closeDatabase() async throws {}

// snippet.show
await Daemon.main { daemon in
    daemon.addCleanup("database") { try await closeDatabase() }
    daemon.addCleanup("metrics", within: .seconds(1)) { try await flushMetrics() }  // runs first
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
