import SignalBridge

/// A description of a signal, without a process: `signals explain`.
struct Explanation: Sendable {
    let signal: SignalNumber
    /// Whether the C library reserves the number, for instance for thread cancellation.
    let isReserved: Bool

    /// Finds the signal of a name or a number; `nil` if the system has no such signal.
    init?(of word: String) {
        guard let signal = SignalNumber(word: word) else { return nil }
        self.signal = signal
        isReserved = !signal.isRealtime && signal.rawValue > 31
    }

    var defaultAction: DefaultAction { DefaultAction(of: signal) }
    var facts: SignalFacts { SignalFacts(of: signal) }
    var isCatchable: Bool { signal != .sigkill && signal != .sigstop }

    /// Whether SignalBridge can subscribe to it.
    var isSubscribable: Bool { SignalNumber.catchable.contains(signal) }

    var policies: [(name: String, meaning: PolicyMeaning)] {
        PolicyMeaning.policies.map { ($0.name, PolicyMeaning(of: signal, in: $0.policy)) }
    }

    var manualPages: [String] {
        #if os(Linux) || os(Android)
            facts.page == "signal(7)" ? ["signal(7)"] : ["signal(7)", facts.page]
        #else
            ["signal(3)", facts.page]
        #endif
    }
}

extension SignalNumber {
    /// The signal of a name ("TERM", "SIGTERM", "SIGRTMIN+3") or a number ("15"); `nil` if the system has no such signal.
    init?(word: String) {
        if let number = Int32(word) {
            guard (1...64).contains(number), SignalNumber(rawValue: number).isOfThisSystem else { return nil }
            self.init(rawValue: number)
        } else {
            let upper = word.uppercased()
            let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
            self.init(name: ["POLL": "IO", "IOT": "ABRT", "CLD": "CHLD"][name] ?? name)
        }
    }

    /// Numbers from 32 up are the kernel's realtime signals; the C library reserves the first of them.
    private var isOfThisSystem: Bool {
        rawValue < 32 || isRealtime || SignalNumber.realtime(0).rawValue < 65
    }
}
