import SignalBridge

/// The kernel's action for a signal that has no handler and is not ignored: `signal(7)`.
enum DefaultAction: String, Sendable {
    case terminate, dumpCore, ignore, stop, `continue`

    init(of signal: SignalNumber) {
        switch signal {
        case .sigquit, .sigill, .sigtrap, .sigabrt, .sigbus, .sigfpe, .sigsegv, .sigsys, .sigxcpu, .sigxfsz:
            self = .dumpCore
        case .sigchld, .sigurg, .sigwinch: self = .ignore
        case .sigstop, .sigtstp, .sigttin, .sigttou: self = .stop
        case .sigcont: self = .continue
        default: self = .terminate
        }
        #if !os(Linux) && !os(Android)
            if signal == .sigio || signal.name == "SIGINFO" { self = .ignore }
            if signal.name == "SIGEMT" { self = .dumpCore }
        #endif
    }

    /// Whether it is a stop signal of job control, which the kernel discards in an orphaned process group.
    static func isStopOfTerminal(_ signal: SignalNumber) -> Bool {
        [.sigtstp, .sigttin, .sigttou].contains(signal)
    }

    /// The action in words, after "the kernel".
    var words: String {
        switch self {
        case .terminate: "ends the process"
        case .dumpCore: "ends the process with a core dump"
        case .ignore: "discards the signal"
        case .stop: "stops the process"
        case .continue: "lets a stopped process go on, and does nothing else"
        }
    }
}
