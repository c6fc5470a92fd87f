/// The events that a subscriber has not consumed, in order. A plain value: it decides, and somebody else acts.
///
/// A standard signal has at most one event in it, which later ones are merged into, unless every delivery is wanted.
/// At `capacity`, what comes is merged into one event for each signal behind the queue, marked `detailsDropped`, until
/// there is room again. So counts are exact whatever comes, memory is bounded, and a standard signal always has a place.
struct EventQueue {
    static let capacity = 16_384

    private let everyDelivery: Bool
    private var events: [SignalEvent] = []
    private var head = 0
    /// How many events were ever taken out: the place of an event is its index in `events` plus this.
    private var taken = 0
    private var places = SignalMap<Int>()
    private var overflow: [SignalEvent] = []

    init(everyDelivery: Bool) {
        self.everyDelivery = everyDelivery
    }

    var isEmpty: Bool { head == events.count }

    mutating func append(_ event: SignalEvent) {
        let merges = !everyDelivery && !event.signal.isRealtime
        if merges, let place = places[event.signal] {
            events[place - taken].merge(event)
        } else if merges || (overflow.isEmpty && events.count - head < Self.capacity) {
            if merges { places[event.signal] = taken + events.count }
            events.append(event)
        } else if let index = overflow.firstIndex(where: { $0.signal == event.signal }) {
            overflow[index].merge(event)
        } else {
            overflow.append(event)
            overflow[overflow.count - 1].detailsDropped = true
        }
    }

    mutating func popFirst() -> SignalEvent? {
        guard head < events.count else { return nil }
        let event = events[head]
        head += 1
        if places[event.signal] == taken + head - 1 { places[event.signal] = nil }
        if head == events.count || head >= 1024 {
            taken += head
            if head == events.count {
                events.removeAll(keepingCapacity: head <= 1024)  // as a rule there is one event, again and again
            } else {
                events.removeFirst(head)
            }
            head = 0
        }
        if !overflow.isEmpty, events.count - head + overflow.count <= Self.capacity {
            events += overflow  // in its order, before what comes next
            overflow = []
        }
        return event
    }
}
