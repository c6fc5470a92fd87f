import CSignalShim

/// A snapshot that shows whether, and why, a signal arrives in this process.
///
/// ```swift
/// let diagnostics = try SignalDiagnostics(for: .sigusr2)
/// print(diagnostics.explanation)  // SIGUSR2: armed; it will arrive
/// ```
public struct SignalDiagnostics: Sendable {
    /// The signal that the snapshot describes.
    public let signal: SignalNumber
    /// Whether a subscription has the signal, and the kernel calls this library's handler for it: `sigaction(2)`.
    public private(set) var isArmed = false
    /// Whether a subscription has the signal, but another handler has replaced this library's. ``SignalNumber/rearm()``
    /// installs it again.
    public private(set) var isDisplaced = false
    /// Whether the kernel discards the signal.
    public private(set) var isIgnored = false
    /// The ids (`gettid(2)`) of the threads that block the signal. The worker threads of Dispatch and Swift are always
    /// among them, which is harmless if ``unblockedThreads`` is not empty. With ``SignalLoop/Mechanism/signalfd``, all
    /// threads should be here. Empty on systems without that information.
    public private(set) var blockedThreads: [Int32] = []
    /// The ids of the threads that can take the signal.
    public private(set) var unblockedThreads: [Int32] = []
    private var isOverSignalfd = false
    /// Whether the host closed the descriptor of the shared bridge; never on Linux, where it is not polled.
    private var isBridgeClosed = false

    /// Captures the current state of the signal. It reads `/proc/self/task` on Linux, so it is not for hot paths. Callable
    /// on any thread.
    ///
    /// - Throws: ``SignalBridgeError`` for a signal that cannot be subscribed to.
    public init(for signal: SignalNumber) throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(signal) { throw refusal }
        self.signal = signal
        if SignalSimulator.current != nil {
            let disposition = try signal.disposition
            (isArmed, isIgnored) = (disposition == .handler, disposition == .ignore)
            return
        }
        let state = Int(csigshim_state(signal.rawValue))
        isArmed = state == CSIGSHIM_ARMED
        isDisplaced = state == CSIGSHIM_DISPLACED
        isIgnored = csigshim_disposition(signal.rawValue) == Int32(CSIGSHIM_DISPOSITION_IGNORED)
        blockedThreads = Self.threads { csigshim_blocked_threads(signal.rawValue, $0, $1) }
        unblockedThreads = Self.threads { csigshim_unblocked_threads(signal.rawValue, $0, $1) }
        isOverSignalfd = csigshim_mechanism(signal.rawValue) == Int32(CSIGSHIM_SIGNALFD)
        isBridgeClosed = !isOverSignalfd && SignalHub.shared.isClosedByHost
    }

    private static func threads(_ list: (UnsafeMutablePointer<pid_t>, Int) -> Int) -> [Int32] {
        var capacity = 64
        while true {
            var count = 0
            let threads = [pid_t](unsafeUninitializedCapacity: capacity) { buffer, initialized in
                count = max(0, list(buffer.baseAddress!, capacity))
                initialized = min(count, capacity)
            }
            if count <= capacity { return threads }
            capacity = count + 16  // new threads may start before the next attempt
        }
    }

    /// A line that says whether the signal arrives, and what to do if it does not.
    public var explanation: String { "\(signal): \(finding)" }

    private var finding: String {
        if isArmed && isBridgeClosed { return SignalBridgeError.descriptorClosed }
        if isDisplaced { return "displaced: another handler replaced this library's; call rearm() to reinstall it" }
        if isIgnored { return "the process ignores it, perhaps since it was started (nohup)" }
        if !isArmed {
            let fate = signal.terminatesByDefault ? "; unless other code handles it, it terminates the process" : ""
            return "no subscription has it\(fate)"
        }
        if isOverSignalfd {
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
