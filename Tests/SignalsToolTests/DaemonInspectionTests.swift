// A daemon of SignalDaemon and a loop over signalfd, seen by the program from outside.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@testable import SignalsTool

#if os(Linux)
    @Suite("signals inspect, with this library's processes")
    struct DaemonInspectionTests {
        @Test("A daemon catches the signals of its policy, and some thread takes them")
        func daemon() async {
            await #expect(processExitsWith: .success) {
                limit()
                let report = try await Daemon.run { daemon in
                    try daemon.onReload {}
                    let ended = try await ChildProcess.tool("inspect", "\(getpid())", "--json")
                    let object = try #require(
                        JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any])
                    let caught = Set(object["caught"] as? [String] ?? [])
                    #expect(caught.isSuperset(of: ["SIGTERM", "SIGINT", "SIGHUP"]))
                    let verdict = object["verdict"] as? [String: Any]
                    #expect(verdict?["outcome"] as? String == "handled" && verdict?["delayed"] as? Bool == false)
                    let takers = verdict?["takers"] as? [Int] ?? []
                    #expect(takers.first == Int(getpid()), "the main thread does not block it")
                    // The cooperative pool's threads block signals: they are no takers.
                    #expect(takers.count < (object["threads"] as? [Any] ?? []).count)
                    daemon.shutdown()
                }
                _ = try report.result.get()
            }
        }

        @Test("A loop over signalfd shows its descriptor")
        func loop() async {
            await #expect(processExitsWith: .success) {
                limit()
                let loop = try SignalLoop(mechanism: .signalfd)
                let events = try SignalEvents(.sigusr1, loop: loop)
                let snapshot = try ProcessReader.read(getpid())
                #expect(snapshot.signalDescriptors?.contains { $0.signals.contains(.sigusr1) } == true)
                events.finish()
            }
        }
    }
#endif
