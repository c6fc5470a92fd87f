#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The standard streams.
enum Terminal {
    /// Standard output has colours on a terminal, unless `NO_COLOR` or `TERM=dumb` is set.
    static var style: TextStyle {
        let terminal = getenv("TERM").map { String(cString: $0) }
        let isRefused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        return TextStyle(isColored: isatty(1) == 1 && !isRefused && terminal != "dumb")
    }

    static func print(_ lines: [String]) {
        write(lines.joined(separator: "\n") + "\n", to: 1)
    }

    static func complain(_ text: String) {
        write("signals: \(text)\n", to: 2)
    }

    /// The time of day, such as "22:41:03".
    static var clock: String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { ($0 < 10 ? "0" : "") + String($0) }.joined(
            separator: ":")
    }

    static func exit(_ status: Int32) -> Never {
        #if canImport(Darwin)
            Darwin.exit(status)
        #elseif canImport(Glibc)
            Glibc.exit(status)
        #elseif canImport(Musl)
            Musl.exit(status)
        #endif
    }

    /// Writes without a buffer, so that the output of `watch` appears at once. If the reader has gone, the program
    /// ends.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { writeBytes(descriptor, $0) }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN {  // another process made the terminal or pipe non-blocking
                var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&state, 1, -1)
                continue
            }
            if count < 0 { exit(1) }
            bytes = bytes.dropFirst(count)
        }
    }

    private static func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Darwin)
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Glibc)
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
            Musl.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }
}
