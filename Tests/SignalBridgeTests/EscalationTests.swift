// escalateAfterUnread: the Nth unread SIGTERM ends the process, whatever its threads are doing.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Escalation") struct EscalationTests {
    @Test("The second unread SIGTERM ends a process in which every thread of Swift and Dispatch is stuck")
    func everythingStuck() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            blockEverything()
            raiseSlowly(SIGTERM, times: 2)
            exitUnlessKilled(events)
        }
    }

    @Test("The second unread SIGTERM ends a process whose reading thread is stuck in an executor of the program")
    func readerStuck() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            let trap = try SignalEvents(.sigusr1)
            let executor = StuckExecutor()
            Task(executorPreference: executor) { for await _ in trap {} }
            try await Task.sleep(for: .milliseconds(100))
            executor.stuck { $0 = true }
            await deliver(.sigusr1)
            try #require(await eventually { executor.reached.now }, "the reader is stuck now")
            raiseSlowly(SIGTERM, times: 2)
            exitUnlessKilled((events, trap))
        }
    }

    @Test("With a limit of 1 the first SIGTERM ends the process")
    func firstOne() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let events = try SignalEvents(.sigterm, .sigint, escalateAfterUnread: 1)
            kill(getpid(), SIGTERM)
            exitUnlessKilled(events)
        }
    }

    @Test("Every signal of a subscription escalates", arguments: [SIGINT, SIGUSR1])
    func eachSignal(number: Int32) async {
        await #expect(processExitsWith: .signal(number)) { [number] in
            limit()
            let events = try SignalEvents(.sigterm, .sigint, .sigusr1, escalateAfterUnread: 2)
            raiseSlowly(number, times: 2)
            exitUnlessKilled(events)
        }
    }

    @Test("One delivery below the limit does not end the process, stuck or not")
    func belowTheLimit() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigterm, .sigint, escalateAfterUnread: 3)
            let reloads = try SignalEvents(.sighup)
            blockEverything()
            raiseSlowly(SIGTERM, times: 2)
            raiseSlowly(SIGINT, times: 2)  // each signal has a count of its own
            raiseSlowly(SIGHUP, times: 5)
            usleep(300_000)
            withExtendedLifetime((events, reloads)) { _exit(0) }
        }
    }

    @Test("A delivery that was consumed does not count")
    func consumed() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            for _ in 0..<20 {
                await deliver(.sigterm)
                #expect(await events.collect(deliveries: 1).deliveries == 1)
            }
            await deliver(.sigterm)
            try await Task.sleep(for: .milliseconds(100))
            _exit(0)
        }
    }

    @Test("Unread deliveries count from the last one that was consumed")
    func consumedThenStuck() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 3)
            for _ in 0..<5 {
                await deliver(.sigterm)
                _ = await events.collect(deliveries: 1)
            }
            await deliver(.sigterm, times: 2)  // in the buffer, perhaps
            try await Task.sleep(for: .milliseconds(100))
            blockEverything()
            raiseSlowly(SIGTERM, times: 1)
            exitUnlessKilled(events)
        }
    }

    @Test("The unread signals of a SignalObserver whose queue is stuck escalate")
    func stuckQueue() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            let queue = DispatchQueue(label: "stuck")
            let subscription = try SignalObserver(.sigint, escalateAfterUnread: 2, queue: queue) {
                _ in
                sleep(50)  // the handler gets the first one, and never returns
            }
            for _ in 0..<3 {
                await deliver(.sigint)
                try await Task.sleep(for: .milliseconds(100))
            }
            exitUnlessKilled(subscription)
        }
    }

    @Test("A handler call that has begun has consumed its event")
    func handlerHasBegun() async {
        await #expect(processExitsWith: .success) {
            limit()
            let calls = Shared(0)
            let subscription = try SignalObserver(.sigint, escalateAfterUnread: 2) { _ in
                calls { $0 += 1 }
                sleep(50)
            }
            await deliver(.sigint)
            #expect(await eventually { calls.now == 1 })
            await deliver(.sigint)
            try await Task.sleep(for: .milliseconds(200))
            withExtendedLifetime(subscription) { _exit(0) }
        }
    }

    @Test("The unread signals of a SignalWaiter escalate while no thread calls it")
    func waiter() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let waiter = try SignalWaiter(.sigterm, escalateAfterUnread: 3)
            let taken = await onThread {
                raise(SIGTERM)
                return waiter.next()?.count
            }
            #expect(taken == 1)
            raiseSlowly(SIGTERM, times: 3)
            exitUnlessKilled(waiter)
        }
    }

    @Test("Of two subscriptions, the one that does not read decides")
    func twoSubscriptions() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let stuck = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            let reads = try SignalObserver(.sigterm, escalateAfterUnread: 2) { _ in }
            for _ in 0..<2 {
                await deliver(.sigterm)
                try await Task.sleep(for: .milliseconds(100))
            }
            exitUnlessKilled((stuck, reads))
        }
    }

    @Test("Without a reader the smallest limit decides, also after another subscription has ended")
    func smallestLimit() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let loop = try SignalLoop()  // which no thread serves
            let subscriptions = try [5, 2, 9].map { try SignalEvents(.sigterm, escalateAfterUnread: $0, loop: loop) }
            subscriptions[2].finish()
            await deliver(.sigterm, times: 2)
            exitUnlessKilled(subscriptions)
        }
    }

    @Test("Escalation ends the process although a handler was there before, and is chained to")
    func overHandler() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            install(countingHandler, for: .sigterm)
            let events = try SignalEvents(.sigterm, options: .chain, escalateAfterUnread: 2)
            await deliver(.sigterm, times: 2)
            exitUnlessKilled(events)
        }
    }

    @Test("A subscription that has ended no longer escalates")
    func ended() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            let other = try SignalEvents(.sigterm)
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            await deliver(.sigterm)
            events.finish()
            await deliver(.sigterm, times: 3)
            try await Task.sleep(for: .milliseconds(200))
            other.finish()
            #expect(await other.rest().deliveries == 4)
        }
    }

    @Test("The end of a waiter with an unread delivery does not count as a delivery to another subscriber")
    func waiterEndsBesideEscalation() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            let waiter = try SignalWaiter(.sigterm)
            await deliver(.sigterm)
            waiter.cancel()
            try await Task.sleep(for: .milliseconds(200))
            events.finish()
            #expect(await events.rest().deliveries == 1)
        }
    }

    @Test("A clean-up that hangs is ended by the second SIGTERM, as the documentation shows")
    func hangingCleanUp() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            await deliver(.sigterm)
            for await _ in events {
                let force = try SignalEvents(.sigterm, escalateAfterUnread: 1)
                await onThread {
                    kill(getpid(), SIGTERM)
                    usleep(20_000_000)
                }
                force.finish()
                break
            }
            _exit(98)
        }
    }
}

/// Exits without ending the subscriptions, because their end would raise an unread SIGTERM again.
private func exitUnlessKilled(_ subscriptions: Any) -> Never {
    sleep(10)
    withExtendedLifetime(subscriptions) { _exit(98) }
}

/// Runs each job on the thread that enqueues it. Once it is stuck, it blocks that thread for ever instead.
private final class StuckExecutor: TaskExecutor {
    let stuck = Shared(false)
    let reached = Shared(false)

    func enqueue(_ job: consuming ExecutorJob) {
        if stuck.now {
            reached { $0 = true }
            while true { sleep(1000) }
        }
        job.runSynchronously(on: asUnownedTaskExecutor())
    }
}

/// Blocks every other thread of the cooperative pool, every Dispatch thread, and the main queue.
private func blockEverything() {
    for _ in 0..<64 {
        Task.detached { sleep(1000) }
        DispatchQueue.global().async { sleep(1000) }
        DispatchQueue.global(qos: .userInteractive).async { sleep(1000) }
        DispatchQueue(label: "stuck").async { sleep(1000) }
    }
    DispatchQueue.main.async { sleep(1000) }
    usleep(200_000)
}

private func raiseSlowly(_ signal: Int32, times: Int) {
    onThreadAndWait {
        for _ in 0..<times {
            raise(signal)
            usleep(20_000)
        }
    }
}
