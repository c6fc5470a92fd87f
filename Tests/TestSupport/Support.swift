// Shared by the tests. Every test of real signals is an exit test, which runs in a process of its own.
import Foundation
import SignalBridge
import Synchronization

/// The address of a function of C, in whatever the process has loaded. On macOS a null handle is no handle.
func function(_ name: String) -> UnsafeMutableRawPointer? { dlsym(dlopen(nil, RTLD_NOW), name) }

/// The thread sanitizer makes signals slow; floods are smaller under it.
package let underThreadSanitizer = function("__tsan_init") != nil

/// The address sanitizer keeps freed memory for a while.
package let underAddressSanitizer = function("__asan_init") != nil

package func flood(_ count: Int) -> Int { underThreadSanitizer ? count / 10 : count }

/// The time limit in seconds for anything that a test waits for, on two busy cores.
package let patience: Double = underThreadSanitizer || underAddressSanitizer ? 240 : 120

/// First line of an exit test: ends the process if the test hangs.
package func limit(to seconds: Double = patience) {
    Thread.detachNewThread {
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        Thread.sleep(forTimeInterval: seconds)
        _ = "a test hung for \(Int(seconds)) seconds\n".withCString { write(2, $0, strlen($0)) }
        _exit(99)
    }
}

/// fork(2), which Swift does not import: a child with one thread, where Dispatch and tasks are dead. Its exit status, or
/// the negative number of the signal that ended it.
package func forked(_ body: () -> Int32) -> Int32 {
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(function("fork"), to: Fork.self)
    let child = fork()
    if child == 0 {
        alarm(60)  // nothing else ends it if it hangs
        _exit(body())
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    return status & 0x7f != 0 ? -(status & 0x7f) : status >> 8 & 0xff
}

/// State behind a pthread mutex: the thread sanitizer does not understand `Synchronization.Mutex`.
package final class Shared<Value>: @unchecked Sendable {
    private let mutex = NSLock()
    private var value: Value

    package init(_ value: Value) { self.value = value }

    package func callAsFunction<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        mutex.lock()
        defer { mutex.unlock() }
        return try body(&value)
    }

    package var now: Value { self { $0 } }
}

/// Waits for something that happens soon, on a machine that may be slow.
package func eventually(within seconds: Double = patience / 2, _ condition: () -> Bool) async -> Bool {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while !condition() {
        if Date() > deadline { return false }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return true
}

/// Runs `body` on a thread that blocks no signal, as the cooperative pool's threads do.
package func startThread(_ body: @escaping @Sendable () -> Void) {
    Thread.detachNewThread {
        setMask([])
        body()
    }
}

/// The same, and waits for its result.
package func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        startThread { continuation.resume(returning: body()) }
    }
}

/// The same for code that may not await.
package func onThreadAndWait(_ body: @escaping @Sendable () -> Void) {
    let done = DispatchSemaphore(value: 0)
    startThread {
        body()
        done.signal()
    }
    done.wait()
}

/// Blocks exactly these signals in the calling thread.
package func setMask(_ signals: [SignalNumber]) {
    var mask = sigset_t()
    sigemptyset(&mask)
    for signal in signals { sigaddset(&mask, signal.rawValue) }
    pthread_sigmask(SIG_SETMASK, &mask, nil)
}

/// Each is delivered before this returns, to a thread of its own, so the kernel coalesces none of them.
package func deliver(_ signals: SignalNumber..., times: Int = 1) async {
    await onThread {
        for _ in 0..<times { for signal in signals { raise(signal.rawValue) } }
    }
}

#if os(Linux)
    /// `gettid(2)`, which Swift cannot call.
    package func threadID() -> pid_t {
        let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
        return link.flatMap { $0.split(separator: "/").last }.flatMap { pid_t($0) } ?? 0
    }
#endif

/// macOS has none, nor values of signals.
package let hasRealtimeSignals = SignalNumber.realtime(0).rawValue != Int32.max

/// macOS has one si_code for kill(2), pthread_kill(3) and the kernel, and names the process that happened to run.
package let hasExactCauses = hasRealtimeSignals

/// Each value is delivered, to a thread of its own, before the next is sent. For tests with realtime signals.
package func deliver(_ signal: SignalNumber, values: Range<Int>) async {
    await onThread {
        typealias Queue = @convention(c) (pthread_t, Int32, Int) -> Int32
        let queue = unsafeBitCast(function("pthread_sigqueue"), to: Queue.self)  // which Swift does not import
        for value in values {
            while queue(pthread_self(), signal.rawValue, value) != 0 { usleep(1000) }
            if underThreadSanitizer { usleep(1) }  // it runs handlers here, and coalesces two that wait
        }
    }
}

/// Delivers the signal again and again, until told to stop.
package func deliver(_ signal: SignalNumber, until stop: Shared<Bool>) async {
    await onThread {
        while !stop.now {
            raise(signal.rawValue)
            if underThreadSanitizer || underAddressSanitizer { usleep(200) }  // they make readers slower than this is
        }
    }
}

// MARK: dispositions

/// The fields of `struct sigaction` that the kernel keeps. The C library uses or ignores the other bytes.
package struct Action: Hashable {
    let handler: Int
    let flags: Int32
    let mask: [Int32]
}

package func action(of signal: SignalNumber) -> Action {
    var action = sigaction()
    sigaction(signal.rawValue, nil, &action)
    if underThreadSanitizer {  // which has its own flags and mask in between
        action.sa_flags = 0
        sigemptyset(&action.sa_mask)
    }
    #if os(Linux)
        let handler = unsafeBitCast(action.__sigaction_handler, to: Int.self)
        let flags = action.sa_flags & ~0x0400_0000  // SA_RESTORER
    #else
        let handler = unsafeBitCast(action.__sigaction_u, to: Int.self)
        let flags = action.sa_flags
    #endif
    return Action(handler: handler, flags: flags, mask: (1..<65).filter { sigismember(&action.sa_mask, $0) == 1 })
}

package func disposition(of signal: SignalNumber) -> SignalDisposition? { try? signal.disposition }

package typealias Handler = @convention(c) (Int32) -> Void

package func install(_ handler: Handler, for signal: SignalNumber, flags: Int32 = 0, mask: [SignalNumber] = []) {
    var action = sigaction()
    #if os(Linux)
        action.__sigaction_handler.sa_handler = handler
    #else
        action.__sigaction_u.__sa_handler = handler
    #endif
    action.sa_flags = flags
    for signal in mask { sigaddset(&action.sa_mask, signal.rawValue) }
    sigaction(signal.rawValue, &action, nil)
}

/// The number of signals that `countingHandler` has counted in this process.
package let handled = Atomic<Int>(0)
package var handledCount: Int { handled.load(ordering: .sequentiallyConsistent) }
package let countingHandler: Handler = { _ in handled.add(1, ordering: .sequentiallyConsistent) }
/// Another handler, so that two can be told apart.
package let otherHandler: Handler = { _ in }

/// Every signal that can be subscribed to.
package let catchable: [SignalNumber] = {
    let faults = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS]
    let numbers = (1..<32).filter { $0 != SIGKILL && $0 != SIGSTOP && !faults.contains($0) }
    #if os(Linux)
        return (numbers + Array(__libc_current_sigrtmin()...__libc_current_sigrtmax())).map(
            SignalNumber.init(rawValue:))
    #else
        return numbers.map(SignalNumber.init(rawValue:))
    #endif
}()

// MARK: other processes

/// A shell, with no signal blocked or ignored; in a process group of its own, if that is asked for.
package func spawnShell(_ script: String, ownGroup: Bool = false) -> pid_t {
    #if canImport(Darwin)
        var attributes: posix_spawnattr_t?
    #else
        var attributes = posix_spawnattr_t()
    #endif
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var flags = Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
    if ownGroup { flags |= Int16(POSIX_SPAWN_SETPGROUP) }  // setpgid(0, 0) in the child
    posix_spawnattr_setflags(&attributes, flags)
    let words = ["sh", "-c", script]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var child: pid_t = 0
    let failure = posix_spawn(&child, "/bin/sh", nil, &attributes, &arguments, environ)
    precondition(failure == 0, "posix_spawn: \(failure)")
    return child
}

package func reap(_ child: pid_t) {
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
}

extension SignalEvents {
    /// Consumes until the counts add up to `total`.
    package func collect(deliveries total: Int) async -> [SignalEvent] {
        var all: [SignalEvent] = []
        var sum = 0
        var iterator = makeAsyncIterator()
        while sum < total, let event = await iterator.next() {
            all.append(event)
            sum += event.count
        }
        return all
    }

    /// The events that are left after `finish()`.
    package func rest() async -> [SignalEvent] {
        var all: [SignalEvent] = []
        for await event in self { all.append(event) }
        return all
    }
}

extension [SignalEvent] {
    package var deliveries: Int { reduce(0) { $0 + $1.count } }
}

/// The error that a refused request throws.
package func refusal(_ body: () throws -> Void) -> SignalBridgeError? {
    do {
        try body()
        return nil
    } catch {
        return error as? SignalBridgeError
    }
}
