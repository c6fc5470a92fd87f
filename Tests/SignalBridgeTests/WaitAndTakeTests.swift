// The package interface of a waiter, which SignalDaemon uses.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("wait(), take() and onChange() of a waiter") struct WaitAndTakeTests {
    @Test("A signal, a wake-up or the deadline ends a wait, and take() never blocks")
    func waitAndTake() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = SignalWaiter(options: .everyDelivery)
            #expect(waiter.signals.isEmpty && waiter.take() == nil)
            await onThread {
                waiter.wait(until: monotonicNow() + .milliseconds(50))
                waiter.wake()
                waiter.wait(until: nil)
                try? waiter.insert([.sigusr1, .sigusr2], escalateAfterUnread: nil)
                for _ in 0..<2 { for signal in [SIGUSR2, SIGUSR1] { raise(signal) } }
                waiter.wait(until: nil)
                let taken = (0..<5).map { _ in waiter.take()?.signal }
                #expect(taken == [.sigusr2, .sigusr1, .sigusr2, .sigusr1, nil])
            }
            async let waited: Void = onThread { waiter.wait(until: nil) }
            try await Task.sleep(for: .milliseconds(50))
            waiter.wake()
            await waited
        }
    }

    @Test("A wait that ignores events sleeps until its deadline or wake(), although an event is unread")
    func ignoringEvents() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sigusr1)
            await deliver(.sigusr1)
            await onThread {
                let began = monotonicNow()
                waiter.wait(until: began + .milliseconds(200), ignoringEvents: true)
                #expect(monotonicNow() - began >= .milliseconds(200))
                waiter.wake()
                waiter.wait(until: nil, ignoringEvents: true)
                #expect(waiter.take()?.signal == .sigusr1)
            }
        }
    }

    @Test("onChange is called when another thread has read the bridge, and in a simulation for each delivery")
    func onChange() async throws {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = SignalWaiter(options: [])
            let changes = Shared(0)
            waiter.onChange { changes { $0 += 1 } }
            try waiter.insert(.sigusr1)
            await deliver(.sigusr1)
            try waiter.insert(.sigusr2)  // reads the bridge
            #expect(changes.now == 1 && waiter.take()?.signal == .sigusr1)
        }
        try await withSimulatedSignals { simulator in
            let waiter = SignalWaiter(options: [])
            let taken = Shared<[SignalNumber]>([])
            waiter.onChange { [weak waiter] in
                while let event = waiter?.take() { taken { $0.append(event.signal) } }
            }
            try waiter.insert(.sigusr1, .sigterm)
            try simulator.send(.sigusr1)
            try simulator.send(.sigterm)
            #expect(taken.now == [.sigusr1, .sigterm])
        }
    }
}
