import SignalBridge

/// A set of signals as the kernel writes it: bit n - 1 stands for signal n.
struct SignalSet: Hashable, Sendable {
    let bits: UInt64

    init(bits: UInt64) { self.bits = bits }

    init(_ signals: SignalNumber...) {
        bits = signals.reduce(0) { $0 | Self.bit($1) }
    }

    /// Reads a hexadecimal number of `/proc`. Where the kernel has 128 signals, the upper 64 are left out.
    init?(hexadecimal text: some StringProtocol) {
        guard let bits = UInt64(text.suffix(16), radix: 16) else { return nil }
        self.bits = bits
    }

    var isEmpty: Bool { bits == 0 }

    /// The members in the order of their numbers.
    var signals: [SignalNumber] {
        (1...64).map(SignalNumber.init).filter(contains)
    }

    func contains(_ signal: SignalNumber) -> Bool { bits & Self.bit(signal) != 0 }

    func union(_ other: SignalSet) -> SignalSet { SignalSet(bits: bits | other.bits) }

    func subtracting(_ other: SignalSet) -> SignalSet { SignalSet(bits: bits & ~other.bits) }

    private static func bit(_ signal: SignalNumber) -> UInt64 {
        (1...64).contains(signal.rawValue) ? 1 << UInt64(signal.rawValue - 1) : 0
    }

    /// The set without the numbers that the C library reserves.
    var ofPrograms: SignalSet { SignalSet(bits: bits & Self.programs.union(.unstoppable).bits) }

    /// The signals that no program can catch, block or ignore. One can be pending while a system call delays it.
    static let unstoppable = SignalSet(.sigkill, .sigstop)

    /// The signals that a program can catch, block or ignore.
    private static let programs = SignalSet(
        bits: SignalNumber.catchable.reduce(SignalSet(.sigill, .sigtrap, .sigbus, .sigfpe, .sigsegv, .sigsys).bits) {
            $0 | bit($1)
        })
}

extension SignalSet: CustomStringConvertible {
    /// "INT TERM", "nothing", "all signals", or "all but TERM", without the signals that the C library reserves.
    var description: String {
        let missing = Self.programs.subtracting(self).signals
        let signals = ofPrograms.signals
        if signals.isEmpty { return "nothing" }
        if missing.isEmpty { return "all signals" }
        if missing.count <= 8 { return "all but " + missing.map(\.shortName).joined(separator: " ") }
        return signals.map(\.shortName).joined(separator: " ")
    }
}

extension SignalNumber {
    /// The name as `kill -l` prints it, such as "TERM"; the number, where there is no name.
    var shortName: String {
        name.hasPrefix("SIG") ? String(name.dropFirst(3)) : String(rawValue)
    }
}
