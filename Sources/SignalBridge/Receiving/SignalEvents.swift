import Dispatch

/// Signals as an asynchronous sequence: `for await event in try SignalEvents(.sigterm, .sighup)`.
///
/// The sequence is subscribed, and buffers, from the moment that `init` returns: create it in the first line of `main`,
/// and iterate later. The iteration never fails and never traps.
///
/// - **One value is one subscription.** A new iterator continues where the last one stopped; several at once share the
///   events. If two consumers need all events, make two values.
/// - **Coalescing.** A standard signal that comes again before its event was consumed adds to the event's `count`;
///   `.everyDelivery` keeps each. Realtime signals are never coalesced. 16,384 unread events keep their details; beyond
///   that, counts stay exact, and `detailsDropped` is set.
/// - **Cancelling** the iterating task ends the iteration, not the subscription. ``finish()`` ends the subscription.
/// - **Ending.** When the last copy and the last iterator are gone, the subscription ends, and dispositions are
///   restored. The optimizer decides when that is; where it matters, use
///   ``withSignalEvents(_:_:options:escalateAfterUnread:loop:isolation:_:)``. An unread SIGINT or SIGTERM that no code
///   in the process consumed is then raised again, unless another subscription has it. Other unread signals are
///   dropped.
///
/// Callable from any thread and task. A `Task { }` in top-level code belongs to the main actor and needs the main
/// thread: call `dispatchMain()` there, or use `Task.detached`.
public struct SignalEvents: AsyncSequence, Sendable {
    /// The type of the elements.
    public typealias Element = SignalEvent
    /// The error type of the iteration, which never fails.
    public typealias Failure = Never
    /// The type of the options that `init` takes.
    public typealias Options = SignalOptions

    fileprivate let core: Core

    /// Subscribes to one or more signals.
    ///
    /// - Parameters:
    ///   - first: a signal.
    ///   - rest: more signals.
    ///   - options: how they are treated.
    ///   - escalateAfterUnread: the number of unconsumed deliveries of a signal at which its default action ends the
    ///     process, even if every thread is stuck. 1 to `Int32.max`; `nil`: never. Each signal's default action must be
    ///     to terminate; else ``SignalBridgeError/Code/cannotEscalate``. A signal that must not escalate, such as a
    ///     SIGHUP that reloads, needs its own subscription.
    ///   - loop: a loop whose thread reads the signals, by the loop's mechanism; a task on the loop then gets them
    ///     without a change of thread. `nil`: a library thread reads them, which blocks all signals itself.
    /// - Throws: ``SignalBridgeError`` naming the signal and the reason; then nothing was subscribed to.
    public init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: Options = [], escalateAfterUnread: Int? = nil,
        loop: SignalLoop? = nil
    ) throws(SignalBridgeError) {
        try self.init([first] + rest, options: options, escalateAfterUnread: escalateAfterUnread, loop: loop)
    }

    /// Subscribes to a collection of signals, which must not be empty: ``SignalBridgeError/Code/noSignals``. A signal
    /// that is named twice counts once.
    public init(
        _ signals: some Collection<SignalNumber>, options: Options = [], escalateAfterUnread: Int? = nil,
        loop: SignalLoop? = nil
    ) throws(SignalBridgeError) {
        core = try Core(Array(signals), options, limit: escalateAfterUnread, loop)
    }

    /// The signals that `.keepIgnored` left ignored. They give no events.
    public var signalsLeftIgnored: Set<SignalNumber> { core.subscription.signalsLeftIgnored }

    /// Ends the subscription, and restores the earlier dispositions. Captured events are still delivered, then the
    /// sequence ends. Callable from any thread, and more than once.
    public func finish() {
        core.subscription.finish()
    }

    /// Ends the subscription, and returns the unread events.
    package func finishAndTakeAll() -> [SignalEvent] {
        finish()
        var events: [SignalEvent] = []
        while case .event(let event) = core.subscription.take() { events.append(event) }
        return events
    }

    /// Makes an iterator over the one buffer.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(core: core)
    }

    /// An iterator that takes events out of the buffer of its ``SignalEvents``, and keeps the subscription alive.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let core: Core

        /// Returns the next event; `nil` when the task is cancelled, or the subscription ended and everything is delivered.
        public mutating func next() async -> SignalEvent? {
            await core.next(isolation: nil)
        }

        /// Returns the next event, without leaving the caller's actor if there is one already.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> SignalEvent? {
            await core.next(isolation: actor)
        }
    }

    /// The subscription, and the tasks that wait on it.
    final class Core: Sendable {
        let subscription: Subscription

        private struct Waiting {
            /// The thread that takes one out resumes it.
            var tasks: [(id: Int, continuation: CheckedContinuation<Void, Never>)] = []
            var lastID = 0
            var isTimeUp = false

            mutating func remove(_ id: Int) -> CheckedContinuation<Void, Never>? {
                tasks.firstIndex { $0.id == id }.map { tasks.remove(at: $0).continuation }
            }
        }
        private let waiting = Lock(Waiting())

        init(
            _ signals: [SignalNumber], _ options: SignalOptions, limit: Int?, _ loop: SignalLoop?
        ) throws(SignalBridgeError) {
            try loop?.check(options, escalates: limit != nil)
            subscription = Subscription(options: options, source: currentSource(on: loop))
            subscription.onChange { [weak self] in self?.resumeAll() }
            try subscription.insertFirst(signals, limit: limit)
        }

        deinit {
            subscription.close()
        }

        func next(isolation actor: isolated (any Actor)?) async -> SignalEvent? {
            while !Task.isCancelled {
                switch subscription.take() {
                case .event(let event): return event
                case .finished: return nil
                case .nothing:
                    if waiting.withLock({ $0.isTimeUp }) { return nil }
                    await wait(isolation: actor)
                }
            }
            return nil
        }

        /// Waits at most for the timeout, on the clock of the environment. Afterwards the subscription has ended.
        func last(within timeout: Duration?) async -> SignalEvent? {
            defer { subscription.close() }
            guard let timeout else { return await next(isolation: nil) }
            let cancelTimer = schedule(after: timeout) { [weak self] in
                self?.waiting.withLock { $0.isTimeUp = true }
                self?.resumeAll()
            }
            defer { cancelTimer() }
            if let event = await next(isolation: nil) { return event }
            subscription.finish()  // what was captured until now, and not yet read, came in time
            if !Task.isCancelled, case .event(let event) = subscription.take() { return event }
            return nil
        }

        /// Returns when there is something to take, the task is cancelled or the time is up; perhaps earlier.
        private func wait(isolation actor: isolated (any Actor)?) async {
            let id = waiting.withLock { state in
                state.lastID += 1
                return state.lastID
            }
            await withTaskCancellationHandler {
                // A checked continuation. If an unsafe one is resumed before the task awaits, the runtime does not
                // inform the thread sanitizer, which then reports a race.
                await withCheckedContinuation(isolation: actor) { continuation in
                    // This check is under the lock, so a later delivery or cancellation finds the continuation.
                    let resumes = waiting.withLock { state in
                        if subscription.isReady || Task.isCancelled || state.isTimeUp { return true }
                        state.tasks.append((id, continuation))
                        return false
                    }
                    if resumes { continuation.resume() }
                }
            } onCancel: {
                waiting.withLock { $0.remove(id) }?.resume()
            }
        }

        /// Calls `action` once after the timeout, on any thread. The returned closure cancels that.
        private func schedule(after timeout: Duration, _ action: @escaping @Sendable () -> Void) -> @Sendable () -> Void
        {
            if let simulator = SignalSimulator.current {
                return simulator.call(at: simulator.time(after: timeout), action)
            }
            nonisolated(unsafe) let timer = DispatchSource.makeTimerSource(queue: .global())
            timer.setEventHandler(handler: action)
            timer.schedule(deadline: .now() + timeout.dispatchInterval)
            timer.activate()
            return { timer.cancel() }
        }

        private func resumeAll() {
            for task in waiting.withLock({ exchange(&$0.tasks, with: []) }) { task.continuation.resume() }
        }
    }
}

/// Subscribes for the duration of `body`: when it returns or throws, the process's dispositions are restored.
///
/// ```swift
/// try await withSignalEvents(.sigusr1, .sigint) { events in
///     for await event in events {
///         if event.signal == .sigint { break }
///         print("progress, asked \(event.count) times")
///     }
/// }
/// ```
///
/// The parameters are those of ``SignalEvents``. `body` runs on the actor `isolation`, by default the caller's. A copy
/// of `events` that escapes gives no more events.
///
/// - Returns: what `body` returns.
/// - Throws: ``SignalBridgeError`` before `body` is called, or what `body` throws.
public func withSignalEvents<Result>(
    _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], escalateAfterUnread: Int? = nil,
    loop: SignalLoop? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (SignalEvents) async throws -> Result
) async throws -> Result {
    try await withSignalEvents(
        [first] + rest, options: options, escalateAfterUnread: escalateAfterUnread, loop: loop, isolation: isolation,
        body)
}

/// Subscribes to a collection of signals for the duration of `body`. The rest is as with a list of signals.
public func withSignalEvents<Result>(
    _ signals: some Collection<SignalNumber>, options: SignalOptions = [], escalateAfterUnread: Int? = nil,
    loop: SignalLoop? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (SignalEvents) async throws -> Result
) async throws -> Result {
    let events = try SignalEvents(signals, options: options, escalateAfterUnread: escalateAfterUnread, loop: loop)
    defer { events.core.subscription.close() }
    return try await body(events)
}

/// Waits for one signal. It is for a program that waits once.
///
/// A loop over it has gaps: between two calls the signals meet the process's dispositions, so a second SIGTERM may end the
/// process. For a loop use ``withSignalEvents(_:_:options:escalateAfterUnread:loop:isolation:_:)``.
///
/// `timeout` is measured by `CLOCK_MONOTONIC`, or by the clock of the simulation; `nil`: it waits for ever. The other
/// parameters are those of ``SignalEvents``.
///
/// - Returns: the event; `nil` when the task is cancelled or the timeout has passed.
/// - Throws: ``SignalBridgeError`` naming the signal and the reason; then nothing was subscribed to.
public func nextSignal(
    _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], loop: SignalLoop? = nil,
    timeout: Duration? = nil
) async throws(SignalBridgeError) -> SignalEvent? {
    try await nextSignal([first] + rest, options: options, loop: loop, timeout: timeout)
}

/// Waits for one signal of a collection. The rest is as with a list of signals.
public func nextSignal(
    _ signals: some Collection<SignalNumber>, options: SignalOptions = [], loop: SignalLoop? = nil,
    timeout: Duration? = nil
) async throws(SignalBridgeError) -> SignalEvent? {
    let core = try SignalEvents.Core(Array(signals), options, limit: nil, loop)
    return await core.last(within: timeout)
}
