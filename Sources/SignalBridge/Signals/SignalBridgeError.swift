import CSignalShim

/// The reason why a request about signals was refused. Nothing of the request was carried out.
public struct SignalBridgeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A kind of error, to compare with `==`. New kinds may come in any version.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The kind's name, such as "uncatchable".
        public let description: String

        /// `SIGKILL` and `SIGSTOP`: no process can catch them.
        public static let uncatchable = Code(description: "uncatchable")
        /// `SIGILL`, `SIGTRAP`, `SIGBUS`, `SIGFPE`, `SIGSEGV`, `SIGSYS`: they report a fault of an instruction, which
        /// must be handled at once on its thread.
        public static let synchronousFault = Code(description: "synchronousFault")
        /// The system has no signal with this number.
        public static let outOfRange = Code(description: "outOfRange")
        /// The C library reserves this number.
        public static let reserved = Code(description: "reserved")
        /// The list of signals is empty.
        public static let noSignals = Code(description: "noSignals")
        /// `escalateAfterUnread` is given, and the default action of a signal does not terminate the process.
        public static let cannotEscalate = Code(description: "cannotEscalate")
        /// A subscription has the signal, so its disposition cannot be set; or a subscription of the other mechanism has
        /// it, see ``SignalLoop/Mechanism/signalfd``.
        public static let signalInUse = Code(description: "signalInUse")
        /// The system, or the ``SignalLoop/Mechanism`` of the loop, lacks a feature; the description names what has it.
        public static let unsupported = Code(description: "unsupported")
        /// No subscription has the signal.
        public static let notSubscribed = Code(description: "notSubscribed")
        /// A policy gives one signal two meanings, or names it twice.
        public static let duplicateSignal = Code(description: "duplicateSignal")
        /// The daemon is shutting down, or was restarted, and takes no new work.
        public static let shuttingDown = Code(description: "shuttingDown")
        /// The process was forced to end before the daemon's body ended. Or work of a part, or of a daemon in a group
        /// of services, was abandoned or timed out.
        public static let forcedExit = Code(description: "forcedExit")
        /// An argument makes no sense; the description says which.
        public static let invalidArgument = Code(description: "invalidArgument")
        /// The system refused; ``SignalBridgeError/errnoCode`` says why.
        public static let systemCallFailed = Code(description: "systemCallFailed")
    }

    /// The kind of error.
    public let code: Code
    /// The signal that the error is about, if there is one.
    public let signal: SignalNumber?
    /// The code from `errno(3)`, if the system refused.
    public let errnoCode: Int32?
    /// A line that says what happened, and what to do about it.
    public let description: String

    package init(_ code: Code, _ signal: SignalNumber?, errno: Int32? = nil, _ description: String) {
        self.code = code
        self.signal = signal
        errnoCode = errno
        self.description = description
    }

    /// The error for a signal that cannot be subscribed to; `nil` if it can.
    package static func refusing(_ signal: SignalNumber) -> SignalBridgeError? {
        let (code, reason): (Code, String)
        switch Int(csigshim_classify(signal.rawValue)) {
        case CSIGSHIM_CATCHABLE:
            return nil
        case CSIGSHIM_UNCATCHABLE:
            let instead = signal == .sigkill ? "SIGTERM to be asked to end" : "SIGTSTP to be asked to stop"
            (code, reason) = (.uncatchable, "cannot be caught by any process; use \(instead)")
        case CSIGSHIM_FAULT:
            code = .synchronousFault
            reason =
                "reports a fault of the running instruction and cannot be delivered as an event; leave it to a crash reporter"
        case CSIGSHIM_RESERVED:
            (code, reason) = (.reserved, "is reserved by the C library; use SignalNumber.realtime(0) and up")
        default:
            let last = realtimeSignals.map { "the last one is SIGRTMIN+\($0.upperBound - $0.lowerBound)" }
            (code, reason) = (.outOfRange, "does not exist on this system; \(last ?? "it has no realtime signals")")
        }
        return SignalBridgeError(code, signal, "\(signal) \(reason)")
    }

    static func signalInUse(_ signal: SignalNumber) -> SignalBridgeError {
        SignalBridgeError(.signalInUse, signal, "\(signal) has a subscription; end that first")
    }

    static func nothingToRearm(_ signal: SignalNumber) -> SignalBridgeError {
        SignalBridgeError(
            .notSubscribed, signal, "no subscription has \(signal), so there is no handler to install again")
    }

    static var subscriptionEnded: SignalBridgeError {
        SignalBridgeError(.invalidArgument, nil, "the SignalWaiter was cancelled; make a new one")
    }

    static let descriptorClosed =
        "SignalBridge's file descriptor was closed; call closefrom() or close() before subscribing, not after"

    /// The error for a bridge that cannot be opened, or cannot be used any more.
    static func noBridge(_ errno: Int32) -> SignalBridgeError {
        var code = Code.systemCallFailed
        let reason: String
        switch errno {
        case Errno.badDescriptor: reason = descriptorClosed
        case Errno.notPermitted:
            reason =
                "a forked child cannot use the subscriptions of its parent; fork() without exec() is not supported"
        case Errno.notSupported:
            code = .unsupported
            reason = "there is no signalfd on this system; use a SignalLoop with the mechanism .handler"
        case Errno.noSpace:
            reason = "64 bridges are in use; a SignalWaiter or a SignalLoop holds one until it is released"
        case Errno.tooManyFiles, Errno.tooManyFilesInSystem: reason = "no descriptors are left for it; see ulimit -n"
        default: reason = Errno.describe(errno)
        }
        return SignalBridgeError(code, nil, errno: errno, "cannot subscribe: \(reason)")
    }

    package static func systemCall(_ call: String, _ signal: SignalNumber?, _ errno: Int32) -> SignalBridgeError {
        let about = signal.map { " for \($0)" } ?? ""
        return SignalBridgeError(
            .systemCallFailed, signal, errno: errno, "\(call)\(about) failed: \(Errno.describe(errno))")
    }
}
