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
        var woken = false
        var waiting = 0
    }

    /// Subscribes to at least one signal.
    ///
    /// - Throws: ``SignalBridgeError``; then nothing was subscribed to. errno `ENOSPC`: more than 64 bridges; `EMFILE`:
    ///   no descriptors left.
    public convenience init(
        _ first: SignalNumber, _ rest: SignalNumber..., options: SignalOptions = []
    ) throws(SignalBridgeError) {
        try self.init([first] + rest, options: options)
    }

    /// The same for a collection of signals.
    public init(_ signals: some Collection<SignalNumber>, options: SignalOptions = []) throws(SignalBridgeError) {
        let mailbox = try Mailbox(signals, options)
        if let simulator = SignalSimulator.current {
            let semaphore = DispatchSemaphore(value: 0)
            handle = try SubscriptionHandle(mailbox, on: simulator)
            parking = .simulated(simulator, semaphore)
            mailbox.onChange { semaphore.signal() }
        } else {
            let source = BridgeSource(readByDispatch: false)
            handle = try SubscriptionHandle(mailbox, on: source)
            parking = .bridge(source)
        }
    }

    /// The signals that `.keepIgnored` left alone, because they were ignored. They give no events.
    public var ignoredSignals: Set<SignalNumber> { handle.ignored }

    /// Sleeps until a signal comes, and returns its event. Several threads may wait; each event goes to one.
    ///
    /// - Parameter timeout: how long to wait; `nil`: for ever. Zero or less only looks.
    /// - Returns: `nil` after the timeout, after ``wake()`` and after ``cancel()``.
    @available(*, noasync, message: "it blocks the thread; use SignalEvents or nextSignal in asynchronous code")
    public func next(timeout: Duration? = nil) -> SignalEvent? {
        let deadline = timeout.map { parking.now + $0 }
        calls.withLock { $0.waiting += 1 }
        defer {
            // Whoever sleeps on while there is something must be told: this thread has read it for all of them.
            let others = calls.withLock { calls in
                calls.waiting -= 1
                return calls.waiting > 0
            }
            if others, handle.mailbox.isReady || calls.withLock({ $0.woken }) { parking.wake() }
        }
        while true {
            parking.collect()
            switch handle.take() {
            case .event(let event): return event
            case .finished: return nil
            case .nothing: break
            }
            let woken = calls.withLock { calls in
                defer { calls.woken = false }
                return calls.woken
            }
            if woken || !parking.sleep(until: deadline) { return nil }
        }
    }

    /// Makes one call of ``next(timeout:)`` return `nil`: the one that waits, or else the next one. From any thread.
    public func wake() {
        calls.withLock { $0.woken = true }
        parking.wake()
    }

    /// Ends the subscription, and restores what was there before. Calls that wait return `nil`, later ones too. From any
    /// thread; more than once is harmless.
    public func cancel() {
        handle.close()
        parking.wake()
    }

    /// In a child of `fork(2)`, before anything else of this object: makes it the child's own. Nothing from before the
    /// fork is seen. Until it is called, signals in the child do what they did before the waiter was made.
    ///
    /// - Returns: `true` if the bridge got new descriptors, because the old ones were closed.
    @discardableResult
    public func resumeAfterFork() throws(SignalBridgeError) -> Bool {
        guard case .bridge(let source) = parking else { return false }
        calls.reinitializeAfterFork()
        calls.withLock { $0 = Calls() }
        handle.mailbox.reinitializeAfterFork()
        return try source.resumeAfterFork()
    }

    /// What the thread sleeps on.
    private enum Parking: Sendable {
        case bridge(BridgeSource)
        case simulated(SignalSimulator, DispatchSemaphore)

        var now: Duration {
            switch self {
            case .bridge: return monotonicNow()
            case .simulated(let simulator, _): return simulator.now
            }
        }

        /// Brings what was captured into the mailbox.
        func collect() {
            if case .bridge(let source) = self { source.drain() }
        }

        /// `false`: the deadline has passed, or the bridge's descriptor is gone.
        func sleep(until deadline: Duration?) -> Bool {
            let left = deadline.map { $0 - now }
            if let left, left <= .zero { return false }
            switch self {
            case .bridge(let source):
                guard let bridge = source.bridge else { return false }
                let milliseconds = left.map { min($0.roundedUpToMilliseconds, 1 << 30) } ?? -1
                return csigshim_wait(bridge, Int32(milliseconds)) >= 0
            case .simulated(let simulator, let semaphore):
                simulator.onAdvance(semaphore)
                semaphore.wait()
                return true
            }
        }

        func wake() {
            switch self {
            case .bridge(let source): if let bridge = source.bridge { csigshim_wake(bridge) }
            case .simulated(_, let semaphore): semaphore.signal()
            }
        }
    }
}

/// `CLOCK_MONOTONIC`, the clock of ``SignalEvent/monotonicNanoseconds``.
func monotonicNow() -> Duration {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
}

extension Duration {
    var roundedUpToMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.multipliedReportingOverflow(by: 1000).overflow
            ? .max : seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
