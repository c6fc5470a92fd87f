// The state machine of the shutdown, without threads and closures. The test sets the time.
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

    @Test("A second signal that the policy ignores is recorded, and the deadlines alone end the daemon")
    func ignoredSecondSignal() {
        var driver = Driver(SignalPolicy.gunicorn.with(secondSignal: .ignored))
        _ = driver.addCleanup("flush")
        #expect(driver.receive(.sigterm) == ["draining", "request"])
        #expect(driver.receive(.sigterm) == [])
        #expect(driver.machine.deadline == .seconds(20))
        #expect(driver.wait(20) == ["cancelling", "cancel 0"])
        #expect(driver.receive(.sigterm) == [])
        #expect(driver.machine.deadline == .seconds(24))
        _ = driver.end(0)
        #expect(driver.machine.state.phase == .cleaningUp)
        #expect(driver.receive(.sigterm) == [])
        #expect(driver.machine.summary.signals.count == 4)
        #expect(driver.wait(4).last == "force")
    }

    @Test("A first hard exit has its effect although second signals are ignored, and a second one has none")
    func hardExitAmongIgnored() {
        var driver = Driver(SignalPolicy.gunicorn.with(secondSignal: .ignored))
        _ = driver.receive(.sigterm)
        #expect(driver.receive(.sigquit) == ["cancelling", "cancel 0"])
        #expect(driver.machine.deadline == .seconds(1))
        #expect(driver.receive(.sigint) == [] && driver.receive(.sigterm) == [])
        #expect(driver.machine.summary.hardExit?.signal == .sigquit)
        #expect(driver.wait(1) == ["force"])
        #expect(driver.machine.summary.exitStatus == .signal(.sigterm), "the first signal decides")
    }

    @Test("The exit code that the program asks for is the first one, and holds for every end")
    func exitCode() {
        var asked = Driver()
        _ = asked.machine.shutdown(.requested, exitCode: 75, at: asked.now)
        _ = asked.machine.shutdown(.requested, exitCode: 3, at: asked.now)
        #expect(asked.end(0, Failure()) == ["cleaning up", "finish"])
        #expect(asked.machine.summary.exitStatus == .code(75))
        _ = asked.machine.shutdown(.requested, exitCode: 4, at: asked.now)
        #expect(asked.machine.summary.exitStatus == .code(75))

        var signalled = Driver()  // the program names a code for a shutdown that a signal began
        _ = signalled.receive(.sigint)
        _ = signalled.machine.shutdown(.requested, at: signalled.now)
        #expect(signalled.machine.summary.exitStatus == .signal(.sigint))
        #expect(words(signalled.machine.shutdown(.requested, exitCode: 0, at: signalled.now)) == [])
        _ = signalled.end(0)
        #expect(signalled.machine.summary.exitStatus == .code(0))

        var forced = Driver(.nginx)
        _ = forced.receive(.sigterm)
        _ = forced.machine.shutdown(.requested, exitCode: 5, at: forced.now)
        #expect(forced.wait(1) == ["force"])
        #expect(forced.machine.summary.exitStatus == .code(5))
    }

    @Test("Of signals within the window of the first the second has no effect, and after that it has its own")
    func duplicates() {
        var driver = Driver()
        func receive(_ signal: SignalNumber, at milliseconds: Int) -> [String] {
            words(driver.machine.receive(.captured(signal, at: .milliseconds(milliseconds)), at: driver.now))
        }
        #expect(receive(.sigterm, at: 1000) == ["draining", "request"])
        for time in [1000, 1001, 1250, 1499] { #expect(receive(.sigint, at: time) == []) }
        #expect(driver.machine.summary.duplicateSignals == 4 && driver.machine.summary.signals.count == 1)
        #expect(receive(.sigint, at: 1500) == ["cancelling", "cancel 0"])
        #expect(receive(.sigint, at: 1999) == [])
        #expect(receive(.sigint, at: 2000) == ["force"])
        #expect(driver.machine.summary.duplicateSignals == 5 && driver.machine.summary.signals.count == 3)
    }

    @Test("A signal that joins a shutdown has duplicates too, and a reload has none")
    func duplicatesOfOthers() {
        var joining = Driver()
        _ = joining.machine.shutdown(.requested, at: joining.now)
        for _ in 0..<3 { _ = joining.machine.receive(.captured(.sigterm, at: .seconds(1)), at: joining.now) }
        #expect(joining.machine.summary.duplicateSignals == 2)
        #expect(joining.machine.state.phase == .draining)

        var reloading = Driver()
        reloading.machine.allowReloads(true)
        func receive(_ signal: SignalNumber) -> [String] {
            words(reloading.machine.receive(.captured(signal, at: .seconds(1)), at: reloading.now))
        }
        #expect(receive(.sighup) == ["reload 1"])
        #expect(receive(.sigterm) == ["cancel 1", "draining", "request"])
        #expect(reloading.machine.summary.duplicateSignals == 0)
    }

    @Test("A SIGHUP ends a daemon that has no reload, and every daemon if the terminal sent it")
    func hangup() {
        var plain = Driver()
        #expect(plain.receive(.sighup) == ["draining", "request"])
        #expect(plain.receive(.sighup) == [], "a process asks for a reload, which there is no more")
        #expect(plain.machine.state.phase == .draining)
        #expect(plain.machine.summary.reason == plain.machine.summary.signals.first.map { .signal($0) })

        var closed = Driver()
        closed.machine.allowReloads(true)
        #expect(closed.receive(.sighup) == ["reload 1"])
        let event = SignalEvent.fromTerminal(.sighup, at: .seconds(10))
        #expect(words(closed.machine.receive(event, at: closed.now)) == ["cancel 1", "draining", "request"])
        #expect(closed.machine.summary.exitStatus == .code(0))
    }

    @Test("Another reload signal than SIGHUP has no effect on a daemon without reloads")
    func otherReloadSignals() {
        var driver = Driver(.uwsgi)
        #expect(driver.receive(.sigterm) == [])
        #expect(driver.machine.state.phase == .running)
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

    @Test("A CancellationError counts as cancelled if the work was cancelled, or during a shutdown")
    func cancellationError() {
        var driver = Driver()
        let task = driver.add()!
        _ = driver.end(task, CancellationError())
        #expect(driver.machine.summary.tasks.map(\.outcome.description) == ["failed: CancellationError()"])
        #expect(driver.machine.summary.reason == .failure(of: "task"))

        var ending = Driver()
        let cleanup = ending.addCleanup("gives up")
        _ = ending.receive(.sigterm)
        #expect(!ending.machine.isCancelled(0))
        _ = ending.end(0, CancellationError())
        _ = ending.end(cleanup, CancellationError())
        #expect(ending.machine.summary.tasks.map(\.outcome.description) == ["cancelled", "cancelled"])
        #expect(ending.machine.summary.exitStatus == .code(0))
    }

    @Test("A CancellationError during a restart counts as cancelled too")
    func cancellationErrorInRestart() {
        var driver = Driver(loads: true, restarts: true)
        _ = driver.machine.loaded(at: driver.now)
        _ = driver.receive(.sighup)
        #expect(driver.end(1) == ["draining", "request"])
        #expect(driver.end(0, CancellationError()) == ["cleaning up", "body 2"])
        #expect(driver.machine.summary.tasks.map(\.outcome.description) == ["cancelled"])
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

    /// The numbers of the reloads that ended, and whether with an error.
    private func endings(_ actions: [ShutdownStateMachine.Action]) -> [String] {
        actions.compactMap { action in
            guard case .reloadEnded(let number, let error) = action else { return nil }
            return "\(number)\(error.map { " \($0)" } ?? "")"
        }
    }

    @Test("Each request for a reload has the number of the reload that answers it")
    func reloadNumbers() {
        var driver = Driver()
        #expect(driver.machine.reload(at: driver.now) == nil, "there is nothing to reload")
        driver.machine.allowReloads(true)
        #expect(driver.machine.reload(at: driver.now)?.number == 1)
        for _ in 0..<3 { #expect(driver.machine.reload(at: driver.now)?.number == 2) }
        #expect(endings(driver.machine.ended(1, nil, at: driver.now)) == ["1"])
        #expect(driver.machine.reload(at: driver.now)?.number == 3)
        #expect(endings(driver.machine.ended(2, Failure(), at: driver.now)) == ["2 Failure()"])
        #expect(endings(driver.machine.ended(3, nil, at: driver.now)) == ["3"])
        #expect(driver.machine.reload(at: driver.now)?.number == 4)
        #expect(driver.machine.reload(at: driver.now)?.number == 5)
        _ = driver.receive(.sigterm)
        #expect(driver.machine.reload(at: driver.now) == nil, "it is shutting down")
        let cancelled = endings(driver.machine.ended(4, CancellationError(), at: driver.now))
        #expect(cancelled == ["4 CancellationError()", "5 CancellationError()"], "the one that waits never starts")
    }

    @Test("A request while the first configuration is loaded is answered by the reload after it")
    func reloadNumberWhileLoading() {
        var driver = Driver(loads: true)
        #expect(driver.machine.reload(at: driver.now)?.number == 1)
        #expect(driver.machine.reload(at: driver.now)?.number == 1)
        #expect(endings(driver.machine.loaded(at: driver.now)) == ["0"])
        #expect(endings(driver.machine.ended(1, nil, at: driver.now)) == ["1"])
    }

    @Test("A reload that restarts the body is answered when the restart begins, so that work may wait for it")
    func reloadNumberOfARestart() {
        var driver = Driver(loads: true, restarts: true)
        _ = driver.machine.loaded(at: driver.now)
        #expect(driver.machine.reload(at: driver.now)?.number == 1)
        #expect(endings(driver.machine.ended(1, nil, at: driver.now)) == ["1", "\(Int.max) CancellationError()"])
        #expect(driver.machine.reload(at: driver.now)?.number == 2)
        let actions = driver.machine.ended(0, nil, at: driver.now)
        #expect(words(actions) == ["cleaning up", "body 2", "reload 3"])
        #expect(endings(actions) == ["1"])
    }

    @Test("A shutdown ends the requests for a reload whose restart it interrupts", arguments: [false, true])
    func interruptedRestart(isCleaningUp: Bool) {
        var driver = Driver(loads: true, restarts: true)
        _ = driver.machine.loaded(at: driver.now)
        if isCleaningUp { _ = driver.addCleanup("flush") }
        let first = driver.machine.reload(at: driver.now)!
        let id = isCleaningUp ? 2 : 1
        #expect(words(first.actions) == ["reload \(id)"])
        #expect(driver.machine.reload(at: driver.now)?.number == 2)
        _ = driver.end(id)
        if isCleaningUp { _ = driver.end(0) }
        #expect(driver.machine.state.phase == (isCleaningUp ? .cleaningUp : .draining))
        let answers = endings(driver.machine.shutdown(.requested, at: driver.now))
        #expect(answers.last == "\(Int.max) CancellationError()", "each that still waits")
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

    @Test("The cost of a task's end does not grow with the number of tasks", arguments: [false, true])
    func costOfEnding(isDraining: Bool) {
        /// The shortest of many durations, so that other load does not count.
        func cost(beside count: Int) -> Duration {
            var driver = Driver()
            let ids = (0..<count + 100).map { _ in driver.add(onFailure: .report)! }
            if isDraining { _ = driver.receive(.sigterm) }  // which refuses new tasks
            return ids.prefix(100).map { id in
                ContinuousClock().measure { _ = driver.end(isDraining ? id : driver.add(onFailure: .report)!) }
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
