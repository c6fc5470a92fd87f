// A loop as the source of subscriptions, and how it gets their signals.
import CSignalShim

extension SignalLoop {
    /// How a loop gets its signals from the kernel.
    public struct Mechanism: Hashable, Sendable {
        let rawValue: Int32

        /// A signal handler, in C, that records the signal. Works in every program.
        public static let handler = Mechanism(rawValue: Int32(CSIGSHIM_HANDLER))

        /// `signalfd(2)`, on Linux, for a program that has its threads' signal masks in hand: subscribing blocks the signal
        /// in the calling thread, so do it on the loop's thread and before there are others, which inherit that. Signals
        /// wait in the kernel until the loop reads them: no handler runs, no system call of the program is interrupted, and
        /// a sender of realtime signals is told when there is no more room there (`EAGAIN`).
        ///
        /// ```swift
        /// let loop = try SignalLoop(mechanism: .signalfd)
        /// let events = try SignalEvents(.sigusr1, .sigterm, loop: loop)  // blocks them in this thread, and in those it starts
        ///
        /// try loop.run {
        ///     for await event in events {
        ///         if event.signal == .sigterm { break }
        ///         print("\(event), from the kernel's own queue")
        ///     }
        /// }
        /// ```
        ///
        /// A signal that reaches a thread which does not block it all the same is recorded by a handler, and read like any
        /// other. `.chain` and `escalateAfterUnread` need a handler: ``SignalBridgeError/Code/unsupported``. A signal has one such
        /// subscriber, and no subscriber of the other kind beside it: ``SignalBridgeError/Code/signalInUse``. (On one loop,
        /// several subscriptions may have it.) A subscription that ends on another thread leaves the
        /// signal blocked in the one that made it, for good: end it on the loop. The kernel merges standard signals that
        /// are unread, whatever `.everyDelivery` says. Do not use it with `dispatchMain()`.
        public static let signalfd = Mechanism(rawValue: Int32(CSIGSHIM_SIGNALFD))
    }
}

/// A source that keeps its loop, and leaves no wake-up taken away.
extension SignalLoop: SignalSource {
    package func subscribe(_ mailbox: Mailbox) throws(SignalBridgeError) -> Set<SignalNumber> {
        defer { wakeAgain() }
        return try source.subscribe(mailbox)
    }

    package func unsubscribe(_ mailbox: Mailbox) {
        source.unsubscribe(mailbox)
        wakeAgain()
    }

    package func consumed(_ signal: SignalNumber) { source.consumed(signal) }
    package func notice(_ time: UInt64) { source.notice(time) }
    package var noticed: UInt64? { source.noticed }
    package func resend(_ signal: SignalNumber, count: Int, chained: Bool) {
        source.resend(signal, count: count, chained: chained)
    }

    private func wakeAgain() {
        if source.isInItsProcess, !isHere, queue.withLock({ $0.isAttended }) { wake() }
    }

    /// What the loop's mechanism cannot do.
    fileprivate func check(_ options: SignalOptions, escalates: Bool) throws(SignalBridgeError) {
        guard mechanism == .signalfd else { return }
        if options.contains(.chain) { throw .needsHandler(".chain") }
        if escalates { throw .needsHandler("escalateAfterUnread") }
    }
}

/// Where a subscription on a loop listens, or on none.
func currentSource(
    on loop: SignalLoop?, _ options: SignalOptions, escalates: Bool
) throws(SignalBridgeError) -> any SignalSource {
    try loop?.check(options, escalates: escalates)
    if SignalSimulator.current == nil, let loop { return loop }
    return currentSource()
}
