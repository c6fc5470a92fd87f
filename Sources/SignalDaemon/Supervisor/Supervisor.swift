import SignalBridge

/// The service manager that is told how a daemon is doing: systemd, or another one that speaks the protocol of `sd_notify(3)`.
///
/// | datagram | when |
/// |---|---|
/// | `READY=1` | ``Daemon/notifyReady()``, and after a reload |
/// | `RELOADING=1`, `MONOTONIC_USEC=` | a reload begins |
/// | `STATUS=` | ``Daemon/setStatus(_:)`` |
/// | `WATCHDOG=1` | at half of the watchdog's interval, see ``Daemon/setWatchdogCheck(_:)`` |
/// | `STOPPING=1` | the shutdown begins |
/// | `EXTEND_TIMEOUT_USEC=` | the shutdown begins, and every five seconds until its end |
///
/// A datagram that cannot be sent is reported as ``DaemonTransition/notificationFailed(_:)`` and disturbs nothing.
public struct Supervisor: Hashable, Sendable {
    let socket: String?
    let watchdog: Duration?
    private let readsEnvironment: Bool

    private init(socket: String?, watchdog: Duration?, readsEnvironment: Bool) {
        self.socket = socket
        self.watchdog = watchdog
        self.readsEnvironment = readsEnvironment
    }

    /// The supervisor that the environment names: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` unless `WATCHDOG_PID` is another
    /// process. Without these variables, and in a simulation, nothing is sent.
    public static let fromEnvironment = Supervisor(socket: nil, watchdog: nil, readsEnvironment: true)
    /// No supervisor: nothing is sent.
    public static let disabled = Supervisor(socket: nil, watchdog: nil, readsEnvironment: false)

    /// A supervisor that listens at this datagram socket.
    ///
    /// - Parameters:
    ///   - socket: an absolute path; or, on Linux, a name in the abstract namespace, written with an `@` in front.
    ///   - watchdog: after how much silence the supervisor acts; `nil`: never.
    public init(socket: String, watchdog: Duration? = nil) {
        self.init(socket: socket, watchdog: watchdog, readsEnvironment: false)
    }

    /// The supervisor with the environment read. This is done once, at the start, because `getenv(3)` is unsafe beside
    /// threads that change the environment.
    var resolved: Supervisor {
        guard readsEnvironment else { return self }
        guard let socket = environmentVariable("NOTIFY_SOCKET") else { return .disabled }
        var watchdog: Duration?
        if let microseconds = environmentVariable("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0,
            environmentVariable("WATCHDOG_PID").map(isThisProcess) ?? true
        {
            watchdog = .microseconds(microseconds)
        }
        return Supervisor(socket: socket, watchdog: watchdog)
    }

    /// The same in a simulation, which does not read the environment.
    var simulated: Supervisor { readsEnvironment ? .disabled : self }

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
