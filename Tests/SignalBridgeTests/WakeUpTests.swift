// SignalWaiter.wake(): which call it makes return.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Waking a waiter") struct WakeUpTests {
    @Test("wake() makes one call return nil, the one that waits or else the next")
    func wake() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup)
            async let waiting = onThread { waiter.next() }
            try await Task.sleep(for: .milliseconds(100))
            waiter.wake()
            #expect(await waiting == nil)
            waiter.wake()
            await onThread {
                #expect(waiter.next() == nil, "the next one")
                raise(SIGHUP)
                #expect(waiter.next()?.signal == .sighup, "only one")
            }
        }
    }

    @Test("Two wake-ups make two later calls return nil, and no third one")
    func wakes() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sigusr1)
            waiter.wake()
            waiter.wake()
            await onThread {
                for _ in 0..<2 { #expect(waiter.next(timeout: .seconds(600)) == nil) }
                #expect(waiter.next(timeout: .milliseconds(1)) == nil)
            }
        }
    }

    @Test(
        "wake() makes one of several waiting threads return, and the others get what comes",
        .enabled(if: hasRealtimeSignals))
    func wakeOne() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.realtime(0))
            let returned = Shared((woken: 0, events: 0))
            for _ in 0..<3 {
                startThread {
                    setMask([.realtime(0)])
                    let event = waiter.next()
                    returned { if event == nil { $0.woken += 1 } else { $0.events += 1 } }
                }
            }
            try await Task.sleep(for: .milliseconds(200))
            waiter.wake()
            #expect(await eventually { returned.now.woken > 0 })
            try await Task.sleep(for: .milliseconds(100))
            #expect(returned.now == (1, 0))
            await deliver(.realtime(0), times: 2)
            #expect(await eventually { returned.now == (1, 2) })
        }
    }

    @Test("Two wake-ups at once make two waiting threads return")
    func wakeTwo() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sigusr1)
            for _ in 0..<flood(1000) {
                let left = DispatchSemaphore(value: 0)
                for _ in 0..<2 {
                    startThread {
                        if waiter.next() == nil { left.signal() }
                    }
                }
                waiter.wake()
                waiter.wake()
                await onThread { for _ in 0..<2 { left.wait() } }
            }
        }
    }

    @Test("A call that does not wait leaves the wake-up to a thread that sleeps")
    func pollsBesideSleeper() async {
        await #expect(processExitsWith: .success) {
            limit()
            try await wakeSleepers(rounds: flood(300))
        }
    }

    @Test("In a simulation a call that does not wait leaves the wake-up to a thread that sleeps")
    func simulatedPollsBesideSleeper() async throws {
        try await withSimulatedSignals { simulator in
            try await wakeSleepers(rounds: flood(300)) { body in { simulator.withSimulation { body() } } }
        }
    }

    @Test("A wake-up that comes with an event is for the next call")
    func wakeBesideEvent() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup)
            for round in 0..<50 {
                let results = Shared<[SignalNumber?]>([])
                startThread {
                    for _ in 0..<2 {
                        let event = waiter.next()
                        results { $0.append(event?.signal) }
                    }
                }
                try await Task.sleep(for: .milliseconds(5))
                await onThread {
                    raise(SIGHUP)
                    waiter.wake()
                }
                let haveReturned = await eventually(within: patience / 8) { results.now.count == 2 }
                try #require(haveReturned, "round \(round): \(results.now)")
                #expect(Set(results.now) == [nil, .sighup])
            }
        }
    }
}

/// Each `wake()` must make the sleeping thread return, and not a thread that only polls.
private func wakeSleepers(
    rounds: Int, enter: @escaping @Sendable (@escaping @Sendable () -> Void) -> @Sendable () -> Void = { $0 }
) async throws {
    let waiter = try SignalWaiter(.sigusr1)
    let (stop, stopped) = (Shared(false), Shared(0))
    for _ in 0..<2 {
        startThread {
            enter { while !stop.now { _ = waiter.next(timeout: .zero) } }()
            stopped { $0 += 1 }
        }
    }
    var missed = 0  // a thread that got no core before it slept looks like one whose wake-up was taken
    for _ in 0..<rounds where missed <= 3 {
        let (asleep, returned) = (Shared(false), Shared(false))
        startThread {
            enter {
                asleep { $0 = true }
                _ = waiter.next()
            }()
            returned { $0 = true }
        }
        while !asleep.now { await Task.yield() }
        usleep(3000)
        waiter.wake()
        if await eventually(within: 1, { returned.now }) { continue }
        missed += 1
        while !returned.now {
            waiter.wake()
            try await Task.sleep(for: .milliseconds(1))
        }
    }
    #expect(missed <= 3)
    stop { $0 = true }
    #expect(await eventually { stopped.now == 2 })
}
