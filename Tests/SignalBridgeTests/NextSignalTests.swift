// The results of nextSignal, with and without a timeout.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("nextSignal") struct NextSignalTests {
    @Test("nextSignal returns one event, and restores the disposition")
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

    @Test("nextSignal returns nil after its timeout and restores the disposition, or a signal that came in time")
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

    @Test("A signal that races with the timeout is returned, or meets the disposition from before")
    func timeoutRace() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            var received = 0
            var delay = 1000  // microseconds; it settles where the signal comes at the end of the timeout
            let rounds = flood(2000)
            for _ in 0..<rounds {
                let now = UInt32(delay)
                async let raised: Void = onThread {
                    usleep(now)
                    raise(SIGTERM)
                }
                let event = try await nextSignal(.sigterm, timeout: .milliseconds(1))
                received += event?.count ?? 0
                delay = max(0, delay + (event == nil ? -7 : 7))
                await raised
            }
            #expect(received + handledCount == rounds, "\(received) and \(handledCount)")
        }
    }

    @Test("A timeout follows the clock of a simulation")
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

    @Test("nextSignal with a timeout can run on a loop's thread", arguments: mechanisms)
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
        @Test("Timeouts leave no thread behind", .enabled(if: !underThreadSanitizer))
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
