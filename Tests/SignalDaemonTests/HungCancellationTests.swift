// Cancellation handlers that hang, and delay no other work.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Cancellation handlers that hang") struct HungCancellationTests {
    @Test(
        "A cancellation handler that hangs keeps no other work from being cancelled within a second", arguments: [1, 3])
    func others(hanging: Int) async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            [hanging] in
            limit()
            let policy = SignalPolicy.server.with(
                gracePeriod: .zero, cancelPeriod: .seconds(2), cleanupPeriod: .seconds(1))
            let (never, forEver) = (Blocker(), DispatchSemaphore(value: 0))
            let cancelled = Shared<[ContinuousClock.Instant]>([])
            let sent = Shared(ContinuousClock.now)
            _ = try await Daemon.run(
                policy: policy,
                onForcedExit: { (_: DaemonReport<Void>) in
                    let inTime = cancelled.now.filter { $0 - sent.now < .seconds(1) }.count
                    say("\(inTime) in time")
                }
            ) { daemon in
                for number in 1...8 {
                    try daemon.addTask("before \(number)") {
                        try? await untilCancelled()
                        cancelled { $0.append(.now) }
                    }
                    if number > hanging { continue }
                    try daemon.addTask("hangs \(number)") {
                        await withTaskCancellationHandler {
                            await never.wait()
                        } onCancel: {
                            forEver.wait()
                        }
                    }
                }
                try daemon.addThread("thread") { stop in
                    while !stop.isCancelled { usleep(1000) }
                    cancelled { $0.append(.now) }
                }
                try await Task.sleep(for: .milliseconds(200))  // in which all of them start to wait
                sent { $0 = .now }
                kill(getpid(), SIGTERM)
                await daemon.shutdownRequested()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("9 in time"), "\(output)")
    }
}
