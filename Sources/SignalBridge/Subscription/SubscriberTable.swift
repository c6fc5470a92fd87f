/// The subscriptions to each signal of one source. A plain value.
struct SubscriberTable {
    private var subscribers = SignalMap<[Subscription]>()
    private var batches: UInt64 = 0

    func isSubscribed(_ signal: SignalNumber) -> Bool { subscribers[signal] != nil }

    func subscribers(of signal: SignalNumber) -> [Subscription] { subscribers[signal] ?? [] }

    func contains(_ subscription: Subscription, _ signal: SignalNumber) -> Bool {
        subscribers[signal]?.contains { $0 === subscription } ?? false
    }

    func signals(of subscription: Subscription) -> [SignalNumber] {
        subscribers.signals.filter { contains(subscription, $0) }
    }

    mutating func add(_ subscription: Subscription, to signal: SignalNumber) {
        subscribers[signal, default: []].append(subscription)
    }

    mutating func remove(_ subscription: Subscription, from signal: SignalNumber) {
        subscribers[signal, default: []].removeAll { $0 === subscription }
        if subscribers[signal, default: []].isEmpty { subscribers[signal] = nil }
    }

    /// Puts the event into the buffer of each subscription that has its signal.
    mutating func deliver(_ event: SignalEvent, _ effects: inout PendingEffects) {
        if effects.batch == 0 {
            batches += 1
            effects.batch = batches
        }
        guard let subscriptions = subscribers[event.signal] else {
            effects.unclaimed[event.signal, default: 0] += event.count
            return
        }
        for subscription in subscriptions {
            let (exceedsLimit, isFirstOfBatch) = subscription.deliver(event, of: effects.batch)
            if exceedsLimit { effects.escalate.append(event.signal) }
            if isFirstOfBatch { effects.wake.append(subscription) }
        }
    }

    /// The smallest `escalateAfterUnread` of the signal's subscriptions.
    func limit(of signal: SignalNumber) -> Int? {
        subscribers(of: signal).compactMap { $0.limit(of: signal) }.min()
    }
}

/// The effects of a batch of deliveries. They are collected under the source's lock and carried out after that, because
/// they may run user code.
///
/// Each batch wakes a subscription once, even if another thread is about to, because that thread may be preempted.
struct PendingEffects {
    /// Subscriptions that got something.
    fileprivate(set) var wake: [Subscription] = []
    /// Signals of which a subscription has reached its limit of unread deliveries.
    fileprivate(set) var escalate: [SignalNumber] = []
    /// The number of deliveries of signals that no subscription of the source has.
    fileprivate(set) var unclaimed = SignalMap<Int>()
    /// The number of the batch; 0: no event was delivered yet.
    fileprivate var batch: UInt64 = 0

    var isEmpty: Bool { batch == 0 }
}
