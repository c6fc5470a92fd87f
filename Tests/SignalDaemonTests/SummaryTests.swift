// The summary that a daemon gives to the daemon, or to the group of services, around it.
import SignalBridge
import TestSupport
import Testing

@testable import SignalDaemon

@Suite("The summary of a daemon") struct SummaryTests {
    private static func task(_ outcome: DaemonTask.Outcome, counts: Bool) -> DaemonTask {
        var task = DaemonTask(name: "task", kind: .task, outcome: outcome, duration: .zero)
        task.countsAsFailure = counts
        return task
    }

    @Test("A failure of a task that is no longer listed is still thrown")
    func omittedFailure() {
        var summary = DaemonSummary()
        summary.record(Self.task(.failed(Broken()), counts: true), isLast: false)
        for _ in 0..<1000 { summary.record(Self.task(.finished, counts: false), isLast: false) }
        #expect(summary.omittedTaskCount == 1)
        #expect(summary.exitStatus == .code(1))
        #expect(throws: Broken.self) { try summary.throwFailure() }
    }

    @Test("The report has the errors of the last 100 reloads that failed")
    func failedReloads() {
        struct Numbered: Error { let number: Int }
        var summary = DaemonSummary()
        for number in 1...105 { summary.record(failedReload: Numbered(number: number)) }
        let report = DaemonReport<Void>(result: .success(()), summary: summary)
        #expect(report.failedReloads.compactMap { ($0 as? Numbered)?.number } == Array(6...105))
        #expect(report.exitStatus == .code(0), "a failed reload is no failure of the daemon")
    }

    @Test("A clean-up that returned after its time is a failure, and is thrown as one")
    func lateCleanup() {
        var summary = DaemonSummary()
        summary.record(Self.task(.finished, counts: true), isLast: true)
        #expect(summary.exitStatus == .code(1))
        let error = #expect(throws: SignalBridgeError.self) { try summary.throwFailure() }
        #expect(error?.code == .forcedExit)
    }

    @Test("A daemon whose work succeeded throws nothing")
    func success() throws {
        var summary = DaemonSummary()
        summary.record(Self.task(.finished, counts: false), isLast: true)
        try summary.throwFailure()
        #expect(summary.exitStatus == .code(0))
    }
}
