import CSignalShim
import Synchronization

/// Where subscriptions get their signals from: the system's, or a simulator.
package protocol SignalSource: AnyObject, Sendable {
    /// Starts delivery. All or nothing. Returns what `.keepIgnored` left alone.
    func subscribe(_ mailbox: Mailbox) throws(SignalBridgeError) -> Set<SignalNumber>
    /// Ends it, and puts back what was there before. What was captured until then is in the mailbox. Idempotent.
    func unsubscribe(_ mailbox: Mailbox)
    /// The mailbox's consumer has taken deliveries of a signal that escalates.
    func consumed(_ signal: SignalNumber)
    /// Somebody has consumed a SIGINT or SIGTERM that came at this time.
    func notice(_ time: UInt64)
    /// The latest of those times.
    var noticed: UInt64? { get }
    /// Sends a signal to the process once more.
    func resend(_ signal: SignalNumber, count: Int, chained: Bool)
}

/// A subscription for as long as somebody holds on to it, in the process that made it: in a forked child, where locks may
/// be held for ever by threads that do not exist, it does nothing.
package final class SubscriptionHandle: Sendable {
    package let mailbox: Mailbox
    package let ignored: Set<SignalNumber>
    private let source: any SignalSource
    private let owner = Atomic(currentProcessID())

    package init(_ mailbox: Mailbox, on source: any SignalSource) throws(SignalBridgeError) {
        self.mailbox = mailbox
        self.source = source
        ignored = try source.subscribe(mailbox)
    }

    package func take() -> Mailbox.Taken {
        guard isInItsProcess else { return .nothing }
        let taken = mailbox.take()
        if case .event(let event) = taken {
            if mailbox.escalateAfterUnread != nil { source.consumed(event.signal) }
            if event.signal.asksToEnd { source.notice(event.monotonicNanoseconds) }
        }
        return taken
    }

    /// Nothing more comes in; what is in can still be taken.
    func finish() {
        guard isInItsProcess else { return }
        source.unsubscribe(mailbox)
        mailbox.finish()
    }

    /// Nothing more will be taken either.
    package func close() {
        guard isInItsProcess else { return }
        finish()
        for (signal, count) in mailbox.abandon(noticed: source.noticed) {
            source.resend(signal, count: count, chained: mailbox.options.contains(.chain))
        }
    }

    var isInItsProcess: Bool { owner.load(ordering: .relaxed) == thisProcess() }

    /// In a forked child: its own from here on.
    func adopt() {
        owner.store(currentProcessID(), ordering: .relaxed)
    }

    deinit {
        close()
    }
}

/// With no system call, as a rule: 0 is a forked child that has asked for nothing yet.
func thisProcess() -> pid_t {
    let here = csigshim_owner()
    return here != 0 ? here : currentProcessID()
}

/// Who wants which signal. A plain value.
struct SubscriberTable {
    private(set) var subscribers = SignalMap<[Mailbox]>()
    private var batches: UInt64 = 0

    /// What is to be done once the lock is released: mailboxes to wake, signals that take their default action. One batch:
    /// it wakes a mailbox once, also one that another thread is about to wake, for that thread may not come to it for long.
    struct Consequences {
        var wake: [Mailbox] = []
        var escalate: [SignalNumber] = []
        fileprivate var batch: UInt64 = 0
    }

    mutating func add(_ mailbox: Mailbox, to signal: SignalNumber) {
        subscribers[signal, default: []].append(mailbox)
    }

    /// `true` if it was there.
    mutating func remove(_ mailbox: Mailbox, from signal: SignalNumber) -> Bool {
        guard let index = subscribers[signal]?.firstIndex(where: { $0 === mailbox }) else { return false }
        subscribers[signal, default: []].remove(at: index)
        if subscribers[signal, default: []].isEmpty { subscribers[signal] = nil }
        return true
    }

    mutating func deliver(_ event: SignalEvent, _ consequences: inout Consequences) {
        if consequences.batch == 0 {
            batches += 1
            consequences.batch = batches
        }
        for mailbox in subscribers[event.signal] ?? [] {
            let (tooMany, wakes) = mailbox.deliver(event, of: consequences.batch)
            if tooMany { consequences.escalate.append(event.signal) }
            if wakes { consequences.wake.append(mailbox) }
        }
    }

    func escalates(_ signal: SignalNumber) -> Bool {
        subscribers[signal]?.contains { $0.escalateAfterUnread != nil } ?? false
    }

    /// How many more deliveries of the signal are one too many for somebody; 0: any number is fine.
    func remaining(of signal: SignalNumber) -> Int {
        (subscribers[signal] ?? []).compactMap { $0.remaining(of: signal) }.min() ?? 0
    }
}

extension SignalNumber {
    var asksToEnd: Bool { self == .sigint || self == .sigterm }
    package var terminatesByDefault: Bool { csigshim_default_of(rawValue) == Int32(CSIGSHIM_ACTION_TERMINATE) }
}
