// The C library, whose module has another name on each system: the functions that only a daemon needs.
import SignalBridge

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

/// The errno(3) of a descriptor that is not open.
let isNotOpen = EBADF

/// `exit(3)`.
func exitProcess(_ code: Int32) -> Never { exit(code) }

/// Sets the limit of core dumps to 1 byte. That is too small for a file, and with this value Linux does not start a
/// core_pattern program.
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

func removeEnvironmentVariable(_ name: String) { unsetenv(name) }

/// Whether the process is a child of this one that was not waited for: `waitid(2)`, which leaves its status.
func isUnreapedChild(_ process: Int32) -> Bool {
    if process <= 0 { return false }
    var info = siginfo_t()
    var result: Int32
    repeat {
        result = waitid(P_PID, id_t(process), &info, WEXITED | WNOHANG | WNOWAIT)
    } while result != 0 && errno == EINTR
    return result == 0
}

/// Kills a child that was not waited for, or its process group, if it leads one.
func killChild(_ process: Int32) { kill(getpgid(process) == process ? -process : process, SIGKILL) }

/// The device and the inode of an open file; `nil`: the descriptor is not open.
func fileIdentity(of descriptor: Int32) -> [UInt64]? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    return [UInt64(truncatingIfNeeded: status.st_dev), UInt64(truncatingIfNeeded: status.st_ino)]
}

/// Notifies a supervisor such as s6 that the program is ready, by a line on the descriptor, which is then closed.
/// Returns errno or 0.
func reportReadiness(on descriptor: Int32) -> Int32 {
    var (line, result): (UInt8, Int) = (UInt8(ascii: "\n"), 0)
    repeat {
        result = write(descriptor, &line, 1)
    } while result < 0 && errno == EINTR
    let failure = result < 0 ? errno : 0
    close(descriptor)
    return failure
}

/// The signals that signalfds of this process take, as proc(5) shows them. On Linux, Dispatch has a signalfd for each
/// of its signal sources.
func signalsReadByDescriptors() -> Set<SignalNumber> {
    guard let directory = opendir("/proc/self/fdinfo") else { return [] }
    defer { closedir(directory) }
    var mask: UInt64 = 0
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) {
            String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
        }
        forEachLine(of: "/proc/self/fdinfo/\(name)") { line in
            guard line.hasPrefix("sigmask:") else { return }
            mask |= UInt64(line.dropFirst(8).filter { !$0.isWhitespace }, radix: 16) ?? 0
        }
    }
    return Set((1...64).filter { mask >> ($0 - 1) & 1 == 1 }.map { SignalNumber(rawValue: $0) })
}

/// The address of the function that handles a signal; `nil` if that is unknown.
func handlerAddress(of signal: SignalNumber) -> UInt? {
    #if canImport(Glibc)
        var action = sigaction()
        guard sigaction(signal.rawValue, nil, &action) == 0 else { return nil }
        return UInt(bitPattern: unsafeBitCast(action.__sigaction_handler.sa_handler, to: OpaquePointer?.self))
    #else
        return nil
    #endif
}

/// Whether the function belongs to the library of Dispatch; `false` if Dispatch is linked into the program.
func isPartOfDispatch(_ address: UInt?) -> Bool {
    var isFound = false
    guard let address else { return false }
    forEachLine(of: "/proc/self/maps") { line in
        guard line.contains("libdispatch") else { return }
        let range = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
        if range.count == 2, (range[0]..<range[1]).contains(address) { isFound = true }
    }
    return isFound
}

private func forEachLine(of path: String, _ body: (String) -> Void) {
    guard let file = fopen(path, "re") else { return }
    defer { fclose(file) }
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { line in
        while fgets(line.baseAddress!, Int32(line.count), file) != nil { body(String(cString: line.baseAddress!)) }
    }
}

func isThisProcess(_ id: String) -> Bool { pid_t(id) == getpid() }

/// The length of the longest name of a datagram socket.
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
        if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
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

/// Writes a text on standard error as one line, with one system call if possible.
func printError(_ text: String) {
    let bytes = Array(text.map { $0.isNewline ? " " : $0 } + "\n").flatMap { $0.utf8 }
    var written = 0
    while written < bytes.count {
        let count = bytes[written...].withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        if count < 0 && errno != EINTR { return }
        written += max(0, count)
    }
}
