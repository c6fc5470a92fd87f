/// Whether a thread is inside `sigwait(3)` or one of its relatives, all of which are `rt_sigtimedwait(2)`.
enum SignalWait: Hashable, Sendable {
    /// It is not.
    case none
    /// It waits for these signals. The kernel unblocks them in the thread as long as it waits.
    case signals(SignalSet)
    /// It waits, but the kernel does not show for which signals.
    case unknownSignals
    /// The kernel does not show whether it waits.
    case unreadable
}
