/// Signals for a thread that waits: without Swift concurrency, without Dispatch, on no other thread than the caller's,
/// and without CPU time while no signal comes.
///
/// ```swift
/// if let event = waiter.next() {  // sleeps, and takes no CPU
///     print("main: \(event)")
/// }
/// ```
///
/// Make it before the threads. It is subscribed for its whole life, so nothing is lost between two calls of
/// ``next(timeout:)``. Signals are coalesced as ``SignalEvents`` does. Each waiter has a bridge of its own (a pipe and at most
/// 1.2 MiB of buffer); a process has 64 bridges. Somewhere in the process, a thread must not block the signal; the one that
/// waits is enough. Callable from any thread. <doc:Choosing> shows a program.
public final class SignalWaiter: Sendable {
    private let bridge: any Waitable
    private let subscription: Subscription
    private let calls = Lock(Calls())

    /// Who waits, and who is to return without an event.
    private struct Calls {
        /// Calls that block until something comes.
        var blocked = 0
        /// How many calls `wake()` makes return: those that block, and then later ones.
        var wakes = 0
        var onChange: (@Sendable () -> Void)?

        /// Whether the call is to return without an event. If it does not block, it leaves a wake-up to each that does.
        mutating func takeWake(blocks: Bool) -> Bool {
            if wakes <= (blocks ? 0 : blocked) { return false }
            wakes -= 1
            return true
        }
    }

    /// Makes a waiter with no signals yet.
    package init(options: SignalOptions) {
        if let simulator = SignalSimulator.current {
            bridge = SimulatedWait(simulator)
            subscription = Subscription(options: options, source: simulator)
        } else {
            let hub = SignalHub()
            bridge = hub
            subscription = Subscription(options: options, source: hub)
        }
        subscription.onChange { [bridge, calls] in  // a thread that does not wait here has read the bridge
            bridge.wake()
            calls.withLock { $0.onChange }?()
        }
    }

    /// Subscribes to at least one signal; the parameters are those of ``SignalEvents``.
    ///
    /// - Throws: ``SignalBridgeError``; then nothing was subscribed to. errno `ENOSPC`: more than 64 bridges; `EMFILE`:
    ///   no descriptors left.
    public convenience init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], escalateAfterUnread: Int? = nil
    ) throws(SignalBridgeError) {
        try self.init([first] + rest, options: options, escalateAfterUnread: escalateAfterUnread)
    }

    /// The same for a collection.
    public convenience init(
        _ signals: some Collection<SignalNumber>, options: SignalOptions = [], escalateAfterUnread: Int? = nil
    ) throws(SignalBridgeError) {
        self.init(options: options)
        try subscription.insertFirst(Array(signals), limit: escalateAfterUnread)
    }

    deinit {
        subscription.close()
    }

    /// Subscribes to more signals, with the waiter's options: to all of them, or to none if it throws.
    ///
    /// A signal that the waiter has is skipped, and keeps its limit; `escalateAfterUnread` is one for the others. When the call
    /// returns, the waiter has all of the signals, also if another thread's call added them. Calls of ``next(timeout:)`` that
    /// wait get their events.
    ///
    /// - Throws: ``SignalBridgeError`` naming the signal and the reason, ``SignalBridgeError/Code/invalidArgument`` after
    ///   ``cancel()``.
    public func insert(_ signals: SignalNumber..., escalateAfterUnread: Int? = nil) throws(SignalBridgeError) {
        try insert(signals, escalateAfterUnread: escalateAfterUnread)
    }

    package func insert(
        _ signals: some Collection<SignalNumber>, escalateAfterUnread: Int?
    ) throws(SignalBridgeError) {
        defer { passOnWakeups() }
        try subscription.insert(Array(signals), limit: escalateAfterUnread)
    }

    /// The signals that the waiter is subscribed to, without ``signalsLeftIgnored``.
    public var signals: Set<SignalNumber> { subscription.signals }

    /// The signals that `.keepIgnored` left alone, because they were ignored. They give no events.
    public var signalsLeftIgnored: Set<SignalNumber> { subscription.signalsLeftIgnored }

    /// Waits until a signal comes, and returns its event. Several threads may wait; each event goes to one of them.
    ///
    /// - Parameter timeout: how long to wait; `nil`: for ever. Zero or less does not wait.
    /// - Returns: the event; `nil` after the timeout, after ``wake()`` and after ``cancel()``. It is `nil` too, after a pause
    ///   of at most a second, in a forked child, and on systems other than Linux if the waiter's descriptor was closed.
    @available(*, noasync, message: "it blocks the thread; use SignalEvents or nextSignal in asynchronous code")
    public func next(timeout: Duration? = nil) -> SignalEvent? {
        guard subscription.isInCreatingProcess else {
            pauseThread(milliseconds: 999)  // so that a caller's loop does not spin
            return nil
        }
        let deadline = timeout.map { bridge.now + $0.bounded }
        let blocks = timeout.map { $0 > .zero } ?? true
        if blocks { calls.withLock { $0.blocked += 1 } }
        defer { leave(blocks) }
        if case .event(let event) = subscription.take() { return event }
        while true {
            deliverPending()
            switch subscription.take() {
            case .event(let event): return event
            case .finished: return nil
            case .nothing: break
            }
            if calls.withLock({ $0.takeWake(blocks: blocks) }) || !bridge.wait(until: deadline) { return nil }
        }
    }

    /// Makes one call of ``next(timeout:)`` return `nil`: one that waits, or else the next one. From any thread.
    public func wake() {
        guard subscription.isInCreatingProcess else { return }
        calls.withLock { $0.wakes += 1 }
        bridge.wake()
    }

    /// Ends the subscription, and restores the dispositions from before. All calls of ``next(timeout:)``, those that wait and
    /// later ones, return `nil`. From any thread; more than once is harmless.
    public func cancel() {
        subscription.close()
    }

    // MARK: for SignalDaemon

    /// Opens the waiter's bridge before there are signals.
    package func prepare() throws(SignalBridgeError) { try bridge.prepareToWait() }

    /// Blocks until there is something to take, `wake()` is called, or the source's clock has come to the deadline. Then
    /// what was captured is in the buffer. With `ignoringEvents`, there being something to take is no reason to return.
    package func wait(until deadline: Duration?, ignoringEvents: Bool = false) {
        guard subscription.isInCreatingProcess else { return pauseThread(milliseconds: 999) }
        calls.withLock { $0.blocked += 1 }
        defer { leave(true) }
        repeat {
            deliverPending()
        } while (ignoringEvents || !subscription.isReady) && !calls.withLock { $0.takeWake(blocks: true) }
            && bridge.wait(until: deadline)
    }

    /// Takes an event out of the buffer. It never blocks, and may be called under a lock of the caller's. Events are in the
    /// order of their capture.
    package func take() -> SignalEvent? {
        if case .event(let event) = subscription.take() { event } else { nil }
    }

    /// Sets what is called when there is something to take, on any thread, with no lock of the library's held.
    package func onChange(_ action: @escaping @Sendable () -> Void) {
        calls.discard { calls in
            defer { calls.onChange = action }
            return calls.onChange
        }
    }

    // MARK: wake-ups

    /// Reads the bridge, on behalf of all that wait.
    private func deliverPending() {
        if bridge.collectPending() { calls.withLock { $0.onChange }?() }
    }

    private func leave(_ blocks: Bool) {
        if blocks { calls.withLock { $0.blocked -= 1 } }
        passOnWakeups()
    }

    /// This thread has read the bridge, and so has taken away what would wake the threads that wait. If one of them has
    /// something to do, it must look.
    private func passOnWakeups() {
        let (blocked, wakes) = calls.withLock { ($0.blocked, $0.wakes) }
        if blocked > 0, wakes > 0 || subscription.isReady { bridge.wake() }
    }
}
