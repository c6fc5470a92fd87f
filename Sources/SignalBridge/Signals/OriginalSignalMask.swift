import CSignalShim

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Runs `body` while the calling thread has the signal mask with which the process started, for a child that is spawned
/// in it.
///
/// A child inherits the mask of the thread that spawns it, through `exec` too. Dispatch's threads, on which tasks run,
/// block nearly every signal on Linux: so a child that a task starts with Foundation's `Process` or with
/// `posix_spawn(3)` cannot be ended by SIGTERM, nor interrupted with Ctrl-C. In this scope it can:
///
/// ```swift
/// let process = Process()
/// process.executableURL = URL(fileURLWithPath: "/bin/sleep")
/// process.arguments = ["600"]
/// try withOriginalSignalMask { try process.run() }
/// process.terminate()  // SIGTERM: from a task, without the scope, it would not end
/// process.waitUntilExit()
/// ```
///
/// The same goes for `popen(3)`, `system(3)`, and a C library that starts children. Where this thread has blocked
/// signals itself, or they are blocked for a ``SignalLoop`` over signalfd, the child has none of that either. What comes
/// to the thread meanwhile is delivered to subscribers as ever; a signal that the program blocks for a purpose of its
/// own, with no subscription, then meets its disposition. May be nested. On any thread; the mask is put back when `body`
/// returns or throws.
///
/// - Parameter body: what spawns.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; ``SignalBridgeError`` before `body` is called, if the system refuses (in a child of
///   `vfork(2)`).
public func withOriginalSignalMask<Result>(_ body: () throws -> Result) throws -> Result {
    var spawn = csigshim_spawn()
    guard csigshim_spawn_begin(&spawn, UInt32(CSIGSHIM_SPAWN_ORIGINAL)) == 0 else {
        throw SignalBridgeError.systemCall("csigshim_spawn_begin", nil, errno)
    }
    defer { csigshim_spawn_end(&spawn) }
    return try body()
}
