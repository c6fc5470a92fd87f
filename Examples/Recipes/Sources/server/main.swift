// An HTTP/1.1 server whose clients do not notice that it stops, behind a load balancer, as in Kubernetes.
//
//     swift run --package-path Examples/Recipes server [PORT [SECONDS [SLOW]]]
//     curl -i 127.0.0.1:8080/ready; curl 127.0.0.1:8080/slow | wc -c & sleep 1; kill PID
//
// PORT: 8080, or 0 for any; SECONDS: how long it goes on accepting, 1; SLOW: how many seconds /slow takes, 2.
//
// On SIGTERM:
//  1. /ready says 503, but the server still accepts: the load balancer learns only now that it should send no more.
//     Every response says "Connection: close", and its connection is closed.
//  2. After SECONDS, the listener closes; connections without a request are closed.
//  3. Requests in flight are finished, for as long as the policy's grace period lasts; then they are cancelled.
//  4. When the last connection is closed, the process ends with 0.
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import SignalDaemon
import Synchronization

let logger = Logger(label: "server")
typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

/// The connections, and the tasks that serve them. (NIO can also pass connections to a loop, which would start these
/// tasks. But a connection that the loop has not taken when the listener is closed ends the process:
/// apple/swift-nio#2637.)
final class Connections: Sendable {
    private struct State {
        var open: [ObjectIdentifier: (channel: any Channel, task: Task<Void, Never>)] = [:]
        var toldToClose: Set<ObjectIdentifier> = []
        var isClosing = false
    }
    private let state = Mutex(State())

    func serve(_ connection: Connection, _ answer: @escaping @Sendable (Connection) async throws -> Void) {
        let channel = connection.channel
        let isTooLate = state.withLock { state in
            let task = Task {
                do { try await answer(connection) } catch { logger.debug("connection lost: \(error)") }
                self.state.withLock { state in
                    state.open[ObjectIdentifier(channel)] = nil
                    state.toldToClose.remove(ObjectIdentifier(channel))
                }
            }
            state.open[ObjectIdentifier(channel)] = (channel, task)
            return state.isClosing
        }
        if isTooLate { closeWhenIdle(channel) }
    }

    /// Closes the connection now if there is no request, and otherwise after the response, which then says "Connection:
    /// close". NIO's HTTP pipeline does all that for this event. It may come once only.
    func closeWhenIdle(_ channel: any Channel) {
        guard state.withLock({ $0.toldToClose.insert(ObjectIdentifier(channel)).inserted }) else { return }
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }

    func closeAllWhenIdle() {
        close().forEach { closeWhenIdle($0.channel) }
    }

    func cancelAll() {
        close().forEach { $0.task.cancel() }
    }

    private func close() -> [(channel: any Channel, task: Task<Void, Never>)] {
        state.withLock { state in
            state.isClosing = true
            return Array(state.open.values)
        }
    }

    func allClosed() async {
        while let task = state.withLock({ $0.open.values.first?.task }) { await task.value }
    }
}

func page(_ path: String, slow: Duration, isDraining: Bool) async throws -> (HTTPResponseStatus, String) {
    switch path {
    case "/": return (.ok, "hello\n")
    case "/ready": return isDraining ? (.serviceUnavailable, "draining\n") : (.ok, "ready\n")
    case "/slow":
        logger.info("a slow request begins")
        try await Task.sleep(for: slow)
        return (.ok, String(repeating: "slow\n", count: 200_000))
    default: return (.notFound, "not found\n")
    }
}

let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let port = numbers.first ?? 8080
let acceptFor = Duration.seconds(numbers.dropFirst().first ?? 1)
let slow = Duration.seconds(numbers.dropFirst(2).first ?? 2)

let report = try await Daemon.run(onTransition: { logger.info("\($0)") }) { daemon in
    let connections = Connections()

    /// Answers the requests of one connection, one after the other.
    @Sendable func answer(_ connection: Connection) async throws {
        try await connection.executeThenClose { requests, responses in
            var request: HTTPRequestHead?
            for try await part in requests {
                if case .head(let head) = part { request = head }
                guard case .end = part, let head = request else { continue }
                let isDraining = daemon.isShuttingDown
                if isDraining || !head.isKeepAlive { connections.closeWhenIdle(connection.channel) }
                let (status, body) = try await page(head.uri, slow: slow, isDraining: isDraining)
                let headers: HTTPHeaders = ["Content-Type": "text/plain", "Content-Length": "\(body.utf8.count)"]
                try await responses.write(contentsOf: [
                    .head(HTTPResponseHead(version: .http1_1, status: status, headers: headers)),
                    .body(.byteBuffer(ByteBuffer(string: head.method == .HEAD ? "" : body))),
                    .end(nil),
                ])
            }
        }
    }

    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                connections.serve(try Connection(wrappingChannelSynchronously: channel), answer)
            }
        }
        .bind(host: "127.0.0.1", port: port).get()
    daemon.onGracefulShutdown {
        try await Task.sleep(for: acceptFor)
        try? await listener.close()  // or it is closed already
        connections.closeAllWhenIdle()
    }
    logger.info("pid \(getpid()) listens on port \(listener.localAddress?.port ?? 0)")
    daemon.notifyReady()

    try await withTaskCancellationHandler {
        try await listener.closeFuture.get()
        await connections.allClosed()
    } onCancel: {
        listener.close(promise: nil)
        connections.cancelAll()
    }
}
logger.info("\(report)")
report.exit()
