import CSignalShim

/// The number of a signal, as in `signal(7)`.
///
/// A value can have any number. The calls that use it check that the system has the signal and that it can be caught.
/// If not, they throw a ``SignalBridgeError`` that names it.
///
/// ```swift
/// print(SignalNumber.sigterm.name)  // SIGTERM
/// print(SignalNumber(name: "hup") == .sighup)  // true
/// print(SignalNumber.realtime(2).description)  // SIGRTMIN+2
/// ```
public struct SignalNumber: RawRepresentable, Hashable, Sendable {
    /// The number, such as 15.
    public let rawValue: Int32

    /// Makes a value of any number, without a check.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The terminal was closed; for a daemon, a request to reload its configuration.
    public static let sighup = SignalNumber(rawValue: SIGHUP)
    /// An interrupt: Ctrl-C in a terminal.
    public static let sigint = SignalNumber(rawValue: SIGINT)
    /// A request to quit: Ctrl-\ in a terminal. It dumps core by default.
    public static let sigquit = SignalNumber(rawValue: SIGQUIT)
    /// An illegal instruction: a synchronous fault, which cannot be subscribed to.
    public static let sigill = SignalNumber(rawValue: SIGILL)
    /// A breakpoint: a synchronous fault, which cannot be subscribed to.
    public static let sigtrap = SignalNumber(rawValue: SIGTRAP)
    /// A call of `abort(3)`.
    public static let sigabrt = SignalNumber(rawValue: SIGABRT)
    /// A bus error: a synchronous fault, which cannot be subscribed to.
    public static let sigbus = SignalNumber(rawValue: SIGBUS)
    /// An arithmetic error: a synchronous fault, which cannot be subscribed to.
    public static let sigfpe = SignalNumber(rawValue: SIGFPE)
    /// The kernel ends the process; the signal cannot be caught.
    public static let sigkill = SignalNumber(rawValue: SIGKILL)
    /// An invalid memory access: a synchronous fault, which cannot be subscribed to.
    public static let sigsegv = SignalNumber(rawValue: SIGSEGV)
    /// A bad system call: a synchronous fault, which cannot be subscribed to.
    public static let sigsys = SignalNumber(rawValue: SIGSYS)
    /// A write to a pipe or socket without a reader.
    public static let sigpipe = SignalNumber(rawValue: SIGPIPE)
    /// A timer of `alarm(2)` or `setitimer(2)` expired.
    public static let sigalrm = SignalNumber(rawValue: SIGALRM)
    /// A request to end: from `kill(1)`, systemd, Docker and Kubernetes.
    public static let sigterm = SignalNumber(rawValue: SIGTERM)
    /// The first of two signals for the program's own use.
    public static let sigusr1 = SignalNumber(rawValue: SIGUSR1)
    /// The second of two signals for the program's own use.
    public static let sigusr2 = SignalNumber(rawValue: SIGUSR2)
    /// A child ended, stopped or continued.
    public static let sigchld = SignalNumber(rawValue: SIGCHLD)
    /// The process continues if it was stopped.
    public static let sigcont = SignalNumber(rawValue: SIGCONT)
    /// The kernel stops the process; the signal cannot be caught.
    public static let sigstop = SignalNumber(rawValue: SIGSTOP)
    /// A request to stop: Ctrl-Z in a terminal.
    public static let sigtstp = SignalNumber(rawValue: SIGTSTP)
    /// A background process reads from its terminal.
    public static let sigttin = SignalNumber(rawValue: SIGTTIN)
    /// A background process writes to its terminal.
    public static let sigttou = SignalNumber(rawValue: SIGTTOU)
    /// Urgent data arrived on a socket.
    public static let sigurg = SignalNumber(rawValue: SIGURG)
    /// The process exceeded its limit of CPU time.
    public static let sigxcpu = SignalNumber(rawValue: SIGXCPU)
    /// The process exceeded its limit of file size.
    public static let sigxfsz = SignalNumber(rawValue: SIGXFSZ)
    /// The virtual timer of `setitimer(2)` expired.
    public static let sigvtalrm = SignalNumber(rawValue: SIGVTALRM)
    /// The profiling timer of `setitimer(2)` expired.
    public static let sigprof = SignalNumber(rawValue: SIGPROF)
    /// A descriptor with `O_ASYNC` is ready.
    public static let sigio = SignalNumber(rawValue: SIGIO)
    /// The terminal's window changed its size.
    public static let sigwinch = SignalNumber(rawValue: SIGWINCH)

    /// The realtime signal `SIGRTMIN+n`. Past the last one, and on a system without realtime signals, the result is out of
    /// range, and calls that use it throw.
    public static func realtime(_ n: Int32) -> SignalNumber {
        guard let first = realtimeSignals?.lowerBound, (0...Int32.max - first).contains(n) else {
            return SignalNumber(rawValue: Int32.max)
        }
        return SignalNumber(rawValue: first + n)
    }

    /// All signals that can be subscribed to, in the order of their numbers. SIGKILL, SIGSTOP, the synchronous faults
    /// and the signals that the C library reserves are not among them.
    public static let catchable: [SignalNumber] = (1...(realtimeSignals?.upperBound ?? 31)).map(SignalNumber.init)
        .filter { SignalBridgeError.refusing($0) == nil }

    /// Whether this is a realtime signal, which the kernel queues and never coalesces.
    public var isRealtime: Bool { realtimeSignals?.contains(rawValue) ?? false }

    /// Makes the signal of a name as `kill -l` prints it: "TERM", "SIGTERM", "RTMIN", "RTMIN+3", "RTMAX-1", in upper or
    /// lower case. `nil` if the system has no such signal.
    public init?(name: String) {
        var name = name.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        var number = Self.names.first { $0.name == name }?.number
        if number == nil, let range = realtimeSignals {
            if name == "RTMIN" || name == "RTMAX" { name += name == "RTMIN" ? "+0" : "-0" }
            number = range.first {
                name == "RTMIN+\($0 - range.lowerBound)" || name == "RTMAX-\(range.upperBound - $0)"
            }
        }
        guard let number else { return nil }
        self.init(rawValue: number)
    }

    /// The name, such as "SIGTERM" or "SIGRTMIN+3"; "signal 99" for a number without a name.
    public var name: String {
        if let name = Self.names.first(where: { $0.number == rawValue })?.name { return "SIG" + name }
        guard let realtimeSignals, isRealtime else { return "signal \(rawValue)" }
        let offset = rawValue - realtimeSignals.lowerBound
        return offset == 0 ? "SIGRTMIN" : "SIGRTMIN+\(offset)"
    }

    /// Sends this signal to a process: `kill(2)`, or `sigqueue(3)` if there is a value. In
    /// ``withSimulatedSignals(isolation:_:)``, a signal to this process goes to the simulator.
    ///
    /// - Parameters:
    ///   - process: a process id above 0. For a group use ``send(toGroup:)``.
    ///   - value: the ``SignalEvent/value`` that arrives. While a standard signal is pending, the kernel drops further
    ///     ones and their values. Linux only.
    /// - Throws: ``SignalBridgeError``; errno `ESRCH`: no such process; `EPERM`: no permission; `EAGAIN`: the queue of
    ///   `RLIMIT_SIGPENDING` is full; `ENOTSUP`: the system has no `sigqueue`.
    public func send(to process: pid_t, value: Int? = nil) throws(SignalBridgeError) {
        try check(process, isAbove: 0, "a process id")
        if let simulator = SignalSimulator.current, process == currentProcessID() {
            return try simulator.send(self, value: value)
        }
        let failure = sendSignal(rawValue, to: process, value: value)
        if failure != 0 { throw .systemCall(value == nil ? "kill(\(process))" : "sigqueue(\(process))", self, failure) }
    }

    /// Sends this signal to each process of a process group: `killpg(3)`. A shell makes a group of each pipeline, and a
    /// terminal sends Ctrl-C to the group in the foreground.
    ///
    /// This process gets the signal too if it is in the group. In a simulation, a signal to this process's own group
    /// goes to the simulator instead.
    ///
    /// - Parameter group: a process group id above 1, such as that of a child which called `setpgid(2)`.
    /// - Throws: ``SignalBridgeError`` as ``send(to:value:)``.
    public func send(toGroup group: pid_t) throws(SignalBridgeError) {
        try check(group, isAbove: 1, "a process group id")  // kill(-1) would reach every process
        if let simulator = SignalSimulator.current, group == currentProcessGroup() { return try simulator.send(self) }
        let failure = sendSignal(rawValue, to: -group, value: nil)
        if failure != 0 { throw .systemCall("killpg(\(group))", self, failure) }
    }

    private func check(_ target: pid_t, isAbove limit: pid_t, _ kind: String) throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(self), refusal.code == .outOfRange { throw refusal }
        guard target > limit else {
            throw SignalBridgeError(.invalidArgument, self, "\(target) is not \(kind) above \(limit); use kill(2)")
        }
    }
}

extension SignalNumber: CustomStringConvertible {
    /// The ``SignalNumber/name``.
    public var description: String { name }

    /// Whether the default action ends the process.
    package var terminatesByDefault: Bool { csigshim_default_of(rawValue) == Int32(CSIGSHIM_ACTION_TERMINATE) }

    /// Where one number has two names (IO and POLL, ABRT and IOT), this is the one that `kill -l` prints.
    private static let names: [(number: Int32, name: String)] = {
        var names: [(number: Int32, name: String)] = [
            (SIGHUP, "HUP"), (SIGINT, "INT"), (SIGQUIT, "QUIT"), (SIGILL, "ILL"), (SIGTRAP, "TRAP"), (SIGABRT, "ABRT"),
            (SIGBUS, "BUS"), (SIGFPE, "FPE"), (SIGKILL, "KILL"), (SIGSEGV, "SEGV"), (SIGSYS, "SYS"), (SIGPIPE, "PIPE"),
            (SIGALRM, "ALRM"), (SIGTERM, "TERM"), (SIGUSR1, "USR1"), (SIGUSR2, "USR2"), (SIGCHLD, "CHLD"),
            (SIGCONT, "CONT"), (SIGSTOP, "STOP"), (SIGTSTP, "TSTP"), (SIGTTIN, "TTIN"), (SIGTTOU, "TTOU"),
            (SIGURG, "URG"), (SIGXCPU, "XCPU"), (SIGXFSZ, "XFSZ"), (SIGVTALRM, "VTALRM"), (SIGPROF, "PROF"),
            (SIGIO, "IO"), (SIGWINCH, "WINCH"),
        ]
        #if os(Linux) || os(Android)
            names += [(SIGPWR, "PWR"), (SIGSTKFLT, "STKFLT")]
        #else
            names += [(SIGEMT, "EMT"), (SIGINFO, "INFO")]
        #endif
        return names
    }()
}
