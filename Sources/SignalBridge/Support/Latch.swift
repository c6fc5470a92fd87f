import Dispatch

/// Opens once, and stays open. Tasks and threads wait for it.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [Int: @Sendable () -> Void] = [:]
        var lastID = 0
    }
    private let state = Lock(State())

    var isOpen: Bool { state.withLock { $0.isOpen } }

    func open() {
        claim()()
    }

    /// Opens it, and leaves it to the result to tell those who wait.
    func claim() -> @Sendable () -> Void {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return state.waiting.sorted { $0.key < $1.key }
        }
        return { for (_, wake) in waiting { wake() } }
    }

    /// Calls `wake` once it is open: now, if it is. The result takes that back.
    @discardableResult
    func onOpen(_ wake: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        let id: Int? = state.withLock { state in
            if state.isOpen { return nil }
            state.lastID += 1
            state.waiting[state.lastID] = wake
            return state.lastID
        }
        guard let id else {
            wake()
            return {}
        }
        return { [self] in
            let dropped = state.withLock { $0.waiting.removeValue(forKey: id) }
            _ = dropped  // released outside of the lock
        }
    }

    /// Returns when it is open, or the calling task is cancelled.
    func wait() async {
        let done = Gate()  // by whichever comes first
        let forget = onOpen { done.open() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                done.onOpen { continuation.resume() }
            }
        } onCancel: {
            done.open()
        }
        forget()
    }

    /// Blocks the thread until this or the other one is open, or the time is up: in a simulation, the simulated time.
    func block(or other: Gate, timeout: Duration?) {
        let semaphore = DispatchSemaphore(value: 0)
        let forget = [onOpen { semaphore.signal() }, other.onOpen { semaphore.signal() }]
        defer { for forget in forget { forget() } }
        if let simulator = SignalSimulator.current {
            let deadline = timeout.map { simulator.now + max(.zero, min($0, .seconds(1 << 40))) }
            simulator.block(on: semaphore, until: deadline)
        } else if let timeout {
            let nanoseconds = max(.zero, min(timeout, .seconds(1 << 30))).roundedUpToMilliseconds * 1_000_000
            _ = semaphore.wait(timeout: .now() + .nanoseconds(Int(nanoseconds)))
        } else {
            semaphore.wait()
        }
    }
}
