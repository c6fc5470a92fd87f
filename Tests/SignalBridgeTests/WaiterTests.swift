// What delivery to a thread that waits means.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite struct Waiters {
    @Test("next() returns events in order, and nothing is lost between two calls")
    func inOrder() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup, .sigint, .realtime(0), options: .everyDelivery)
            let signals = await onThread { () -> [SignalNumber?] in
                let sent = [SignalNumber.sighup, .sigint, .realtime(0), .sighup]
                for signal in sent { raise(signal.rawValue) }
                return sent.map { _ in waiter.next()?.signal } + [waiter.next(timeout: .zero)?.signal]
            }
            #expect(signals == [.sighup, .sigint, .realtime(0), .sighup, nil])
        }
    }

    @Test("next(timeout:) waits as long as it was told, and returns at once when something comes")
    func timeout() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup)
            await onThread {
                let (first, firstSeconds) = timed { waiter.next(timeout: .milliseconds(200)) }
                #expect(first == nil && firstSeconds >= 0.2)
                let (second, secondSeconds) = timed { waiter.next(timeout: .zero) }
                #expect(second == nil && secondSeconds < 20)
                let (third, thirdSeconds) = timed { waiter.next(timeout: .seconds(-5)) }
                #expect(third == nil && thirdSeconds < 20)
                let sender = spawnShell("sleep 0.2; kill -HUP \(getpid())")
                let (fourth, fourthSeconds) = timed { waiter.next(timeout: .seconds(120)) }
                #expect(fourth?.signal == .sighup && fourthSeconds < 100)
                reap(sender)
            }
        }
    }

    @Test("other signals do not shorten the wait")
    func interrupted() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr2)
            let waiter = try SignalWaiter(.sighup)
            let other = try SignalEvents(.sigusr1)
            await onThread {
                let me = Shared(pthread_self())
                let sent = DispatchSemaphore(value: 0)
                startThread {
                    for _ in 0..<20 {
                        pthread_kill(me.now, SIGUSR2)
                        pthread_kill(me.now, SIGUSR1)
                        usleep(10_000)
                    }
                    sent.signal()
                }
                let (event, seconds) = timed { waiter.next(timeout: .milliseconds(400)) }
                #expect(event == nil && seconds >= 0.4)
                sent.wait()
            }
            #expect(handledCount > 0)
            other.finish()
        }
    }

    @Test("a very long timeout is one")
    func longTimeout() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup)
            for timeout in [Duration.seconds(Int64.max), .seconds(1 << 40), .milliseconds(1 << 31), .seconds(1 << 31)] {
                async let event = onThread { waiter.next(timeout: timeout) }
                try await Task.sleep(for: .milliseconds(100))
                await deliver(.sighup)
                #expect(await event?.signal == .sighup, "\(timeout)")
            }
        }
    }

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

    @Test("of several waiting threads wake() makes one return; the others get what comes")
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

    @Test("two wake-ups at once make two waiting threads return")
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

    @Test("next(timeout: .zero) on one thread leaves the wake-up to a thread that sleeps")
    func pollsBesideSleeper() async {
        await #expect(processExitsWith: .success) {
            limit()
            try await wakeSleepers(rounds: flood(300))
        }
    }

    @Test("so it does in a simulation")
    func simulatedPollsBesideSleeper() async throws {
        try await withSimulatedSignals { simulator in
            try await wakeSleepers(rounds: flood(300)) { body in { simulator.withSimulation { body() } } }
        }
    }

    @Test("a wake() that comes with an event is for the next call")
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

    @Test("several threads wait: each event goes to one")
    func manyThreads() async {
        await #expect(processExitsWith: .success) {
            limit()
            let total = flood(4000)
            let signal = SignalNumber.realtime(0)
            let waiter = try SignalWaiter(signal)
            let values = Shared<[Int]>([])
            let ended = Shared(0)
            for _ in 0..<4 {
                startThread {
                    while let event = waiter.next() { values { $0.append(event.value ?? -1) } }
                    ended { $0 += 1 }
                }
            }
            await deliver(signal, values: 0..<total)
            #expect(await eventually { values.now.count >= total }, "\(values.now.count) of \(total)")
            #expect(values.now.sorted() == Array(0..<total))
            waiter.cancel()
            #expect(await eventually { ended.now == 4 }, "cancel() ends all of them: \(ended.now)")
        }
    }

    @Test("cancel() ends calls that wait and later ones, and restores")
    func cancel() async {
        await #expect(processExitsWith: .success) {
            limit()
            for round in 0..<flood(200) {
                let waiter = try SignalWaiter(.sigterm, .sigint)
                async let first = onThread { waiter.next() }
                async let second = onThread { waiter.next(timeout: .seconds(1000)) }
                for _ in 0..<round * 20 { _ = getppid() }
                waiter.cancel()
                waiter.cancel()
                #expect(await first == nil)
                #expect(await second == nil)
                #expect(disposition(of: .sigterm) == .default)
                let later = await onThread { waiter.next() }
                #expect(later == nil)
            }
        }
    }

    @Test("unconsumed signals merge here too")
    func merging() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup, .realtime(0))
            let all = await onThread { () -> [SignalEvent] in
                for _ in 0..<5 { raise(SIGHUP) }
                raise(SignalNumber.realtime(0).rawValue)
                raise(SIGHUP)
                return (0..<2).compactMap { _ in waiter.next() }
            }
            #expect(all.map(\.signal) == [.sighup, .realtime(0)])
            #expect(all.map(\.count) == [6, 1], "\(all)")
        }
    }
}

/// Each time, `wake()` is to make the thread return that sleeps, and not one that only polls.
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

private func timed(_ body: () -> SignalEvent?) -> (SignalEvent?, Double) {
    let start = ProcessInfo.processInfo.systemUptime
    let event = body()
    return (event, ProcessInfo.processInfo.systemUptime - start)
}
