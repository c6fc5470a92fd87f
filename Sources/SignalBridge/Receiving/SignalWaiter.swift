/// A subscription for a thread that blocks until a signal comes, without Swift concurrency or Dispatch. It uses no
/// other thread, and no CPU time while no signal comes.
///
/// ```swift
/// if let event = waiter.next() {  // sleeps, and takes no CPU
///     print("main: \(event)")
/// }
/// ```
///
/// Create it before other threads. It is subscribed for its lifetime, so no signal is lost between two calls of
/// ``next(timeout:)``. Signals are coalesced as ``SignalEvents`` does. Each waiter has its own bridge (a pipe and at
/// most 1.2 MB of buffer); a process has 64 bridges. At least one thread of the process must not block the signal; the
/// one that waits is enough. Callable from any thread. <doc:Choosing> shows a program.
public final class SignalWaiter: Sendable {
    private let bridge: any Waitable
    private let subscription: Subscription
    private let calls = Lock(Calls())

    /// The calls that wait, and the wake-ups that they have not consumed.
    private struct Calls {
        /// The number of calls that block.
        var blocked = 0
        /// The number of calls that `wake()` still makes return: those that block, and then later ones.
        var wakes = 0
        var onChange: (@Sendable () -> Void)?

        /// Whether the call is to return without an event. A call that does not block leaves a wake-up for each call
        /// that does.
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

    /// Subscribes to one or more signals. The parameters are those of ``SignalEvents``.
    ///
    /// - Throws: ``SignalBridgeError``; then nothing was subscribed to. errno `ENOSPC`: more than 64 bridges; `EMFILE`:
    ///   no descriptors left.
    public convenience init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], escalateAfterUnread: Int? = nil
    ) throws(SignalBridgeError) {
        try self.init([first] + rest, options: options, escalateAfterUnread: escalateAfterUnread)
    }

    /// Subscribes to a collection of signals. The rest is as with a list of signals.
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
    /// A signal that the waiter has is skipped, and keeps its limit; `escalateAfterUnread` applies to the others. When
    /// the call returns, the waiter has all of the signals, even if another thread added some of them. Calls of
    /// ``next(timeout:)`` that wait get their events.
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

    /// The signals that the waiter is, or was, subscribed to, without ``signalsLeftIgnored``.
    public var signals: Set<SignalNumber> { subscription.signals }

    /// The signals that `.keepIgnored` left ignored. They give no events.
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

    /// Makes one call of ``next(timeout:)`` return `nil`: a waiting call or, without one, the next. Callable from any
    /// thread.
    public func wake() {
        guard subscription.isInCreatingProcess else { return }
        calls.withLock { $0.wakes += 1 }
        bridge.wake()
    }

    /// Ends the subscription, and restores the earlier dispositions. All calls of ``next(timeout:)``, waiting and later
    /// ones, return `nil`. Callable from any thread, and more than once.
    public func cancel() {
        subscription.close()
    }

    // MARK: for SignalDaemon

    /// Opens the waiter's bridge before there are signals.
    package func prepare() throws(SignalBridgeError) { try bridge.prepareToWait() }

    /// Blocks until there is something to take, `wake()` is called, or the source's clock has come to the deadline.
    /// Then the captured events are in the buffer. With `ignoringEvents`, it does not return because of an event.
    package func wait(until deadline: Duration?, ignoringEvents: Bool = false) {
        guard subscription.isInCreatingProcess else { return pauseThread(milliseconds: 999) }
        calls.withLock { $0.blocked += 1 }
        defer { leave(true) }
        repeat {
            deliverPending()
        } while (ignoringEvents || !subscription.isReady) && !calls.withLock { $0.takeWake(blocks: true) }
            && bridge.wait(until: deadline)
    }

    /// Takes an event out of the buffer. It never blocks, and may be called under a lock. Events are in the order of
    /// their capture.
    package func take() -> SignalEvent? {
        if case .event(let event) = subscription.take() { event } else { nil }
    }

    /// Sets the closure that is called when there is something to take, on any thread, under no lock of the library.
    package func onChange(_ action: @escaping @Sendable () -> Void) {
        calls.discard { exchange(&$0.onChange, with: action) }
    }

    // MARK: wake-ups

    /// Reads the bridge, on behalf of all waiting calls.
    private func deliverPending() {
        if bridge.collectPending() { calls.withLock { $0.onChange }?() }
    }

    private func leave(_ blocks: Bool) {
        if blocks { calls.withLock { $0.blocked -= 1 } }
        passOnWakeups()
    }

    /// Wakes another waiting thread if there is something for it, because this thread has read the bridge for all of
    /// them.
    private func passOnWakeups() {
        let (blocked, wakes) = calls.withLock { ($0.blocked, $0.wakes) }
        if blocked > 0, wakes > 0 || subscription.isReady { bridge.wake() }
    }
}
