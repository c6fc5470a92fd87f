import CSignalShim

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One delivery of a signal, or several that arrived before anybody looked, with what `sigaction(2)` tells of it.
///
/// Prints as "SIGTERM from pid 4242 (uid 1000)".
public struct SignalEvent: Hashable, Sendable {
    /// Which signal.
    public let signal: SignalNumber
    /// How many deliveries this event stands for, at least 1. A standard signal that comes again before the first was
    /// consumed is merged with it; the other members then are the first one's.
    public internal(set) var count: Int
    /// Who sent it; of `SIGCHLD`, the child. `nil` for the kernel and for a sender outside the PID namespace (such as the
    /// container's host).
    public let sender: Sender?
    /// How it came about.
    public let cause: Cause
    /// What `sigqueue(3)`, a timer or a message queue sent along, as wide as a pointer. A C sender that used `sival_int`
    /// is read with `Int32(truncatingIfNeeded:)`.
    public let value: Int?
    /// What happened to the child, for `SIGCHLD`.
    public let childStatus: ChildStatus?
    /// How often a POSIX timer expired again before its signal was delivered, for ``Cause/timer``.
    public let timerOverrun: Int
    /// The descriptor that is ready, for ``Cause/descriptor``.
    public let fileDescriptor: Int32?
    /// When it was captured: `CLOCK_MONOTONIC`, in nanoseconds.
    public let monotonicNanoseconds: UInt64
    /// Whether deliveries are in ``count`` whose details found no room in a full buffer.
    public internal(set) var detailsDropped: Bool

    /// The process that sent a signal.
    public struct Sender: Hashable, Sendable, CustomStringConvertible {
        /// `si_pid`.
        public let processID: pid_t
        /// `si_uid`: the sender's real user.
        public let userID: uid_t

        /// The sender with these ids.
        public init(processID: pid_t, userID: uid_t) {
            self.processID = processID
            self.userID = userID
        }

        /// This process.
        public static var current: Sender { Sender(processID: getpid(), userID: getuid()) }

        /// "pid 4242 (uid 1000)".
        public var description: String { "pid \(processID) (uid \(userID))" }
    }

    /// How a signal came about: what `si_code` says. New causes may come in any version.
    public struct Cause: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case kill, thread, queue, timer, kernel, child, descriptor, unknown
            case messageQueue = "message queue"
            case asynchronousIO = "asynchronous I/O"
        }
        private let kind: Kind

        /// In words, such as "kill".
        public var description: String { kind.rawValue }

        /// Whether si_value has a meaning.
        var carriesValue: Bool {
            switch kind {
            case .queue, .timer, .messageQueue, .asynchronousIO: true
            default: false
            }
        }

        /// `kill(2)`, `raise(3)`, and what the kernel sends in a process's own name (`SIGPIPE`).
        public static let kill = Cause(kind: .kill)
        /// `tgkill(2)`, `pthread_kill(3)`: meant for one thread.
        public static let thread = Cause(kind: .thread)
        /// `sigqueue(3)`: with a ``SignalEvent/value``.
        public static let queue = Cause(kind: .queue)
        /// A POSIX timer: with a value, and perhaps a ``SignalEvent/timerOverrun``.
        public static let timer = Cause(kind: .timer)
        /// A POSIX message queue.
        public static let messageQueue = Cause(kind: .messageQueue)
        /// POSIX asynchronous I/O.
        public static let asynchronousIO = Cause(kind: .asynchronousIO)
        /// The kernel itself: a terminal, `alarm(2)`, a limit.
        public static let kernel = Cause(kind: .kernel)
        /// A child's change of state: see ``SignalEvent/childStatus``.
        public static let child = Cause(kind: .child)
        /// A descriptor with `O_ASYNC`: see ``SignalEvent/fileDescriptor``.
        public static let descriptor = Cause(kind: .descriptor)
        /// Details were dropped, or a code that this version does not know.
        public static let unknown = Cause(kind: .unknown)
    }

    /// What `wait(2)` will say of the child. The child is still there to be waited for, unless the program ignores
    /// `SIGCHLD`.
    public enum ChildStatus: Hashable, Sendable {
        /// It ended by itself, with this code.
        case exited(Int32)
        /// A signal ended it.
        case killed(SignalNumber)
        /// A signal ended it, with a core dump.
        case dumped(SignalNumber)
        /// A tracer has it.
        case trapped(SignalNumber)
        /// A signal stopped it.
        case stopped(SignalNumber)
        /// It goes on.
        case continued
    }
}

extension SignalEvent: CustomStringConvertible {
    /// "SIGTERM from pid 4242 (uid 1000)", "2 × SIGHUP from the kernel", "SIGRTMIN from pid 1 (uid 0), value 7".
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
        let signal = SignalNumber(rawValue: raw.signo)
        detailsDropped = raw.flags & UInt32(CSIGSHIM_DETAILS_DROPPED) != 0
        let cause = detailsDropped ? Cause.unknown : Cause(signal, code: raw.code)
        self.signal = signal
        self.cause = cause
        count = Int(raw.count)
        sender = raw.pid > 0 ? Sender(processID: raw.pid, userID: raw.uid) : nil
        value = cause.carriesValue ? Int(truncatingIfNeeded: raw.value) : nil
        childStatus = cause == .child ? ChildStatus(code: raw.code, status: raw.status) : nil
        timerOverrun = Int(raw.overrun)
        fileDescriptor = cause == .descriptor ? raw.fd : nil
        monotonicNanoseconds = raw.time_ns
    }

    init(_ signal: SignalNumber, count: Int, sender: Sender?, value: Int?, nanoseconds: UInt64) {
        self.signal = signal
        self.count = count
        self.sender = sender
        self.value = value
        cause = value != nil ? .queue : sender != nil ? .kill : .kernel
        childStatus = nil
        timerOverrun = 0
        fileDescriptor = nil
        monotonicNanoseconds = nanoseconds
        detailsDropped = false
    }

    /// Takes a later event of the same signal in: this one's details, both counts.
    mutating func merge(_ later: SignalEvent) {
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
        switch code {  // CLD_EXITED and its kin: POSIX's order, the same numbers everywhere
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
