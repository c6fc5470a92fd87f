import SignalBridge

/// The service manager that a daemon notifies: systemd, or another one with the protocol of `sd_notify(3)`.
///
/// | datagram | when |
/// |---|---|
/// | `READY=1` | ``Daemon/notifyReady()``, and after a reload; a readiness descriptor gets a line, once |
/// | `RELOADING=1`, `MONOTONIC_USEC=` | a reload begins |
/// | `STATUS=` | ``Daemon/setStatus(_:)``, and a reload that failed |
/// | `WATCHDOG=1` | at half of the watchdog's interval, see ``Daemon/setWatchdogCheck(_:)`` |
/// | `STOPPING=1` | the shutdown begins |
/// | `EXTEND_TIMEOUT_USEC=` | the shutdown begins, and every five seconds until its end |
///
/// A datagram that cannot be sent is reported as ``DaemonTransition/notificationFailed(_:)`` and has no other effect.
public struct Supervisor: Hashable, Sendable {
    let socket: String?
    let watchdog: Duration?
    /// The descriptor that gets a line when the daemon is ready, as in s6.
    private var readinessDescriptor: ReadinessDescriptor?
    private let environment: EnvironmentUse

    private enum EnvironmentUse {
        case none
        case read
        /// Read, and then removed.
        case taken
    }

    private init(socket: String?, watchdog: Duration?, _ environment: EnvironmentUse = .none) {
        self.socket = socket
        self.watchdog = watchdog
        self.environment = environment
    }

    /// The supervisor that the environment names: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` unless `WATCHDOG_PID` is another
    /// process. Without these variables, and in a simulation, nothing is sent.
    ///
    /// The variables are removed from the environment when the daemon starts. A child would inherit them, and its
    /// notifications would count as those of this process.
    public static let fromEnvironment = Supervisor(socket: nil, watchdog: nil, .taken)
    /// The supervisor that the environment names. The variables stay in the environment, for children that notify the
    /// supervisor themselves.
    public static let fromEnvironmentForChildrenToo = Supervisor(socket: nil, watchdog: nil, .read)
    /// No supervisor: nothing is sent.
    public static let disabled = Supervisor(socket: nil, watchdog: nil)

    /// Makes a supervisor that listens on this datagram socket.
    ///
    /// - Parameters:
    ///   - socket: an absolute path; or, on Linux, a name in the abstract namespace, written with an `@` in front.
    ///   - watchdog: the time without a notification after which the supervisor acts; `nil`: never.
    public init(socket: String, watchdog: Duration? = nil) {
        self.init(socket: socket, watchdog: watchdog, .none)
    }

    /// Returns a copy that also writes a line to this descriptor when the daemon is ready, and closes it: the
    /// `notification-fd` of s6. It must be open now. If the program closes it, nothing is written to a file that gets
    /// its number.
    public func withReadinessDescriptor(_ descriptor: Int32) -> Supervisor {
        var supervisor = self
        supervisor.readinessDescriptor = ReadinessDescriptor(descriptor)
        return supervisor
    }

    var isEnabled: Bool { socket != nil || readinessDescriptor != nil }

    /// The values of the removed variables, for a later daemon of the process.
    private static let taken = Lock<Supervisor?>(nil)

    /// Returns the supervisor with the values of the environment. They are read once, at the start, because `getenv(3)`
    /// is unsafe beside threads that change the environment.
    var resolved: Supervisor {
        if environment == .none { return self }
        var supervisor = Supervisor.inEnvironment ?? Self.taken.withLock { $0 } ?? .disabled
        if environment == .taken, supervisor.socket != nil {
            Self.taken.withLock { $0 = supervisor }
            for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { removeEnvironmentVariable(name) }
        }
        supervisor.readinessDescriptor = readinessDescriptor
        return supervisor
    }

    private static var inEnvironment: Supervisor? {
        guard let socket = environmentVariable("NOTIFY_SOCKET") else { return nil }
        var watchdog: Duration?
        if let microseconds = environmentVariable("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0,
            environmentVariable("WATCHDOG_PID").map(isThisProcess) ?? true
        {
            watchdog = .microseconds(microseconds)
        }
        return Supervisor(socket: socket, watchdog: watchdog)
    }

    /// Returns the supervisor in a simulation, which does not read the environment.
    var simulated: Supervisor { environment == .none ? self : .disabled }

    /// Writes the line that says that the daemon is ready.
    func reportReady() throws(SignalBridgeError) {
        guard let readinessDescriptor else { return }
        let failure = readinessDescriptor.report()
        if failure != 0 { throw .systemCall("write(\(readinessDescriptor.number))", nil, failure) }
    }

    func send(_ datagram: String) throws(SignalBridgeError) {
        guard let socket else { return }
        let isValid = socket.hasPrefix("/") || socket.hasPrefix("@")
        guard isValid, (2...longestSocketName).contains(socket.utf8.count) else {
            throw SignalBridgeError(
                .invalidArgument, nil,
                "NOTIFY_SOCKET is \"\(socket)\"; it must be an absolute path or @name, of 2 to \(longestSocketName) bytes"
            )
        }
        if let failure = sendDatagram(datagram, to: socket) { throw .systemCall(failure.call, nil, failure.errno) }
    }
}
