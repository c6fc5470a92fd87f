import CSignalShim

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Why a signal does, or does not, arrive: a look at the process as it is now.
///
/// ```swift
/// let diagnostics = try SignalDiagnostics(for: .sigusr2)
/// print(diagnostics.explanation)  // SIGUSR2: armed; it will arrive
/// ```
public struct SignalDiagnostics: Sendable {
    /// The signal that was looked at.
    public let signal: SignalNumber
    /// A subscription has it, and the kernel's handler for it is ours.
    public let isArmed: Bool
    /// A subscription has it, but somebody installed another handler over ours.
    public let isDisplaced: Bool
    /// The kernel throws it away.
    public let isIgnored: Bool
    /// The threads (Linux's thread ids) that block it. Dispatch's and Swift's workers are always among them: that is
    /// harmless, as long as ``unblockedThreads`` is not empty. Over ``SignalLoop/Mechanism/signalfd`` all should. Empty
    /// where the system does not tell.
    public let blockedThreads: [Int32]
    /// The threads that can take it.
    public let unblockedThreads: [Int32]

    private let sharedBridgeIsDeaf: Bool  // not on Linux, where nobody polls it
    private let isOverSignalfd: Bool

    /// Looks. Reads `/proc/self/task` on Linux; not for hot paths.
    public init(for signal: SignalNumber) throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(signal) { throw refusal }
        self.signal = signal
        if let simulator = SignalSimulator.current {
            let disposition = try simulator.disposition(of: signal)
            isArmed = disposition == .handler
            isDisplaced = false
            isIgnored = disposition == .ignore
            blockedThreads = []
            unblockedThreads = []
            sharedBridgeIsDeaf = false
            isOverSignalfd = false
            return
        }
        let state = Int(csigshim_state(signal.rawValue))
        isArmed = state == CSIGSHIM_ARMED
        isDisplaced = state == CSIGSHIM_DISPLACED
        isIgnored = csigshim_disposition(signal.rawValue) == Int32(CSIGSHIM_DISPOSITION_IGNORED)
        isOverSignalfd = csigshim_mechanism(signal.rawValue) == Int32(CSIGSHIM_SIGNALFD)
        sharedBridgeIsDeaf = !isOverSignalfd && BridgeSource.shared.isDeaf
        blockedThreads = Self.threads { csigshim_blocked_threads(signal.rawValue, $0, $1) }
        unblockedThreads = Self.threads { csigshim_unblocked_threads(signal.rawValue, $0, $1) }
    }

    /// What to do, in one line.
    public var explanation: String {
        if isArmed && sharedBridgeIsDeaf {
            return
                "\(signal): SignalBridge's file descriptor was closed; call closefrom() or close() before subscribing, not after"
        }
        if isDisplaced {
            return "\(signal): another handler replaced SignalBridge's; call rearm() to reinstall it"
        }
        if isIgnored { return "\(signal): the process ignores it, perhaps since it was started (nohup)" }
        if !isArmed {
            let fate = signal.terminatesByDefault ? "; unless other code handles it, it terminates the process" : ""
            return "\(signal): no subscription has it\(fate)"
        }
        if isOverSignalfd {
            let interrupted = unblockedThreads.count
            return interrupted == 0
                ? "\(signal): armed over signalfd; it will arrive"
                : "\(signal): armed over signalfd; it will arrive, but interrupts what does not block it: \(interrupted) thread\(interrupted == 1 ? "" : "s")"
        }
        if unblockedThreads.isEmpty && !blockedThreads.isEmpty {
            return "\(signal): every thread blocks it; unblock it in one, with pthread_sigmask(3)"
        }
        return "\(signal): armed; it will arrive"
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
            capacity = count + 16  // threads are born while we look
        }
    }
}
