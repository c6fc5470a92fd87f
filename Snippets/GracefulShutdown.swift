// snippet.hide
// A server that finishes what it has begun when it is asked to end.
// signals: TERM
actor Server {
    private var waiting: CheckedContinuation<Void, Never>?
    static func start() async throws -> Server { Server() }
    func run() async throws { await withCheckedContinuation { waiting = $0 } }
    func stopAccepting() { waiting?.resume() }
}
enum Metrics {
    static func flush() async throws {}
}

// snippet.show
import SignalDaemon

await Daemon.main { daemon in
    let server = try await Server.start()
    daemon.onGracefulShutdown { await server.stopAccepting() }  // requests in flight are finished
    daemon.addCleanup("metrics") { try await Metrics.flush() }
    daemon.notifyReady()
    try await server.run()  // returns when the last connection is done
}
