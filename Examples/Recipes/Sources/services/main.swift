// Swift Service Lifecycle's ServiceGroup, with the signals of SignalBridge. The group keeps its order of shutdown. It
// gets deadlines, a report, and a second signal that forces the exit whatever its services do.
//
//     swift run --package-path Examples/Recipes services               Ctrl-C: the worker stops, then the database
//     swift run --package-path Examples/Recipes services --stubborn    Ctrl-C twice: the worker does not react
import Foundation
import Logging
import ServiceLifecycle
import SignalDaemon

let logger = Logger(label: "services")

struct Database: Service {
    func run() async throws {
        logger.info("database: open")
        try await gracefulShutdown()
        logger.info("database: closed")
    }
}

struct Worker: Service {
    let isStubborn: Bool

    func run() async throws {
        logger.info("worker: working")
        if isStubborn { await Task.detached { try? await Task.sleep(for: .seconds(3600)) }.value }
        while !Task.isShuttingDownGracefully { try await Task.sleep(for: .milliseconds(100)) }
        logger.info("worker: stopped")
    }
}

let isStubborn = CommandLine.arguments.contains("--stubborn")
let policy = SignalPolicy.server.with(secondSignal: .forceExit)

let report = try await Daemon.run(policy: policy, onTransition: { logger.info("\($0)") }) { daemon in
    // No signals for the group: they are the daemon's. It shuts its services down in reverse order.
    let services: [any Service] = [Database(), Worker(isStubborn: isStubborn)]
    let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: logger))
    daemon.onGracefulShutdown { await group.triggerGracefulShutdown() }
    daemon.notifyReady()
    try await group.run()
}
logger.info("\(report)")
report.exit()
