import SignalBridge
#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Who is told how a daemon is doing: systemd, or what speaks its `sd_notify(3)` protocol.
///
/// `READY=1` is sent by ``Daemon/notifyReady()``; `RELOADING=1` with `MONOTONIC_USEC` when a reload starts, and `READY=1` after it;
/// `STOPPING=1` when shutdown begins, and `EXTEND_TIMEOUT_USEC` then and every five seconds until the end; `WATCHDOG=1` at
/// half of the watchdog's interval. Each is one datagram. What cannot be sent is reported, as
/// ``DaemonTransition/notificationFailed(_:)``, and disturbs nothing.
public struct Supervisor: Hashable, Sendable {
    let socket: String?
    let watchdog: Duration?
    private let readsEnvironment: Bool

    private init(socket: String?, watchdog: Duration?, readsEnvironment: Bool) {
        self.socket = socket
        self.watchdog = watchdog
        self.readsEnvironment = readsEnvironment
    }

    /// As the environment says: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` unless `WATCHDOG_PID` is another process. Without
    /// these, and in a simulation, nobody is told.
    public static let fromEnvironment = Supervisor(socket: nil, watchdog: nil, readsEnvironment: true)
    /// Nobody.
    public static let disabled = Supervisor(socket: nil, watchdog: nil, readsEnvironment: false)

    /// A datagram socket of one's own choice.
    ///
    /// - Parameters:
    ///   - socket: an absolute path; or, on Linux, a name in the abstract namespace, written with an `@` in front.
    ///   - watchdog: after how much silence the supervisor acts; `nil`: never.
    public init(socket: String, watchdog: Duration? = nil) {
        self.init(socket: socket, watchdog: watchdog, readsEnvironment: false)
    }

    /// With the environment read. `getenv(3)` is no friend of threads that change it, so this is done once, at the start.
    var resolved: Supervisor {
        guard readsEnvironment else { return self }
        guard SignalSimulator.current == nil, let socket = variable("NOTIFY_SOCKET") else { return .disabled }
        var watchdog: Duration?
        if let microseconds = variable("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0,
            variable("WATCHDOG_PID").map({ pid_t($0) == getpid() }) ?? true
        {
            watchdog = .microseconds(microseconds)
        }
        return Supervisor(socket: socket, watchdog: watchdog)
    }

    private func variable(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// One datagram, from a socket that is made for it: none is held, so none can be closed by somebody else.
    func send(_ message: String) throws(SignalBridgeError) {
        guard let name = socket else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard isAbstract || bytes.first == UInt8(ascii: "/"), bytes.count > 1, bytes.count < capacity else {
            throw SignalBridgeError(
                .invalidArgument, nil,
                "NOTIFY_SOCKET is \"\(name)\"; it must be an absolute path or @name, of 2 to \(capacity - 1) bytes")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            path.copyBytes(from: bytes)
            if isAbstract { path[0] = 0 }
        }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        let length = socklen_t(offset + bytes.count + (isAbstract ? 0 : 1))
        #if canImport(Glibc)
            let descriptor = makeSocket(Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue))
            let flags = Int32(MSG_NOSIGNAL)
        #elseif canImport(Darwin)
            let descriptor = makeSocket(SOCK_DGRAM)
            let flags: Int32 = 0
        #else
            let descriptor = makeSocket(SOCK_DGRAM | SOCK_CLOEXEC)
            let flags = Int32(MSG_NOSIGNAL)
        #endif
        guard descriptor >= 0 else { throw .systemCall("socket", nil, errno) }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 1, tv_usec: 0)  // a full socket holds this thread up for a second
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let text = Array(message.utf8)
        let sent = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                var result: Int
                repeat {
                    result = sendto(descriptor, text, text.count, flags, address, length)
                } while result < 0
                    && errno == EINTR
                return result
            }
        }
        if sent < 0 { throw .systemCall("sendto(\(name))", nil, errno) }
    }

}

private func makeSocket(_ type: Int32) -> Int32 { socket(AF_UNIX, type, 0) }
