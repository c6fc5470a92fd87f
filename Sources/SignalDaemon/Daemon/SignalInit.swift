import CSignalInit
import SignalBridge

/// The init of a container, in the program's own image, for programs that run there as PID 1.
public enum SignalInit {
    /// Makes an init of the process if it is PID 1, and goes on in a child of it. Elsewhere it does nothing.
    ///
    /// ```swift
    /// try SignalInit.runIfNeeded()  // the first call: nothing has started a thread yet
    ///
    /// await Daemon.main { daemon in
    ///     daemon.notifyReady()
    ///     await daemon.shutdownRequested()
    /// }
    /// ```
    ///
    /// In PID 1 this call never returns: the process forwards signals to the child, waits for orphans, and exits with the
    /// child's status. The child is the program. It leads a process group, has the terminal if PID 1 had it, and can die by a
    /// signal. The article "PID 1 in a container" says what is forwarded, and what not.
    ///
    /// Call it first in the main function, before anything starts a thread, for a fork has only the thread that called
    /// it. In an asynchronous main function and in top-level code with `await` the first line is early enough.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError`` if the process is PID 1 and cannot be an init: it has more than one thread, or the
    ///   system refuses a call. The program is PID 1 then, as without this call.
    public static func runIfNeeded() throws(SignalBridgeError) {
        guard csigshim_run_init_if_needed() != 0 else { return }
        let code = lastError()
        guard code == hasThreads else { throw .systemCall("the fork of PID 1 into init and program", nil, code) }
        throw SignalBridgeError(
            .systemCallFailed, nil, errno: code,
            "PID 1 has more than one thread and cannot fork; call SignalInit.runIfNeeded() first in the main function")
    }
}
