// Work that a shutdown reaches only after other work: M8 of the state machine, tested without a daemon.
import Testing

@testable import SignalBridge
@testable import SignalDaemon

@Suite("Work after other work") struct ShutdownOrderTests {
    @Test("Draining tells work when the work that it comes after has ended, link by link")
    func chain() {
        var driver = Driver()
        let server = driver.add(name: "server")!
        let worker = driver.add(name: "worker", after: "server")!
        let log = driver.add(name: "log", after: "worker")!
        #expect(driver.receive(.sigterm) == ["draining", "request"])
        #expect(driver.end(0) == [])
        #expect(driver.end(server) == ["tell \(worker)"])
        #expect(driver.end(worker) == ["tell \(log)"])
        #expect(driver.end(log) == ["cleaning up", "finish"])
    }

    @Test("Work that is cancelled by a shutdown waits for its turn too")
    func cancels() {
        var driver = Driver()
        let server = driver.add(name: "server")!
        let worker = driver.add(.cancel, name: "worker", after: "server")!
        #expect(driver.receive(.sigterm) == ["draining", "request"])
        #expect(!driver.machine.isCancelled(worker))
        #expect(driver.end(server) == ["tell \(worker)", "cancel \(worker)"])
    }

    @Test("Cancelling reaches all work at once, and does not cancel what completes")
    func cancelling() {
        var driver = Driver()
        let server = driver.add(name: "server")!
        let worker = driver.add(name: "worker", after: "server")!
        let commit = driver.add(.complete, name: "commit", after: "worker")!
        _ = driver.receive(.sigterm)
        #expect(
            driver.wait(20) == [
                "cancelling", "cancel 0", "cancel \(server)", "tell \(worker)", "cancel \(worker)", "tell \(commit)",
            ])
        #expect(driver.end(server) == [] && driver.end(worker) == [], "each is told once")
    }

    @Test("Without a grace period, and at a hard exit, all work is reached at once")
    func atOnce() {
        for (policy, signal) in [
            (SignalPolicy.server.with(gracePeriod: .zero), SignalNumber.sigterm), (.gunicorn, .sigint),
        ] {
            var driver = Driver(policy)
            let server = driver.add(name: "server")!
            let worker = driver.add(name: "worker", after: "server")!
            let expected = [
                "cancelling", "request", "cancel 0", "cancel \(server)", "tell \(worker)", "cancel \(worker)",
            ]
            #expect(driver.receive(signal) == expected)
        }
    }

    @Test("Work after a name that no work has is told at once, and work after several waits for the last")
    func names() {
        var driver = Driver()
        let free = driver.add(name: "free", after: "nothing")!
        let servers = [driver.add(name: "server")!, driver.add(name: "server")!]
        let worker = driver.add(name: "worker", after: "server")!
        #expect(driver.receive(.sigterm) == ["draining", "request", "tell \(free)"])
        #expect(driver.end(servers[1]) == [])
        #expect(driver.end(servers[0]) == ["tell \(worker)"])
    }

    @Test("Work may come after the body, and a restart keeps the order")
    func afterTheBody() {
        var driver = Driver(loads: true, restarts: true)
        _ = driver.machine.loaded(at: driver.now)
        let worker = driver.add(name: "worker", after: "body")!
        #expect(driver.receive(.sighup) == ["reload \(worker + 1)"])
        #expect(driver.end(worker + 1) == ["draining", "request"])
        #expect(driver.end(0) == ["tell \(worker)"])
        #expect(driver.end(worker) == ["cleaning up", "body \(worker + 2)"])
    }

    @Test("Work that would wait for itself is found, over any number of links")
    func cycles() {
        var driver = Driver()
        func isCycle(_ name: String, after other: String?) -> Bool {
            driver.machine.work.isCycle(name, after: other)
        }
        #expect(isCycle("a", after: "a"))
        #expect(!isCycle("a", after: "b") && !isCycle("a", after: nil))
        let b = driver.add(name: "b", after: "c")!
        #expect(!isCycle("a", after: "b"))
        #expect(isCycle("c", after: "b"))
        _ = driver.add(name: "c", after: "d")
        #expect(isCycle("d", after: "b") && isCycle("c", after: "b"))
        #expect(!isCycle("d", after: "e"))
        _ = driver.add(name: "b", after: "e")  // two of one name
        #expect(isCycle("e", after: "b") && isCycle("d", after: "b"))
        _ = driver.end(b)
        #expect(!isCycle("d", after: "b"), "work that has ended is waited for no more")
    }
}
