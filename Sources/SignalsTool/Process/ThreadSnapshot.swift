import SignalBridge

/// A snapshot of a thread from `/proc/PID/task`.
struct ThreadSnapshot: Hashable, Sendable {
    var id: Int32
    var name: String
    var state: RunState
    /// `SigBlk`: the signals that the thread blocks now. A call such as `ppoll(2)` has its own mask while it waits.
    var blocked: SignalSet
    /// `SigPnd`: the signals that are pending for this thread only.
    var pending: SignalSet
    var wait: SignalWait = .none
    /// The kernel function in which the thread sleeps, where the kernel shows it.
    var kernelFunction: String?

    /// Whether the thread is known to wait for the signal in `sigwait(3)`.
    func waits(for signal: SignalNumber) -> Bool {
        if case .signals(let signals) = wait { signals.contains(signal) } else { false }
    }
}
