// The explanation of each signal, compared with the system.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@testable import SignalsTool

@Suite("signals explain")
struct ExplainTests {
    @Test(
        "A signal has several names",
        arguments: [
            ("SIGTERM", SignalNumber.sigterm), ("term", .sigterm), ("15", .sigterm), ("SIGPOLL", .sigio),
            ("CLD", .sigchld),
            ("SIGIOT", .sigabrt),
        ])
    func names(word: String, signal: SignalNumber) {
        #expect(Explanation(of: word)?.signal == signal)
    }

    @Test(
        "A word that names no signal is refused",
        arguments: ["", "0", "-1", "65", "TERMINATE", "SIG", "RTMIN+99", "15x"])
    func refused(word: String) {
        #expect(Explanation(of: word) == nil)
    }

    @Test("SIGTERM")
    func term() throws {
        let explanation = try #require(Explanation(of: "TERM"))
        let lines = ExplanationText(explanation: explanation, style: TextStyle(isColored: false)).lines
        #expect(lines[0] == "SIGTERM, signal 15")
        #expect(lines[1] == "  default   the kernel ends the process")
        #expect(lines.contains("            reloads: SignalPolicy .uwsgi"))
        #expect(lines.last == "  manual    signal(7), kill(1)" || lines.last == "  manual    signal(3), kill(1)")
    }

    @Test("Each policy does what the explanation says", arguments: PolicyMeaning.policies.map(\.name))
    func policy(name: String) throws {
        let policy = try #require(PolicyMeaning.policies.first { $0.name == name }).policy
        for signal in SignalNumber.catchable {
            let meaning = PolicyMeaning(of: signal, in: policy)
            #expect((meaning == .graceful) == policy.graceful.contains(signal))
            #expect((meaning == .hardExit) == policy.hardExit.contains(signal))
            #expect((meaning == .reload) == policy.reload.contains(signal))
        }
    }

    @Test("The signals that cannot be caught, at all or by this library")
    func catchable() throws {
        for name in ["KILL", "STOP"] { #expect(try !#require(Explanation(of: name)).isCatchable) }
        let fault = try #require(Explanation(of: "SEGV"))
        #expect(fault.isCatchable && !fault.isSubscribable)
        #expect(try #require(Explanation(of: "USR1")).isSubscribable)
    }

    #if os(Linux)
        @Test("The default action of each signal is what the kernel does")
        func defaultActions() async throws {
            let ended = try await ChildProcess([ChildProcess.binaries + "/SignalsToolSubject", "actions"]).end()
            let lines = ended.output.split(separator: "\n").map { $0.split(separator: " ") }
            #expect(lines.count == 64)
            for line in lines {
                let explanation = try #require(Explanation(of: String(line[0])))
                if explanation.isReserved { continue }
                let action = explanation.defaultAction
                let known =
                    [DefaultAction.terminate: "terminate", .dumpCore: "terminate", .stop: "stop"][action] ?? "none"
                #expect(known == line[1], "signal \(line[0])")
            }
        }

        @Test("Each signal of the system is explained", arguments: 1...64)
        func all(number: Int32) throws {
            let explanation = try #require(Explanation(of: "\(number)"))
            #expect(explanation.isReserved == (32..<SignalNumber.realtime(0).rawValue).contains(number))
            let text = ExplanationText(explanation: explanation, style: TextStyle(isColored: false)).lines
            #expect(text[0].hasSuffix("signal \(number)") && text.allSatisfy { $0.count <= 100 })
            let isAnonymous = explanation.facts.sentBy == "Programs that agree on it."
            #expect(isAnonymous == explanation.isReserved)
        }

        @Test("Realtime signals are counted from SIGRTMIN")
        func realtime() async throws {
            let ended = try await ChildProcess.tool("explain", "SIGRTMIN+3")
            #expect(ended.output.hasPrefix("SIGRTMIN+3, signal \(SignalNumber.realtime(3).rawValue)\n"))
            #expect(ended.output.hasSuffix("  manual    signal(7), sigqueue(3)\n"))
        }
    #endif
}
