// What no other test saw when it was put wrong: see Tests/prove/mutants.
import Testing

@testable import SignalBridge

@Suite struct Unseen {
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
}
