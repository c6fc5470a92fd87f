/// Whether a thread is inside `sigwait(3)` or a similar function, all of which call `rt_sigtimedwait(2)`.
enum SignalWait: Hashable, Sendable {
    /// The thread is in no such call.
    case none
    /// The thread waits for these signals. The kernel unblocks them in the thread while it waits.
    case signals(SignalSet)
    /// The thread waits, but the kernel does not show for which signals.
    case unknownSignals
    /// The kernel does not show whether the thread waits.
    case unreadable
}
