import CSignalShim

// The C library, whose module has another name on each system, and wrappers for the functions that this module needs.
#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The error codes of `errno(3)` that this module tells apart.
enum Errno {
    static let badDescriptor = EBADF
    static let busy = EBUSY
    static let notFound = ENOENT
    static let notPermitted = EPERM
    static let noSpace = ENOSPC
    static let notSupported = ENOTSUP
    static let tooManyFiles = EMFILE
    static let tooManyFilesInSystem = ENFILE

    /// The code of the C function that failed last on this thread.
    static var last: Int32 { errno }

    /// The text of `strerror(3)`.
    static func describe(_ code: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            strerror_r(code, buffer.baseAddress!, buffer.count) == 0
                ? String(cString: buffer.baseAddress!) : "errno \(code)"
        }
    }
}

/// The first and the last realtime signal, if the system has any. The C library reserves some of the kernel's, so the
/// range is known at run time only.
let realtimeSignals: ClosedRange<Int32>? = {
    #if canImport(Glibc) || canImport(Musl)
        return __libc_current_sigrtmin()...__libc_current_sigrtmax()
    #else
        return nil
    #endif
}()

/// Sends a signal by `kill(2)`, or with a value by `sigqueue(3)`. Returns 0 or an errno code.
func sendSignal(_ number: Int32, to process: pid_t, value: Int?) -> Int32 {
    guard let value else { return kill(process, number) == 0 ? 0 : errno }
    #if canImport(Glibc) || canImport(Musl)
        var payload = sigval()
        payload.sival_ptr = UnsafeMutableRawPointer(bitPattern: value)
        return sigqueue(process, number, payload) == 0 ? 0 : errno
    #else
        return ENOTSUP
    #endif
}

/// The pid of the calling process, as a rule without a system call.
func currentProcessID() -> pid_t {
    let owner = csigshim_owner()
    return owner != 0 ? owner : getpid()
}

func currentProcessGroup() -> pid_t { getpgrp() }

func currentUserID() -> uid_t { getuid() }

/// `_exit(2)`: ends the process at once, without `atexit(3)` functions and without a flush.
package func exitImmediately(_ code: Int32) -> Never { _exit(code) }

/// Flushes C's streams. Blocks while another thread is inside one of them.
package func flushStreams() { fflush(nil) }

/// Blocks the thread for a fixed time of at most a second.
func pauseThread(milliseconds: Int32) { usleep(UInt32(max(0, min(milliseconds, 999))) * 1000) }

/// The time of `CLOCK_MONOTONIC`, in nanoseconds.
func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// A number of the calling thread, never 0, that no other running thread has.
func currentThread() -> UInt {
    #if canImport(Glibc)
        pthread_self()
    #else
        UInt(bitPattern: pthread_self())
    #endif
}

/// A value that a `pthread_mutex_t` guards. The thread sanitizer does not understand `Synchronization.Mutex`.
///
/// No user code runs under the lock: no continuation is resumed, no closure is called, and no value is released whose
/// deinitializer could be user code.
package final class Lock<State>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// A pointer, because the mutex makes the exclusivity check of each access unnecessary.
    private let state = UnsafeMutablePointer<State>.allocate(capacity: 1)

    package init(_ state: State) {
        pthread_mutex_init(mutex, nil)
        self.state.initialize(to: state)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    package func withLock<Result, Failure>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state.pointee)
    }

    /// Takes values out of the state under the lock, and releases them when the lock is free again.
    package func discard(_ takeOut: (inout State) -> some Any) {
        _ = withLock(takeOut)
    }
}

/// Runs `body` on a new detached thread: `pthread_create(3)`.
///
/// - Parameter mask: the signal mask of the thread; `nil`: the caller's.
/// - Throws: ``SignalBridgeError`` if the system refuses.
package func startThread(
    mask: SignalMask? = nil, _ body: @escaping @Sendable () -> Void
) throws(SignalBridgeError) {
    final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let start = Unmanaged.passRetained(
        Start {
            mask?.apply()
            body()
        })
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    #if canImport(Darwin)
        var thread: pthread_t?
    #else
        var thread = pthread_t()
    #endif
    let failure = pthread_create(
        &thread, &attributes,
        { start in
            let start: UnsafeMutableRawPointer? = start  // on Darwin it is not optional
            Unmanaged<Start>.fromOpaque(start!).takeRetainedValue().body()
            return nil
        }, start.toOpaque())
    if failure == 0 { return }
    start.release()
    throw .systemCall("pthread_create", nil, failure)
}
