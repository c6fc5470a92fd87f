import Dispatch
import SignalBridge

/// Handles items in order and one at a time. It has its own thread, so that a stuck item delays no other thread. In a
/// simulation, the thread that appended the items handles them after it has released its locks.
final class SerialWorker<Item: Sendable>: Sendable {
    private struct State {
        /// `nil`: stopped, and all items handled. The handler may retain the daemon, and the daemon retains this
        /// worker.
        var handle: (@Sendable (Item) -> Void)?
        var items: [Item] = []
        /// The items that were taken together, the next one last.
        var batch: [Item] = []
        var isRunning = false
        var isStopped = false
        var appended = 0
        var handled = 0
        var waiting: [(until: Int, semaphore: DispatchSemaphore)] = []
        /// The number of the thread that handles items. An earlier thread that was stuck ends when it can.
        var thread = 0
        var relief: Duration?
    }
    private let state: Lock<State>
    private let wakeup: DispatchSemaphore?
    /// The time after which another thread handles the next items; `nil`: never.
    private let patience: Duration?

    init(
        isInline: Bool, patience: Duration? = nil, _ handle: @escaping @Sendable (Item) -> Void
    ) throws(SignalBridgeError) {
        state = Lock(State(handle: handle))
        self.patience = isInline ? nil : patience
        wakeup = isInline ? nil : DispatchSemaphore(value: 0)
        if !isInline { try start(0) }
    }

    private func start(_ thread: Int) throws(SignalBridgeError) {
        try startThread(mask: .all()) { [self] in
            if thread > 0, !takeOver(thread) { return }
            while state.withLock({ $0.thread == thread && $0.handle != nil }) {
                wakeup?.wait()
                handleAll(thread)
                releaseWhenDone()
            }
        }
    }

    /// Makes the new thread current; the one before it ends after its item. Returns `false` if that one has no item: it
    /// is not stuck, and handles the next items itself.
    private func takeOver(_ thread: Int) -> Bool {
        state.withLock { state in
            if state.thread != thread - 1 || !state.isRunning { return false }
            state.thread = thread
            return true
        }
    }

    /// Adds an item. May be called under a lock, because no item is handled here.
    func append(_ item: Item) {
        state.withLock { state in
            if state.isStopped { return }
            state.items.append(item)
            state.appended += 1
            if let patience, state.relief == nil { state.relief = monotonicNow() + patience }
        }
        wakeup?.signal()
    }

    /// Lets the thread end when it has handled all items. If it is in an item that may be stuck, another thread handles
    /// the rest, because no caller calls `relieve` any more.
    func stop() {
        let thread: Int? = state.withLock { state in
            state.isStopped = true
            let isHeldUp = patience != nil && state.isRunning && !(state.items.isEmpty && state.batch.isEmpty)
            return isHeldUp ? state.thread + 1 : nil
        }
        if let thread { try? start(thread) }
        if let wakeup { wakeup.signal() } else { releaseWhenDone() }
    }

    private func releaseWhenDone() {
        state.discard { state -> (@Sendable (Item) -> Void)? in
            guard state.isStopped, state.items.isEmpty, state.batch.isEmpty, !state.isRunning else { return nil }
            return exchange(&state.handle, with: nil)
        }
    }

    /// The time at which `relieve` must be called.
    var deadline: Duration? { state.withLock { $0.relief } }

    /// Starts another thread if an item has taken too long while others wait.
    func relieve(at now: Duration) {
        let thread: Int? = state.withLock { state in
            guard let patience, let due = state.relief, due <= now else { return nil }
            state.relief = state.items.isEmpty && state.batch.isEmpty ? nil : now + patience
            return state.relief == nil || !state.isRunning ? nil : state.thread + 1
        }
        guard let thread, (try? start(thread)) != nil else { return }  // else later: the old thread continues
        wakeup?.signal()
    }

    /// In a simulation, handles the appended items. Called when the locks are released.
    ///
    /// If another thread is handling items, a caller that may wait does so until its own are handled. So code that
    /// sends a simulated signal sees its effect. Other callers do not wait, because they may hold locks that the
    /// handler needs. A caller inside a worker of any daemon does not wait either, because two workers could wait for
    /// each other.
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
        if !runs { return }
        WorkerContext.$isInside.withValue(true) { handleAll(0) }
        releaseWhenDone()
    }

    /// Handles all items, including those that are appended meanwhile, by other threads or by the handler.
    private func handleAll(_ thread: Int) {
        while let (handle, item) = next(thread) {
            handle(item)
            let done = state.withLock { state in
                state.handled += 1
                defer { state.waiting.removeAll { $0.until <= state.handled } }
                return state.waiting.filter { $0.until <= state.handled }
            }
            for (_, semaphore) in done { semaphore.signal() }
        }
    }

    private func next(_ thread: Int) -> (handle: @Sendable (Item) -> Void, item: Item)? {
        state.withLock { state in
            if state.thread != thread { return nil }
            if state.batch.isEmpty {
                state.batch = state.items.reversed()
                state.items = []
            }
            guard let handle = state.handle, let item = state.batch.popLast() else {
                state.isRunning = false
                state.relief = nil
                return nil
            }
            state.isRunning = true
            state.relief = patience.map { monotonicNow() + $0 }
            return (handle, item)
        }
    }
}

private enum WorkerContext {
    /// Whether this thread is handling an item of a worker.
    @TaskLocal static var isInside = false
}
