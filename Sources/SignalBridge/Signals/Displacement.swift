import CSignalShim

extension SignalNumber {
    /// Whether other code has replaced the handler of a subscription: one system call, where ``SignalDiagnostics`` makes many.
    package var isDisplaced: Bool { csigshim_state(rawValue) == Int32(CSIGSHIM_DISPLACED) }
}

extension SignalEvent {
    /// An event of which other code has told no more than this.
    package static func withoutDetails(_ signal: SignalNumber, count: Int) -> SignalEvent {
        var raw = csigshim_event()
        raw.signo = signal.rawValue
        raw.count = UInt32(clamping: max(1, count))
        raw.flags = UInt32(CSIGSHIM_DETAILS_DROPPED)
        raw.time_ns = monotonicNow().clampedNanoseconds
        return SignalEvent(raw)
    }
}
