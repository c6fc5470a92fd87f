// The C library, whatever it is called here: what only a daemon needs of it.
#if canImport(Darwin)
    import Darwin

    private let coreLimit = RLIMIT_CORE
#elseif canImport(Glibc)
    import Glibc

    private let coreLimit = __rlimit_resource_t(RLIMIT_CORE.rawValue)
#elseif canImport(Musl)
    import Musl

    private let coreLimit = RLIMIT_CORE
#endif

/// The errno(3) of the C function that failed last on this thread.
func lastError() -> Int32 { errno }

/// The errno(3) with which `csigshim_run_init_if_needed` refuses a process with threads.
let hasThreads = EBUSY

/// `exit(3)`.
func exitProcess(_ code: Int32) -> Never { exit(code) }

/// Sets the limit to 1 byte: too small for a file, and the value with which Linux starts no core_pattern program either.
func disableCoreDumps() {
    var limit = rlimit()
    guard getrlimit(coreLimit, &limit) == 0 else { return }
    limit.rlim_cur = min(1, limit.rlim_max)
    setrlimit(coreLimit, &limit)
}

/// The value of an environment variable, unless it is empty.
func environmentVariable(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}

func isThisProcess(_ id: String) -> Bool { pid_t(id) == getpid() }

/// The longest name of a datagram socket.
let longestSocketName = MemoryLayout<sockaddr_un>.size - MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! - 1

/// Sends one datagram to a Unix-domain socket, whose name begins with `/`, or with `@` in the abstract namespace. Waits up to
/// a second while the socket is full. The socket is made for this datagram, so that no other code can close it in between.
///
/// - Returns: the name of the system call that failed, and errno; `nil` if none did.
func sendDatagram(_ text: String, to name: String) -> (call: String, errno: Int32)? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(name.utf8)
    let isAbstract = bytes.first == UInt8(ascii: "@")
    withUnsafeMutableBytes(of: &address.sun_path) { path in
        path.copyBytes(from: bytes)
        if isAbstract { path[0] = 0 }
    }
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
    let length = socklen_t(offset + bytes.count + (isAbstract ? 0 : 1))
    #if canImport(Glibc)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let flags = Int32(MSG_NOSIGNAL)
    #elseif canImport(Darwin)
        let descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        let flags: Int32 = 0
    #else
        let descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
        let flags = Int32(MSG_NOSIGNAL)
    #endif
    guard descriptor >= 0 else { return ("socket", errno) }
    defer { close(descriptor) }
    var timeout = timeval(tv_sec: 1, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    let message = Array(text.utf8)
    let sent = withUnsafePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            var result: Int
            repeat {
                result = sendto(descriptor, message, message.count, flags, address, length)
            } while result < 0 && errno == EINTR
            return result
        }
    }
    return sent < 0 ? ("sendto(\(name))", errno) : nil
}

/// Writes a text on standard error as one line, in one piece if the system takes it so.
func printError(_ text: String) {
    let bytes = Array(text.map { $0.isNewline ? " " : $0 } + "\n").flatMap { $0.utf8 }
    var written = 0
    while written < bytes.count {
        let count = bytes[written...].withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        if count < 0 && errno != EINTR { return }
        written += max(0, count)
    }
}
