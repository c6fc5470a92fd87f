import SignalBridge

/// Tasks that wait for the end of a reload: `Daemon.reload()`.
final class ReloadRequest: Sendable {
    private let isDone = Latch()
    private let error = SharedValue<any Error>()

    func finish(_ error: (any Error)?) {
        self.error.current = error
        isDone.open()
    }

    func waitBlocking() throws {
        isDone.block(or: Latch(), timeout: nil)
        if let error = error.current { throw error }
    }

    func wait() async throws {
        await isDone.wait()
        try Task.checkCancellation()
        if let error = error.current { throw error }
    }
}
