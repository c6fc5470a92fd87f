import CSignalShim

/// Runs `body` while the calling thread has the signal mask with which the process started, so that a child which `body`
/// spawns gets that mask.
///
/// A child inherits the mask of the thread that spawns it, through `exec` too. Dispatch's threads, on which tasks run,
/// block nearly every signal on Linux. So SIGTERM does not end a child that a task started with Foundation's `Process`,
/// `posix_spawn(3)` or `popen(3)`, and Ctrl-C does not interrupt it. In this scope they do: <doc:Children> has an
/// example.
///
/// The child does not inherit the signals that this thread blocks, or that a ``SignalLoop`` over signalfd blocks.
/// Subscribers still get their signals. A pending signal that the program blocks on purpose meets its disposition.
/// Callable on any thread; scopes may be nested.
///
/// - Parameter body: code that spawns.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws; or ``SignalBridgeError``, before `body` is called, if the system refuses (in a child of
///   `vfork(2)`).
public func withOriginalSignalMask<Result>(_ body: () throws -> Result) throws -> Result {
    var spawn = csigshim_spawn()
    guard csigshim_spawn_begin(&spawn, UInt32(CSIGSHIM_SPAWN_ORIGINAL)) == 0 else {
        throw SignalBridgeError.systemCall("csigshim_spawn_begin", nil, Errno.last)
    }
    defer { csigshim_spawn_end(&spawn) }
    return try body()
}
