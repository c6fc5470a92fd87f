// The queue of a subscription's unconsumed events, compared with a naive list.
import TestSupport
import Testing

@testable import SignalBridge

/// The naive list, which has no indices.
private struct NaiveQueue {
    let everyDelivery: Bool
    var events: [SignalEvent] = []

    mutating func append(_ event: SignalEvent) {
        let merges = !everyDelivery && !event.signal.isRealtime
        if merges, let index = events.firstIndex(where: { $0.signal == event.signal }) {
            events[index].count += event.count
            events[index].newestDelivery = max(events[index].newestDelivery, event.newestDelivery)
            events[index].detailsDropped = events[index].detailsDropped || event.detailsDropped
        } else {
            events.append(event)
        }
    }
}

extension NaiveQueue {
    mutating func popFirst() -> SignalEvent? { events.isEmpty ? nil : events.removeFirst() }
}

/// SplitMix64.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

private let alphabet: [SignalNumber] = [.sighup, .sigterm, .sigusr1, .sigchld, .realtime(0), .realtime(5)]

private func event(_ index: Int, using random: inout Seeded) -> SignalEvent {
    var event = SignalEvent(
        alphabet.randomElement(using: &random)!, count: Int.random(in: 1...3, using: &random),
        sender: .init(processID: Int32(index), userID: 0), value: index, nanoseconds: UInt64(index))
    event.detailsDropped = Int.random(in: 0..<50, using: &random) == 0
    return event
}

@Suite("The queue of unread events", .offPool) struct EventQueueTests {
    @Test("Below its capacity the queue is a plain list", arguments: [false, true], 0..<25)
    func likeAList(everyDelivery: Bool, seed: Int) {
        var random = Seeded(state: UInt64(seed))
        var queue = EventQueue(everyDelivery: everyDelivery)
        var model = NaiveQueue(everyDelivery: everyDelivery)
        var filling = true
        var same = true
        for index in 0..<6000 {
            if Int.random(in: 0..<500, using: &random) == 0 { filling.toggle() }
            if Int.random(in: 0..<10, using: &random) < (filling ? 7 : 3) {
                let event = event(index, using: &random)
                queue.append(event)
                model.append(event)
            } else {
                same = same && queue.popFirst() == model.popFirst()
            }
            same = same && queue.isEmpty == model.events.isEmpty
        }
        while let event = queue.popFirst() { same = same && event == model.popFirst() }
        #expect(same && model.events.isEmpty)
    }

    @Test(
        "Past its capacity the counts are exact, memory is bounded, and dropped details are flagged",
        arguments: [false, true], 0..<5)
    func overflow(everyDelivery: Bool, seed: Int) {
        var random = Seeded(state: UInt64(1000 + seed))
        var queue = EventQueue(everyDelivery: everyDelivery)
        var balance: [SignalNumber: Int] = [:]
        var lastIndex: [SignalNumber: Int] = [:]
        var length = 0
        var inOrder = true
        func take() -> Bool {
            guard let event = queue.popFirst() else { return false }
            length -= 1
            balance[event.signal]! -= event.count
            if !event.detailsDropped {
                inOrder = inOrder && event.value! > lastIndex[event.signal, default: -1]
                lastIndex[event.signal] = event.value!
            }
            return true
        }
        for index in 0..<90_000 {
            var event = event(index, using: &random)
            event.detailsDropped = false
            queue.append(event)
            balance[event.signal, default: 0] += event.count
            if Int.random(in: 0..<16, using: &random) == 0 { _ = take() }
        }
        length = 0
        while take() {}
        #expect(-length <= EventQueue.capacity + alphabet.count)
        #expect(-length >= EventQueue.capacity)
        #expect(inOrder)
        #expect(balance.values.allSatisfy { $0 == 0 }, "\(balance)")
    }
}
