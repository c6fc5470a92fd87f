/// A snapshot of why a signal does, or does not, arrive in this process.
///
/// ```swift
/// let diagnostics = try SignalDiagnostics(for: .sigusr2)
/// print(diagnostics.explanation)  // SIGUSR2: armed; it will arrive
/// ```
public struct SignalDiagnostics: Sendable {
    /// The signal.
    public let signal: SignalNumber
    private let findings: Findings

    /// What an environment knows of a signal.
    struct Findings: Sendable {
        var isArmed = false
        var isDisplaced = false
        var isIgnored = false
        var blockedThreads: [Int32] = []
        var unblockedThreads: [Int32] = []
        var isOverSignalfd = false
        /// Whether the host closed the descriptor of the shared bridge; never on Linux, where nobody polls it.
        var isBridgeClosed = false
    }

    /// Captures the current state of the signal. It reads `/proc/self/task` on Linux, so it is not for hot paths. Callable
    /// on any thread.
    ///
    /// - Throws: ``SignalBridgeError`` for a signal that cannot be subscribed to.
    public init(for signal: SignalNumber) throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(signal) { throw refusal }
        self.signal = signal
        findings = try SignalContext.current.examine(signal)
    }

    /// Whether a subscription has the signal, and the kernel calls this library's handler for it: `sigaction(2)`.
    public var isArmed: Bool { findings.isArmed }
    /// Whether a subscription has the signal, but another handler has replaced this library's. ``SignalNumber/rearm()``
    /// installs it again.
    public var isDisplaced: Bool { findings.isDisplaced }
    /// Whether the kernel discards the signal.
    public var isIgnored: Bool { findings.isIgnored }
    /// The ids (`gettid(2)`) of the threads that block the signal. The worker threads of Dispatch and Swift are always among
    /// them; that is harmless as long as ``unblockedThreads`` is not empty. Over ``SignalLoop/Mechanism/signalfd`` all threads
    /// should be here. Empty on systems that do not tell.
    public var blockedThreads: [Int32] { findings.blockedThreads }
    /// The ids of the threads that can take the signal.
    public var unblockedThreads: [Int32] { findings.unblockedThreads }

    /// A line that says whether the signal arrives, and what to do if it does not.
    public var explanation: String { "\(signal): \(finding)" }

    private var finding: String {
        if isArmed && findings.isBridgeClosed {
            return
                "SignalBridge's file descriptor was closed; call closefrom() or close() before subscribing, not after"
        }
        if isDisplaced { return "another handler replaced SignalBridge's; call rearm() to reinstall it" }
        if isIgnored { return "the process ignores it, perhaps since it was started (nohup)" }
        if !isArmed {
            let fate = signal.terminatesByDefault ? "; unless other code handles it, it terminates the process" : ""
            return "no subscription has it\(fate)"
        }
        if findings.isOverSignalfd {
            let count = unblockedThreads.count
            let interrupted = ", but interrupts what does not block it: \(count) thread\(count == 1 ? "" : "s")"
            return "armed over signalfd; it will arrive\(count == 0 ? "" : interrupted)"
        }
        if unblockedThreads.isEmpty && !blockedThreads.isEmpty {
            return "every thread blocks it; unblock it in one, with pthread_sigmask(3)"
        }
        return "armed; it will arrive"
    }
}
