// withSimulatedSignals: subscriptions of one task tree, without a signal.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Simulated signals") struct SimulatorTests {
    @Test("Every kind of subscription listens to the simulator, and nothing real is installed")
    func allKinds() async throws {
        let before = catchable.map(action(of:))
        try await withSimulatedSignals { simulator in
            let events = try SignalEvents(.sigterm, .sighup)
            let seen = Shared<[SignalEvent]>([])
            let subscription = try SignalObserver(.sigterm) { event in seen { $0.append(event) } }
            let waiter = try SignalWaiter(.sigterm)
            async let next = nextSignal(.sigusr2)
            await simulator.waitForSubscriber(of: .sigusr2)
            try simulator.send(.sigterm)
            try simulator.send(.sigusr2)
            #expect(await events.collect(deliveries: 1).map(\.signal) == [.sigterm])
            #expect(try await next?.signal == .sigusr2)
            #expect(await onThread { waiter.next() }?.signal == .sigterm)
            #expect(await eventually { seen.now.map(\.signal) == [.sigterm] })
            try await withSignalEvents(.sighup) { scoped in
                try simulator.send(.sighup)
                #expect(await scoped.collect(deliveries: 1).count == 1)
            }
            subscription.cancel()
            waiter.cancel()
            #expect(simulator.forcedExit == nil)
        }
        #expect(catchable.map(action(of:)) == before)
    }

    @Test("Simulations in parallel do not see each other", .enabled(if: hasRealtimeSignals))
    func parallel() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<20 {
                group.addTask {
                    try await withSimulatedSignals { simulator in
                        let events = try SignalEvents(.realtime(0), .sigterm)
                        async let inChild = Task { try SignalEvents(.realtime(0)) }.value
                        let child = try await inChild
                        for value in 0..<100 { try simulator.send(.realtime(0), value: index * 100 + value) }
                        simulator.advance(by: .seconds(index))
                        #expect(simulator.now == .seconds(index))
                        events.finish()
                        child.finish()
                        let values = Array(index * 100..<index * 100 + 100)
                        #expect(await events.rest().map(\.value) == values)
                        #expect(await child.rest().map(\.value) == values)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("forcedExit names the first signal by which the process would have ended")
    func forcedExit() async throws {
        await withSimulatedSignals { simulator in
            #expect(simulator.forcedExit == nil)
            for harmless in [SignalNumber.sigchld, .sigwinch, .sigurg, .sigcont] { try? simulator.send(harmless) }
            #expect(simulator.forcedExit == nil)
            try? simulator.send(.sigusr1)
            try? simulator.send(.sigterm)
            #expect(simulator.forcedExit == .sigusr1)
        }
        await withSimulatedSignals { simulator in
            let events = try? SignalEvents(.sigterm)
            try? simulator.send(.sigkill)
            #expect(simulator.forcedExit == .sigkill)
            events?.finish()
        }
        await withSimulatedSignals { simulator in
            try? SignalNumber.sigint.performDefaultAction()
            #expect(simulator.forcedExit == .sigint)
        }
    }

    @Test("Dispositions are the simulation's own")
    func dispositions() async throws {
        try await withSimulatedSignals { simulator in
            #expect(disposition(of: .sighup) == .default)
            try SignalNumber.sighup.setDisposition(.ignore)
            #expect(disposition(of: .sighup) == .ignore)
            try simulator.send(.sighup)
            #expect(simulator.forcedExit == nil)
            let kept = try SignalEvents(.sighup, .sigint, options: .keepIgnored)
            #expect(kept.signalsLeftIgnored == [.sighup])
            let events = try SignalEvents(.sighup)
            #expect(disposition(of: .sighup) == .handler)
            #expect(refusal { try SignalNumber.sighup.setDisposition(.default) }?.code == .signalInUse)
            try simulator.send(.sighup)
            events.finish()
            kept.finish()
            #expect(await events.rest().count == 1)
            #expect(await kept.rest().isEmpty)
            #expect(disposition(of: .sighup) == .ignore)
            #expect(disposition(of: .sigint) == .default)
        }
    }

    @Test("A signal that this process sends to itself, or to its group, goes to the simulator")
    func sending() async throws {
        try await withSimulatedSignals { simulator in
            let events = try SignalEvents(.sigurg)
            try SignalNumber.sigurg.send(to: getpid())
            #expect(await events.collect(deliveries: 1).map(\.signal) == [.sigurg])
            try SignalNumber.sigurg.send(toGroup: getpgrp())
            #expect(await events.collect(deliveries: 1).map(\.signal) == [.sigurg])
            #expect(simulator.forcedExit == nil)
        }
    }

    @Test("A simulated SIGTERM of this process to itself ends nothing")
    func simulationIsClosed() async throws {
        try await withSimulatedSignals { simulator in
            let events = try SignalEvents(.sigterm)
            try SignalNumber.sigterm.send(to: getpid())
            var iterator = events.makeAsyncIterator()
            #expect(await iterator.next()?.signal == .sigterm)
            simulator.advance(by: .seconds(Int64.max))
            try simulator.send(.sigterm)
        }
    }

    @Test("The simulator refuses what the system refuses")
    func refuses() async {
        await withSimulatedSignals { simulator in
            for number: Int32 in [SIGKILL, SIGSTOP, SIGSEGV, 0, -1, 65, 100, .max] {
                let signal = SignalNumber(rawValue: number)
                #expect(refusal { _ = try SignalEvents(signal) } != nil)
                #expect(refusal { _ = try SignalObserver(.sigterm, signal) { _ in } } != nil)
                #expect(refusal { _ = try SignalWaiter(signal) } != nil)
                #expect(refusal { try signal.setDisposition(.ignore) } != nil)
            }
            for number: Int32 in [0, -1, 65, 100] {
                #expect(refusal { try simulator.send(SignalNumber(rawValue: number)) }?.code == .outOfRange)
            }
            #expect(refusal { _ = try SignalEvents([] as [SignalNumber]) }?.code == .noSignals)
            #expect(
                refusal { _ = try SignalEvents(.sigterm, .sigchld, escalateAfterUnread: 1) }?.code == .cannotEscalate)
            #expect(refusal { try SignalNumber.sigterm.setDisposition(.handler) }?.code == .invalidArgument)
            #expect(refusal { try SignalNumber.sigterm.rearm() }?.code == .notSubscribed)
            #expect(disposition(of: .sigterm) == .default)
            let events = try? SignalEvents(.sigterm)
            #expect(refusal { try SignalNumber.sigterm.rearm() } == nil)
            events?.finish()
        }
    }

    @Test("Escalation records a forced end, and what was consumed does not count")
    func escalation() async throws {
        try await withSimulatedSignals { simulator in
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            for _ in 0..<5 {
                try simulator.send(.sigterm)
                #expect(await events.collect(deliveries: 1).count == 1)
            }
            try simulator.send(.sigterm)
            #expect(simulator.forcedExit == nil)
            try simulator.send(.sigterm)
            #expect(simulator.forcedExit == .sigterm)
            events.finish()
        }
    }

    @Test("An unread SIGTERM at the end is a forced end, as it is with the system")
    func unread() async throws {
        for (signal, consume, expected) in [
            (SignalNumber.sigterm, false, SignalNumber.sigterm), (.sigint, false, .sigint), (.sighup, false, nil),
            (.sigterm, true, .sigterm),  // of two, the second
        ] as [(SignalNumber, Bool, SignalNumber?)] {
            try await withSimulatedSignals { simulator in
                try await withSignalEvents(signal) { events in
                    try simulator.send(signal)
                    if consume {
                        _ = await events.collect(deliveries: 1)
                        try simulator.send(signal)
                    }
                }
                #expect(simulator.forcedExit == expected)
            }
        }
    }

    @Test("Coalescing, values, senders and times are as with the system")
    func details() async throws {
        try await withSimulatedSignals { simulator in
            let merging = try SignalEvents(.sighup)
            let each = try SignalEvents(.sighup, options: .everyDelivery)
            simulator.advance(by: .seconds(3))
            try simulator.send(.sighup, value: 7, sender: .init(processID: 4242, userID: 1000))
            simulator.advance(by: .seconds(1))
            try simulator.send(.sighup, sender: nil)
            merging.finish()
            each.finish()
            let merged = await merging.rest()
            #expect(merged.map(\.description) == ["2 × SIGHUP from pid 4242 (uid 1000), value 7"])
            let all = await each.rest()
            #expect(all.map(\.description) == ["SIGHUP from pid 4242 (uid 1000), value 7", "SIGHUP from the kernel"])
            #expect(all.map(\.monotonicNanoseconds) == [3_000_000_000, 4_000_000_000])
            #expect(all.map(\.cause) == [.queue, .kernel])
        }
    }

    @Test("withSimulatedSignals gives what its body returns or throws")
    func results() async {
        #expect(await withSimulatedSignals { _ in 7 } == 7)
        await #expect(throws: CancellationError.self) {
            try await withSimulatedSignals { _ in throw CancellationError() }
        }
    }
}
