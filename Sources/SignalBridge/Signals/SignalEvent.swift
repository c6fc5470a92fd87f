import CSignalShim

/// One delivery of a signal, or several that were coalesced, with the details of `sigaction(2)`.
///
/// Prints as "SIGTERM from pid 4242 (uid 1000)".
public struct SignalEvent: Hashable, Sendable {
    /// The signal that was delivered.
    public let signal: SignalNumber
    /// The number of deliveries that this event stands for, at least 1. A standard signal that comes again before its event
    /// was consumed is coalesced into it; the other members stay those of the first delivery.
    public internal(set) var count: Int
    /// The sender; for `SIGCHLD` the child. `nil` for the kernel, and for a sender outside the PID namespace (such as the
    /// container's host).
    public let sender: Sender?
    /// The way in which the signal was sent.
    public let cause: Cause
    /// The value that `sigqueue(3)`, a timer or a message queue sent along, as wide as a pointer. Read what a C sender put
    /// into `sival_int` with `Int32(truncatingIfNeeded:)`.
    public let value: Int?
    /// The child's change of state, for `SIGCHLD`.
    public private(set) var childStatus: ChildStatus?
    /// The number of times that a POSIX timer expired again before its signal was delivered, for ``Cause/timer``.
    public private(set) var timerOverrun = 0
    /// The descriptor that is ready, for ``Cause/descriptor``.
    public private(set) var fileDescriptor: Int32?
    /// The time at which the first delivery was captured: `CLOCK_MONOTONIC`, in nanoseconds.
    public let monotonicNanoseconds: UInt64
    /// Whether ``count`` includes deliveries whose details were dropped because the buffer was full.
    public internal(set) var detailsDropped = false
    /// The number of the newest delivery that the event stands for: see `ResendRule`.
    package internal(set) var newestDelivery: UInt64

    /// The process that sent a signal.
    public struct Sender: Hashable, Sendable, CustomStringConvertible {
        /// The process id of the sender: `si_pid`.
        public let processID: pid_t
        /// The real user id of the sender: `si_uid`.
        public let userID: uid_t

        /// Makes a sender with these ids.
        public init(processID: pid_t, userID: uid_t) {
            self.processID = processID
            self.userID = userID
        }

        /// This process as a sender.
        public static var current: Sender { Sender(processID: currentProcessID(), userID: currentUserID()) }

        /// A phrase such as "pid 4242 (uid 1000)".
        public var description: String { "pid \(processID) (uid \(userID))" }
    }

    /// The way in which a signal was sent, from `si_code`. New causes may come in any version.
    public struct Cause: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case kill, thread, queue, timer, kernel, child, descriptor, unknown
            case messageQueue = "message queue"
            case asynchronousIO = "asynchronous I/O"
        }
        private let kind: Kind

        /// The cause in words, such as "kill".
        public var description: String { kind.rawValue }

        /// Whether `si_value` has a meaning.
        var carriesValue: Bool {
            switch kind {
            case .queue, .timer, .messageQueue, .asynchronousIO: true
            default: false
            }
        }

        /// `kill(2)` or `raise(3)`, or a signal that the kernel sends in the process's own name (`SIGPIPE`).
        public static let kill = Cause(kind: .kill)
        /// `tgkill(2)` and `pthread_kill(3)`, which address one thread.
        public static let thread = Cause(kind: .thread)
        /// `sigqueue(3)`, with a ``SignalEvent/value``.
        public static let queue = Cause(kind: .queue)
        /// A POSIX timer, with a value and perhaps a ``SignalEvent/timerOverrun``.
        public static let timer = Cause(kind: .timer)
        /// A POSIX message queue.
        public static let messageQueue = Cause(kind: .messageQueue)
        /// POSIX asynchronous I/O.
        public static let asynchronousIO = Cause(kind: .asynchronousIO)
        /// The kernel itself: a terminal, `alarm(2)`, a limit. On macOS this is ``kill``.
        public static let kernel = Cause(kind: .kernel)
        /// A child's change of state: see ``SignalEvent/childStatus``.
        public static let child = Cause(kind: .child)
        /// A descriptor with `O_ASYNC`: see ``SignalEvent/fileDescriptor``.
        public static let descriptor = Cause(kind: .descriptor)
        /// An unknown cause: the details were dropped, or this version does not know the code.
        public static let unknown = Cause(kind: .unknown)
    }

    /// The status of a child, as `wait(2)` will report it. The program still has to wait for the child.
    public enum ChildStatus: Hashable, Sendable {
        /// The child ended by itself with this exit code.
        case exited(Int32)
        /// This signal ended the child.
        case killed(SignalNumber)
        /// This signal ended the child, with a core dump.
        case dumped(SignalNumber)
        /// A tracer stopped the child.
        case trapped(SignalNumber)
        /// This signal stopped the child.
        case stopped(SignalNumber)
        /// SIGCONT resumed the child.
        case continued
    }
}

extension SignalEvent: CustomStringConvertible {
    /// A phrase such as "2 × SIGHUP from the kernel" or "SIGRTMIN from pid 1 (uid 0), value 7".
    public var description: String {
        var text = count == 1 ? signal.name : "\(count) × \(signal.name)"
        if let sender {
            text += " from \(sender)"
        } else if cause == .kernel {
            text += " from the kernel"
        } else if cause == .timer {
            text += " from a timer"
        }
        if let value { text += ", value \(value)" }
        if let childStatus { text += ", \(childStatus)" }
        if detailsDropped { text += ", details dropped" }
        return text
    }
}

extension SignalEvent {
    init(_ raw: csigshim_event) {
        signal = SignalNumber(rawValue: raw.signo)
        let isDropped = raw.flags & UInt32(CSIGSHIM_DETAILS_DROPPED) != 0
        cause = isDropped ? .unknown : Cause(signal, code: raw.code)
        count = Int(raw.count)
        sender = raw.pid > 0 ? Sender(processID: raw.pid, userID: raw.uid) : nil
        value = cause.carriesValue ? Int(truncatingIfNeeded: raw.value) : nil
        childStatus = cause == .child ? ChildStatus(code: raw.code, status: raw.status) : nil
        timerOverrun = Int(raw.overrun)
        fileDescriptor = cause == .descriptor ? raw.fd : nil
        monotonicNanoseconds = raw.time_ns
        newestDelivery = raw.time_ns
        detailsDropped = isDropped
    }

    /// Makes a simulated event. Without a delivery number, the time is that number.
    init(
        _ signal: SignalNumber, count: Int, sender: Sender?, value: Int?, nanoseconds: UInt64, delivery: UInt64? = nil
    ) {
        self.signal = signal
        self.count = count
        self.sender = sender
        self.value = value
        cause = value != nil ? .queue : sender != nil ? .kill : .kernel
        monotonicNanoseconds = nanoseconds
        newestDelivery = delivery ?? nanoseconds
    }

    /// An event of which other code has reported only this.
    package static func withoutDetails(_ signal: SignalNumber, count: Int) -> SignalEvent {
        var raw = csigshim_event()
        raw.signo = signal.rawValue
        raw.count = UInt32(clamping: max(1, count))
        raw.flags = UInt32(CSIGSHIM_DETAILS_DROPPED)
        raw.time_ns = SignalBridge.monotonicNanoseconds()
        return SignalEvent(raw)
    }

    /// Coalesces a later event of the same signal into this one, which keeps its details.
    mutating func coalesce(_ later: SignalEvent) {
        newestDelivery = max(newestDelivery, later.newestDelivery)
        count += later.count
        detailsDropped = detailsDropped || later.detailsDropped
    }
}

extension SignalEvent.Cause {
    init(_ signal: SignalNumber, code: Int32) {
        #if os(Linux) || os(Android)
            switch code {  // sigaction(2); the numbers are the kernel's interface
            case 0: self = .kill
            case 0x80: self = .kernel
            case -1: self = .queue
            case -2: self = .timer
            case -3: self = .messageQueue
            case -4: self = .asynchronousIO
            case -6: self = .thread
            case 1...6 where signal == .sigchld: self = .child
            case 1...6: self = .descriptor
            case ..<0 where code != -5: self = .queue  // rt_sigqueueinfo(2) with a code of the sender's own
            default: self = .unknown
            }
        #else
            switch code {
            case 1...6 where signal == .sigchld: self = .child
            case 0, Int32(SI_USER): self = .kill
            case Int32(SI_QUEUE): self = .queue
            case Int32(SI_TIMER): self = .timer
            case Int32(SI_ASYNCIO): self = .asynchronousIO
            case Int32(SI_MESGQ): self = .messageQueue
            default: self = .unknown
            }
        #endif
    }
}

extension SignalEvent.ChildStatus {
    init?(code: Int32, status: Int32) {
        let signal = SignalNumber(rawValue: status)
        switch code {  // CLD_EXITED and the others: the numbers are the same on every system
        case 1: self = .exited(status)
        case 2: self = .killed(signal)
        case 3: self = .dumped(signal)
        case 4: self = .trapped(signal)
        case 5: self = .stopped(signal)
        case 6: self = .continued
        default: return nil
        }
    }
}
