// Decides whether an unread SIGINT or SIGTERM is raised again when its subscription ends.
//
// Every delivery of a signal has a number: the time of its capture, which is the same in each bridge; in a simulation, a
// counter. A subscription holds the deliveries from the first one after it was made to the last one before it ended.
//
// S1  A delivery is consumed when a reader takes the event that stands for it. An event stands for deliveries up to its
//     `newestDelivery`, and readers take events in order. So one number for each signal is enough, the newest consumed
//     delivery. An older delivery counts as consumed too, because the program has noticed a later request to end.
// S2  A handler that was chained to has had every delivery of the subscription that chains, so all of them are
//     consumed.
// S3  When a subscription is discarded with unread deliveries, the newest of these is raised once more, unless it is
//     consumed (S1, S2) or another subscription holds it. A later subscription does not hold earlier deliveries.
//     Raising the signal is a new delivery, and the old one counts as consumed.
// S4  A subscription that `finish()` ended still holds its captured deliveries, because a reader can still take them.
//     It holds no later ones.
// S5  Decisions are made one at a time, under one lock for all sources of the process, and a discarded subscription
//     holds nothing. So of several subscriptions that end with the same delivery unread, the last one raises it. While
//     a subscription ends, its bridge captures nothing more, but the rule does not know that yet. Another lock excludes
//     decisions meanwhile.
// S6  A source reads its bridge to the end before and after it restores a disposition. Both reads are deliveries of the
//     subscription that ends. A later signal meets the restored disposition.
// S7  A subscription that failed holds nothing. Its source raises everything that it captured for it (SignalHub).
//
// Tests: ResendTests.swift, ResendHandoverTests.swift. A delivery whose details were dropped in a full ring carries the time of the read instead.

/// Decides which unread signals are raised again. A plain value: sources call it under a lock, and then act.
struct ResendRule {
    private struct Holder {
        let subscription: ObjectIdentifier
        var since: UInt64
        var newest: UInt64 = 0
        var isSubscribed = true

        func holds(_ delivery: UInt64) -> Bool { since <= delivery && (isSubscribed || delivery <= newest) }
    }
    private var holders = SignalMap<[Holder]>()
    private var consumed = SignalMap<UInt64>()
    /// The signals whose saved disposition, which chaining runs, is a handler.
    private var handledBefore: [SignalNumber] = []

    /// Whether the rule applies to this signal.
    static func applies(to signal: SignalNumber) -> Bool { signal == .sigint || signal == .sigterm }

    /// Records the disposition that chaining will run, before the signal gets its first subscription.
    mutating func save(_ signal: SignalNumber, isHandled: Bool) {
        handledBefore.removeAll { $0 == signal }
        if isHandled { handledBefore.append(signal) }
    }

    /// Records that the subscription gets the deliveries from this number on.
    mutating func subscribe(_ subscription: Subscription, to signal: SignalNumber, since: UInt64) {
        guard Self.applies(to: signal) else { return }
        holders[signal, default: []].append(Holder(subscription: ObjectIdentifier(subscription), since: since))
    }

    /// Records a delivery to the subscription. The C handler may have read the clock before the subscription was made.
    mutating func deliver(_ delivery: UInt64, of signal: SignalNumber, to subscription: Subscription) {
        update(subscription, signal) { holder in
            holder.since = min(holder.since, delivery)
            holder.newest = max(holder.newest, delivery)
        }
    }

    /// S1
    mutating func consume(_ delivery: UInt64, of signal: SignalNumber) {
        consumed[signal] = max(consumed[signal, default: 0], delivery)
    }

    /// S4
    mutating func unsubscribe(_ subscription: Subscription) {
        for signal in holders.signals { update(subscription, signal) { $0.isSubscribed = false } }
    }

    /// Discards the subscription, with unread events of these signals. Returns the signals to raise again.
    mutating func discard(_ subscription: Subscription, unread: [SignalNumber], chains: Bool) -> [SignalNumber] {
        var raised: [SignalNumber] = []
        let id = ObjectIdentifier(subscription)
        for signal in holders.signals {
            guard let index = holders[signal]?.firstIndex(where: { $0.subscription == id }) else { continue }
            let newest = holders[signal, default: []].remove(at: index).newest
            if chains, handledBefore.contains(signal) { consume(newest, of: signal) }  // S2
            let isHeld = holders[signal, default: []].contains { $0.holds(newest) }
            if unread.contains(signal), newest > consumed[signal, default: 0], !isHeld {  // S3
                raised.append(signal)
                consume(newest, of: signal)
            }
        }
        return raised
    }

    private mutating func update(_ subscription: Subscription, _ signal: SignalNumber, _ change: (inout Holder) -> Void)
    {
        let id = ObjectIdentifier(subscription)
        guard let index = holders[signal]?.firstIndex(where: { $0.subscription == id }) else { return }
        change(&holders[signal, default: []][index])
    }
}
