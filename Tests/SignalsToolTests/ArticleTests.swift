// The program prints the output that the article Inspecting shows, with other pids and the like.
import Foundation
import SignalBridge
import TestSupport
import Testing

@testable import SignalsTool

#if os(Linux)
    @Suite("The article Inspecting")
    struct ArticleTests {
        private let article: String

        init() throws {
            let root = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized
            let file = root.appendingPathComponent("Sources/SignalBridge/SignalBridge.docc/Inspecting.md")
            article = try String(contentsOf: file, encoding: .utf8)
        }

        @Test("The process that blocks SIGTERM")
        func inspecting() async throws {
            let words = ["/usr/bin/env", "--block-signal=TERM", "sleep", "1000"]
            let sleeper = try ChildProcess(words)
            let isAsleep = await eventually(within: 5) {
                let snapshot = try? ProcessReader.read(sleeper.id)
                return snapshot?.name == "sleep" && snapshot?.state == .sleeping
            }
            kill(sleeper.id, SIGTERM)
            let ended = try await ChildProcess.tool("inspect", "\(sleeper.id)")
            kill(sleeper.id, SIGKILL)
            _ = await sleeper.end()
            guard isAsleep else { return print("article: not tested: this env(1) cannot block signals") }
            #expect(masked(ended.output) == masked(block(after: "$ signals inspect $!")))
        }

        @Test("The explanation of SIGTERM")
        func explaining() async throws {
            #expect(
                try await ChildProcess.tool("explain", "SIGTERM").output == block(after: "$ signals explain SIGTERM"))
        }

        /// The rest of the block, without its indentation.
        private func block(after command: String) -> String {
            let lines = article.split(separator: "\n", omittingEmptySubsequences: false)
            let rest = lines.drop { $0 != "    " + command }.dropFirst().prefix { $0.hasPrefix("    ") }
            return rest.map { $0.dropFirst(4) + "\n" }.joined()
        }

        /// With each number as N and the parent's name as P.
        private func masked(_ text: String) -> String {
            text.replacing(/parent \d+ \([^)]*\)/, with: "parent N (P)").replacing(/\d+/, with: "N")
        }
    }
#endif
