import CSignalShim

/// The signals that a thread blocks: `pthread_sigmask(3)`.
package struct SignalMask: @unchecked Sendable {
    private var set = sigset_t()

    /// A mask that blocks every signal except these and the synchronous faults, because a blocked fault kills the
    /// process without the crash reporter.
    package static func all(but signals: Set<SignalNumber> = []) -> SignalMask {
        var mask = SignalMask()
        sigfillset(&mask.set)
        let faults: [SignalNumber] = [.sigill, .sigtrap, .sigabrt, .sigbus, .sigfpe, .sigsegv, .sigsys]
        for signal in signals.union(faults) { sigdelset(&mask.set, signal.rawValue) }
        return mask
    }

    /// Gives the calling thread this mask.
    package func apply() {
        var set = set
        pthread_sigmask(SIG_SETMASK, &set, nil)
    }
}
