import Dispatch

/// A latch that opens once and stays open. Tasks and threads can wait for that.
package final class Latch: Sendable {
    private struct State {
        var isOpen = false
        var waiting = Numbered<@Sendable () -> Void>()
    }
    private let state: Lock<State>

    package init(isOpen: Bool = false) { state = Lock(State(isOpen: isOpen)) }

    package var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Opens the latch and wakes all waiters.
    package func open() {
        openDeferringWakeups()()
    }

    /// Opens the latch. Returns a closure that wakes all waiters, to be called when the caller holds no lock.
    package func openDeferringWakeups() -> @Sendable () -> Void {
        let waiting = state.withLock { state in
            state.isOpen = true
            return exchange(&state.waiting, with: Numbered()).values
        }
        return { for wake in waiting { wake() } }
    }

    /// Calls `wake` when the latch opens, or at once if it is open. The returned closure cancels that.
    @discardableResult
    package func onOpen(_ wake: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        let id = state.withLock { $0.isOpen ? nil : $0.waiting.add(wake) }
        guard let id else {
            wake()
            return {}
        }
        return { [self] in state.discard { $0.waiting.remove(id) } }
    }

    /// Suspends the task until the latch is open or the task is cancelled.
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

    /// Blocks the thread until this latch or the other one is open, or the timeout has passed, in a simulation by its clock.
    package func block(or other: Latch, timeout: Duration?) {
        let semaphore = DispatchSemaphore(value: 0)
        let forget = [onOpen { semaphore.signal() }, other.onOpen { semaphore.signal() }]
        defer { for forget in forget { forget() } }
        if let simulator = SignalSimulator.current {
            simulator.block(on: semaphore, until: timeout.map(simulator.time(after:)))
        } else {
            _ = semaphore.wait(timeout: timeout.map { .now() + $0.dispatchInterval } ?? .distantFuture)
        }
    }
}
