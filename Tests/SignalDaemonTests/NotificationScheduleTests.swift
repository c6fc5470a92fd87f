// The schedule of a supervisor's datagrams, tested without a daemon.
import Testing

@testable import SignalBridge
@testable import SignalDaemon

@Suite("The schedule of notifications") struct NotificationScheduleTests {
    private static func schedule(watchdog: Duration? = nil) -> NotificationSchedule {
        NotificationSchedule(Supervisor(socket: "/nowhere", watchdog: watchdog), at: .zero)
    }

    @Test("A watchdog check that has not returned is not started again")
    func hangingCheck() {
        var schedule = Self.schedule(watchdog: .seconds(2))
        var started = [schedule.isCheckDue(at: .milliseconds(999)), schedule.isCheckDue(at: .seconds(1))]
        started.append(schedule.isCheckDue(at: .seconds(2)))
        schedule.checkEnded()
        started.append(schedule.isCheckDue(at: .seconds(3)))
        #expect(started == [false, true, false, true])
    }

    @Test("READY is not sent after STOPPING")
    func readyAfterStopping() {
        var schedule = Self.schedule()
        var machine = ShutdownStateMachine(.server, at: .zero)
        #expect(schedule.ready() == "READY=1")
        var datagrams: [String] = []
        for case .announce(let transition) in machine.shutdown(.requested, at: .zero) {
            if let datagram = schedule.datagram(for: transition, machine, at: .zero) { datagrams.append(datagram) }
        }
        #expect(datagrams == ["STOPPING=1"])
        #expect(schedule.ready() == nil)
    }

    @Test("A reload that fails sends a status, and no READY while a new body has yet to call notifyReady")
    func failedReloadOfAStartingBody() {
        var schedule = Self.schedule()
        let machine = ShutdownStateMachine(.server, loads: true, restarts: true, at: .zero)
        var datagrams: [String] = []
        func isExpected(_ line: String) -> Bool { !line.hasPrefix("MONOTONIC_USEC=") }
        func report(_ transition: DaemonTransition) {
            var datagram = schedule.datagram(for: transition, machine, at: .zero)
            if case .reloadFailed(let error) = transition {
                datagram = schedule.beginning(ofFailure: error, machine).map { "\($0)STATUS=reload failed: \(error)" }
            }
            if let datagram { datagrams += datagram.split(separator: "\n").map(String.init).filter(isExpected) }
        }
        report(.started)
        #expect(schedule.ready() == "READY=1")
        for transition in [DaemonTransition.reloading, .started, .reloaded] { report(transition) }
        for transition in [DaemonTransition.reloading, .reloadFailed(CancellationError())] { report(transition) }
        let failure = "STATUS=reload failed: CancellationError()"
        #expect(datagrams == ["RELOADING=1", "RELOADING=1", failure])
        #expect(schedule.ready() == "READY=1")
        for transition in [DaemonTransition.reloading, .reloadFailed(CancellationError())] { report(transition) }
        #expect(datagrams.suffix(3) == ["RELOADING=1", "READY=1", failure])
    }

    @Test("A reload that the shutdown cancels leaves the status alone; one that fails by itself does not")
    func cancelledReload() {
        var schedule = Self.schedule()
        var machine = ShutdownStateMachine(.server, loads: true, restarts: false, at: .zero)
        _ = machine.loaded(at: .zero)
        #expect(schedule.ready() == "READY=1")
        _ = machine.shutdown(.requested, exitCode: nil, at: .zero)
        #expect(machine.isShuttingDown)
        #expect(schedule.beginning(ofFailure: CancellationError(), machine) == nil)
        #expect(schedule.beginning(ofFailure: Broken(), machine) == "")
    }

    @Test("The same failure of the socket is reported once, so a closure that hears of it may send again")
    func repeatedFailure() throws {
        var failures = 0
        let link = Lock<SupervisorNotifier?>(nil)
        nonisolated(unsafe) let count = {
            failures += 1
            return failures
        }
        let supervisor = Supervisor(socket: "/nowhere/socket")
        let made = try SupervisorNotifier(supervisor, at: .zero, isInline: true) { _ in
            if count() < 10 { link.withLock { $0 }?.reportStatus("a failure") }
        }
        link.withLock { $0 = made }
        for _ in 0..<3 {
            made.reportStatus("status")
            made.runInline()
        }
        link.withLock { $0 = nil }
        #expect(failures == 1)
    }

    @Test("Without a listener nothing is due")
    func noListener() {
        var schedule = NotificationSchedule(.disabled, at: .zero)
        #expect(schedule.deadline == nil)
        #expect(!schedule.isCheckDue(at: .seconds(1000)) && !schedule.isExtensionDue(at: .seconds(1000)))
    }
}
