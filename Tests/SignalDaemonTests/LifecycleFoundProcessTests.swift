// What was found once in the lifecycle, by review, and must not come back: real signals, each test in a process of its own.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

private let fast = SignalPolicy.server.with(
    gracePeriod: .milliseconds(1500), cancelPeriod: .milliseconds(1500), cleanupPeriod: .milliseconds(1500))
/// Periods that no test reaches.
private let slow = SignalPolicy.server.with(
    gracePeriod: .seconds(600), cancelPeriod: .seconds(600), cleanupPeriod: .seconds(600))

/// An error whose release asks the daemon something, so takes its lock.
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

@Suite struct LifecycleFoundInProcess {
    @Test(
        "1: a cancellation handler that hangs does not hold up the end, when the program began it",
        arguments: ["failure", "request", "cancellation"])
    func hangingHandler(_ way: String) async {
        await #expect(processExitsWith: .exitCode(42)) { [way] in
            limit()
            let isUp = Shared(false)
            let hasActed = Shared(false)
            let task = Task {
                _ = try await Daemon.run(
                    policy: fast, onForce: { _ in _exit(hasActed.now ? 42 : 3) }
                ) { daemon -> Void in
                    daemon.onGracefulShutdown { hasActed { $0 = true } }
                    try daemon.addTask("hangs when cancelled", onShutdown: .cancel) {
                        await withTaskCancellationHandler {
                            try? await Task.sleep(for: .seconds(1000))
                        } onCancel: {
                            Thread.sleep(forTimeInterval: 1000)
                        }
                    }
                    try await Task.sleep(for: .milliseconds(100))
                    isUp { $0 = true }
                    switch way {
                    case "failure": throw Broken()
                    case "request": daemon.shutdown()
                    default: break
                    }
                    try await Task.sleep(for: .seconds(1000))
                }
            }
            if way == "cancellation" {
                #expect(await eventually { isUp.now })
                startThread { task.cancel() }
            }
            _ = try await task.value
        }
    }

    @Test("1e: who hears of the shutdown finds the daemon shutting down")
    func gateBeforeActions() async {
        await #expect(processExitsWith: .success) {
            limit()
            let wrong = Shared<[String]>([])
            for _ in 0..<200 {
                let running = Shared<Daemon?>(nil)
                _ = try await Daemon.run(
                    policy: slow,
                    onTransition: { transition in
                        guard case .entered = transition, running.now?.isShuttingDown == false else { return }
                        wrong { $0.append("\(transition)") }
                    }
                ) { daemon in
                    running { $0 = daemon }
                    daemon.onGracefulShutdown { if !daemon.isShuttingDown { wrong { $0.append("an action") } } }
                    kill(getpid(), SIGTERM)
                    await daemon.shutdownRequested()
                }
                running { $0 = nil }
            }
            #expect(wrong.now == [])
        }
    }

    @Test("2: errors of tasks that are no longer listed are released where no lock is held")
    func errorsOfTasks() async {
        await #expect(processExitsWith: .success) {
            limit()
            let released = Shared(0)
            let report = try await Daemon.run(policy: slow) { daemon in
                for number in 0..<1100 {
                    try daemon.addTask("\(number)", onFailure: .report) { throw Inquisitive(daemon, released) }
                }
                #expect(await eventually { released.now >= 100 })
            }
            #expect(report.omittedTaskCount == 101)  // the body was the last
        }
    }

    @Test("2: errors of reloads that are no longer listed are released where no lock is held")
    func errorsOfReloads() async {
        await #expect(processExitsWith: .success) {
            limit()
            let released = Shared(0)
            let report = try await Daemon.run(policy: slow) { daemon in
                try daemon.onReload { throw Inquisitive(daemon, released) }
                let isOver = await eventually {
                    daemon.reload()
                    return released.now >= 20
                }
                #expect(isOver)
            }
            #expect(report.failedReloads.count == 100)
        }
    }

    @Test("3d: so many transitions wait for an onTransition that hangs, and the rest is counted")
    func hangingOnTransition() async {
        await #expect(processExitsWith: .success) {
            limit()
            let door = DispatchSemaphore(value: 0)
            let said = Shared<(count: Int, leftOut: [String])>((0, []))
            let ran = Shared(0)
            _ = try await Daemon.run(
                policy: slow,
                onTransition: { transition in
                    if case .started = transition { door.wait() }
                    let line = "\(transition)"
                    said {
                        $0.count += 1
                        if line.hasSuffix("transitions were left out") { $0.leftOut.append(line) }
                    }
                }
            ) { daemon in
                for _ in 0..<15_000 { try daemon.addTask("quick") { ran { $0 += 1 } } }
                #expect(await eventually { ran.now == 15_000 })
                door.signal()
                #expect(await eventually { said.now.count >= 10_000 })
            }
            #expect(said.now.count < 14_000)
            #expect(said.now.leftOut.count >= 1)
        }
    }

    @Test("4: a TERM that comes when all is over, and before Daemon.run returns, is not lost")
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

    @Test("6: a timeout that is long past is over at once")
    func negativeTimeouts() async {
        await #expect(processExitsWith: .success) {
            limit()
            let wait: @Sendable () -> Void = {
                do {
                    let report = try Daemon.runBlocking(policy: slow) { daemon in
                        for timeout in [Duration.seconds(-5), .seconds(Int64.min / 2), .seconds(Int64.min), .zero] {
                            #expect(!daemon.waitForShutdown(timeout: timeout))
                            #expect(!daemon.stop.wait(timeout: timeout))
                        }
                    }
                    #expect(report.exitStatus == .code(0))
                } catch {
                    Issue.record(error)
                }
            }
            await onThread(wait)
            await withSimulatedSignals { simulator in await onThread { simulator.withSimulation(wait) } }
        }
    }
}
