// A consumer that restarts the hosts that its messages name, saves that, and acknowledges the messages. It is the
// example of the series "asyncio: we did it wrong", with one shutdown in phases.
//
//     swift run --package-path Examples/Recipes mayhem       Ctrl-C once, or: kill PID
//     swift run --package-path Examples/Recipes mayhem 30    saves take 30 seconds: Ctrl-C, and a second one forces the exit
//
// After one signal it takes no more messages. Restarts that wait are cancelled, but a save that has begun is completed
// and acknowledged. Then the connection is closed, what is left goes back to the broker, and metrics are flushed. Host 3
// fails when it is interrupted: the report says so, and the exit status is 1.
import Foundation
import Logging
import SignalDaemon

let logger = Logger(label: "mayhem")

/// Stands for a pub/sub service. What was taken, and not acknowledged, is outstanding.
actor Broker {
    nonisolated let messages: AsyncStream<Int>
    private let continuation: AsyncStream<Int>.Continuation
    private(set) var outstanding: Set<Int> = []

    init() { (messages, continuation) = AsyncStream.makeStream() }

    nonisolated func publish(_ message: Int) { continuation.yield(message) }
    func take(_ message: Int) { outstanding.insert(message) }
    func acknowledge(_ message: Int) { outstanding.remove(message) }
    func handBack() {
        logger.info("handing back \(outstanding.count) messages")
        outstanding = []
    }
}

/// Stands for a database connection.
actor Database {
    private(set) var saved = 0
    private let time: Duration

    init(time: Duration) { self.time = time }

    func save(_ message: Int) async throws {
        logger.info("saving \(message)")
        try await Task.sleep(for: time)
        saved += 1
        logger.info("saved \(message)")
    }
    func close() { logger.info("closing the database, after \(saved) saves") }
}

struct HalfRestarted: Error { let host: Int }

func restart(host: Int) async throws {
    guard host == 3 else { return try await Task.sleep(for: .milliseconds(500)) }
    do { try await Task.sleep(for: .seconds(3600)) } catch { throw HalfRestarted(host: host) }
}

let saveTime = Duration.seconds(CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1)
let policy = SignalPolicy.server.with(secondSignal: .forceExit)

let report = try await Daemon.run(policy: policy, onTransition: { logger.info("\($0)") }) { daemon in
    let broker = Broker()
    let database = Database(time: saveTime)

    // The last one registered runs first, when all tasks have ended.
    daemon.addCleanup("metrics") { logger.info("flushing metrics") }
    daemon.addCleanup("broker") { await broker.handBack() }
    daemon.addCleanup("database") { await database.close() }
    daemon.onGracefulShutdown {
        let tasks = await broker.outstanding.count
        logger.info("cancelling \(tasks) tasks")
    }

    try daemon.addTask("publisher", onShutdown: .cancel) {
        for number in 1... {
            broker.publish(number)
            try await Task.sleep(for: .milliseconds(250))
        }
    }
    try daemon.addTask("consumer", onShutdown: .cancel) {
        for await message in broker.messages {  // ends when it is cancelled
            await broker.take(message)
            do {
                try daemon.addTask("message \(message)", onShutdown: .cancel, onFailure: .report) {
                    try await restart(host: message)
                    try await daemon.shield("save \(message)") { try await database.save(message) }
                    await broker.acknowledge(message)
                    logger.info("acknowledged \(message)")
                }
            } catch { break }  // the daemon is shutting down: the message stays outstanding
        }
        logger.info("stopped consuming")
    }
    logger.info("consuming, with pid \(getpid())")
    daemon.notifyReady()
}
for task in report.tasks {
    if case .failed = task.outcome { logger.error("\(task)") }
}
report.exit()
