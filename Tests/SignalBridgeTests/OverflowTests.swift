// More unread deliveries than a buffer holds.
import CSignalShim
import Foundation
import TestSupport
import Testing

@testable import SignalBridge

@Suite("Overflow") struct OverflowTests {
    @Test("A buffer in Swift and a bridge in C hold the same number of deliveries")
    func sameCapacity() {
        var bridge: OpaquePointer?
        #expect(csigshim_open(&bridge, Int32(CSIGSHIM_HANDLER)) == 0)
        #expect(Int(csigshim_capacity(bridge)) == EventQueue.capacity)
        csigshim_close(bridge)
    }

    @Test("A sequence keeps 16,384 unread deliveries with their details, and counts the others exactly")
    func capacity() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigusr1, options: .everyDelivery)
            await deliver(.sigusr1, times: 16_384)
            #expect(await eventually { pendingRecordsAreRead() })
            await deliver(.sigusr1, times: 500)
            events.finish()
            let all = await events.rest()
            let detailed = all.prefix(16_384)
            #expect(detailed.count == 16_384)
            #expect(detailed.allSatisfy { $0.count == 1 && !$0.detailsDropped })
            let cause = hasExactCauses ? SignalEvent.Cause.thread : .kill
            #expect(detailed.allSatisfy { $0.sender == .current && $0.cause == cause })
            #expect(detailed.map(\.monotonicNanoseconds) == detailed.map(\.monotonicNanoseconds).sorted())
            #expect(all.count == 16_385, "the rest is one event")
            #expect(all.last?.count == 500)
            #expect(all.last?.detailsDropped == true)
        }
    }

    @Test("A waiter that no thread calls keeps 16,384 deliveries with their details")
    func waiterCapacity() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sigusr1, options: .everyDelivery)
            await deliver(.sigusr1, times: 17_000)
            let all = await onThread { () -> [SignalEvent] in
                var all: [SignalEvent] = []
                while let event = waiter.next(timeout: .zero) { all.append(event) }
                return all
            }
            #expect(all.deliveries == 17_000)
            #expect(all.prefix { !$0.detailsDropped && $0.count == 1 && $0.sender == .current }.count == 16_384)
            #expect(all.dropFirst(16_384).allSatisfy { $0.detailsDropped })
        }
    }

    @Test("Exactly the first 16,384 events of a queue keep their details")
    func boundary() {
        var queue = EventQueue(everyDelivery: true)
        for index in 0..<16_386 {
            queue.append(SignalEvent(.sighup, count: 1, sender: nil, value: index, nanoseconds: 0))
        }
        for index in 0..<16_384 {
            let event = queue.popFirst()
            #expect(event?.value == index && event?.detailsDropped == false && event?.count == 1)
        }
        let last = queue.popFirst()
        #expect(last?.count == 2 && last?.detailsDropped == true)
        #expect(queue.popFirst() == nil && queue.isEmpty)
    }

    @Test(
        "A standard signal has its place in a full queue, and what follows an overflow comes after it",
        .enabled(if: hasRealtimeSignals))
    func overflowOrder() {
        var queue = EventQueue(everyDelivery: false)
        func value(_ value: Int) -> SignalEvent {
            SignalEvent(.realtime(0), count: 1, sender: nil, value: value, nanoseconds: 0)
        }
        for index in 0...EventQueue.capacity { queue.append(value(index)) }  // one too many
        queue.append(SignalEvent(.sigterm, count: 1, sender: nil, value: nil, nanoseconds: 0))
        var seen: [SignalEvent] = []
        for index in 0..<(2 * EventQueue.capacity) {  // never empty: one comes for each that is taken
            guard let event = queue.popFirst() else { break }
            seen.append(event)
            queue.append(value(EventQueue.capacity + 1 + index))
        }
        while let event = queue.popFirst() { seen.append(event) }
        #expect(seen.firstIndex { $0.signal == .sigterm } == EventQueue.capacity)
        let values = seen.compactMap(\.value)
        #expect(values == values.sorted())
        #expect(seen.map(\.count).reduce(0, +) == 3 * EventQueue.capacity + 2)
        let dropped = seen.contains { $0.detailsDropped }
        #expect(dropped)
    }

    @Test("A delivery does not overtake two signals that wait behind a full queue", .enabled(if: hasRealtimeSignals))
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

/// A subscription made now reads what is captured before it starts.
private func pendingRecordsAreRead() -> Bool {
    guard let events = try? SignalEvents(.sigusr2) else { return false }
    events.finish()
    return true
}
