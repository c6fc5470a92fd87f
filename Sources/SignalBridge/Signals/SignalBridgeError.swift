import CSignalShim

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Why a request about signals was refused. Nothing of the request was carried out.
public struct SignalBridgeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error, to compare with `==`. New kinds may come in any version.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The kind's name, such as "uncatchable".
        public let description: String

        /// `SIGKILL` and `SIGSTOP`: no process can catch them.
        public static let uncatchable = Code(description: "uncatchable")
        /// `SIGILL`, `SIGTRAP`, `SIGBUS`, `SIGFPE`, `SIGSEGV`, `SIGSYS`: they say that an instruction failed, and cannot
        /// be handled later on another thread.
        public static let synchronousFault = Code(description: "synchronousFault")
        /// No signal has this number here.
        public static let outOfRange = Code(description: "outOfRange")
        /// The C library keeps this number for itself.
        public static let reserved = Code(description: "reserved")
        /// The list of signals is empty.
        public static let noSignals = Code(description: "noSignals")
        /// `escalateAfterUnread` is given, and the default action of a signal does not terminate the process.
        public static let cannotEscalate = Code(description: "cannotEscalate")
        /// A subscription has the signal, so its disposition cannot be set by hand; or one of the other mechanism has it,
        /// see ``SignalLoop/Mechanism/signalfd``.
        public static let signalInUse = Code(description: "signalInUse")
        /// This system, or the ``SignalLoop/Mechanism`` of the loop, cannot do it; the description says what can.
        public static let unsupported = Code(description: "unsupported")
        /// No subscription has the signal.
        public static let notSubscribed = Code(description: "notSubscribed")
        /// A policy gives one signal two meanings, or names it twice.
        public static let duplicateSignal = Code(description: "duplicateSignal")
        /// The daemon is shutting down, or was restarted, and takes no new work.
        public static let shuttingDown = Code(description: "shuttingDown")
        /// The process was forced to end before the body of the daemon had.
        public static let forcedExit = Code(description: "forcedExit")
        /// An argument makes no sense; the description says which.
        public static let invalidArgument = Code(description: "invalidArgument")
        /// The system refused; ``SignalBridgeError/errnoCode`` says why.
        public static let systemCallFailed = Code(description: "systemCallFailed")
    }

    /// The kind of error.
    public let code: Code
    /// The signal that it is about, if it is about one.
    public let signal: SignalNumber?
    /// What the system said, if the system refused.
    public let errnoCode: Int32?
    /// What happened, and what to do about it, in one line.
    public let description: String

    package init(_ code: Code, _ signal: SignalNumber?, errno: Int32? = nil, _ description: String) {
        self.code = code
        self.signal = signal
        errnoCode = errno
        self.description = description
    }

    static func outOfRange(_ signal: SignalNumber) -> SignalBridgeError {
        let last = realtimeSignals.map { "the last one is SIGRTMIN+\($0.upperBound - $0.lowerBound)" }
        return SignalBridgeError(
            .outOfRange, signal, "\(signal) does not exist on this system; \(last ?? "it has no realtime signals")")
    }

    static func signalInUse(_ signal: SignalNumber) -> SignalBridgeError {
        SignalBridgeError(.signalInUse, signal, "\(signal) has a subscription; end that first")
    }

    /// A signalfd and a handler would each get some of it.
    static func otherMechanism(_ signal: SignalNumber) -> SignalBridgeError {
        SignalBridgeError(
            .signalInUse, signal, errno: EBUSY,
            "\(signal) has a subscription elsewhere in this process, and a loop over signalfd shares a signal with nobody; end that one, or use the mechanism .handler for both"
        )
    }

    /// Of opening a bridge over signalfd.
    static var noSignalfd: SignalBridgeError {
        SignalBridgeError(
            .unsupported, nil, errno: ENOTSUP,
            "there is no signalfd on this system; use a SignalLoop with the mechanism .handler")
    }

    /// Of a loop over signalfd.
    static func needsHandler(_ option: String) -> SignalBridgeError {
        SignalBridgeError(
            .unsupported, nil,
            "\(option) needs a signal handler, and over signalfd none runs; use a SignalLoop with the mechanism .handler"
        )
    }

    /// Of the bridge that every subscription but a waiter's and a loop's shares.
    static func unusable(_ errno: Int32) -> SignalBridgeError {
        SignalBridgeError(
            .systemCallFailed, nil, errno: errno,
            errno == EBADF
                ? "SignalBridge's file descriptor was closed; call closefrom() or close() before subscribing, not after"
                : "in a forked child only SignalWaiter works: a new one, or an old one after resumeAfterFork()")
    }

    /// Of opening a bridge.
    static func noBridge(_ errno: Int32) -> SignalBridgeError {
        let reason =
            switch errno {
            case ENOSPC: "64 bridges are in use; a SignalWaiter or a SignalLoop holds one until it is released"
            case EMFILE, ENFILE: "no descriptors are left for it; see ulimit -n"
            default: errnoDescription(errno)
            }
        return SignalBridgeError(.systemCallFailed, nil, errno: errno, "cannot subscribe: \(reason)")
    }

    package static func systemCall(_ call: String, _ signal: SignalNumber?, _ errno: Int32) -> SignalBridgeError {
        let about = signal.map { " for \($0)" } ?? ""
        return SignalBridgeError(
            .systemCallFailed, signal, errno: errno, "\(call)\(about) failed: \(errnoDescription(errno))")
    }

    /// What keeps a signal from being subscribed to, if anything does.
    package static func refusing(_ signal: SignalNumber) -> SignalBridgeError? {
        switch Int(csigshim_classify(signal.rawValue)) {
        case CSIGSHIM_CATCHABLE:
            return nil
        case CSIGSHIM_UNCATCHABLE:
            return SignalBridgeError(
                .uncatchable, signal,
                "\(signal) cannot be caught by any process; use \(signal == .sigkill ? "SIGTERM to be asked to end" : "SIGTSTP to be asked to stop")"
            )
        case CSIGSHIM_FAULT:
            return SignalBridgeError(
                .synchronousFault, signal,
                "\(signal) reports a fault of the running instruction and cannot be delivered as an event; leave it to a crash reporter"
            )
        case CSIGSHIM_RESERVED:
            return SignalBridgeError(
                .reserved, signal, "\(signal) is reserved by the C library; use SignalNumber.realtime(0) and up")
        default:
            return .outOfRange(signal)
        }
    }
}
