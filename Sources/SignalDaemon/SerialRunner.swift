import SignalBridge
import Dispatch

/// Handles items in their order and one at a time: on a thread of its own, so that what hangs there holds up nobody else;
/// or, in a simulation, on the thread that brought them, once it has released its locks.
final class SerialRunner<Item: Sendable>: Sendable {
    private struct State {
        var items: [Item] = []
        var isRunning = false
        var isStopped = false
        var appended = 0
        var handled = 0
        var waiting: [(until: Int, semaphore: DispatchSemaphore)] = []
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
                while let items = next() {
                    for item in items { handle(item) }
                }
                if state.withLock({ $0.isStopped && $0.items.isEmpty }) { return }
            }
        }
    }

    /// May be called under a lock: nothing is handled here.
    func append(_ item: Item) {
        state.withLock { state in
            if state.isStopped { return }
            state.items.append(item)
            state.appended += 1
        }
        bell?.signal()
    }

    /// The thread ends when it has handled everything.
    func stop() {
        state.withLock { $0.isStopped = true }
        bell?.signal()
    }

    /// Called when the locks are released. If another thread is at it, this one may wait until its own are handled: whoever
    /// sends a simulated signal sees what it does. Nobody else waits: they may hold locks that the handler wants.
    func runIfInline(waits: Bool = false) {
        if bell != nil { return }
        var wait: DispatchSemaphore?
        let runs = state.withLock { state in
            if !state.isRunning {
                state.isRunning = true
                return true
            }
            // Who is called by a runner, of whatever daemon, waits for none: two could wait for each other.
            if waits, !Runners.areBelow, state.appended > state.handled {
                wait = DispatchSemaphore(value: 0)
                state.waiting.append((state.appended, wait!))
            }
            return false
        }
        wait?.wait()
        if runs { Runners.$areBelow.withValue(true) { run() } }
    }

    /// What others append meanwhile, and what the handler itself causes, is this one's work too.
    private func run() {
        while let items = next() {
            for item in items { handleAndTell(item) }
        }
    }

    private func handleAndTell(_ item: Item) {
        handle(item)
        let done = state.withLock { state in
            state.handled += 1
            defer { state.waiting.removeAll { $0.until <= state.handled } }
            return state.waiting.filter { $0.until <= state.handled }
        }
        for (_, semaphore) in done { semaphore.signal() }
    }

    private func next() -> [Item]? {
        state.withLock { state in
            state.isRunning = !state.items.isEmpty
            defer { state.items = [] }
            return state.isRunning ? state.items : nil
        }
    }
}

private enum Runners {
    /// Whether this thread is inside of a runner.
    @TaskLocal static var areBelow = false
}
