import Dispatch

/// Opens once, and stays open. Tasks and threads wait for it.
package final class Latch: Sendable {
    package init() {}

    private struct State {
        package var isOpen = false
        var waiting: [Int: @Sendable () -> Void] = [:]
        var lastID = 0
    }
    private let state = Lock(State())

    package var isOpen: Bool { state.withLock { $0.isOpen } }

    package func open() {
        claim()()
    }

    /// Opens it, and leaves it to the result to tell those who wait.
    package func claim() -> @Sendable () -> Void {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return state.waiting.sorted { $0.key < $1.key }
        }
        return { for (_, wake) in waiting { wake() } }
    }

    /// Calls `wake` once it is open: now, if it is. The result takes that back.
    @discardableResult
    package func onOpen(_ wake: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
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
    package func wait() async {
        let done = Latch()  // by whichever comes first
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
    package func block(or other: Latch, timeout: Duration?) {
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
