import Dispatch

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Signals as calls of a handler on a dispatch queue, one at a time and in order, also on a concurrent queue.
///
/// ```swift
/// let reload = try SignalObserver(.sighup, queue: .main) { event in
///     print("reload, says \(event)")
/// }
/// ```
///
/// Keep it: dropping the last reference cancels it. What was said of merging at ``SignalEvents`` holds here too.
public final class SignalObserver: Sendable {
    private let core: Core

    /// Subscribes. The handler may run before this returns, on the queue.
    ///
    /// - Parameters:
    ///   - first: a signal.
    ///   - rest: more of them, if any.
    ///   - options: how they are treated.
    ///   - escalateAfterUnread: as for ``SignalEvents``.
    ///   - queue: where the handler runs. A serial queue that is stuck holds its signals up; see
    ///     `escalateAfterUnread`.
    ///   - handler: called for each event. `@Sendable`, so that it may stand in top-level code.
    /// - Throws: ``SignalBridgeError``; then nothing was subscribed to.
    public convenience init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], escalateAfterUnread: Int? = nil,
        queue: DispatchQueue = .global(), handler: @escaping @Sendable (SignalEvent) -> Void
    ) throws(SignalBridgeError) {
        try self.init(
            [first] + rest, options: options, escalateAfterUnread: escalateAfterUnread, queue: queue, handler: handler)
    }

    /// The same for a collection of signals.
    public init(
        _ signals: some Collection<SignalNumber>, options: SignalOptions = [], escalateAfterUnread: Int? = nil,
        queue: DispatchQueue = .global(), handler: @escaping @Sendable (SignalEvent) -> Void
    ) throws(SignalBridgeError) {
        let handle = try SubscriptionHandle(
            Mailbox(signals, options, escalateAfterUnread: escalateAfterUnread), on: currentSource())
        let core = Core(handle, queue, handler)
        self.core = core
        handle.mailbox.onChange { [weak core] in core?.schedule() }
        core.schedule()  // what came before there was somebody to wake
    }

    /// The signals that `.keepIgnored` left alone, because they were ignored. They give no events.
    public var signalsLeftIgnored: Set<SignalNumber> { core.handle.ignored }

    /// Ends the subscription, and restores what was there before. Once it has returned, no call of the handler starts,
    /// and none is running, unless it is called by the handler itself: so it waits for one that runs on another thread.
    /// Do not call it with a lock that the handler needs, or on a queue that the handler waits for.
    public func cancel() {
        core.cancel(waits: true)
    }

    deinit {
        core.cancel(waits: false)  // the last reference may go anywhere, also where waiting would be a deadlock
    }

    private final class Core: Sendable {
        let handle: SubscriptionHandle
        private let queue: DispatchQueue
        private let running = DispatchGroup()

        private struct State {
            var handler: (@Sendable (SignalEvent) -> Void)?
            var scheduled = false
            var thread: pthread_t?
        }
        private let state: Lock<State>

        init(_ handle: SubscriptionHandle, _ queue: DispatchQueue, _ handler: @escaping @Sendable (SignalEvent) -> Void)
        {
            self.handle = handle
            self.queue = queue
            state = Lock(State(handler: handler))
        }

        func schedule() {
            let submit = state.withLock { state in
                guard !state.scheduled, state.handler != nil, handle.mailbox.hasEvents else { return false }
                state.scheduled = true
                return true
            }
            if submit { queue.async { @Sendable in self.deliver() } }
        }

        /// A few events, then the queue's other work has its turn.
        private func deliver() {
            for _ in 0..<16 {
                guard deliverOne() else { break }
            }
            state.withLock { $0.scheduled = false }
            schedule()  // what came after the last look
        }

        private func deliverOne() -> Bool {
            let handler = state.withLock { state in
                if state.handler != nil {
                    state.thread = pthread_self()
                    running.enter()
                }
                return state.handler
            }
            guard let handler else { return false }
            defer {
                state.withLock { $0.thread = nil }
                running.leave()
            }
            guard case .event(let event) = handle.take() else { return false }
            handler(event)
            return true
        }

        func cancel(waits: Bool) {
            let (handler, thread) = state.withLock { state in
                defer { state.handler = nil }
                return (state.handler, state.thread)
            }
            handle.close()
            if waits, let thread, pthread_equal(thread, pthread_self()) == 0 { running.wait() }
            _ = handler  // dropped here, outside of the lock
        }
    }
}
