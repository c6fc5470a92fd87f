// A worker as many are written: a ServiceGroup takes SIGTERM and SIGINT, and UnixSignals takes SIGHUP. `migration-after` is the
// same worker with SignalDaemon.
//
//     swift run --package-path Examples/Recipes migration-before [SECONDS]     SECONDS: how long a job takes, 1
import Logging
import ServiceLifecycle
import UnixSignals

let logger = Logger(label: "worker")
let jobTime = Duration.seconds(CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1)

func readConfiguration() { logger.info("the configuration is read") }

struct Database: Service {
    func run() async throws {
        logger.info("the database is open")
        try await gracefulShutdown()
        logger.info("the database is closed")
    }
}

struct Worker: Service {
    func run() async throws {
        while !Task.isShuttingDownGracefully {
            logger.info("a job begins")
            try await Task.sleep(for: jobTime)
            logger.info("a job is done")
        }
    }
}

struct Reloads: Service {
    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        logger.info("SIGHUP reloads")
        for await _ in signals.cancelOnGracefulShutdown() { readConfiguration() }
    }
}

readConfiguration()
var configuration = ServiceGroupConfiguration(
    services: [Database(), Worker(), Reloads()], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
configuration.maximumGracefulShutdownDuration = .seconds(20)
try await ServiceGroup(configuration: configuration).run()
