import CSignalShim

extension SignalLoop {
    /// The mechanism by which a loop gets its signals from the kernel.
    public struct Mechanism: Hashable, Sendable {
        let rawValue: Int32

        /// A signal handler, in C, that records the signal. It works in every program.
        public static let handler = Mechanism(rawValue: Int32(CSIGSHIM_HANDLER))

        /// `signalfd(2)`, on Linux, for a program that controls the signal masks of its threads. Subscribing blocks the
        /// signal in the calling thread. So subscribe on the loop's thread before there are others, which then inherit
        /// the mask. Signals wait in the kernel until the loop reads them. No handler runs, and no system call of the
        /// program is interrupted. A sender of realtime signals gets `EAGAIN` when the kernel's queue is full.
        ///
        /// If a thread does not block the signal, a handler records what reaches that thread, and the loop reads it
        /// like any other. `.chain` and `escalateAfterUnread` need a handler: ``SignalBridgeError/Code/unsupported``. A
        /// signal can have subscriptions on only one such loop, and none of the other mechanism:
        /// ``SignalBridgeError/Code/signalInUse``. A subscription that ends on another thread leaves the signal blocked
        /// in the thread that made it, so end it on the loop. The kernel coalesces unread standard signals, even with
        /// `.everyDelivery`. Do not use it with `dispatchMain()`.
        public static let signalfd = Mechanism(rawValue: Int32(CSIGSHIM_SIGNALFD))
    }
}
