// snippet.hide
// A start that a signal interrupts, and a program that keeps the signals which come before its daemon.
// signals: TERM
import SignalBridge
import SignalDaemon

actor Database {
    static func connect() async throws -> Database {
        try await Task.sleep(for: .milliseconds(500))
        return Database()
    }
    func close() {}
}

// snippet.show
let early = try SignalPolicy.server.captureSignals()  // the first line: no signal is lost, and none kills

await Daemon.main(takingOver: early) { daemon in
    let database = try await daemon.startup { try await Database.connect() }  // a signal cancels it at once
    daemon.addCleanup("database") { await database.close() }
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
