// Delivery through SignalEvents.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("SignalEvents") struct EventSequenceTests {
    @Test("A sequence buffers from the moment that it is made, and a new iterator goes on with its buffer")
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

    @Test("Unread standard signals coalesce: the first one gives details and place, and the counts add up")
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

    @Test(
        "With .everyDelivery each delivery is an event, and realtime signals never coalesce",
        .enabled(if: hasRealtimeSignals))
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

    @Test(
        "Iterators in many tasks share one sequence, and each event goes to one of them",
        .enabled(if: hasRealtimeSignals))
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

    @Test("Cancelling the iterating task ends the iteration, not the subscription")
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

    @Test("A signal that races with cancellation goes to the task, or stays for the next one")
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

    @Test("finish() ends every iteration, may be called again, and captures nothing more")
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

    @Test("A copy that escapes withSignalEvents gives no more events")
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

    @Test("Two sequences each get every signal")
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

    @Test("A sequence can be iterated on the main actor")
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

    @Test("On the main actor events are handled in order, and none before it yields")
    func handlerTable() async {
        await #expect(processExitsWith: .success) { @MainActor in
            limit()
            let log = Shared<[String]>([])
            let handlers: [SignalNumber: @Sendable (SignalEvent) -> Void] = [
                .sighup: { event in log { $0.append("reload \(event.signal)") } },
                .sigusr1: { event in log { $0.append("rotate \(event.signal)") } },
                .sigint: { event in log { $0.append("end \(event.signal)") } },
            ]
            let events = try SignalEvents(handlers.keys, options: .everyDelivery)
            let task = Task { @MainActor in
                for await event in events {
                    handlers[event.signal]?(event)
                    if event.signal == .sigint { break }
                }
            }
            onThreadAndWait { for signal in [SIGHUP, SIGHUP, SIGUSR1, SIGINT] { raise(signal) } }
            usleep(50_000)
            #expect(log.now.isEmpty, "nothing is handled before the program yields")
            await task.value
            #expect(log.now == ["reload SIGHUP", "reload SIGHUP", "rotate SIGUSR1", "end SIGINT"])
        }
    }

    @Test("A loop over two signals in withSignalEvents runs until it breaks")
    func receiverLoop() async {
        await #expect(processExitsWith: .success) {
            limit()
            var reloads = 0
            try await withSignalEvents(.sighup, .sigterm) { events in
                try SignalNumber.sighup.send(to: getpid())
                loop: for await event in events {
                    switch event.signal {
                    case .sighup:
                        reloads += event.count
                        try (reloads < 3 ? SignalNumber.sighup : .sigterm).send(to: getpid())
                    default: break loop
                    }
                }
            }
            #expect(reloads == 3)
        }
    }

    @Test("A signal can cancel a task group")
    func taskGroup() async {
        await #expect(processExitsWith: .success) {
            limit()
            let cancelled = Shared(0)
            let events = try SignalEvents(.sigint, .sigterm)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        do { try await Task.sleep(for: .seconds(1000)) } catch { cancelled { $0 += 1 } }
                    }
                }
                kill(getpid(), SIGTERM)
                for await event in events {
                    #expect(event.signal == .sigterm)
                    group.cancelAll()
                    break
                }
            }
            #expect(cancelled.now == 4)
        }
    }
}

/// Returns whether the kernel has delivered the other process's signal, and gives the handler a moment.
private func hasArrived(_ signal: SignalNumber) -> Bool {
    var pending = sigset_t()
    sigpending(&pending)
    usleep(20_000)
    return sigismember(&pending, signal.rawValue) == 0
}
