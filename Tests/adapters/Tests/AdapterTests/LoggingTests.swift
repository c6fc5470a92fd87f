// The log entries of transitions.
import InMemoryLogging
import Logging
import SignalBridge
import SignalDaemon
import Testing

@Suite("A daemon's transitions in swift-log", .timeLimit(.minutes(2))) struct LoggingTests {
    private let handler = InMemoryLogHandler()

    private func log(at level: Logger.Level) async throws -> [InMemoryLogHandler.Entry] {
        var logger = Logger(label: "test") { [handler] _ in handler }
        logger.logLevel = level
        logger[metadataKey: "own"] = "kept"
        _ = try await simulate { daemon in
            try daemon.addTask("broken", onFailure: .report) { throw Broken() }
        } onTransition: { [logger] transition in
            logger.log(transition)
        } drive: { simulator in
            try simulator.send(.sigterm)
        }
        return handler.entries
    }

    @Test("Each has its level, its line and its metadata, beside the logger's own")
    func entries() async throws {
        let entries = try await log(at: .trace)
        let received = try #require(entries.first { $0.metadata["event"] == "received" })
        #expect(received.level == .notice)
        #expect(received.message.description.hasPrefix("SIGTERM "))
        #expect(received.message.description.hasSuffix(" shuts down"))
        #expect(received.metadata["signal"] == "SIGTERM")
        #expect(received.metadata["effect"] == "beganShutdown")
        #expect(received.metadata["own"] == "kept")
        let broken = try #require(entries.first { $0.metadata["work"] == "broken" })
        #expect(broken.level == .error)
        #expect(broken.metadata["outcome"] == "failed: Broken()")
        #expect(entries.contains { $0.level == .debug && $0.metadata["event"] == "ended" })
    }

    @Test("The logger's level decides what is logged")
    func levels() async throws {
        let entries = try await log(at: .notice)
        #expect(entries.contains { $0.metadata["event"] == "finished" })
        #expect(!entries.contains { $0.metadata["event"] == "entered" })
    }

    @Test("Each level has its name", arguments: DaemonTransition.Level.allCases)
    func names(_ level: DaemonTransition.Level) {
        #expect(Logger.Level(level).rawValue == level.rawValue)
    }
}
