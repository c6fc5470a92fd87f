// What no other test saw when it was put wrong: see Tests/prove/mutants.
import Testing

@testable import SignalBridge

@Suite struct Unseen {
    @Test("a watchdog that has not answered is not asked again, and not answered for")
    func hangingCheck() {
        var notifier = Notifier(Supervisor(socket: "/nowhere", watchdog: .seconds(2)), at: .zero)
        var asked = [notifier.pings(at: .milliseconds(999)), notifier.pings(at: .seconds(1))]
        notifier.isAsking = true
        asked.append(notifier.pings(at: .seconds(2)))
        notifier.isAsking = false
        asked.append(notifier.pings(at: .seconds(3)))
        #expect(asked == [false, true, false, true])
    }

    @Test("what comes does not overtake two signals that wait behind a full queue")
    func behindTheOverflow() {
        var queue = EventQueue(everyDelivery: true)
        for value in 0..<EventQueue.capacity { queue.append(event(.realtime(0), value)) }
        queue.append(event(.realtime(1), 1))
        queue.append(event(.realtime(2), 1))
        _ = queue.popFirst()
        queue.append(event(.realtime(1), 2))
        var counts: [Int] = []
        while let event = queue.popFirst() {
            if event.signal == .realtime(1) { counts.append(event.count) }
        }
        #expect(counts == [2])
    }

    private func event(_ signal: SignalNumber, _ value: Int) -> SignalEvent {
        SignalEvent(signal, count: 1, sender: nil, value: value, nanoseconds: 0)
    }

    @Test("work that is cancelled before it says how, is cancelled when it says")
    func cancelledWhileStarting() async throws {
        try await withSimulatedSignals { _ in
            let engine = try DaemonEngine(.server, .none, DaemonEngine.Program(), nil)
            engine.feed { state, _ in
                state.hasBegun = true
                return []
            }
            let id = engine.state.withLock { state in
                state.ladder.add("late", .task, .drains, endsDaemon: true, generation: 0, at: .zero)!
            }
            engine.shutdown(.cancelled)
            let isCancelled = Lock(false)
            engine.attach(id) { isCancelled.withLock { $0 = true } }
            #expect(isCancelled.withLock { $0 })
            engine.ended(id, nil)
            engine.ended(0, nil)
        }
    }
}
