/// The unread events of a subscription, in order. A plain value.
///
/// A standard signal has at most one event in the queue, into which later ones are coalesced, unless the subscription
/// has `.everyDelivery`. When `capacity` events are unread, further ones are coalesced into one event for each signal
/// behind the queue, marked `detailsDropped`. So counts are always exact, memory is bounded, and a standard signal
/// always has a place.
struct EventQueue {
    static let capacity = 16_384  // that of a bridge which csigshim_open opens: OverflowTests

    private let everyDelivery: Bool
    private var events: [SignalEvent] = []
    private var head = 0
    /// The number of events that were ever removed from `events`. The position of an event is its index plus this.
    private var removed = 0
    /// The position of the event into which a standard signal is coalesced.
    private var positions = SignalMap<Int>()
    private var overflow: [SignalEvent] = []

    init(everyDelivery: Bool) {
        self.everyDelivery = everyDelivery
    }

    var isEmpty: Bool { head == events.count }

    mutating func append(_ event: SignalEvent) {
        let coalesces = !everyDelivery && !event.signal.isRealtime
        if coalesces, let position = positions[event.signal] {
            events[position - removed].coalesce(event)
        } else if coalesces || (overflow.isEmpty && events.count - head < Self.capacity) {
            if coalesces { positions[event.signal] = removed + events.count }
            events.append(event)
        } else if let index = overflow.firstIndex(where: { $0.signal == event.signal }) {
            overflow[index].coalesce(event)
        } else {
            overflow.append(event)
            overflow[overflow.count - 1].detailsDropped = true
        }
    }

    mutating func popFirst() -> SignalEvent? {
        guard head < events.count else { return nil }
        let event = events[head]
        head += 1
        if positions[event.signal] == removed + head - 1 { positions[event.signal] = nil }
        if head == events.count || head >= 1024 {
            removed += head
            if head == events.count {
                events.removeAll(keepingCapacity: head <= 1024)  // usually one event comes and goes at a time
            } else {
                events.removeFirst(head)
            }
            head = 0
        }
        if !overflow.isEmpty, events.count - head + overflow.count <= Self.capacity {
            events += overflow  // in its order, before later events
            overflow = []
        }
        return event
    }
}
