// The worker of `migration-before` with SignalDaemon. Its services are the same, line by line.
//
//     swift run --package-path Examples/Recipes migration-after [SECONDS]     SECONDS: how long a job takes, 1
import Logging
import ServiceLifecycle
import SignalDaemon

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

let policy = SignalPolicy.server.with(gracePeriod: .seconds(20), secondSignal: .forceExit)
await Daemon.main(policy: policy, onTransition: { logger.log($0) }) { daemon in
    readConfiguration()
    try daemon.onReload { readConfiguration() }
    try daemon.addServices(["database": Database(), "worker": Worker()])
    daemon.notifyReady()
}
