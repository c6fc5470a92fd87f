// Daemon.main as the parent of the process sees it: exit status and standard error.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Daemon.main") struct MainTests {
    enum Way: String, Codable, CaseIterable {
        case finishes, terminated, interrupted, bodyFails, allFail, longError, timesOut, forcedBySignal, forcedByRequest
        case refused, blockedPool

        /// Refused is a daemon beside a loop over signalfd.
        #if os(Linux)
            static let here = allCases
        #else
            static let here = allCases.filter { $0 != .refused }
        #endif

        var expected: ExitTest.Condition {
            switch self {
            case .finishes, .terminated: .exitCode(0)
            case .interrupted, .forcedBySignal: .signal(SIGINT)
            case .timesOut: .signal(SIGTERM)
            case .bodyFails, .allFail, .longError, .forcedByRequest, .refused, .blockedPool: .exitCode(1)
            }
        }

        /// The lines on standard error; `nil` stands for one line that names SIGTERM.
        var errors: [String]? {
            switch self {
            case .finishes, .terminated, .interrupted: []
            case .bodyFails: ["body: Broken()"]
            case .allFail: ["consumer: Broken()", "body: Broken()", "flush: Broken()"]
            case .longError: ["body: two lines"]
            case .timesOut: ["forced to exit: timed out while cancelling; abandoned: body"]
            case .forcedBySignal:
                ["consumer: Broken()", "forced to exit: by SIGTERM from this process; abandoned: body, flush"]
            case .forcedByRequest: ["forced to exit: timed out while cancelling; abandoned: body"]
            case .blockedPool: ["worker: Broken()"]
            case .refused: nil
            }
        }

        func run() async throws -> Never {
            let quick = SignalPolicy.server.with(gracePeriod: .milliseconds(50), cancelPeriod: .milliseconds(50))
            let policy = self == .timesOut || self == .forcedByRequest ? quick : .server.with(duplicateWindow: .zero)
            // With this mechanism no other subscription to the signal is possible.
            let loop = self == .refused ? try SignalLoop(mechanism: .signalfd) : nil
            let events = try loop.map { try SignalEvents(.sigterm, loop: $0) }
            print("output", terminator: "")  // only exit() flushes it
            let scene = Scene()
            MainTests.kept { $0 = events }
            await Daemon.main(policy: policy, onTransition: scene.watch) { daemon in try await body(daemon, scene) }
        }

        private func body(_ daemon: Daemon, _ scene: Scene) async throws {
            switch self {
            case .finishes: return
            case .terminated, .interrupted:
                kill(getpid(), self == .terminated ? SIGTERM : SIGINT)
                await daemon.shutdownRequested()
            case .bodyFails: throw Broken()
            case .blockedPool:  // by tasks that are no work of the daemon
                for _ in 0..<64 { Task.detached { while true { sleep(1000) } } }
                try daemon.addThread("worker") { _ in
                    usleep(300_000)
                    throw Broken()
                }
            case .allFail:
                daemon.addCleanup("flush") { throw Broken() }
                try daemon.addTask("consumer") { throw Broken() }
                try await scene.wait(for: .draining)
                throw Broken()
            case .longError:
                struct Long: Error, CustomStringConvertible { var description: String { "two\nlines" } }
                throw Long()
            case .timesOut:
                kill(getpid(), SIGTERM)
                hang()
            case .forcedBySignal:
                daemon.addCleanup("flush") {}
                try daemon.addTask("consumer", onFailure: .report) { throw Broken() }
                try await scene.wait(forLine: "task consumer: failed: Broken()")
                for signal in [SIGINT, SIGTERM, SIGTERM] {
                    let count = scene.responses.count
                    kill(getpid(), signal)
                    try? await scene.wait("for a response") { scene.responses.count > count }
                }
                hang()
            case .forcedByRequest:
                daemon.shutdown()
                hang()
            case .refused: say("the body ran")
            }
        }
    }

    private static let kept = Shared<SignalEvents?>(nil)

    @Test("The exit status and the lines on standard error are those of the documentation", arguments: Way.here)
    func ends(way: Way) async throws {
        let result = await #expect(
            processExitsWith: way.expected, observing: [\.standardOutputContent, \.standardErrorContent]
        ) { [way] in
            limit()
            _ = "begin\n".withCString { write(2, $0, strlen($0)) }
            try await way.run()
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let all = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        // The testing library writes a symbol of its own in front.
        let text = all.range(of: "begin\n").map { String(all[$0.upperBound...]) } ?? "no begin"
        let errors = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        #expect(output.hasSuffix("output"), "\(output)")
        #expect(text.isEmpty || text.hasSuffix("\n"), "\(text)")
        if let expected = way.errors {
            let pid = try Regex("pid [0-9]+ \\(uid [0-9]+\\)")
            #expect(errors.map { $0.replacing(pid, with: "this process") } == expected)
        } else {
            #expect(errors.count == 1 && errors.allSatisfy { $0.contains("SIGTERM") }, "\(text)")
        }
    }
}
