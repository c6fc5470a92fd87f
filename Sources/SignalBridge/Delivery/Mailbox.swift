/// One subscription's side of delivery: what it asked for, what it has not consumed, and how to wake its consumer.
///
/// A consumer is woken, and then takes: an event is consumed when user code has it, not when somebody meant to hand it
/// over to a thread that is stuck. Escalation and merging both count on that.
package final class Mailbox: Sendable {
    let signals: [SignalNumber]
    let options: SignalOptions
    /// This many unconsumed deliveries of one signal take its default action.
    let escalateAfterUnread: Int?

    private struct State {
        var queue: EventQueue
        var finished = false
        var unconsumed = SignalMap<Int>()
        var consumedTermination = false
        /// When the first of the unconsumed requests to end came.
        var firstTermination = SignalMap<UInt64>()
        /// Signals whose disposition was restored when this subscription, the last one, ended.
        var restored: Set<SignalNumber>?
        /// Deliveries that were captured during that.
        var late = SignalMap<Int>()
        var wake: (@Sendable () -> Void)?
        /// The last batch that it took something of: whoever delivers that will call `wake`.
        var batch: UInt64 = 0
    }
    private let state: Lock<State>

    /// Checks the request; what the system says to it comes later.
    package init(
        _ signals: some Collection<SignalNumber>, _ options: SignalOptions, escalateAfterUnread: Int? = nil
    ) throws(SignalBridgeError) {
        var unique: [SignalNumber] = []
        for signal in signals {
            if let refusal = SignalBridgeError.refusing(signal) { throw refusal }
            if !unique.contains(signal) { unique.append(signal) }
        }
        if unique.isEmpty {
            throw SignalBridgeError(.noSignals, nil, "no signals are named; name at least one")
        }
        if let escalateAfterUnread {
            if !(1...Int(Int32.max)).contains(escalateAfterUnread) {
                throw SignalBridgeError(
                    .invalidArgument, nil,
                    "escalateAfterUnread is \(escalateAfterUnread); it must be 1 to \(Int32.max)")
            }
            if let signal = unique.first(where: { !$0.terminatesByDefault }) {
                throw SignalBridgeError(
                    .cannotEscalate, signal,
                    "\(signal) cannot escalate: its default action does not terminate a process; give it a subscription of its own"
                )
            }
        }
        self.signals = unique
        self.options = options
        self.escalateAfterUnread = escalateAfterUnread
        state = Lock(State(queue: EventQueue(everyDelivery: options.contains(.everyDelivery))))
    }

    /// What is called, on any thread, when there is something to take or nothing more will come.
    package func onChange(_ wake: @escaping @Sendable () -> Void) {
        state.withLock { $0.wake = wake }
    }

    func wake() {
        let wake = state.withLock { $0.wake }
        wake?()
    }

    /// Takes an event in. `tooMany`: it was one unconsumed delivery too many. `wakes`: the first of its batch, for which
    /// the caller is to call `wake`.
    func deliver(_ event: SignalEvent, of batch: UInt64) -> (tooMany: Bool, wakes: Bool) {
        state.withLock { state in
            state.queue.append(event)
            if state.restored?.contains(event.signal) == true { state.late[event.signal, default: 0] += event.count }
            state.unconsumed[event.signal, default: 0] += event.count
            if event.signal.asksToEnd, state.firstTermination[event.signal] == nil {
                state.firstTermination[event.signal] = event.monotonicNanoseconds
            }
            let wakes = state.batch != batch
            state.batch = batch
            guard let limit = escalateAfterUnread else { return (false, wakes) }
            return (state.unconsumed[event.signal]! >= limit, wakes)
        }
    }

    package enum Taken {
        case event(SignalEvent)
        case nothing
        case finished
    }

    /// Consumes the next event.
    func take() -> Taken {
        state.withLock { state in
            guard let event = state.queue.popFirst() else { return state.finished ? .finished : .nothing }
            state.unconsumed[event.signal, default: 0] -= event.count
            if event.signal.asksToEnd {
                state.consumedTermination = true
                if state.unconsumed[event.signal] == 0 { state.firstTermination[event.signal] = nil }
            }
            return .event(event)
        }
    }

    var hasEvents: Bool { state.withLock { !$0.queue.isEmpty } }
    /// Whether `take` would give something else than `.nothing`.
    var isReady: Bool { state.withLock { !$0.queue.isEmpty || $0.finished } }

    /// How many more deliveries make one too many; at least 1. `nil`: any number is fine.
    func remaining(of signal: SignalNumber) -> Int? {
        guard let limit = escalateAfterUnread else { return nil }
        return state.withLock { max(1, limit - $0.unconsumed[signal, default: 0]) }
    }

    /// The dispositions of these signals have been restored, or will be if subscribing fails: what comes now, came late.
    func restored(_ signals: Set<SignalNumber>) {
        state.withLock { $0.restored = signals }
    }

    /// Nothing more will come.
    func finish() {
        state.withLock { $0.finished = true }
        wake()
    }

    /// Throws away what nobody consumed, and says what of it the process must get once more, now that it meets the
    /// restored disposition: what came while that was done, and the request to end that a program never noticed. It did
    /// if this subscription, or any other since then, has consumed one.
    func abandon(noticed: UInt64?) -> [(signal: SignalNumber, count: Int)] {
        state.withLock { state in
            defer {
                state.queue = EventQueue(everyDelivery: false)
                state.unconsumed = SignalMap()
                state.late = SignalMap()
                state.firstTermination = SignalMap()
            }
            return (state.restored ?? []).compactMap { signal in
                let unread = state.unconsumed[signal, default: 0]
                var again = min(unread, state.late[signal, default: 0])
                if let first = state.firstTermination[signal], !state.consumedTermination, !options.contains(.chain),
                    noticed.map({ $0 < first }) ?? true
                {
                    again = max(again, 1)
                }
                return again > 0 ? (signal, again) : nil
            }
        }
    }

    /// In a forked child: what came before is the parent's.
    func reinitializeAfterFork() {
        state.reinitializeAfterFork()
        state.withLock { state in
            let (finished, wake) = (state.finished, state.wake)
            state = State(
                queue: EventQueue(everyDelivery: options.contains(.everyDelivery)), finished: finished, wake: wake)
        }
    }
}
