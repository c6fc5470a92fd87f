// A daemon as a service of a group that has the signals. The options make the daemon misbehave.
// snippet.hide
//
//     hosted               TERM: the consumer finishes its job, then the database closes
//     hosted --fails       the consumer fails: the group ends with its error
//     hosted --stubborn    the consumer does not react, is abandoned, and the group goes on to its end
import Logging
import ServiceLifecycle
import SignalBridge
import SignalDaemon

let logger = Logger(label: "hosted")
let options = CommandLine.arguments.dropFirst()

struct Database: Service {
    func run() async throws {
        logger.info("database: open")
        try await gracefulShutdown()
        logger.info("database: closed")
    }
}

struct Unlucky: Error {}

@Sendable func consume() async throws {
    logger.info("consumer: working")
    if options.contains("--fails") { throw Unlucky() }
    if options.contains("--stubborn") { await Task.detached { try? await Task.sleep(for: .seconds(3600)) }.value }
    await Daemon.current?.shutdownRequested()
    logger.info("consumer: finished its job")
}

let database = Database()
let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(300), cancelPeriod: .milliseconds(300))

// snippet.show
let consumer = DaemonService(policy: policy, onReport: { logger.info("\($0)") }) { daemon in
    try daemon.addTask("consumer") { try await consume() }
    daemon.addCleanup("flush") { logger.info("flushed") }
    await daemon.shutdownRequested()
}
let group = ServiceGroup(services: [database, consumer], gracefulShutdownSignals: [.sigterm], logger: logger)
try await group.run()
