// A daemon that the program keeps beyond its end.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Kept daemons") struct KeptDaemonTests {
    @Test("80 daemons one after the other start and end, although the program keeps each of them and its body")
    func eighty() async {
        await #expect(processExitsWith: .success) {
            limit()
            // The table of bridges in C has 64 places.
            let kept = Shared<[(daemon: Daemon, body: @Sendable () -> Bool)]>([])
            for number in 1...80 {
                let report = try await Daemon.run { daemon in
                    kept { $0.append((daemon, { daemon.isShuttingDown })) }
                    try daemon.onReload { _ = daemon.running }
                    try daemon.onSignal(.sigusr1) { _ in _ = daemon.running }
                    daemon.addCleanup("flush") { _ = daemon.running }
                    daemon.shutdown()
                }
                #expect(report.exitStatus == .code(0), "daemon \(number): \(report)")
                #expect(disposition(of: .sigterm) == .default && disposition(of: .sigusr1) == .default)
            }
            #expect(kept.now.count == 80)
            #expect(kept.now.allSatisfy { $0.body() && $0.daemon.running.isEmpty })
        }
    }
}
