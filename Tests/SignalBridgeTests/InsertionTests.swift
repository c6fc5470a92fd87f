// SignalWaiter.insert adds signals to a waiter that exists: all of them, or none.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Adding signals to a waiter") struct InsertionTests {
    @Test("An inserted signal reaches a call that waits already, and a signal that the waiter has is skipped")
    func arrives() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup)
            async let waiting = onThread { waiter.next() }
            try await Task.sleep(for: .milliseconds(50))
            try waiter.insert(.sigusr1, .sighup, .sigusr1)
            #expect(waiter.signals == [.sighup, .sigusr1])
            await deliver(.sigusr1)
            #expect(await waiting?.signal == .sigusr1)
            await deliver(.sighup)
            let event = await onThread { waiter.next() }
            #expect(event?.signal == .sighup && event?.count == 1, "it is not subscribed twice")
            waiter.cancel()
            #expect(disposition(of: .sigusr1) == .default && disposition(of: .sighup) == .default)
            let late = refusal { try waiter.insert(.sigusr2) }
            #expect(late?.code == .invalidArgument)
            #expect(disposition(of: .sigusr2) == .default)
        }
    }

    #if os(Linux)
        @Test("insert adds all signals or none, and leaves what the waiter has")
        func allOrNothing() async {
            await #expect(processExitsWith: .success) {
                limit()
                install(countingHandler, for: .sigusr1)
                let before = action(of: .sigusr1)
                let waiter = try SignalWaiter(.sighup)
                try await onThread {
                    Swift.Result {
                        let loop = try SignalLoop(mechanism: .signalfd)
                        let taken = try SignalEvents(.sigusr2, loop: loop)
                        let uncatchable = refusal { try waiter.insert(.sigusr1, .sigkill) }
                        let inUse = refusal { try waiter.insert(.sigusr1, .sigusr2) }
                        #expect(uncatchable?.code == .uncatchable)
                        #expect(inUse?.code == .signalInUse && inUse?.signal == .sigusr2)
                        #expect(waiter.signals == [.sighup])
                        #expect(action(of: .sigusr1) == before)
                        raise(SIGUSR1)
                        #expect(handledCount == 1)
                        raise(SIGHUP)
                        #expect(waiter.next(timeout: .seconds(60))?.signal == .sighup)
                        taken.finish()
                    }
                }.get()
            }
        }
    #endif

    @Test("An inserted signal has a limit of its own, with and without a reader", arguments: [false, true])
    func limits(somebodyReads: Bool) async {
        await #expect(processExitsWith: .signal(SIGTERM)) { [somebodyReads] in
            limit()
            let waiter = try SignalWaiter(.sigusr1)
            try waiter.insert(.sigterm, escalateAfterUnread: 2)
            try waiter.insert(.sigint)
            raiseEach(SIGUSR1, SIGINT, times: 5)
            raiseEach(SIGTERM, times: 1)
            if somebodyReads { try waiter.insert(.sigusr2) }  // into the buffer
            raiseEach(SIGTERM, times: 1)
            if somebodyReads { try waiter.insert(.sigwinch) }
            withExtendedLifetime(waiter) { _exit(2) }
        }
    }

    @Test("When insert returns the signal is subscribed, whichever of two calls did it")
    func twoAtOnce() async {
        await #expect(processExitsWith: .success) {
            limit()
            for _ in 0..<flood(1000) {
                let waiter = try SignalWaiter(.sigusr2)
                let count = await withTaskGroup(of: Int.self) { group in
                    for _ in 0..<3 {
                        group.addTask {
                            await onThread {
                                try? waiter.insert(.sighup)
                                raise(SIGHUP)  // it would end the process
                                return waiter.signals.count
                            }
                        }
                    }
                    return await group.reduce(0, +)
                }
                #expect(count == 6)
                let received = await onThread {
                    var received = 0
                    while received < 3, let event = waiter.next() { received += event.count }
                    return received
                }
                #expect(received == 3)
            }
        }
    }

    @Test("A signal that is inserted while the waiter ends is not subscribed afterwards")
    func whileItEnds() async {
        await #expect(processExitsWith: .success) {
            limit()
            let signals: [SignalNumber] = [.sighup, .sigusr2, .sigwinch]
            for round in 0..<flood(2000) {
                let waiter = try SignalWaiter(.sigusr1)
                async let inserted: Void = onThread { for signal in signals { try? waiter.insert(signal) } }
                for _ in 0..<(round % 40) * 20 { _ = getppid() }
                waiter.cancel()
                await inserted
                let dispositions = signals.map(disposition(of:))
                try #require(dispositions == [.default, .default, .default], "round \(round): \(dispositions)")
                withExtendedLifetime(waiter) {}
            }
        }
    }

    @Test("Nothing is lost while another thread inserts", .enabled(if: hasRealtimeSignals))
    func whileWaiting() async {
        await #expect(processExitsWith: .success) {
            limit()
            let total = flood(20_000)
            let waiter = try SignalWaiter(.sigusr1)
            async let received = onThread {
                var count = 0
                while count < total, let event = waiter.next() { count += event.count }
                return count
            }
            async let sent: Void = deliver(.sigusr1, times: total)
            await onThread {
                for offset in 0..<20 {
                    try? waiter.insert(.realtime(Int32(offset)))
                    usleep(1000)
                }
            }
            await sent
            #expect(await received == total)
        }
    }

    @Test("A wake-up reaches the thread that waits, although an insert has read it first", arguments: [false, true])
    func wakeUp(isRefused: Bool) async {
        await #expect(processExitsWith: .success) { [isRefused] in
            limit()
            let waiter = try SignalWaiter(.sigusr1)
            let loop = try? SignalLoop(mechanism: .signalfd)
            let other = isRefused ? try loop.map { try SignalEvents(.sigusr2, loop: $0) } : nil
            let returned = DispatchSemaphore(value: 0)
            let rounds = flood(500)
            startThread {
                for _ in 0..<rounds {
                    _ = waiter.next()
                    returned.signal()
                }
            }
            let lost = await onThread { () -> Int? in
                for round in 0..<rounds {
                    usleep(300)  // it sleeps now, most of the time
                    waiter.wake()
                    let error = refusal { try waiter.insert(isRefused ? .sigusr2 : .sigusr1) }  // reads the bridge
                    if error?.code != (other == nil ? nil : .signalInUse) { return -1 }
                    if returned.wait(timeout: .now() + patience / 8) != .success { return round }
                }
                return nil
            }
            #expect(lost == nil)
            waiter.cancel()
        }
    }

    @Test("The option .keepIgnored holds for inserted signals")
    func keepIgnored() async {
        await #expect(processExitsWith: .success) {
            limit()
            try SignalNumber.sighup.setDisposition(.ignore)
            let waiter = try SignalWaiter(.sigterm, options: .keepIgnored)
            try waiter.insert(.sighup, .sigint)
            #expect(waiter.signals == [.sigterm, .sigint])
            #expect(waiter.signalsLeftIgnored == [.sighup])
            try SignalNumber.sighup.setDisposition(.default)
            try waiter.insert(.sighup)
            #expect(waiter.signals == [.sigterm, .sigint, .sighup] && waiter.signalsLeftIgnored.isEmpty)
        }
    }

    @Test("insert works in a simulation")
    func simulated() async throws {
        try await withSimulatedSignals { simulator in
            let waiter = try SignalWaiter(.sigusr1)
            async let event = onThread { waiter.next() }
            try waiter.insert(.sigterm, escalateAfterUnread: 2)
            try simulator.send(.sigterm)
            #expect(await event?.signal == .sigterm)
            #expect(waiter.signals == [.sigusr1, .sigterm])
            try simulator.send(.sigterm)
            #expect(simulator.forcedExit == nil)
            try simulator.send(.sigterm)
            #expect(simulator.forcedExit == .sigterm)
            waiter.cancel()
            #expect(refusal { try waiter.insert(.sighup) }?.code == .invalidArgument)
        }
    }
}

private func raiseEach(_ signals: Int32..., times: Int) {
    onThreadAndWait { for _ in 0..<times { for signal in signals { raise(signal) } } }
}
