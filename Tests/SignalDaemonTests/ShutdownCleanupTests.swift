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

    @Test("Clean-ups share the time, and one that hangs is cancelled and does not delay the others")
    func hangingCleanup() {
        var driver = Driver()
        let (last, hangs) = (driver.addCleanup("last"), driver.addCleanup("hangs"))
        _ = driver.receive(.sigterm)
        #expect(driver.end(0) == ["cleaning up", "start \(hangs)"])
        #expect(driver.machine.deadline == .seconds(4) / 3)
        #expect(driver.wait(2) == ["timed out", "cancel \(hangs)", "start \(last)"])
        #expect(driver.machine.deadline == .seconds(3))  // half of what is left
        #expect(driver.end(last) == [])
        #expect(driver.machine.deadline == .seconds(4))
        #expect(driver.wait(2) == ["force"])
    }

    @Test("A clean-up that ends after its time makes the exit code 1")
    func lateCleanup() {
        var driver = Driver()
        let cleanup = driver.addCleanup("slow")
        _ = driver.receive(.sigterm)
        _ = driver.end(0)
        #expect(driver.wait(2) == ["timed out", "cancel \(cleanup)"])
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
        #expect(driver.wait(2) == ["timed out", "cancel \(hangs)"])
        let late = driver.addCleanup("late")
        #expect(driver.machine.work.running[late] != nil)
        #expect(driver.end(late) == [])
        #expect(driver.end(hangs, CancellationError()) == ["finish"])
    }
}
