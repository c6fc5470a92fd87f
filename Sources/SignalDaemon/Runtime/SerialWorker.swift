import Dispatch
import SignalBridge

/// Handles items in order and one at a time: on a thread of its own, so that an item that hangs holds up nothing else; or, in
/// a simulation, on the thread that brought them, once that has released its locks.
final class SerialWorker<Item: Sendable>: Sendable {
    private struct State {
        var items: [Item] = []
        var isRunning = false
        var isStopped = false
        var appended = 0
        var handled = 0
        var waiting: [(until: Int, semaphore: DispatchSemaphore)] = []
    }
    private let state = Lock(State())
    private let wakeup: DispatchSemaphore?
    private let handle: @Sendable (Item) -> Void

    init(isInline: Bool, _ handle: @escaping @Sendable (Item) -> Void) throws(SignalBridgeError) {
        self.handle = handle
        wakeup = isInline ? nil : DispatchSemaphore(value: 0)
        guard let wakeup else { return }
        try startThread(mask: .all()) { [self] in
            while true {
                wakeup.wait()
                handleAll()
                if state.withLock({ $0.isStopped && $0.items.isEmpty }) { return }
            }
        }
    }

    /// Adds an item. May be called under a lock, because nothing is handled here.
    func append(_ item: Item) {
        state.withLock { state in
            if state.isStopped { return }
            state.items.append(item)
            state.appended += 1
        }
        wakeup?.signal()
    }

    /// Lets the thread end when it has handled everything.
    func stop() {
        state.withLock { $0.isStopped = true }
        wakeup?.signal()
    }

    /// In a simulation, handles what was appended. Called when the locks are released.
    ///
    /// If another thread is handling items, the caller may wait until its own are handled: so whoever sends a simulated signal
    /// sees its effect. No other caller waits, because it may hold locks that the handler needs. Nor does a caller that is
    /// itself called by a worker, of whatever daemon: two could wait for each other.
    func runInline(waits: Bool = false) {
        if wakeup != nil { return }
        var wait: DispatchSemaphore?
        let runs = state.withLock { state in
            if !state.isRunning {
                state.isRunning = true
                return true
            }
            if waits, !WorkerContext.isInside, state.appended > state.handled {
                wait = DispatchSemaphore(value: 0)
                state.waiting.append((state.appended, wait!))
            }
            return false
        }
        wait?.wait()
        if runs { WorkerContext.$isInside.withValue(true) { handleAll() } }
    }

    /// Handles what is there, what others append meanwhile, and what the handler itself causes.
    private func handleAll() {
        while let items = nextItems() {
            for item in items {
                handle(item)
                let done = state.withLock { state in
                    state.handled += 1
                    defer { state.waiting.removeAll { $0.until <= state.handled } }
                    return state.waiting.filter { $0.until <= state.handled }
                }
                for (_, semaphore) in done { semaphore.signal() }
            }
        }
    }

    private func nextItems() -> [Item]? {
        state.withLock { state in
            state.isRunning = !state.items.isEmpty
            defer { state.items = [] }
            return state.isRunning ? state.items : nil
        }
    }
}

private enum WorkerContext {
    /// Whether this thread handles an item of a worker.
    @TaskLocal static var isInside = false
}
