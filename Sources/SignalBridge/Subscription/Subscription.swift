/// A consumer's subscription to signals of a source, with the unread events.
///
/// The consumer is woken, and then takes events. So an event is consumed when user code has it, and not when a library
/// thread is about to pass it on. Escalation, coalescing and the resend rule rely on that.
///
/// The source retains the subscription until `finish` or `close`, so its owner calls `close` in `deinit`.
///
/// Lock order: the source's lock, that of endings, this one's, the resend rule's.
final class Subscription: Sendable {
    let options: SignalOptions
    private let source: any SignalSource
    private let process = currentProcessID()

    private enum Phase {
        /// Signals can be added now.
        case open
        /// The source is about to end the subscription; events may still come.
        case ending
        /// Nothing more comes.
        case finished
    }

    private struct Part {
        /// The number of unread deliveries at which the signal takes its default action.
        let limit: Int?
        var unread = 0
    }

    private struct State {
        var phase = Phase.open
        var queue: EventQueue
        var parts = SignalMap<Part>()
        var leftIgnored: [SignalNumber] = []
        var onChange: (@Sendable () -> Void)?
        /// The last batch that added an event. The thread that delivers that batch calls `wake`.
        var batch: UInt64 = 0
    }
    private let state: Lock<State>

    /// Makes a subscription without signals.
    init(options: SignalOptions, source: any SignalSource) {
        self.options = options
        self.source = source
        state = Lock(State(queue: EventQueue(everyDelivery: options.contains(.everyDelivery))))
    }

    /// Sets the closure that is called when there is something to take, or when no more events will come. It is called
    /// on any thread, under no lock.
    func onChange(_ action: @escaping @Sendable () -> Void) {
        state.discard { exchange(&$0.onChange, with: action) }
    }

    func wake() {
        state.withLock { $0.onChange }?()
    }

    /// `false` in a forked child, where a thread that does not exist may hold a lock: Swift does not support `fork(2)`
    /// without `exec`. In a child, objects of the parent take no lock and do nothing.
    var isInCreatingProcess: Bool { process == currentProcessID() }

    // MARK: subscribing

    /// Subscribes to these signals too, or to none of them. Signals that the subscription has are skipped.
    func insert(_ signals: [SignalNumber], limit: Int?) throws(SignalBridgeError) {
        var unique: [SignalNumber] = []
        for signal in signals where !unique.contains(signal) {
            if let refusal = SignalBridgeError.refusing(signal) { throw refusal }
            unique.append(signal)
        }
        if let limit {
            if !(1...Int(Int32.max)).contains(limit) {
                throw SignalBridgeError(
                    .invalidArgument, nil, "escalateAfterUnread is \(limit); it must be 1 to \(Int32.max)")
            }
            if let signal = unique.first(where: { !$0.terminatesByDefault }) {
                let reason = "its default action does not terminate a process; give it a subscription of its own"
                throw SignalBridgeError(.cannotEscalate, signal, "\(signal) cannot escalate: \(reason)")
            }
        }
        if !isInCreatingProcess { throw .noBridge(Errno.notPermitted) }
        if !unique.isEmpty { try source.subscribe(self, to: unique, limit: limit) }
    }

    /// Subscribes a new consumer, for which an empty list is an error.
    func insertFirst(_ signals: [SignalNumber], limit: Int?) throws(SignalBridgeError) {
        if signals.isEmpty { throw SignalBridgeError(.noSignals, nil, "no signals are named; name at least one") }
        try insert(signals, limit: limit)
    }

    /// For the source, under its lock: whether signals can still be added.
    var isOpen: Bool { state.withLock { $0.phase == .open } }

    /// For the source, under its lock: records these signals as subscribed, from the delivery with this number on.
    func begin(_ signals: [SignalNumber], limit: Int?, leftIgnored: [SignalNumber], since: UInt64) {
        state.withLock { state in
            for signal in signals { state.parts[signal] = Part(limit: limit) }
            state.leftIgnored.removeAll { signals.contains($0) || leftIgnored.contains($0) }
            state.leftIgnored += leftIgnored
        }
        source.resendRule.withLock { rule in
            for signal in signals { rule.subscribe(self, to: signal, since: since) }
        }
    }

    /// The subscribed signals, without those that were left ignored.
    var signals: Set<SignalNumber> { state.withLock { Set($0.parts.signals) } }

    var signalsLeftIgnored: Set<SignalNumber> { Set(state.withLock { $0.leftIgnored }) }

    func limit(of signal: SignalNumber) -> Int? { state.withLock { $0.parts[signal]?.limit } }

    // MARK: events

    /// For the source, under its lock: puts an event into the buffer. `exceedsLimit`: the unread deliveries of the
    /// signal have reached the subscription's limit. `isFirstOfBatch`: the caller must call `wake` when it holds no
    /// lock.
    func deliver(_ event: SignalEvent, of batch: UInt64) -> (exceedsLimit: Bool, isFirstOfBatch: Bool) {
        state.withLock { state in
            state.queue.append(event)
            if ResendRule.applies(to: event.signal) {
                source.resendRule.withLock { $0.deliver(event.newestDelivery, of: event.signal, to: self) }
            }
            let isFirstOfBatch = state.batch != batch
            state.batch = batch
            state.parts[event.signal]?.unread += event.count
            guard let part = state.parts[event.signal], let limit = part.limit else { return (false, isFirstOfBatch) }
            return (part.unread >= limit, isFirstOfBatch)
        }
    }

    enum Taken {
        case event(SignalEvent)
        case nothing
        case finished
    }

    /// Consumes the next event. In a forked child there is never one.
    func take() -> Taken {
        guard isInCreatingProcess else { return .nothing }
        return state.withLock { state in
            guard let event = state.queue.popFirst() else { return state.phase == .finished ? .finished : .nothing }
            state.parts[event.signal]?.unread -= event.count
            if ResendRule.applies(to: event.signal) {  // under this lock, so that `close` sees both or neither
                source.resendRule.withLock { $0.consume(event.newestDelivery, of: event.signal) }
            }
            return .event(event)
        }
    }

    /// Whether `take` would return something other than `.nothing`.
    var isReady: Bool { state.withLock { !$0.queue.isEmpty || $0.phase == .finished } }

    // MARK: the end

    /// Ends delivery. Captured events can still be taken.
    func finish() {
        guard isInCreatingProcess else { return }
        state.withLock { if $0.phase == .open { $0.phase = .ending } }  // before the source's lock: see `isOpen`
        source.unsubscribe(self)
        state.withLock { $0.phase = .finished }
        wake()
    }

    /// Ends delivery, drops the unread events, and raises again the signals that the resend rule names.
    func close() {
        guard isInCreatingProcess else { return }
        finish()
        // This is so in a forked child, which can have no subscription and must not take a lock of the source.
        if state.withLock({ $0.parts.isEmpty }) { return }
        let raised = source.endings.withLock { _ in  // S5
            state.withLock { state in
                let unread = state.parts.signals.filter { state.parts[$0]!.unread > 0 }
                state.queue = EventQueue(everyDelivery: false)
                for signal in unread { state.parts[signal]?.unread = 0 }
                return source.resendRule.withLock {
                    $0.discard(self, unread: unread, chains: options.contains(.chain))
                }
            }
        }
        for signal in raised { source.raiseAgain(signal) }
    }
}
