// The description of the service for both sides, which elsewhere a plugin of protoc makes from a .proto file, and a
// client.
import GRPCCore
import GRPCNIOTransportHTTP2Posix

struct Text: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: String) -> Bytes { Bytes(message.utf8) }
    func deserialize<Bytes: GRPCContiguousBytes>(_ message: Bytes) -> String {
        message.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}

extension MethodDescriptor {
    static let work = MethodDescriptor(fullyQualifiedService: "recipes.Feed", method: "Work")
    static let watch = MethodDescriptor(fullyQualifiedService: "recipes.Feed", method: "Watch")
}

/// Asks for `seconds` of work and watches, at the same time, until both calls have ended.
func callBothMethods(port: Int, seconds: Int) async throws {
    let transport = try HTTP2ClientTransport.Posix(
        target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
    try await withGRPCClient(transport: transport) { client in
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let answer = try await client.unary(
                    request: ClientRequest(message: "\(seconds)"), descriptor: .work, serializer: Text(),
                    deserializer: Text(), options: .defaults
                ) { try $0.message }
                logger.info("\(answer)")
            }
            group.addTask {
                try await client.serverStreaming(
                    request: ClientRequest(message: ""), descriptor: .watch, serializer: Text(), deserializer: Text(),
                    options: .defaults
                ) { response in
                    for try await message in response.messages { logger.info("\(message)") }
                    logger.info("the stream has ended")
                }
            }
            try await group.waitForAll()
        }
    }
}
