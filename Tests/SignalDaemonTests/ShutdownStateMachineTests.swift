// The state machine of the shutdown by hand: no thread, no clock but the test's, no closure.
import TestSupport
import Testing

@testable import SignalBridge
@testable import SignalDaemon

private struct Failure: Error {}

@Suite("The shutdown's state machine") struct ShutdownStateMachineTests {
    @Test("One signal requests the shutdown, and clean-ups follow the work")
    func oneSignal() {
        var driver = Driver()
        let task = driver.add()!
        let (first, second) = (driver.addCleanup("first"), driver.addCleanup("second"))
        #expect(driver.receive(.sigterm) == ["draining", "request"])
        #expect(driver.end(0) == [])
        #expect(driver.end(task) == ["cleaning up", "start \(second)"])
        #expect(driver.end(second) == ["start \(first)"])
        #expect(driver.end(first) == ["finish"])
        #expect(driver.machine.summary.exitStatus == .code(0))
        #expect(driver.machine.deadline == nil)
        #expect(driver.receive(.sigterm) == [])
    }

    @Test("The end of each period begins the next phase, and the last one forces the exit")
    func deadlines() {
        var driver = Driver()
        let completes = driver.add(.complete)!
        let cancels = driver.add(.cancel)!
        #expect(driver.receive(.sigterm) == ["draining", "request", "cancel \(cancels)"])
        #expect(driver.machine.deadline == .seconds(20))
        #expect(driver.wait(19) == [])
        #expect(driver.wait(1) == ["cancelling", "cancel 0"])
        #expect(!driver.machine.isCancelled(completes))
        #expect(driver.wait(3) == [])
        #expect(driver.wait(1) == ["force"])
        #expect(driver.machine.summary.exitStatus == .signal(.sigterm))
        #expect(driver.machine.summary.tasks.map(\.outcome.description) == ["abandoned", "abandoned", "abandoned"])
        #expect(driver.wait(100) == [] && driver.end(0) == [] && driver.receive(.sigint) == [])
    }

    @Test("A second signal has an effect in every phase", arguments: [SignalPolicy.SecondSignal.escalate, .forceExit])
    func secondSignal(_ second: SignalPolicy.SecondSignal) {
        let policy = SignalPolicy.server.with(secondSignal: second)
        var draining = Driver(policy)
        _ = draining.receive(.sigterm)
        #expect(draining.receive(.sigint) == (second == .forceExit ? ["force"] : ["cancelling", "cancel 0"]))

        var cancelling = Driver(policy)
        _ = cancelling.receive(.sigterm)
        _ = cancelling.wait(20)
        #expect(cancelling.receive(.sigterm) == ["force"])
        #expect(cancelling.machine.summary.forcedExit != .deadline(.cancelling))

        var cleaning = Driver(policy)
        _ = cleaning.addCleanup("flush")
        _ = cleaning.receive(.sigterm)
        _ = cleaning.end(0)
        #expect(cleaning.machine.state.phase == .cleaningUp)
        #expect(cleaning.receive(.sigterm) == ["force"])
    }

    @Test("The first signal joins a shutdown that the program requested")
    func joins() {
        var driver = Driver()
        #expect(words(driver.machine.shutdown(.requested, at: driver.now)) == ["draining", "request"])
        #expect(driver.receive(.sigterm) == [])
        #expect(driver.machine.state.phase == .draining)
        #expect(driver.receive(.sigterm) == ["cancelling", "cancel 0"])
        #expect(driver.receive(.sigterm) == ["force"])
        #expect(driver.machine.summary.exitStatus == .signal(.sigterm))
    }

    @Test("Work that fails ends the daemon, and a later failure does not change the reason")
    func failure() {
        var driver = Driver()
        let task = driver.add()!
        #expect(driver.end(task, Failure()) == ["draining", "request"])
        #expect(driver.add() == nil)
        #expect(driver.end(0, Failure()) == ["cleaning up", "finish"])
        #expect(driver.machine.summary.reason == .failure(of: "task"))
        #expect(driver.machine.summary.tasks.count == 2)
        #expect(driver.machine.summary.exitStatus == .code(1))
    }

    @Test("A CancellationError counts as cancelled only if the work was cancelled")
    func cancellationError() {
        var driver = Driver()
        let task = driver.add()!
        _ = driver.end(task, CancellationError())
        #expect(driver.machine.summary.tasks.map(\.outcome.description) == ["failed: CancellationError()"])
    }

    @Test("Work that fails because the daemon refused it does not fail the daemon")
    func refusal() {
        let refusal = SignalBridgeError(.shuttingDown, nil, "no")
        var driver = Driver()
        _ = driver.receive(.sigterm)
        #expect(driver.end(0, refusal) == ["cleaning up", "finish"])
        #expect(driver.machine.summary.exitStatus == .code(0))
        var other = Driver()  // a refusal by another daemon is an ordinary error
        _ = other.end(0, refusal)
        #expect(other.machine.summary.exitStatus == .code(1))
    }

    @Test("An error of shielded work makes no exit code")
    func shieldThrows() {
        var driver = Driver()
        let id = driver.machine.addShield("commit", at: driver.now)!
        _ = driver.end(id, Failure())
        _ = driver.end(0)
        #expect(driver.machine.summary.tasks.map(\.outcome.description) == ["failed: Failure()", "finished"])
        #expect(driver.machine.summary.exitStatus == .code(0))
    }

    @Test("A daemon ends by itself when its work has ended, and cancels a reload")
    func endByItself() {
        var driver = Driver()
        driver.machine.allowReloads(true)
        let task = driver.add()!
        #expect(driver.end(0) == [])
        #expect(driver.receive(.sighup) == ["reload \(task + 1)"])
        #expect(driver.end(task) == ["cancel \(task + 1)", "cancelling", "request"])
        #expect(driver.end(task + 1, CancellationError()) == ["cleaning up", "finish"])
        #expect(driver.machine.summary.reason == .finished)
        #expect(driver.machine.summary.exitStatus == .code(0))
    }

    @Test("HUPs during a reload lead to exactly one more")
    func coalescedReloads() {
        var driver = Driver()
        driver.machine.allowReloads(true)
        #expect(driver.receive(.sighup) == ["reload 1"])
        for _ in 0..<1000 { #expect(driver.receive(.sighup) == []) }
        #expect(driver.end(1) == ["reload 2"])
        #expect(driver.end(2, Failure()) == [])
        #expect(driver.receive(.sighup) == ["reload 3"])
        #expect(driver.machine.summary.reloads == 1)
        #expect(driver.machine.summary.failedReloads.count == 1)
    }

    @Test("HUPs while the first configuration is loaded lead to one reload after that")
    func reloadsWhileLoading() {
        var driver = Driver(loads: true)
        #expect(driver.receive(.sighup) == [])
        #expect(driver.receive(.sighup) == [])
        #expect(words(driver.machine.loaded(at: driver.now)) == ["reload 1"])
    }

    @Test("A restart drains the old body, runs its clean-ups, and starts a new one")
    func restart() {
        var driver = Driver(loads: true, restarts: true)
        _ = driver.machine.loaded(at: driver.now)
        let cleanup = driver.addCleanup("flush")
        #expect(driver.receive(.sighup) == ["reload 2"])
        #expect(driver.end(2) == ["draining", "request"])
        #expect(driver.add() == nil)
        #expect(driver.receive(.sighup) == [])
        #expect(driver.end(0) == ["cleaning up", "start \(cleanup)"])
        #expect(driver.end(cleanup) == ["body 3", "reload 4"])  // the HUP that came meanwhile
        #expect(driver.machine.state.phase == .running)
        #expect(driver.add() != nil)
    }

    @Test("A restart cancels, waits for work that does not end, and forces nothing")
    func stubbornRestart() {
        var driver = Driver(loads: true, restarts: true)
        _ = driver.machine.loaded(at: driver.now)
        _ = driver.receive(.sighup)
        _ = driver.end(1)
        #expect(driver.wait(20) == ["cancelling", "cancel 0"])
        #expect(driver.wait(4) == ["waits"])
        #expect(driver.wait(1000) == [])
        #expect(driver.receive(.sigterm) == ["cancelling"])  // a shutdown has its own periods
        #expect(driver.wait(4) == ["force"])
    }

    @Test("A shutdown cancels a reload, whose result is not used")
    func shutdownWins() {
        var driver = Driver(loads: true, restarts: true)
        _ = driver.machine.loaded(at: driver.now)
        #expect(driver.receive(.sighup) == ["reload 1"])
        _ = driver.receive(.sighup)
        #expect(driver.receive(.sigterm) == ["cancel 1", "draining", "request"])
        #expect(driver.end(1) == [])
        #expect(driver.receive(.sighup) == [])
        #expect(driver.end(0) == ["cleaning up", "finish"])
        #expect(driver.machine.summary.reloads == 0)
    }

    @Test("The summary keeps the last 1,000 tasks, and counts the rest")
    func bounded() {
        var driver = Driver()
        for number in 0..<5000 {
            let id = driver.add(onFailure: .report)!
            _ = driver.end(id, number == 0 ? Failure() : nil)
        }
        #expect(driver.machine.summary.tasks.count == 1000)
        #expect(driver.machine.summary.omittedTaskCount == 4000)
        _ = driver.end(0)
        #expect(driver.machine.summary.exitStatus == .code(1))  // the failure is not forgotten
    }

    @Test("The cost of a task's end does not grow with the number of tasks")
    func costOfEnding() {
        /// The shortest of many durations, so that other load does not count.
        func cost(beside count: Int) -> Duration {
            var driver = Driver()
            for _ in 0..<count { _ = driver.add(onFailure: .report) }
            return (0..<100).map { _ in
                ContinuousClock().measure {
                    let id = driver.add(onFailure: .report)!
                    _ = driver.end(id)
                }
            }.min()!
        }
        _ = cost(beside: 10)
        let (few, many) = (cost(beside: 10), cost(beside: 20_000))
        #expect(many < few * 20, "\(few) beside 10 tasks, \(many) beside 20,000")
    }

    @Test("One of the signals that come during a reload is reported")
    func reloadStorm() {
        var driver = Driver()
        driver.machine.allowReloads(true)
        _ = driver.receive(.sighup)
        var reported = 0
        for _ in 0..<1000 {
            for case .announce(.received) in driver.actions(of: .sighup) { reported += 1 }
        }
        #expect(reported == 1)
    }
}
