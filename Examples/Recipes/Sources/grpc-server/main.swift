// A gRPC server with a stream that lasts as long as the server does. It needs no protobuf: its messages are strings.
//
//     swift run --package-path Examples/Recipes grpc-server               prints its port; Ctrl-C, or: kill PID
//     swift run --package-path Examples/Recipes grpc-server client PORT SECONDS
//
// On SIGTERM it refuses new calls, finishes Work, says goodbye to those who Watch, and ends with 0.
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import SignalDaemon

let logger = Logger(label: "grpc")
let arguments = Array(CommandLine.arguments.dropFirst())

struct Feed: RegistrableRPCService {
    let daemon: Daemon

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(forMethod: .work, deserializer: Text(), serializer: Text()) { request, _ in
            StreamingServerResponse(single: try await work(ServerRequest(stream: request)))
        }
        router.registerHandler(forMethod: .watch, deserializer: Text(), serializer: Text()) { _, _ in
            StreamingServerResponse { try await watch($0) }
        }
    }

    /// A call that ends by itself: a shutdown waits for it.
    func work(_ request: ServerRequest<String>) async throws -> ServerResponse<String> {
        logger.info("working for \(request.message)")
        try await Task.sleep(for: .seconds(Double(request.message) ?? 0))
        return ServerResponse(message: "worked for \(request.message)")
    }

    /// A call that does not end by itself: a shutdown ends it.
    func watch(_ writer: RPCWriter<String>) async throws -> Metadata {
        do {
            try await daemon.cancelOnShutdown {
                for number in 1... {
                    try await writer.write("tick \(number)")
                    try await Task.sleep(for: .milliseconds(200))
                }
            }
        } catch is CancellationError {}
        try await writer.write("goodbye")
        return [:]
    }
}

if arguments.first == "client" {
    try await callBothMethods(port: Int(arguments[1])!, seconds: Int(arguments[2])!)
    exit(0)
}

let port = arguments.first.flatMap { Int($0) } ?? 0

await Daemon.main(onTransition: { logger.log($0) }) { daemon in
    let transport = HTTP2ServerTransport.Posix(
        address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext)
    try await withGRPCServer(transport: transport, services: [Feed(daemon: daemon)]) { _ in
        let address = try await transport.listeningAddress
        logger.info("listens on port \(address.ipv4?.port ?? 0)")
        daemon.notifyReady()
        await daemon.shutdownRequested()
    }  // refuses new calls, and returns when the last one has ended
}
