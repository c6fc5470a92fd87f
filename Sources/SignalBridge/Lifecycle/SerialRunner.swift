import Dispatch

/// Handles items in their order and one at a time: on a thread of its own, so that what hangs there holds up nobody else;
/// or, in a simulation, on the thread that brought them, once it has released its locks.
final class SerialRunner<Item: Sendable>: Sendable {
    private struct State {
        var items: [Item] = []
        var isRunning = false
        var isStopped = false
    }
    private let state = Lock(State())
    private let bell: DispatchSemaphore?
    private let handle: @Sendable (Item) -> Void

    init(isInline: Bool, _ handle: @escaping @Sendable (Item) -> Void) throws(SignalBridgeError) {
        self.handle = handle
        bell = isInline ? nil : DispatchSemaphore(value: 0)
        guard let bell else { return }
        try startThread(mask: .all()) { [self] in
            while true {
                bell.wait()
                run()
                if state.withLock({ $0.isStopped && $0.items.isEmpty }) { return }
            }
        }
    }

    /// May be called under a lock: nothing is handled here.
    func append(_ item: Item) {
        state.withLock { if !$0.isStopped { $0.items.append(item) } }
        bell?.signal()
    }

    /// Called when the locks are released.
    func runIfInline() {
        if bell == nil { run() }
    }

    /// The thread ends when it has handled everything.
    func stop() {
        state.withLock { $0.isStopped = true }
        bell?.signal()
    }

    /// What others append meanwhile, and what the handler itself causes, is this one's work too.
    private func run() {
        let isMine = state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard isMine else { return }
        while let item = next() { handle(item) }
    }

    private func next() -> Item? {
        state.withLock { state in
            if state.items.isEmpty {
                state.isRunning = false
                return nil
            }
            return state.items.removeFirst()
        }
    }
}
