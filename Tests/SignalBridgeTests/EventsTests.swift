// What delivery through SignalEvents and nextSignal means.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite struct EventSequences {
    @Test("a sequence buffers from the moment that it is made; a new iterator goes on with the same buffer")
    func buffers() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sighup, .sigusr1, .sigusr2)
            await deliver(.sigusr1, .sighup, .sigusr2)
            for await event in events {
                #expect(event.signal == .sigusr1)
                break
            }
            var iterator = events.makeAsyncIterator()
            #expect(await iterator.next()?.signal == .sighup)
            var another = events.makeAsyncIterator()
            #expect(await another.next()?.signal == .sigusr2)
        }
    }

    @Test("unconsumed standard signals merge: the first one's details, the counts summed, its place kept")
    func merging() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sighup, .sigusr1)
            let first = spawnShell("kill -HUP \(getpid())")
            reap(first)
            #expect(await eventually { hasArrived(.sighup) })
            await deliver(.sigusr1)
            await deliver(.sighup, times: 4)
            events.finish()
            let all = await events.rest()
            #expect(all.map(\.signal) == [.sighup, .sigusr1])
            #expect(all.map(\.count) == [5, 1], "\(all)")
            #expect(all.first?.sender?.processID == first, "\(all)")
            #expect(all.first?.cause == .kill && all.first?.detailsDropped == false, "\(all)")
        }
    }

    @Test(".everyDelivery keeps each, and realtime signals never merge")
    func keepsEach() async {
        await #expect(processExitsWith: .success) {
            limit()
            let each = try SignalEvents(.sighup, options: .everyDelivery)
            let realtime = try SignalEvents(.realtime(0), .sighup)
            await deliver(.sighup, .realtime(0), times: 5)
            each.finish()
            realtime.finish()
            #expect(await each.rest().map(\.count) == [1, 1, 1, 1, 1])
            let all = await realtime.rest()
            #expect(all.map(\.signal) == [.sighup] + Array(repeating: .realtime(0), count: 5))
            #expect(all.map(\.count) == [5, 1, 1, 1, 1, 1])
        }
    }

    @Test("iterators in many tasks share one sequence: each event goes to one of them")
    func sharedIterators() async {
        await #expect(processExitsWith: .success) {
            limit()
            let signal = SignalNumber.realtime(0)
            let events = try SignalEvents(signal)
            let total = flood(3000)
            let seen = Shared(0)
            let tasks = (0..<4).map { _ in
                Task { () -> [Int] in
                    var values: [Int] = []
                    for await event in events {
                        values.append(event.value ?? -1)
                        seen { $0 += 1 }
                    }
                    return values
                }
            }
            await deliver(signal, values: 0..<total)
            #expect(await eventually { seen.now == total })
            events.finish()
            var all: [Int] = []
            for task in tasks {
                let values = await task.value
                #expect(values == values.sorted(), "each sees them in order")
                all += values
            }
            #expect(all.sorted() == Array(0..<total), "\(all.count) of \(total)")
        }
    }

    @Test("cancelling the iterating task ends the iteration, not the subscription")
    func cancelling() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigterm)
            let task = Task { await events.collect(deliveries: 1000).deliveries }
            await deliver(.sigterm)
            try await Task.sleep(for: .milliseconds(50))
            task.cancel()
            #expect(await task.value == 1)
            await deliver(.sigterm)
            #expect(await events.collect(deliveries: 1).deliveries == 1)
            let late = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                var iterator = events.makeAsyncIterator()
                return await iterator.next()
            }
            #expect(await late.value == nil, "a cancelled task gets nothing")
        }
    }

    @Test("G1: a signal that races with cancellation goes to the task, or stays for the next")
    func cancellationRace() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigusr1)
            var taken = 0
            for round in 0..<flood(2000) {
                let task = Task { () -> Int in
                    var iterator = events.makeAsyncIterator()
                    return await iterator.next()?.count ?? 0
                }
                async let sent: Void = deliver(.sigusr1)
                for _ in 0..<(round % 50) * 50 { _ = getppid() }
                task.cancel()
                taken += await task.value
                await sent
            }
            events.finish()
            let left = await events.rest().deliveries
            #expect(taken + left == flood(2000), "\(taken) taken, \(left) left")
            #expect(taken > 0)
        }
    }

    @Test("finish() ends every iteration, may be called again, and takes nothing more in")
    func finishing() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sighup)
            let events = try SignalEvents(.sighup)
            let tasks = (0..<3).map { _ in Task { await events.collect(deliveries: 1000).deliveries } }
            await deliver(.sighup)
            for _ in 0..<3 { events.finish() }
            var sum = 0
            for task in tasks { sum += await task.value }
            #expect(sum == 1)
            await deliver(.sighup)
            #expect(await events.rest().isEmpty)
            #expect(handledCount == 1)
        }
    }

    @Test("a copy that escapes withSignalEvents gives nothing more")
    func escaped() async {
        await #expect(processExitsWith: .success) {
            limit()
            let copy = try await withSignalEvents(.sighup) { events in
                await deliver(.sighup)
                return events
            }
            #expect(await copy.rest().isEmpty)
        }
    }

    @Test("for broadcast, two sequences each get all")
    func broadcast() async {
        await #expect(processExitsWith: .success) {
            limit()
            let both = try [SignalEvents(.sighup, .sigint), SignalEvents(.sigint, .sighup)]
            await deliver(.sighup, .sigint)
            for events in both {
                #expect(await events.collect(deliveries: 2).map(\.signal) == [.sighup, .sigint])
            }
        }
    }

    @Test("a sequence is iterated on the main actor without a trap")
    func mainActor() async {
        await #expect(processExitsWith: .success) { @MainActor in
            limit()
            let events = try SignalEvents(.sighup)
            kill(getpid(), SIGHUP)
            var seen = 0
            for await event in events {
                MainActor.assertIsolated()
                seen += event.count
                if seen == 3 { break }
                kill(getpid(), SIGHUP)
            }
            #expect(seen == 3)
        }
    }
}

@Suite struct NextSignal {
    @Test("nextSignal returns one event, and restores")
    func event() async {
        await #expect(processExitsWith: .success) {
            limit()
            let task = Task { try await nextSignal(.sigterm, .sigint) }
            #expect(await eventually { disposition(of: .sigterm) == .handler })
            try SignalNumber.sigterm.send(to: getpid())
            let event = try await task.value
            #expect(event?.signal == .sigterm && event?.sender == .current)
            #expect(disposition(of: .sigterm) == .default && disposition(of: .sigint) == .default)
        }
    }

    @Test("nextSignal returns nil when the task is cancelled, before or while it waits")
    func cancelled() async {
        await #expect(processExitsWith: .success) {
            limit()
            let task = Task { try await nextSignal(.sigterm) }
            #expect(await eventually { disposition(of: .sigterm) == .handler })
            task.cancel()
            let waiting = try await task.value
            #expect(waiting == nil)
            let early = try await Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await nextSignal(.sigterm)
            }.value
            #expect(early == nil)
            #expect(disposition(of: .sigterm) == .default)
        }
    }

    @Test("nextSignal returns nil after its timeout, and restores; a signal in time is returned")
    func timeout() async {
        await #expect(processExitsWith: .success) {
            limit()
            for timeout in [Duration.milliseconds(100), .zero, .seconds(-1)] {
                let start = ContinuousClock.now
                let event = try await nextSignal(.sigterm, timeout: timeout)
                #expect(event == nil)
                #expect(ContinuousClock.now - start >= timeout)
                #expect(disposition(of: .sigterm) == .default)
            }
            let task = Task { try await nextSignal(.sigterm, timeout: .seconds(600)) }
            #expect(await eventually { disposition(of: .sigterm) == .handler })
            await deliver(.sigterm)
            let inTime = try await task.value
            #expect(inTime?.signal == .sigterm)
            let cancelled = Task { try await nextSignal(.sigterm, timeout: .seconds(Int64.max)) }
            #expect(await eventually { disposition(of: .sigterm) == .handler })
            cancelled.cancel()
            let none = try await cancelled.value
            #expect(none == nil)
        }
    }

    @Test("a signal that races with the timeout is returned, or meets the disposition from before")
    func timeoutRace() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            var received = 0
            let rounds = flood(500)
            for round in 0..<rounds {
                async let raised: Void = onThread {
                    usleep(UInt32(round % 20) * 100)
                    raise(SIGTERM)
                }
                received += try await nextSignal(.sigterm, timeout: .milliseconds(1))?.count ?? 0
                await raised
            }
            #expect(received + handledCount == rounds, "\(received) and \(handledCount)")
        }
    }

    @Test("a timeout follows the clock of a simulation")
    func simulatedTimeout() async throws {
        try await withSimulatedSignals { simulator in
            let task = Task { try await nextSignal(.sigterm, timeout: .seconds(60)) }
            await simulator.waitForSubscriber(of: .sigterm)
            simulator.advance(by: .seconds(59))
            try await Task.sleep(for: .milliseconds(50))
            #expect(disposition(of: .sigterm) == .handler)
            while disposition(of: .sigterm) == .handler {  // it may have begun to measure after the first advance
                simulator.advance(by: .seconds(1))
                await Task.yield()
            }
            #expect(try await task.value == nil)
            #expect(try await nextSignal(.sigterm, timeout: .zero) == nil)
            async let event = nextSignal(.sigterm, timeout: .seconds(60))
            await simulator.waitForSubscriber(of: .sigterm)
            try simulator.send(.sigterm)
            #expect(try await event?.signal == .sigterm)
        }
    }

    @Test("a timeout works on a loop, and leaves the loop's thread", arguments: mechanisms)
    func loopTimeout(mechanism: String) async {
        await #expect(processExitsWith: .success) { [mechanism] in
            limit()
            let loop = try makeLoop(mechanism)
            try await onThread {
                Swift.Result {
                    try loop.run {
                        let none = try await nextSignal(.sigusr1, loop: loop, timeout: .milliseconds(20))
                        #expect(none == nil)
                        async let event = nextSignal(.sigusr1, loop: loop, timeout: .seconds(600))
                        while disposition(of: .sigusr1) != .handler { await Task.yield() }
                        raise(SIGUSR1)
                        let received = try await event
                        #expect(received?.signal == .sigusr1)
                    }
                }
            }.get()
            #expect(disposition(of: .sigusr1) == .default)
        }
    }

    #if os(Linux)
        @Test("timeouts leave no thread behind", .enabled(if: !underThreadSanitizer))
        func timeoutsLeaveNothing() async {
            await #expect(processExitsWith: .success) {
                limit()
                func threads() -> Int {
                    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
                }
                for _ in 0..<10 { _ = try await nextSignal(.sigusr1, timeout: .milliseconds(2)) }
                let before = threads()
                await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<200 {
                        group.addTask {
                            _ = try await nextSignal(.realtime(Int32(index % 20)), timeout: .milliseconds(index % 7))
                        }
                    }
                }
                #expect(await eventually { threads() <= before + 2 }, "\(before) threads, then \(threads())")
            }
        }
    #endif
}

/// Whether the kernel has delivered what another process sent; then it gives the handler a moment.
private func hasArrived(_ signal: SignalNumber) -> Bool {
    var pending = sigset_t()
    sigpending(&pending)
    usleep(20_000)
    return sigismember(&pending, signal.rawValue) == 0
}
