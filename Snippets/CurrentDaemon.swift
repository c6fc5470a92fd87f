// snippet.hide
// Code deep down that finds its daemon, and a loop that ends when a shutdown begins.
// signals: TERM
import SignalDaemon

@Sendable func refreshCaches() async throws {}

// snippet.show
@Sendable func refreshForEver() async throws {
    while true {
        try await refreshCaches()
        try await Task.sleep(for: .seconds(60))
    }
}

func keepFresh() async throws {  // nobody passes it a daemon
    guard let daemon = Daemon.current else { return try await refreshForEver() }
    try await daemon.cancelOnShutdown { try await refreshForEver() }
}

await Daemon.main { daemon in
    try daemon.addTask("caches") { try await keepFresh() }
}
