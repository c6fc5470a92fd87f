/// Signals as an asynchronous sequence: `for await event in try SignalEvents(.sigterm, .sighup)`.
///
/// It is subscribed, and buffers, from the moment that `init` returns: make it the first line of `main`, and iterate
/// later. It never fails and never traps.
///
/// - **One value is one subscription.** A new iterator goes on where the last one stopped; several at once share the
///   events. For each of two consumers to get everything, make two.
/// - **Merging.** A standard signal that comes again before its event was consumed adds to its `count`;
///   `.everyDelivery` keeps each. Realtime signals are never merged. 16,384 unconsumed events are kept with their details;
///   past that counts stay exact, and `detailsDropped` says so.
/// - **Cancelling** the iterating task ends the iteration, not the subscription. ``finish()`` ends the subscription.
/// - **Ending.** When the last copy and the last iterator are gone, the subscription ends too, and the process's
///   disposition is as it was before. When that is, is the optimizer's choice: use ``withSignalEvents(_:_:options:escalateAfterUnread:loop:isolation:_:)``
///   where it matters. A SIGINT or SIGTERM that nobody ever took is then sent to the process once more.
///
/// Callable from any thread and task. (A `Task { }` in top-level code belongs to the main actor: it runs only while the
/// main thread does, so park that in `dispatchMain()`, or use `Task.detached`.) In a forked child it is dead: use ``SignalWaiter`` there.
public struct SignalEvents: AsyncSequence, Sendable {
    /// What it yields.
    public typealias Element = SignalEvent
    /// It never fails once it is made.
    public typealias Failure = Never
    /// What `init` takes.
    public typealias Options = SignalOptions

    let core: Core

    /// Subscribes to at least one signal.
    ///
    /// - Parameters:
    ///   - first: a signal.
    ///   - rest: more of them, if any.
    ///   - options: how they are treated.
    ///   - escalateAfterUnread: if set, the n-th delivery of one of these signals that this subscription has not consumed
    ///     takes the signal's default action: the process dies by it, whatever its threads are doing. 1 to `Int32.max`.
    ///     Each signal's default action must be to terminate; else ``SignalBridgeError/Code/cannotEscalate``. Give a signal
    ///     that must not escalate, such as a SIGHUP that reloads, a subscription of its own.
    ///   - loop: whose thread reads them, by its mechanism; a task on the loop then has them with no change of thread.
    ///     `nil`: a thread of the library's reads them, and blocks all signals itself.
    /// - Throws: ``SignalBridgeError`` naming the signal and the reason; then nothing was subscribed to.
    public init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: Options = [], escalateAfterUnread: Int? = nil,
        loop: SignalLoop? = nil
    ) throws(SignalBridgeError) {
        try self.init([first] + rest, options: options, escalateAfterUnread: escalateAfterUnread, loop: loop)
    }

    /// Subscribes to the signals of a collection; one that is named twice counts once.
    ///
    /// - Throws: ``SignalBridgeError``, ``SignalBridgeError/Code/noSignals`` for an empty one.
    public init(
        _ signals: some Collection<SignalNumber>, options: Options = [], escalateAfterUnread: Int? = nil,
        loop: SignalLoop? = nil
    ) throws(SignalBridgeError) {
        core = try Core(
            Mailbox(signals, options, escalateAfterUnread: escalateAfterUnread),
            on: currentSource(on: loop, options, escalates: escalateAfterUnread != nil))
    }

    /// The signals that `.keepIgnored` left alone, because they were ignored. They give no events.
    public var signalsLeftIgnored: Set<SignalNumber> { core.handle.ignored }

    /// Ends the subscription, and restores what was there before. What was captured is still delivered, then the
    /// sequence ends. May be called more than once, and from any thread.
    public func finish() {
        core.handle.finish()
    }

    /// An iterator on the one buffer.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(core: core)
    }

    /// Takes events out of the buffer of its ``SignalEvents``, and keeps the subscription alive.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let core: Core

        /// The next event; `nil` when the task is cancelled, or the subscription was finished and all is delivered.
        public mutating func next() async -> SignalEvent? {
            await core.next(isolation: nil)
        }

        /// The same, without leaving the caller's actor when an event is there already.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> SignalEvent? {
            await core.next(isolation: actor)
        }
    }

    /// The subscription, and the tasks that wait on it.
    final class Core: Sendable {
        let handle: SubscriptionHandle

        private struct Waiting {
            /// Each is resumed when it is taken out.
            var tasks: [(id: Int, continuation: CheckedContinuation<Void, Never>)] = []
            var lastID = 0

            mutating func remove(_ id: Int) -> CheckedContinuation<Void, Never>? {
                tasks.firstIndex { $0.id == id }.map { tasks.remove(at: $0).continuation }
            }
        }
        private let waiting = Lock(Waiting())

        init(_ mailbox: Mailbox, on source: any SignalSource) throws(SignalBridgeError) {
            handle = try SubscriptionHandle(mailbox, on: source)
            mailbox.onChange { [weak self] in self?.resumeAll() }
        }

        func next(isolation actor: isolated (any Actor)?) async -> SignalEvent? {
            while !Task.isCancelled {
                switch handle.take() {
                case .event(let event): return event
                case .finished: return nil
                case .nothing: await wait(isolation: actor)
                }
            }
            return nil
        }

        /// Returns when there is something to take, the task is cancelled, or for no reason.
        private func wait(isolation actor: isolated (any Actor)?) async {
            let id = waiting.withLock { state in
                state.lastID += 1
                return state.lastID
            }
            await withTaskCancellationHandler {
                // Checked: an unsafe one is resumed by code compiled into this module, and where that is before the
                // task awaits, the runtime tells the thread sanitizer nothing, which then takes it for a race.
                await withCheckedContinuation(isolation: actor) { continuation in
                    // Looked at under the lock: who delivers or cancels after this look finds the continuation.
                    let goOn = waiting.withLock { state in
                        if handle.mailbox.isReady || Task.isCancelled { return true }
                        state.tasks.append((id, continuation))
                        return false
                    }
                    if goOn { continuation.resume() }
                }
            } onCancel: {
                waiting.withLock { $0.remove(id) }?.resume()
            }
        }

        private func resumeAll() {
            let tasks = waiting.withLock { state in
                defer { state.tasks = [] }
                return state.tasks
            }
            for task in tasks { task.continuation.resume() }
        }
    }
}

/// Signals for the length of a scope: when `body` returns or throws, the process's dispositions are as they were.
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
/// The same as a ``SignalEvents`` that ends where you can see it. A copy that escapes gives no more events.
///
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

/// The same for a collection of signals.
public func withSignalEvents<Result>(
    _ signals: some Collection<SignalNumber>, options: SignalOptions = [], escalateAfterUnread: Int? = nil,
    loop: SignalLoop? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (SignalEvents) async throws -> Result
) async throws -> Result {
    let events = try SignalEvents(signals, options: options, escalateAfterUnread: escalateAfterUnread, loop: loop)
    defer { events.core.handle.close() }
    return try await body(events)
}

/// Waits for one signal: for a program that waits once. `nil` when the task is cancelled.
///
/// A loop over it has gaps: between two calls the signals meet the process's dispositions, so a second SIGTERM may end
/// it. Use ``withSignalEvents(_:_:options:escalateAfterUnread:loop:isolation:_:)`` for a loop.
public func nextSignal(
    _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], loop: SignalLoop? = nil
) async throws(SignalBridgeError) -> SignalEvent? {
    try await nextSignal([first] + rest, options: options, loop: loop)
}

/// The same for a collection of signals.
public func nextSignal(
    _ signals: some Collection<SignalNumber>, options: SignalOptions = [], loop: SignalLoop? = nil
) async throws(SignalBridgeError) -> SignalEvent? {
    let events = try SignalEvents(signals, options: options, loop: loop)
    defer { events.core.handle.close() }
    return await events.core.next(isolation: nil)
}
