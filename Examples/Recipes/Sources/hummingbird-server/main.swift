// A web server with Hummingbird and SQLite. Its clients do not notice that it stops, and no request meets a closed database.
//
//     swift run --package-path Examples/Recipes hummingbird-server FILE [PORT [SECONDS]]
//     curl -i 127.0.0.1:8080/ready; curl -X POST '127.0.0.1:8080/visits?after=5' & sleep 1; kill PID
//
// FILE: the database; PORT: 8080, or 0 for any; SECONDS: how long it goes on accepting, 1.
//
// On SIGTERM:
//  1. /ready says 503, but the server still accepts: the load balancer learns only now that it should send no more.
//  2. After SECONDS, Hummingbird closes its listener and the connections without a request.
//  3. Requests in flight are finished, for as long as the grace period lasts; then they are cancelled.
//  4. When the last request has its answer, the database is closed.
import GRDB
import Hummingbird
import Logging
import SignalDaemon

let logger = Logger(label: "hummingbird")
let arguments = Array(CommandLine.arguments.dropFirst())
let port = arguments.dropFirst().first.flatMap { Int($0) } ?? 8080
let acceptFor = Duration.seconds(arguments.dropFirst(2).first.flatMap { Int($0) } ?? 1)

await Daemon.main(onTransition: { logger.log($0) }) { daemon in
    let database = try DatabaseQueue(path: arguments.first ?? "visits.sqlite")
    // The last clean-up to run is the first one that was added. None runs before the last request has its answer.
    daemon.addCleanup("database") {
        try database.close()
        logger.info("the database is closed")
    }
    try await database.write { try $0.execute(sql: "CREATE TABLE IF NOT EXISTS visit (id INTEGER PRIMARY KEY)") }

    let router = Router()
    router.get("ready") { _, _ in daemon.isShuttingDown ? HTTPResponse.Status.serviceUnavailable : .ok }
    router.post("visits") { request, _ in
        logger.info("a visit begins")
        try await Task.sleep(for: .seconds(request.uri.queryParameters["after"].flatMap { Int($0) } ?? 0))
        let number = try await database.write { database in
            try database.execute(sql: "INSERT INTO visit DEFAULT VALUES")
            return database.lastInsertedRowID
        }
        return "visit \(number)\n"
    }
    let app = Application(
        router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
        onServerRunning: { channel in
            logger.info("listens on port \(channel.localAddress?.port ?? 0)")
            daemon.notifyReady()
        })

    // Hummingbird is told to stop when the task "accept" has ended. Its own runService() would take the signals.
    try daemon.addTask("accept") {
        await daemon.shutdownRequested()
        try await Task.sleep(for: acceptFor)
    }
    try daemon.addService("http", app, after: "accept")
}
