import CSignalShim
import Dispatch

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Signals for a thread that waits: no Swift concurrency, no Dispatch, no thread but the caller's, no CPU while nothing
/// comes.
///
/// ```swift
/// let waiter = try SignalWaiter(.sigint, .sigterm)  // before the threads: nothing is lost from here on
/// let stop = Flag()
/// let worker = Thread {
///     while !stop.value { Thread.sleep(forTimeInterval: 0.01) }
///     print("worker: done")
/// }
/// worker.start()
///
/// if let event = waiter.next() {  // sleeps, and takes no CPU
///     print("main: \(event)")
/// }
/// stop.value = true
/// while !worker.isFinished { Thread.sleep(forTimeInterval: 0.01) }
/// ```
///
/// Subscribed for its whole life, so nothing is lost between two calls of ``next(timeout:)``. Each waiter has a bridge of
/// its own (a pipe and at most 1.2 MiB of buffer); a process has 64 bridges. What was said of merging at ``SignalEvents`` holds here too.
///
/// Somewhere in the process, a thread must not block the signal: the one that waits will do.
public final class SignalWaiter: Sendable {
    private let handle: SubscriptionHandle
    private let parking: Parking
    private let calls = Lock(Calls())

    private struct Calls {
        var wakes = 0
        var waiting = 0
    }

    /// Subscribes to at least one signal.
    ///
    /// - Throws: ``SignalBridgeError``; then nothing was subscribed to. errno `ENOSPC`: more than 64 bridges; `EMFILE`:
    ///   no descriptors left.
    public convenience init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = [], escalateAfterUnread: Int? = nil
    ) throws(SignalBridgeError) {
        try self.init([first] + rest, options: options, escalateAfterUnread: escalateAfterUnread)
    }

    /// The same for a collection of signals.
    public init(
        _ signals: some Collection<SignalNumber>, options: SignalOptions = [], escalateAfterUnread: Int? = nil
    ) throws(SignalBridgeError) {
        let mailbox = try Mailbox(signals, options, escalateAfterUnread: escalateAfterUnread)
        if let simulator = SignalSimulator.current {
            let semaphore = DispatchSemaphore(value: 0)
            handle = try SubscriptionHandle(mailbox, on: simulator)
            parking = .simulated(simulator, semaphore)
            mailbox.onChange { semaphore.signal() }
        } else {
            let source = BridgeSource()
            handle = try SubscriptionHandle(mailbox, on: source)
            parking = .bridge(source)
        }
    }

    /// The signals that `.keepIgnored` left alone, because they were ignored. They give no events.
    public var signalsLeftIgnored: Set<SignalNumber> { handle.ignored }

    /// Sleeps until a signal comes, and returns its event. Several threads may wait; each event goes to one.
    ///
    /// - Parameter timeout: how long to wait; `nil`: for ever. Zero or less only looks.
    /// - Returns: `nil` after the timeout, after ``wake()`` and after ``cancel()``; and, after a pause of at most a second,
    ///   if this is a forked child that has not called ``resumeAfterFork()``, or, but on Linux, where a waiter needs none,
    ///   somebody closed its descriptor.
    @available(*, noasync, message: "it blocks the thread; use SignalEvents or nextSignal in asynchronous code")
    public func next(timeout: Duration? = nil) -> SignalEvent? {
        guard handle.isInItsProcess else {
            usleep(1_000_000)  // a loop must not spin on it
            return nil
        }
        let deadline = timeout.map { parking.now + min($0, .seconds(1 << 40)) }
        calls.withLock { $0.waiting += 1 }
        defer {
            // Whoever sleeps on while there is something must be told: this thread has read it for all of them.
            let others = calls.withLock { calls in
                calls.waiting -= 1
                return calls.waiting > 0
            }
            if others, handle.mailbox.isReady || calls.withLock({ $0.wakes > 0 }) { parking.wake() }
        }
        while true {
            if case .event(let event) = handle.take() { return event }
            parking.collect()
            switch handle.take() {
            case .event(let event): return event
            case .finished: return nil
            case .nothing: break
            }
            let woken = calls.withLock { calls in
                if calls.wakes == 0 { return false }
                calls.wakes -= 1
                return true
            }
            if woken || !parking.sleep(until: deadline) { return nil }
        }
    }

    /// Makes one call of ``next(timeout:)`` return `nil`: the one that waits, or else the next one. From any thread.
    public func wake() {
        guard handle.isInItsProcess else { return }
        calls.withLock { $0.wakes += 1 }
        parking.wake()
    }

    /// Ends the subscription, and restores what was there before. Calls that wait return `nil`, later ones too. From any
    /// thread; more than once is harmless.
    public func cancel() {
        guard handle.isInItsProcess else { return }
        handle.close()
        parking.wake()
    }

    /// In a child of `fork(2)`, before anything else of this object: makes it the child's own. Nothing from before the
    /// fork is seen. Until it is called, signals in the child do what they did before the waiter was made; so they do if
    /// it throws, and it may be called again.
    ///
    /// - Returns: `true` if the waiter is the child's own now. In the process that made the waiter it does nothing, and
    ///   returns `false`.
    @discardableResult
    public func resumeAfterFork() throws(SignalBridgeError) -> Bool {
        guard case .bridge(let source) = parking, !handle.isInItsProcess else { return false }
        calls.reinitializeAfterFork()
        calls.withLock { $0 = Calls() }
        handle.mailbox.reinitializeAfterFork()
        let isResumed = try source.resumeAfterFork()
        handle.adopt()  // not before: a call that was refused may be made again
        return isResumed
    }

    /// What the thread sleeps on.
    package enum Parking: Sendable {
        case bridge(BridgeSource)
        case simulated(SignalSimulator, DispatchSemaphore)

        var now: Duration {
            switch self {
            case .bridge: return monotonicNow()
            case .simulated(let simulator, _): return simulator.now
            }
        }

        /// Brings what was captured into the mailbox.
        package func collect() {
            if case .bridge(let source) = self { source.drain() }
        }

        /// `false`: the deadline has passed, or the bridge's descriptor is gone.
        package func sleep(until deadline: Duration?) -> Bool {
            let left = deadline.map { $0 - now }
            if let left, left <= .zero { return false }
            switch self {
            case .bridge(let source):
                guard let bridge = source.bridge else { return false }
                let longest = left.map { min($0, .milliseconds(1 << 30)) }
                let milliseconds = longest.map { Int32($0.roundedUpToMilliseconds) } ?? -1
                if csigshim_wait(bridge, milliseconds) >= 0 { return true }
                usleep(UInt32(min(999, milliseconds < 0 ? 999 : milliseconds)) * 1000)  // a loop must not spin on it
                return false
            case .simulated(_, let semaphore):
                _ = semaphore.wait(timeout: .now() + .milliseconds(10))  // looks again: the clock may have moved
                return true
            }
        }

        func wake() {
            switch self {
            case .bridge(let source): source.wake()
            case .simulated(_, let semaphore): semaphore.signal()
            }
        }
    }
}

/// `CLOCK_MONOTONIC`, the clock of ``SignalEvent/monotonicNanoseconds``.
package func monotonicNow() -> Duration {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
}

extension Duration {
    package var roundedUpToMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
