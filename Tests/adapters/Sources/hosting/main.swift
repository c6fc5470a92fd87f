// Services of ServiceLifecycle in a daemon, each in one line. The options make one of them misbehave.
// snippet.hide
//
//     hosting               TERM: the server stops, then the database
//     hosting --stubborn    the server does not react, and is abandoned
//     hosting --returns     the server returns although no shutdown has begun
import Logging
import SignalBridge
import ServiceLifecycle
import SignalDaemon

let logger = Logger(label: "hosting")
let options = CommandLine.arguments.dropFirst()

struct Database: Service {
    func run() async throws {
        logger.info("database: open")
        try await gracefulShutdown()
        logger.info("database: closed")
    }
}

struct Server: Service {
    func run() async throws {
        logger.info("server: listening")
        if options.contains("--returns") { return }
        if options.contains("--stubborn") { await Task.detached { try? await Task.sleep(for: .seconds(3600)) }.value }
        await cancelWhenGracefulShutdown { try? await Task.sleep(for: .seconds(3600)) }
        logger.info("server: stopped")
    }
}

struct Migration: Service {
    func run() { logger.info("migration: done") }
}

let (database, server, migration) = (Database(), Server(), Migration())
let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(300), cancelPeriod: .milliseconds(300))

// snippet.show
await Daemon.main(policy: policy, onTransition: { logger.log($0) }) { daemon in
    try daemon.addServices(["database": database, "server": server])  // a shutdown reaches the server first
    try daemon.addService("migration", migration, onReturn: .finish, onFailure: .report)
    daemon.notifyReady()
}
