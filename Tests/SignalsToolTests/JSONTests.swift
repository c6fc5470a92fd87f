// The output for programs: parsed, compared with /proc, and its keys with the manual page.
import Foundation
import SignalBridge
import TestSupport
import Testing

@testable import SignalsTool

@Suite("signals --json")
struct JSONTests {
    @Test("Text of any kind is quoted")
    func quoting() throws {
        let text = "a\"b\\c\n\u{1}é\u{7F}"
        let parsed = try JSONSerialization.jsonObject(with: Data(JSON.object([("k", .string(text))]).text.utf8))
        #expect(parsed as? [String: String] == ["k": text])
    }

    @Test("An explanation")
    func explanation() throws {
        let text = JSON(try #require(Explanation(of: "SIGTERM"))).text
        let object = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["signal"] as? String == "SIGTERM" && object["number"] as? Int == 15)
        #expect(object["defaultAction"] as? String == "terminate" && object["catchable"] as? Bool == true)
        #expect((object["policies"] as? [String: String])?["uwsgi"] == "reload")
        try expectDocumented(object)
    }

    @Test("SIGKILL and SIGSTOP can be pending, and the signals that the C library reserves are left out")
    func pendingUnstoppable() throws {
        var process = ProcessSnapshot(id: 5, name: "x", state: .uninterruptible)
        let reserved = SignalSet(bits: 1 << 31)
        process.pending = SignalSet(.sigkill)
        process.threads = [
            ThreadSnapshot(id: 5, name: "x", state: .sleeping, blocked: SignalSet(), pending: reserved),
            ThreadSnapshot(id: 6, name: "x", state: .sleeping, blocked: SignalSet(), pending: SignalSet(.sigstop)),
        ]
        let verdict = Verdict(for: .sigkill, in: process)
        let object = try parse(JSON(process, verdict).text)
        #expect(object["pending"] as? [String] == ["SIGKILL"])
        let threads = object["threads"] as? [[String: Any]]
        #expect(threads?.map { $0["pending"] as? [String] } == [[], ["SIGSTOP"]])
        let text = InspectionText(process: process, verdict: verdict, style: TextStyle(isColored: false)).lines
        #expect(text.contains("  pending   KILL, STOP for thread 6"))
        var calm = process
        calm.pending = SignalSet()
        calm.threads[1].pending = reserved
        let changes = SnapshotChanges(from: calm, to: process).sentences
        #expect(changes == ["KILL pending for the process", "STOP pending for thread 6"])
        let calmText = InspectionText(process: calm, verdict: verdict, style: TextStyle(isColored: false)).lines
        #expect(calmText.contains("  pending   nothing"))
    }

    #if os(Linux)
        @Test("A process, as /proc and ps have it")
        func process() async throws {
            try await Subject.with("pending") { subject in
                let ended = try await ChildProcess.tool("inspect", "--json", "\(subject.id)")
                #expect(ended.output.filter { $0 == "\n" }.count == 1)
                let object = try parse(ended.output)
                let thread = try #require((object["threads"] as? [[String: Any]])?.first)
                #expect(object["pid"] as? Int == Int(subject.id) && thread["tid"] as? Int == Int(subject.id))
                for (ours, theirs, column) in [
                    (object["pending"], "ShdPnd", "pending"), (object["caught"], "SigCgt", "caught"),
                    (object["ignored"], "SigIgn", "ignored"), (thread["blocked"], "SigBlk", "blocked"),
                    (thread["pending"], "SigPnd", nil),
                ] {
                    let names = try #require(ours as? [String])
                    let bits = try names.reduce(UInt64(0)) { bits, name in
                        bits | 1 << UInt64(try #require(SignalNumber(name: name), "\(name)").rawValue - 1)
                    }
                    #expect(try await field(theirs, of: subject.id) == bits, "\(theirs)")
                    if let column, let listed = await ps(column, subject.id) {
                        #expect(listed == bits, "ps -o \(column)")
                    }
                }
                let verdict = try #require(object["verdict"] as? [String: Any])
                #expect(verdict["outcome"] as? String == "pending" && verdict["takers"] as? [Int] == [])
                let codes = (verdict["reasons"] as? [[String: String]])?.map { $0["code"] }
                #expect(codes == ["alreadyPending", "blocked"])
                try expectDocumented(object)
            }
        }

        @Test("A signalfd, a wait, and fields that may not be read")
        func descriptors() async throws {
            try await Subject.with("signalfd") { subject in
                let object = try parse(try await ChildProcess.tool("inspect", "\(subject.id)", "--json").output)
                let first = (object["signalfds"] as? [[String: Any]])?.first
                #expect(first?["signals"] as? [String] == ["SIGINT", "SIGTERM"])
                try expectDocumented(object)
            }
            try await Subject.with("sigwait") { subject in
                #expect(await subject.shows { $0.threads[0].wait != .none })
                let object = try parse(
                    try await ChildProcess.tool("inspect", "--signal", "USR1", "\(subject.id)", "--json").output)
                let thread = (object["threads"] as? [[String: Any]])?.first
                #expect(thread?["waitsFor"] as? [String] == ["SIGUSR1", "SIGTERM"])
                let verdict = object["verdict"] as? [String: Any]
                #expect(verdict?["signal"] as? String == "SIGUSR1" && verdict?["outcome"] as? String == "accepted")
            }
            var process = ProcessSnapshot(id: 5, name: "x", state: .sleeping)
            process.threads = [
                ThreadSnapshot(
                    id: 5, name: "x", state: .sleeping, blocked: SignalSet(), pending: SignalSet(), wait: .unreadable)
            ]
            let object = try parse(JSON(process, Verdict(for: .sigterm, in: process)).text)
            #expect(object["signalfds"] is NSNull && object["permitted"] is NSNull)
            #expect((object["threads"] as? [[String: Any]])?[0]["waitsFor"] is NSNull)
        }

        private func field(_ name: String, of id: pid_t) async throws -> UInt64? {
            let sed = try await ChildProcess(["/bin/sh", "-c", "sed -n 's/^\(name):[ \t]*//p' /proc/\(id)/status"])
                .end()
            return SignalSet(hexadecimal: sed.output.split(separator: "\n").first ?? "")?.ofPrograms.bits
        }

        /// The output of ps(1) of procps; `nil` if there is none.
        private func ps(_ column: String, _ id: pid_t) async -> UInt64? {
            let words = ["/bin/sh", "-c", "ps -o \(column):16= -p \(id) 2>/dev/null"]
            guard let ended = try? await ChildProcess(words).end(), ended.code == 0 else { return nil }
            return SignalSet(hexadecimal: ended.output.split { $0 == " " || $0 == "\n" }.first ?? "")?.ofPrograms.bits
        }
    #endif

    private func parse(_ text: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// Each key at any depth stands in the manual page, except the names of policies.
    private func expectDocumented(_ value: Any) throws {
        let page = try String(
            contentsOf: URL(fileURLWithPath: #filePath).appendingPathComponent("../../../library/man/signals.1")
                .standardized, encoding: .utf8)
        let keys = Set(page.split(separator: "\n").filter { $0.hasPrefix(".It Li ") }.map { String($0.dropFirst(7)) })
        func check(_ value: Any) {
            if let object = value as? [String: Any] {
                for (key, value) in object {
                    #expect(keys.contains(key), "signals(1) does not have \(key)")
                    if key != "policies" { check(value) }
                }
            }
            for element in value as? [Any] ?? [] { check(element) }
        }
        check(value)
    }
}
