// Clean-ups, actions and hard exits in the state machine of the shutdown.
import TestSupport
import Testing

@testable import SignalBridge
@testable import SignalDaemon

@Suite("Clean-ups and actions of the state machine") struct ShutdownCleanupTests {
    @Test("A hard exit skips draining, has its own periods, and gives the exit status")
    func hardExit() {
        var driver = Driver(.nginx)
        let cleanup = driver.addCleanup("flush")
        #expect(driver.receive(.sigterm) == ["cancelling", "request", "cancel 0"])
        #expect(driver.machine.deadline == .seconds(1))
        #expect(driver.end(0, CancellationError()) == ["cleaning up", "start \(cleanup)"])
        #expect(driver.end(cleanup) == ["finish"])
        #expect(driver.machine.summary.exitStatus == .signal(.sigterm))
    }

    @Test("A hard exit after a graceful signal cancels the work that drains")
    func hardExitSecond() {
        var driver = Driver(.nginx)
        #expect(driver.receive(.sigquit) == ["draining", "request"])
        #expect(driver.receive(.sigterm) == ["cancelling", "cancel 0"])
        #expect(driver.machine.deadline == .seconds(1))
    }

    @Test("Clean-ups share the time, and one that hangs runs on beside the others until nine tenths are over")
    func hangingCleanup() {
        var driver = Driver()
        let (last, hangs) = (driver.addCleanup("last"), driver.addCleanup("hangs"))
        _ = driver.receive(.sigterm)
        #expect(driver.end(0) == ["cleaning up", "start \(hangs)"])
        #expect(driver.machine.deadline == .milliseconds(1800))  // half of nine tenths
        #expect(driver.wait(2) == ["overran", "start \(last)"])
        #expect(!driver.machine.isCancelled(hangs))
        #expect(driver.machine.deadline == .milliseconds(3600))  // all that is left
        #expect(driver.end(last) == [])
        #expect(driver.machine.deadline == .milliseconds(3600))
        #expect(driver.wait(.milliseconds(1600)) == ["timed out", "cancel \(hangs)"])
        #expect(driver.machine.deadline == .seconds(4))
        #expect(driver.wait(.milliseconds(400)) == ["force"])
    }

    @Test("A clean-up that ends after its time makes the exit code 1")
    func lateCleanup() {
        var driver = Driver()
        let cleanup = driver.addCleanup("slow")
        _ = driver.receive(.sigterm)
        _ = driver.end(0)
        #expect(driver.wait(.milliseconds(3599)) == [])
        #expect(driver.wait(.milliseconds(1)) == ["timed out", "cancel \(cleanup)"])
        #expect(driver.end(cleanup, CancellationError()) == ["finish"])
        #expect(driver.machine.summary.exitStatus == .code(1))
    }

    @Test("An action that is added while work is cancelled is cancelled too")
    func lateAction() {
        var driver = Driver()
        _ = driver.receive(.sigterm)
        #expect(driver.wait(20) == ["cancelling", "cancel 0"])
        let (action, answer) = driver.machine.register(.action, "late", generation: 0, at: driver.now)!
        #expect(words(answer) == ["start \(action)", "cancel \(action)"])
        #expect(driver.machine.isCancelled(action))
    }

    @Test("An action that is added while clean-ups run is cancelled too")
    func actionBesideCleanup() {
        var driver = Driver()
        let cleanup = driver.addCleanup("flush")
        _ = driver.receive(.sigterm)
        #expect(driver.end(0) == ["cleaning up", "start \(cleanup)"])
        let (action, answer) = driver.machine.register(.action, "late", generation: 0, at: driver.now)!
        #expect(words(answer) == ["start \(action)", "cancel \(action)"])
        #expect(driver.machine.isCancelled(action))
    }

    @Test("A hard exit shortens the time of work that is cancelled already")
    func hardExitWhileCancelling() {
        var driver = Driver(.nginx)
        _ = driver.machine.shutdown(.requested, at: driver.now)
        #expect(driver.wait(20) == ["cancelling", "cancel 0"])
        #expect(driver.machine.deadline == .seconds(24))
        _ = driver.receive(.sigterm)
        #expect(driver.machine.summary.hardExit?.signal == .sigterm)
        #expect(driver.machine.deadline == .seconds(21))
        #expect(driver.wait(1) == ["force"])
    }

    @Test("A hard exit shortens the time of the clean-ups, and never lengthens it")
    func hardExitWhileCleaning() {
        for waited in [Duration.zero, .milliseconds(3500)] {
            var driver = Driver(.nginx)
            let cleanup = driver.addCleanup("flush")
            #expect(driver.end(0) == ["cleaning up", "request", "start \(cleanup)"])  // all work has ended
            _ = driver.wait(waited)
            _ = driver.receive(.sigterm)
            #expect(driver.machine.summary.hardExit?.signal == .sigterm)
            #expect(driver.machine.deadline! <= min(.seconds(4), driver.now + .seconds(1)))
            let end = min(Duration.seconds(1), .seconds(4) - waited)
            #expect(driver.wait(end).last == "force")
        }
    }

    @Test("A clean-up that is added beside overdue ones runs at once")
    func cleanupBesideOverdueOnes() {
        var driver = Driver()
        let hangs = driver.addCleanup("hangs")
        _ = driver.receive(.sigterm)
        #expect(driver.end(0) == ["cleaning up", "start \(hangs)"])
        #expect(driver.wait(.milliseconds(3600)) == ["timed out", "cancel \(hangs)"])
        let late = driver.addCleanup("late")
        #expect(driver.machine.work.running[late] != nil)
        #expect(driver.end(late) == [])
        #expect(driver.end(hangs, CancellationError()) == ["finish"])
    }

    @Test("A clean-up that ends after its share and before it is cancelled has finished, and the exit code is 0")
    func overrunInTime() {
        var driver = Driver()
        let (next, slow) = (driver.addCleanup("next"), driver.addCleanup("slow"))
        _ = driver.receive(.sigterm)
        _ = driver.end(0)
        #expect(driver.wait(.milliseconds(1800)) == ["overran", "start \(next)"])
        #expect(driver.end(next) == [])
        #expect(driver.end(slow) == ["finish"])
        #expect(driver.machine.summary.exitStatus == .code(0))
    }

    @Test("The end of an overdue clean-up starts no other beside the one that runs")
    func endOfAnOverrun() {
        var driver = Driver()
        let (last, next, slow) = (driver.addCleanup("last"), driver.addCleanup("next"), driver.addCleanup("slow"))
        _ = driver.receive(.sigterm)
        _ = driver.end(0)
        #expect(driver.wait(.milliseconds(1200)) == ["overran", "start \(next)"])
        #expect(driver.end(slow) == [])
        #expect(driver.end(next) == ["start \(last)"])
        #expect(driver.machine.deadline == .milliseconds(3600))
    }

    @Test("A limit is the clean-up's own time, and is kept free while it waits")
    func limits() {
        var driver = Driver()
        let last = driver.addCleanup("last")
        let limited = driver.addCleanup("limited", within: .milliseconds(1600))
        let first = driver.addCleanup("first")
        _ = driver.receive(.sigterm)
        #expect(driver.end(0) == ["cleaning up", "start \(first)"])
        #expect(driver.machine.deadline == .seconds(1))  // half of what the limit leaves
        #expect(driver.wait(1) == ["overran", "start \(limited)"])
        #expect(driver.machine.deadline == .milliseconds(2600))
        #expect(driver.wait(.milliseconds(1600)) == ["timed out", "cancel \(limited)", "start \(last)"])
        #expect(driver.machine.deadline == .milliseconds(3600))
        #expect(driver.end(limited, CancellationError()) == [] && driver.end(first) == [])
        #expect(driver.end(last) == ["finish"])
        #expect(driver.machine.summary.exitStatus == .code(1))
    }

    @Test("Limits that ask for more than there is leave no share, and none of them reaches beyond nine tenths")
    func limitsBeyondThePeriod() {
        var driver = Driver()
        let greedy = driver.addCleanup("greedy", within: .seconds(100))
        let first = driver.addCleanup("first")
        _ = driver.receive(.sigterm)
        #expect(driver.end(0) == ["cleaning up", "start \(first)"])
        #expect(driver.wait(0) == ["overran", "start \(greedy)"])
        #expect(driver.machine.deadline == .milliseconds(3600))
        let cancelled = driver.wait(.milliseconds(3600))
        #expect(cancelled == ["timed out", "cancel \(greedy)", "timed out", "cancel \(first)"])
    }

    @Test("A limit of zero, or below, is over at once", arguments: [0, -5])
    func noTime(seconds: Int) {
        var driver = Driver()
        let (next, none) = (driver.addCleanup("next"), driver.addCleanup("none", within: .seconds(seconds)))
        _ = driver.receive(.sigterm)
        #expect(driver.end(0) == ["cleaning up", "start \(none)"])
        #expect(driver.wait(0) == ["timed out", "cancel \(none)", "start \(next)"])
    }

    @Test("A hard exit cancels the clean-ups within nine tenths of its own period")
    func hardExitBesideAnOverrun() {
        var driver = Driver(.nginx)
        let (next, slow) = (driver.addCleanup("next"), driver.addCleanup("slow"))
        _ = driver.end(0)
        #expect(driver.wait(.milliseconds(1800)) == ["overran", "start \(next)"])
        _ = driver.receive(.sigterm)
        #expect(driver.machine.deadline == .milliseconds(2700))
        #expect(
            driver.wait(.milliseconds(900)) == ["timed out", "cancel \(next)", "timed out", "cancel \(slow)"])
        #expect(driver.wait(.milliseconds(100)) == ["force"])
    }
}
