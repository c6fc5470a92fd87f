// Workers that fetch jobs with AsyncHTTPClient: a shutdown lets each finish the request that it has sent, and then shuts
// the client down.
//
//     swift run --package-path Examples/Recipes crawler URL      Ctrl-C, or: kill PID
//
// When the server cannot be reached, a worker tries again, later each time; a shutdown ends that wait at once.
import AsyncHTTPClient
import Logging
import SignalDaemon

let logger = Logger(label: "crawler")
let url = CommandLine.arguments.dropFirst().first ?? "http://127.0.0.1:8080/slow"

await Daemon.main(onTransition: { logger.log($0) }) { daemon in
    let client = HTTPClient(configuration: HTTPClient.Configuration(timeout: .init(connect: .seconds(2))))
    // It runs after all workers have ended.
    daemon.addCleanup("HTTP client") {
        try await client.shutdown()
        logger.info("the client is shut down")
    }

    @Sendable func fetch() async throws -> Int {
        let response = try await client.execute(HTTPClientRequest(url: url), timeout: .minutes(2))
        return try await response.body.collect(upTo: 1 << 24).readableBytes
    }

    for worker in 1...2 {
        try daemon.addTask("worker \(worker)") {
            var pause = Duration.milliseconds(100)
            while !daemon.isShuttingDown {
                do {
                    let count = try await fetch()  // cancelled when the grace period is over
                    logger.info("worker \(worker) has \(count) bytes")
                    pause = .milliseconds(100)
                } catch {
                    if Task.isCancelled { throw error }
                    logger.warning("worker \(worker) has no answer: \(error)")
                    pause = min(pause * 2, .seconds(30))
                }
                let time = pause
                try await daemon.cancelOnShutdown { try await Task.sleep(for: time) }
            }
        }
    }
    daemon.notifyReady()
}
