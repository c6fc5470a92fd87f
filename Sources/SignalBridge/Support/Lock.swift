/// A value behind a `pthread_mutex_t`. It is not `Synchronization.Mutex`, which the thread sanitizer does not understand.
///
/// Under the lock no code of the user runs: no continuation is resumed, no closure is called, and no value is released
/// whose deinitializer could be the user's.
package final class Lock<State>: @unchecked Sendable {
    private let mutex = PthreadMutex()
    /// A pointer, because the mutex makes the exclusivity check of each access unnecessary.
    private let state: UnsafeMutablePointer<State>

    package init(_ state: State) {
        self.state = .allocate(capacity: 1)
        self.state.initialize(to: state)
    }

    deinit {
        mutex.destroy()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    package func withLock<Result, Failure>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
        mutex.lock()
        defer { mutex.unlock() }
        return try body(&state.pointee)
    }

    /// Takes values out of the state under the lock, and releases them when the lock is free again.
    package func discard(_ takeOut: (inout State) -> some Any) {
        _ = withLock(takeOut)
    }
}
