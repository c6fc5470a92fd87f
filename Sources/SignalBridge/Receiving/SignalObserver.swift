import Dispatch

/// A subscription that calls a handler on a dispatch queue for each event: in order and one at a time, even on a
/// concurrent queue.
///
/// ```swift
/// let reload = try SignalObserver(.sighup, queue: .main) { event in
///     print("reload, says \(event)")
/// }
/// ```
///
/// Keep a reference to the observer: releasing the last one cancels it. Signals are coalesced as ``SignalEvents`` does.
/// Callable from any thread.
public final class SignalObserver: Sendable {
    private let core: Core

    /// Subscribes to one or more signals. The handler may run before this returns.
    ///
    /// Each event is a call of `handler` on `queue`. A stuck serial queue delays its signals: see
    /// `escalateAfterUnread`. The handler is `@Sendable`, so that top-level code can contain it. The other parameters
    /// are those of ``SignalEvents``.
    ///
    /// - Throws: ``SignalBridgeError``; then nothing was subscribed to.
    public convenience init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], escalateAfterUnread: Int? = nil,
        queue: DispatchQueue = .global(), handler: @escaping @Sendable (SignalEvent) -> Void
    ) throws(SignalBridgeError) {
        try self.init(
            [first] + rest, options: options, escalateAfterUnread: escalateAfterUnread, queue: queue, handler: handler)
    }

    /// Subscribes to a collection of signals. The rest is as with a list of signals.
    public init(
        _ signals: some Collection<SignalNumber>, options: SignalOptions = [], escalateAfterUnread: Int? = nil,
        queue: DispatchQueue = .global(), handler: @escaping @Sendable (SignalEvent) -> Void
    ) throws(SignalBridgeError) {
        core = Core(options, queue, handler)
        try core.subscription.insertFirst(Array(signals), limit: escalateAfterUnread)
    }

    /// The signals that `.keepIgnored` left ignored. They give no events.
    public var signalsLeftIgnored: Set<SignalNumber> { core.subscription.signalsLeftIgnored }

    /// Ends the subscription, and restores the earlier dispositions. It waits for a handler that runs on another
    /// thread, so when it returns, none is running and none will start. In the handler itself it does not wait. Do not
    /// call it while you hold a lock that the handler needs, or on a queue that the handler waits for.
    public func cancel() {
        core.cancel(waits: true)
    }

    deinit {
        core.cancel(waits: false)  // the last reference may end anywhere, even where waiting would be a deadlock
    }

    private final class Core: Sendable {
        let subscription: Subscription
        private let queue: DispatchQueue
        private let running = DispatchGroup()

        private struct State {
            var handler: (@Sendable (SignalEvent) -> Void)?
            /// Whether `deliver` is on the queue and checks again before it ends.
            var isScheduled = false
            /// The thread that is inside the handler; 0: none.
            var thread: UInt = 0
        }
        private let state: Lock<State>

        init(
            _ options: SignalOptions, _ queue: DispatchQueue, _ handler: @escaping @Sendable (SignalEvent) -> Void
        ) {
            subscription = Subscription(options: options, source: currentSource())
            self.queue = queue
            state = Lock(State(handler: handler))
            subscription.onChange { [weak self] in self?.schedule() }
        }

        private func schedule() {
            let submit = state.withLock { state in
                // A finished subscription, which is ready too, has no handler.
                guard !state.isScheduled, state.handler != nil, subscription.isReady else { return false }
                state.isScheduled = true
                return true
            }
            if submit { queue.async { @Sendable in self.deliver() } }
        }

        /// Handles a few events, and then lets other work of the queue run.
        private func deliver() {
            for _ in 0..<16 {
                guard deliverOne() else { break }
            }
            state.withLock { $0.isScheduled = false }
            schedule()  // for what came after the last look
        }

        private func deliverOne() -> Bool {
            let handler = state.withLock { state in
                if state.handler != nil {
                    state.thread = currentThread()
                    running.enter()
                }
                return state.handler
            }
            guard let handler else { return false }
            defer {
                state.withLock { $0.thread = 0 }
                running.leave()
            }
            guard case .event(let event) = subscription.take() else { return false }
            handler(event)
            return true
        }

        func cancel(waits: Bool) {
            guard subscription.isInCreatingProcess else { return }
            let (handler, thread) = state.withLock { (exchange(&$0.handler, with: nil), $0.thread) }
            subscription.close()
            if waits, thread != 0, thread != currentThread() { running.wait() }
            withExtendedLifetime(handler) {}  // released here, outside of the lock
        }
    }
}
