import CSignalInit
import SignalBridge

/// The init of a container, in the program's own image, for a program that runs there as PID 1.
public enum SignalInit {
    /// Turns the process into an init if it is PID 1, and continues the program in a child. Otherwise it does nothing.
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
    /// In PID 1 this call never returns: the process forwards signals to the child, waits for orphans, and exits with
    /// the child's status. The child is the program. It leads a process group, has the terminal if PID 1 had it, and
    /// can die by a signal. The article "PID 1 in a container" lists the signals that are forwarded.
    ///
    /// Call it first in the main function, before a thread is started, because a forked child has only the calling
    /// thread. In an asynchronous main function, and in top-level code with `await`, the first line is early enough.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError`` if the process is PID 1 and cannot be an init: it has more than
    ///   one thread, or the system refuses a call. The program is then PID 1, as without this call.
    public static func runIfNeeded() throws(SignalBridgeError) {
        guard csigshim_run_init_if_needed() != 0 else { return }
        let code = lastError()
        guard code == hasThreads else { throw .systemCall("the fork of PID 1 into init and program", nil, code) }
        throw SignalBridgeError(
            .systemCallFailed, nil, errno: code,
            "PID 1 has more than one thread and cannot fork; call SignalInit.runIfNeeded() first in the main function")
    }
}
