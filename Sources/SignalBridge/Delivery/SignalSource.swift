import CSignalShim

/// Where subscriptions get their signals from: the system's, or a simulator.
protocol SignalSource: AnyObject, Sendable {
    /// Starts delivery. All or nothing. Returns what `.keepIgnored` left alone.
    func subscribe(_ mailbox: Mailbox) throws(SignalBridgeError) -> Set<SignalNumber>
    /// Ends it, and puts back what was there before. What was captured until then is in the mailbox. Idempotent.
    func unsubscribe(_ mailbox: Mailbox)
    /// The mailbox's consumer has taken deliveries of a signal that escalates.
    func consumed(_ signal: SignalNumber)
    /// Sends a signal to the process once more.
    func resend(_ signal: SignalNumber, count: Int, chained: Bool)
}

/// A subscription for as long as somebody holds on to it.
final class SubscriptionHandle: Sendable {
    let mailbox: Mailbox
    let ignored: Set<SignalNumber>
    private let source: any SignalSource

    init(_ mailbox: Mailbox, on source: any SignalSource) throws(SignalBridgeError) {
        self.mailbox = mailbox
        self.source = source
        ignored = try source.subscribe(mailbox)
    }

    func take() -> Mailbox.Taken {
        let taken = mailbox.take()
        if case .event(let event) = taken, mailbox.options.escalations[event.signal] != nil {
            source.consumed(event.signal)
        }
        return taken
    }

    /// Nothing more comes in; what is in can still be taken.
    func finish() {
        source.unsubscribe(mailbox)
        mailbox.finish()
    }

    /// Nothing more will be taken either.
    func close() {
        finish()
        for (signal, count) in mailbox.abandon() {
            source.resend(signal, count: count, chained: mailbox.options.chain)
        }
    }

    deinit {
        close()
    }
}

/// Who wants which signal. A plain value.
struct SubscriberTable {
    private(set) var subscribers: [SignalNumber: [Mailbox]] = [:]

    /// What is to be done once the lock is released: mailboxes to wake, signals that take their default action.
    struct Consequences {
        var wake: [Mailbox] = []
        var escalate: [SignalNumber] = []
    }

    mutating func add(_ mailbox: Mailbox, to signal: SignalNumber) {
        subscribers[signal, default: []].append(mailbox)
    }

    /// `true` if it was there.
    mutating func remove(_ mailbox: Mailbox, from signal: SignalNumber) -> Bool {
        guard let index = subscribers[signal]?.firstIndex(where: { $0 === mailbox }) else { return false }
        subscribers[signal]!.remove(at: index)
        if subscribers[signal]!.isEmpty { subscribers[signal] = nil }
        return true
    }

    func deliver(_ event: SignalEvent, _ consequences: inout Consequences) {
        for mailbox in subscribers[event.signal] ?? [] {
            if mailbox.deliver(event) { consequences.escalate.append(event.signal) }
            if !consequences.wake.contains(where: { $0 === mailbox }) { consequences.wake.append(mailbox) }
        }
    }

    /// How many more deliveries of the signal are one too many for somebody; 0: any number is fine.
    func remaining(of signal: SignalNumber) -> Int {
        (subscribers[signal] ?? []).compactMap { $0.remaining(of: signal) }.min() ?? 0
    }
}

extension SignalNumber {
    var terminatesByDefault: Bool { csigshim_default_of(rawValue) == Int32(CSIGSHIM_TERMINATES) }
}
