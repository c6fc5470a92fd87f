// Reports of long lives, and listeners that hang, with real signals.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// Periods that no test reaches.
private let slow = SignalPolicy.server.with(
    gracePeriod: .seconds(600), cancelPeriod: .seconds(600), cleanupPeriod: .seconds(600))

/// An error that takes a lock of the daemon when it is released.
private struct Inquisitive: Error {
    final class Question: @unchecked Sendable {
        private weak var daemon: Daemon?  // no cycle: the daemon keeps errors for its report
        private let released: Shared<Int>

        init(_ daemon: Daemon, _ released: Shared<Int>) {
            self.daemon = daemon
            self.released = released
        }

        deinit {
            _ = daemon?.isShuttingDown
            released { $0 += 1 }
        }
    }
    let question: Question

    init(_ daemon: Daemon, _ released: Shared<Int>) { question = Question(daemon, released) }
}

@Suite("Reports with real signals") struct ReportProcessTests {
    @Test("The error of a task that is no longer listed is released outside of every lock")
    func errorsOfTasks() async {
        await #expect(processExitsWith: .success) {
            limit()
            let released = Shared(0)
            let report = try await Daemon.run(policy: slow) { daemon in
                for number in 0..<1100 {
                    try daemon.addTask("\(number)", onFailure: .report) { throw Inquisitive(daemon, released) }
                }
                #expect(await eventually { released.now >= 99 })  // the first is kept
            }
            #expect(report.omittedTaskCount == 101)  // the body was the last
        }
    }

    @Test("The error of a reload that is no longer listed is released outside of every lock")
    func errorsOfReloads() async {
        await #expect(processExitsWith: .success) {
            limit()
            let released = Shared(0)
            let report = try await Daemon.run(policy: slow) { daemon in
                try daemon.onReload { throw Inquisitive(daemon, released) }
                let isOver = await eventually {
                    try? daemon.reload()
                    return released.now >= 20
                }
                #expect(isOver)
            }
            #expect(report.failedReloads.count == 100)
        }
    }

    @Test("Ten thousand transitions wait for an onTransition that hangs, and the rest is counted")
    func hangingOnTransition() async {
        await #expect(processExitsWith: .success) {
            limit()
            let blocker = DispatchSemaphore(value: 0)
            let seen = Shared<(count: Int, leftOut: [String])>((0, []))
            let ran = Shared(0)
            _ = try await Daemon.run(
                policy: slow,
                onTransition: { transition in
                    if case .started = transition { blocker.wait() }
                    let line = "\(transition)"
                    seen {
                        $0.count += 1
                        if line.hasSuffix("transitions were left out") { $0.leftOut.append(line) }
                    }
                }
            ) { daemon in
                for _ in 0..<15_000 { try daemon.addTask("quick") { ran { $0 += 1 } } }
                #expect(await eventually { ran.now == 15_000 })
                blocker.signal()
                #expect(await eventually { seen.now.count >= 10_000 })
            }
            #expect(seen.now.count < 14_000)
            #expect(seen.now.leftOut.count >= 1)
        }
    }

    @Test("The last transition is reported although ten thousand wait before it")
    func lastOfTooMany() async {
        await #expect(processExitsWith: .success) {
            limit()
            let blocker = DispatchSemaphore(value: 0)
            let isReported = Shared(false)
            _ = try await Daemon.run(
                policy: slow,
                onTransition: { transition in
                    switch transition {
                    case .started: blocker.wait()
                    case .finished: isReported { $0 = true }
                    default: break
                    }
                }
            ) { daemon in
                for _ in 0..<15_000 { try daemon.addTask("quick") {} }
            }
            #expect(!isReported.now)
            blocker.signal()
            #expect(await eventually { isReported.now })
        }
    }

    @Test("A TERM between the last transition and the return of Daemon.run is not lost")
    func signalAtTheEnd() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            _ = try await Daemon.run(
                policy: slow,
                onTransition: { transition in
                    guard case .finished = transition else { return }
                    kill(getpid(), SIGTERM)
                    usleep(300_000)  // a slow logger
                }
            ) { _ in }
            try await Task.sleep(for: .seconds(10))
            _exit(98)
        }
    }
}
