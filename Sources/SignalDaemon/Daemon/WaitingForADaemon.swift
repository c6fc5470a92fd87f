import SignalBridge

extension SignalSimulator {
    /// Returns once a daemon in this simulation has called ``Daemon/notifyReady()``: what its body registers before that is then
    /// in place.
    ///
    /// - Returns: `false` if the daemon ended before, or the calling task was cancelled.
    @discardableResult
    public func waitUntilReady() async -> Bool {
        let either = Latch()
        let forget = [ready, ended].map { $0.onOpen { either.open() } }
        await either.wait()
        for forget in forget { forget() }
        return ready.isOpen
    }
}
