import SignalBridge

extension SignalSimulator {
    /// Returns when a daemon in this simulation has called ``Daemon/notifyReady()``. Everything that its body
    /// registered before is then in place.
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
