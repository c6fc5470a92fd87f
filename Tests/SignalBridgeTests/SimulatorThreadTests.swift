// The simulator on threads and queues, and its clock.
import Foundation
@testable import SignalBridge
import TestSupport
import Testing

@Suite("Threads and the clock of a simulation") struct SimulatorThreadTests {
    @Test("Threads and queues enter with withSimulation")
    func withSimulation() async throws {
        try await withSimulatedSignals { simulator in
            async let event = onThread {
                simulator.withSimulation {
                    do {
                        return try SignalWaiter(.sigint).next()
                    } catch {
                        Issue.record(error)
                        return nil
                    }
                }
            }
            await simulator.waitForSubscriber(of: .sigint)
            try simulator.send(.sigint)
            #expect(await event?.signal == .sigint)

            let box = Shared<SignalObserver?>(nil)
            let calls = Shared(0)
            DispatchQueue.global().async {
                simulator.withSimulation {
                    box {
                        $0 = try? SignalObserver(.sigusr2, queue: .main) { event in calls { $0 += event.count } }
                    }
                }
            }
            await simulator.waitForSubscriber(of: .sigusr2)
            try simulator.send(.sigusr2)
            #expect(await eventually { calls.now == 1 })
            #expect(simulator.withSimulation { 7 } == 7)
            #expect(throws: SignalBridgeError.self) {
                try simulator.withSimulation { () throws(SignalBridgeError) in _ = try SignalEvents(.sigkill) }
            }
            box { $0 = nil }
        }
    }

    @Test("next(timeout:) ends when the simulated clock has come so far, and not before")
    func clock() async throws {
        try await withSimulatedSignals { simulator in
            let waiter = try SignalWaiter(.sigterm)
            let returned = Shared<Duration?>(nil)
            startThread {
                let start = simulator.now
                let event = waiter.next(timeout: .seconds(60))
                returned { $0 = event == nil ? simulator.now - start : .zero }
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(returned.now == nil)
            while returned.now == nil {
                simulator.advance(by: .milliseconds(100))
                try await Task.sleep(for: .microseconds(10))
            }
            #expect(returned.now! >= .seconds(60))

            async let second = onThread { waiter.next(timeout: .seconds(60)) }
            try await Task.sleep(for: .milliseconds(50))
            try simulator.send(.sigterm)
            #expect(await second?.signal == .sigterm)
            #expect(await onThread { waiter.next(timeout: .zero) } == nil)
        }
    }

    @Test("A deadline that passes while next(timeout:) goes to sleep is not missed")
    func clockRace() async throws {
        try await withSimulatedSignals { simulator in
            let waiter = try SignalWaiter(.sigusr1)
            var missed = 0
            for round in 0..<flood(200) {
                let state = Shared((started: false, returned: false))
                startThread {
                    state { $0.started = true }
                    _ = waiter.next(timeout: .seconds(1))
                    state { $0.returned = true }
                }
                while !state.now.started { await Task.yield() }
                for _ in 0..<round % 100 { _ = getppid() }
                simulator.advance(by: .seconds(10))
                if await eventually(within: 1, { state.now.returned }) { continue }
                // If its deadline is still to come, another look at the clock changes nothing.
                simulator.advance(by: .zero)
                if await eventually(within: 0.2, { state.now.returned }) { missed += 1 }
                while !state.now.returned {
                    simulator.advance(by: .seconds(10))
                    await Task.yield()
                }
            }
            #expect(missed <= 2, "a thread that got no core for a second looks like one that missed its deadline")
        }
    }

    @Test("A thread does not sleep until a simulated deadline that has passed already")
    func passedDeadline() async throws {
        await withSimulatedSignals { simulator in
            simulator.advance(by: .seconds(2))
            let (semaphore, returned) = (DispatchSemaphore(value: 0), Shared(false))
            startThread {
                simulator.block(on: semaphore, until: .seconds(1))
                returned { $0 = true }
            }
            #expect(await eventually(within: 20) { returned.now })
            semaphore.signal()  // where it does sleep, it ends now
        }
    }

    @Test("A simulated deadline passes for every thread that waits on one waiter")
    func deadlines() async throws {
        try await withSimulatedSignals { simulator in
            let waiter = try SignalWaiter(.sigterm)
            let ended = Shared(0)
            for _ in 0..<2 {
                startThread {
                    _ = waiter.next(timeout: .seconds(1))
                    ended { $0 += 1 }
                }
            }
            simulator.advance(by: .seconds(2))
            while ended.now < 2 {  // threads that came after the first advance measure from there
                simulator.advance(by: .seconds(2))
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    @Test("A signal that comes while a task goes to sleep is not missed")
    func sleepRace() async throws {
        try await withSimulatedSignals { simulator in
            let rounds = flood(underAddressSanitizer ? 20_000 : 100_000)
            let received = Shared(0)
            let events = try SignalEvents(.sigusr1)
            let task = Task { for await event in events { received { $0 += event.count } } }
            let isLate = await onThread {
                for round in 1...rounds {
                    for _ in 0..<round % 50 { _ = getppid() }
                    simulator.withSimulation { try? simulator.send(.sigusr1) }
                    let late = Date(timeIntervalSinceNow: patience / 2)
                    while received.now < round {
                        if Date() > late { return true }
                        sched_yield()
                    }
                }
                return false
            }
            #expect(!isLate, "after \(received.now)")
            events.finish()
            await task.value
        }
    }

    @Test("wake() and cancel() reach a simulated waiter")
    func wakeAndCancel() async throws {
        try await withSimulatedSignals { _ in
            let waiter = try SignalWaiter(.sigterm)
            async let first = onThread { waiter.next() }
            try await Task.sleep(for: .milliseconds(50))
            waiter.wake()
            #expect(await first == nil)
            async let second = onThread { waiter.next() }
            async let third = onThread { waiter.next() }
            try await Task.sleep(for: .milliseconds(50))
            waiter.cancel()
            #expect(await second == nil)
            #expect(await third == nil)
        }
    }

    @Test("Each event goes to one of several threads that wait on a simulated waiter", .enabled(if: hasRealtimeSignals))
    func severalThreads() async throws {
        try await withSimulatedSignals { simulator in
            let waiter = try SignalWaiter(.realtime(0))
            let values = Shared<[Int]>([])
            let ended = Shared(0)
            for _ in 0..<4 {
                startThread {
                    while let event = waiter.next() { values { $0.append(event.value ?? -1) } }
                    ended { $0 += 1 }
                }
            }
            for value in 0..<1000 { try simulator.send(.realtime(0), value: value) }
            #expect(await eventually { values.now.count == 1000 })
            #expect(values.now.sorted() == Array(0..<1000))
            waiter.cancel()
            #expect(await eventually { ended.now == 4 })
        }
    }

    @Test("waitForSubscriber returns at once, later, or when its task is cancelled")
    func waitForSubscriber() async throws {
        try await withSimulatedSignals { simulator in
            let task = Task { await simulator.waitForSubscriber(of: .sigusr1) }
            try await Task.sleep(for: .milliseconds(20))
            task.cancel()
            await task.value
            async let waits: Void = simulator.waitForSubscriber(of: .sighup)
            async let waitsToo: Void = simulator.waitForSubscriber(of: .sighup)
            try await Task.sleep(for: .milliseconds(20))
            let events = try SignalEvents(.sighup)
            await waits
            await waitsToo
            await simulator.waitForSubscriber(of: .sighup)
            events.finish()
        }
    }

    @Test("A user's shutdown code can be tested without a signal")
    func shutdown() async throws {
        @Sendable func serve() async throws -> [String] {
            var log: [String] = []
            try await withSignalEvents(.sighup, .sigterm, escalateAfterUnread: 2) { events in
                for await event in events {
                    log.append(event.signal.name)
                    if event.signal == .sigterm { break }
                }
            }
            return log
        }
        try await withSimulatedSignals { simulator in
            async let log = serve()
            await simulator.waitForSubscriber(of: .sigterm)
            try simulator.send(.sighup)
            try simulator.send(.sigterm)
            #expect(try await log == ["SIGHUP", "SIGTERM"])
            #expect(simulator.forcedExit == nil)
            #expect(disposition(of: .sigterm) == .default)
        }
    }
}
